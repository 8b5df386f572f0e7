//! A session: greets the host, then runs the programs it sends, one after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use toolexec_wire::{
    Failure, FailureKind, GuestLimits, GuestUsage, Hello, Language, MAX_FRAME, PROTOCOL, Start,
    ToGuest, ToHost,
};

use crate::engine::{self, Engine};
use crate::host::{Broken, Channel, Host, check_depth, failure};

/// Serves a host until it hangs up.
///
/// # Errors
/// When the host breaks the protocol or the stream fails.
pub fn serve(channel: impl Channel + 'static) -> Result<(), Broken> {
    serve_with(channel, None)
}

/// Serves a host until it hangs up, and is ready for a language before it says hello: another
/// engine of it has run a program by then, so that what a program needs of the guest's own file
/// is in memory.
///
/// # Errors
/// When the host breaks the protocol or the stream fails.
pub fn serve_warm(channel: impl Channel + 'static, language: Language) -> Result<(), Broken> {
    rehearse(language);
    serve_with(channel, engine::warm(language))
}

/// Runs a program in an engine of its own, with a host that hangs up at its first call.
fn rehearse(language: Language) {
    let start = Start {
        language,
        source: "tools.a.b({\"c\": 1 + 1})".into(),
        inputs: serde_json::Map::new(),
        limits: GuestLimits::default(),
        keep: false,
        check_only: false,
        files: false,
    };
    if let Some(mut engine) = engine::create(language) {
        let host = Host::new(Nobody);
        host.begin(&start);
        // It ends with the host that hangs up.
        let _ = guarded(|| engine.run(&start, &host));
    }
}

/// Nobody answers, and nobody listens.
struct Nobody;

impl Channel for Nobody {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Ok(0)
    }

    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

/// Serves a host until it hangs up, with an engine that is there already for the first program.
///
/// # Errors
/// When the host breaks the protocol or the stream fails.
pub fn serve_with(
    channel: impl Channel + 'static,
    ready: Option<(Language, Box<dyn Engine>)>,
) -> Result<(), Broken> {
    let mut session = Session::greet(channel, ready)?;
    while session.serve_one()? {}
    Ok(())
}

/// A host that was greeted, and what its programs left. Between two programs all of it is here.
pub struct Session {
    host: Host,
    // At most one of each family.
    engines: Vec<(Language, Box<dyn Engine>)>,
}

impl Session {
    /// Says hello, with an engine that is there already for the first program.
    ///
    /// # Errors
    /// When the stream fails.
    pub fn greet(
        channel: impl Channel + 'static,
        ready: Option<(Language, Box<dyn Engine>)>,
    ) -> Result<Self, Broken> {
        let host = Host::new(channel);
        host.send(&ToHost::Hello(Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").into(),
            languages: engine::languages(),
            max_frame: MAX_FRAME,
        }))?;
        let ready = ready.map(|(language, engine)| (family(language), engine));
        Ok(Self {
            host,
            engines: ready.into_iter().collect(),
        })
    }

    /// Runs the next program that the host sends; no when it hung up instead.
    ///
    /// # Errors
    /// When the host breaks the protocol or the stream fails.
    pub fn serve_one(&mut self) -> Result<bool, Broken> {
        match self.host.next_message()? {
            Some(ToGuest::Start(start)) => self.start(&start)?,
            // Left out by `next_message`.
            Some(ToGuest::Answer { .. } | ToGuest::Cancel { .. }) => {}
            None => return Ok(false),
        }
        Ok(true)
    }

    fn start(&mut self, start: &Start) -> Result<(), Broken> {
        self.host.begin(start);
        let Some(mut engine) = self.take_engine(start.language) else {
            return self.host.send(&ToHost::Failed {
                error: *unknown_language(start.language),
                usage: GuestUsage::default(),
                kept: None,
            });
        };
        if start.check_only {
            let (problems, calls) = guarded(|| engine.check(start, &self.host))
                .unwrap_or_else(|failure| (vec![*failure], Vec::new()));
            self.engines.push((family(start.language), engine));
            return self.host.send(&ToHost::Checked { problems, calls });
        }
        let result = guarded(|| engine.run(start, &self.host)).flatten();
        let result = result.and_then(|value| sized(value, start));
        let usage = GuestUsage {
            run_us: u64::try_from(self.host.run_time().as_micros()).unwrap_or(u64::MAX),
            memory_bytes: engine.memory(),
        };
        let survived = result.as_ref().err();
        let survived = survived.is_none_or(|failure| leaves_engine(failure, &*engine));
        if start.keep && survived {
            self.engines.push((family(start.language), engine));
        }
        if let Some(broken) = self.host.broken() {
            return Err(broken);
        }
        self.host.send(&match result {
            Ok(value) => ToHost::Done { value, usage },
            Err(error) => ToHost::Failed {
                error: *error,
                usage,
                kept: Some(survived),
            },
        })
    }

    fn take_engine(&mut self, language: Language) -> Option<Box<dyn Engine>> {
        let family = family(language);
        let kept = self.engines.iter().position(|(of, _)| *of == family);
        match kept {
            Some(at) => Some(self.engines.swap_remove(at).1),
            None => engine::create(language),
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// The languages that share an engine.
fn family(language: Language) -> Language {
    match language {
        Language::JavaScript | Language::TypeScript | Language::Script => Language::JavaScript,
        other => other,
    }
}

/// Whether an engine can be used after this failure.
fn leaves_engine(failure: &Failure, engine: &dyn Engine) -> bool {
    match failure.kind {
        FailureKind::Memory | FailureKind::Internal => false,
        FailureKind::Time | FailureKind::Cancelled => engine.is_whole(),
        _ => true,
    }
}

/// A panic of an engine ends its program, not the session.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, Box<Failure>> {
    catch_unwind(AssertUnwindSafe(run))
        .map_err(|_| failure(FailureKind::Internal, "the engine failed on this program"))
}

fn sized(value: Value, start: &Start) -> Result<Value, Box<Failure>> {
    check_depth(&value).map_err(|message| failure(FailureKind::ResultSize, message))?;
    // The message around the value needs some room in the frame.
    let most = start
        .limits
        .result_bytes
        .unwrap_or(u64::MAX)
        .min(MAX_FRAME as u64 - 1024);
    let mut counter = Counter(0);
    let _ = serde_json::to_writer(&mut counter, &value);
    if counter.0 <= most {
        return Ok(value);
    }
    let message = format!(
        "the value is {} bytes of JSON, more than the {most} it may be",
        counter.0
    );
    let mut failure = failure(FailureKind::ResultSize, message);
    failure.hints =
        vec!["return only what is needed: filter, count or cut before returning".into()];
    Err(failure)
}

fn unknown_language(language: Language) -> Box<Failure> {
    let known: Vec<_> = engine::languages()
        .iter()
        .map(|known| format!("{known:?}"))
        .collect();
    let mut failure = failure(
        FailureKind::Unsupported,
        format!("this guest does not run {language:?}"),
    );
    failure.hints = vec![format!("this guest runs {}", known.join(", "))];
    failure
}

/// Counts what is written.
struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
