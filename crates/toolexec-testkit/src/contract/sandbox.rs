//! What every sandbox must do. The numbers are those of the rules on
//! [`Sandbox`] and [`Guest`].

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use toolexec_core::sandbox::{Ended, Guest, Language, Limits, Sandbox, Session, SessionSpec};
use toolexec_wire::{FrameReader, GuestLimits, MAX_FRAME, Start, ToGuest, ToHost, encode};

/// The programs that a suite runs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The language of all of them.
    pub language: Language,
    /// A program with the value 2.
    pub two: &'static str,
    /// A program that never ends and never calls.
    pub endless: &'static str,
}

/// How long anything may take that does not wait for a program.
const SOON: Duration = Duration::from_secs(20);
/// How much a sandbox may buffer for a guest that does not read. The port of a virtual machine alone
/// holds 4 MiB.
const MAX_BUFFERED: usize = 5 << 20;

/// Runs the whole suite.
///
/// # Panics
/// When a rule does not hold.
pub async fn all(sandbox: &dyn Sandbox, programs: &Programs) {
    probing_is_repeatable(sandbox).await;
    every_guest_is_fresh(sandbox, programs).await;
    a_killed_guest_is_at_its_end(sandbox, programs).await;
    a_guest_that_computes_lets_others_run(sandbox, programs).await;
    what_is_not_read_stops_the_writer(sandbox, programs).await;
    only_what_is_described_is_enforced(sandbox, programs).await;
    dropped_guests_make_room(sandbox, programs).await;
}

/// Sandbox 1: probing answers, and answers again.
///
/// # Panics
/// When the rule does not hold.
pub async fn probing_is_repeatable(sandbox: &dyn Sandbox) {
    for _ in 0..2 {
        let probe = tokio::time::timeout(SOON, sandbox.probe()).await;
        assert_eq!(probe.map(|found| found.is_ok()), Ok(true));
    }
}

/// Sandbox 2, guest 1: each guest greets and runs a program, next to others.
///
/// # Panics
/// When the rule does not hold.
pub async fn every_guest_is_fresh(sandbox: &dyn Sandbox, programs: &Programs) {
    let mut first = start(sandbox, programs).await;
    let mut second = start(sandbox, programs).await;
    for session in [&mut first, &mut second] {
        let hello = receive(session).await;
        assert!(matches!(hello, Some(ToHost::Hello(_))), "{hello:?}");
    }
    for session in [&mut second, &mut first] {
        send(session, programs, programs.two).await;
        let done = receive(session).await;
        let Some(ToHost::Done { value, .. }) = done else {
            unreachable!("the program has a value, not {done:?}");
        };
        assert_eq!(value, Value::from(2));
    }
}

/// Guest 3 and 4: a killed guest is at its end and says why.
///
/// # Panics
/// When the rule does not hold.
pub async fn a_killed_guest_is_at_its_end(sandbox: &dyn Sandbox, programs: &Programs) {
    let mut session = start(sandbox, programs).await;
    receive(&mut session).await;
    send(&mut session, programs, programs.endless).await;
    session.kill();
    session.kill();
    assert_eq!(receive(&mut session).await, None);
    assert_eq!(session.ended(), Some(Ended::Killed));
}

/// Guest 5: a guest that computes without end does not keep the thread.
///
/// # Panics
/// When the rule does not hold.
pub async fn a_guest_that_computes_lets_others_run(sandbox: &dyn Sandbox, programs: &Programs) {
    let mut session = start(sandbox, programs).await;
    receive(&mut session).await;
    send(&mut session, programs, programs.endless).await;
    let started = Instant::now();
    let nothing = tokio::time::timeout(Duration::from_millis(100), receive(&mut session)).await;
    assert!(nothing.is_err(), "{nothing:?}");
    let took = started.elapsed();
    assert!(
        took < Duration::from_secs(2),
        "the timer came after {took:?}"
    );
}

/// Guest 2: what is buffered for a guest that does not read is bounded.
///
/// # Panics
/// When the rule does not hold.
pub async fn what_is_not_read_stops_the_writer(sandbox: &dyn Sandbox, programs: &Programs) {
    let mut session = start(sandbox, programs).await;
    receive(&mut session).await;
    send(&mut session, programs, programs.endless).await;
    let piece = vec![0; 64 << 10];
    let mut buffered = 0;
    // A guest that looks at what comes finds no frames in it and ends; that stops a writer too.
    let _ = tokio::time::timeout(Duration::from_millis(500), async {
        while let Some(written) = write_some(&mut session, &piece).await
            && buffered <= MAX_BUFFERED
        {
            buffered += written;
        }
    })
    .await;
    assert!(buffered <= MAX_BUFFERED, "{buffered} bytes were taken");
}

/// Guest 6: a guest claims no limit that its sandbox does not.
///
/// # Panics
/// When the rule does not hold.
pub async fn only_what_is_described_is_enforced(sandbox: &dyn Sandbox, programs: &Programs) {
    let described = sandbox.describe().enforcement;
    let session = start(sandbox, programs).await;
    for claim in session.enforcement() {
        assert!(described.contains(&claim), "{claim:?}");
    }
}

/// Sandbox 4 and 5: guests that are dropped in the middle of something make room for others.
///
/// # Panics
/// When the rule does not hold.
pub async fn dropped_guests_make_room(sandbox: &dyn Sandbox, programs: &Programs) {
    for _ in 0..20 {
        let mut session = start(sandbox, programs).await;
        receive(&mut session).await;
        send(&mut session, programs, programs.endless).await;
        let _ = tokio::time::timeout(Duration::from_millis(2), receive(&mut session)).await;
    }
    every_guest_is_fresh(sandbox, programs).await;
}

async fn start(sandbox: &dyn Sandbox, programs: &Programs) -> Session {
    let spec = SessionSpec::new(programs.language, Limits::standard());
    let started = tokio::time::timeout(SOON, sandbox.start(spec)).await;
    match started {
        Ok(Ok(session)) => session,
        other => unreachable!("a guest starts: {other:?}"),
    }
}

async fn send(session: &mut Session, programs: &Programs, source: &str) {
    let start = ToGuest::Start(Start {
        language: programs.language,
        source: source.to_owned(),
        inputs: Map::new(),
        limits: GuestLimits::default(),
        keep: false,
        check_only: false,
        files: false,
    });
    let mut bytes = Vec::new();
    let encoded = encode(&start, MAX_FRAME, &mut bytes);
    assert!(encoded.is_ok());
    let sent = session.write_all(&bytes).await;
    assert!(sent.is_ok(), "{sent:?}");
    let _ = session.flush().await;
}

/// The next message; `None` at the end.
async fn receive(session: &mut Session) -> Option<ToHost> {
    let mut reader = FrameReader::new(MAX_FRAME);
    let mut piece = [0; 4096];
    loop {
        if let Ok(Some(message)) = reader.next_message() {
            return Some(message);
        }
        let read = session.read(&mut piece).await.ok()?;
        if read == 0 {
            return None;
        }
        reader.push(&piece[..read]);
    }
}

/// Writes what is taken at once, and lets the guest run while nothing is; `None` when nothing
/// will be taken any more.
async fn write_some(session: &mut Session, bytes: &[u8]) -> Option<usize> {
    let mut piece = [0; 4096];
    poll_fn(|cx| {
        let written = Pin::new(&mut *session).poll_write(cx, bytes);
        if let Poll::Ready(written) = written {
            return Poll::Ready(written.ok().filter(|written| *written > 0));
        }
        let mut buffer = tokio::io::ReadBuf::new(&mut piece);
        let _ = tokio::io::AsyncRead::poll_read(Pin::new(&mut *session), cx, &mut buffer);
        Poll::Pending
    })
    .await
}
