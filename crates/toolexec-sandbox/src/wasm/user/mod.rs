//! Modules that users hand in: programs of the language `wasm`.
//!
//! A module does not speak the wire of guests. What it imports does so in its place, in this
//! process, on the other end of the same byte stream: the host loop, its budget and its limits
//! are those of every other program.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "failures are boxed where they are made, so that results stay small"
)]

mod abi;
mod compiler;
mod component;
mod link;
mod meter;
mod module;
mod output;
mod screen;
mod state;
mod stop;
mod wasi;

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use toolexec_core::sandbox::Language;
use toolexec_wire::{
    Failure, FailureKind, FrameError, GuestUsage, Hello, MAX_FRAME, PROTOCOL, Start, ToGuest,
    ToHost, encode,
};
use wasmtime::{Result, Store, Trap, WasmBacktrace};

pub(super) use compiler::Compiler;
use compiler::Prepared;
use link::Link;
use meter::Meter;
use state::State;
use stop::{Stop, failure};

use super::instance::Watched;
use super::pipe::Pipe;

/// Runs a module for the host at the other end of `pipe`, until that hangs up.
pub(super) async fn serve(
    pipe: Pipe,
    compiler: Compiler,
    module: Arc<[u8]>,
    watched: Arc<Watched>,
) -> Result<()> {
    let mut link = Link::new(pipe);
    let hello = Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        languages: vec![Language::Wasm],
        max_frame: MAX_FRAME,
    };
    link.send(&ToHost::Hello(hello)).await?;
    while let Some(message) = link.receive().await? {
        // Answers to a program that ended, and its cancellation, come late.
        let ToGuest::Start(start) = message else {
            continue;
        };
        let prepared = compiler.prepare(&module).await;
        let reply = match prepared {
            Ok(_) if start.check_only => checked(Vec::new()),
            Err(failure) if start.check_only => checked(vec![*failure]),
            Err(error) => ToHost::Failed {
                error: *error,
                usage: GuestUsage::default(),
                kept: None,
            },
            Ok(prepared) => {
                let meter = Meter::new(start.limits.memory_bytes, watched.clone());
                let (back, reply) = run(&compiler, &prepared, link, meter, &start).await?;
                link = back;
                reply
            }
        };
        link.forget();
        link.send(&reply).await?;
    }
    Ok(())
}

fn checked(problems: Vec<Failure>) -> ToHost {
    ToHost::Checked {
        problems,
        calls: Vec::new(),
    }
}

/// Runs a module in a store of its own.
async fn run(
    compiler: &Compiler,
    prepared: &Prepared,
    link: Link,
    meter: Meter,
    start: &Start,
) -> Result<(Link, ToHost)> {
    let started = Instant::now();
    let state = State::new(link, meter, &start.inputs)?;
    let mut store = Store::try_new(&compiler.machine().engine, state)?;
    store.limiter(|state| &mut state.meter);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    let ran = match prepared {
        Prepared::Core(module) => module.run(&mut store).await,
        Prepared::Component(component) => component.run(&mut store).await,
    };
    let ran = match ran {
        Err(error)
            if error
                .downcast_ref::<Stop>()
                .is_some_and(|stop| matches!(stop, Stop::Exit(0))) =>
        {
            Ok(())
        }
        ran => ran,
    };
    let refused = store.data().meter.has_refused();
    // What was printed last is of use after a failure, too.
    let value = store.data_mut().finish().await;
    let ended = ran.and(value).map_err(|error| why(&error, refused));
    let usage = GuestUsage {
        run_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        memory_bytes: Some(store.data().meter.peak() as u64),
    };
    let link = store.into_data().link;
    Ok((link, reply(ended, usage)))
}

fn reply(ended: Result<Value, Box<Failure>>, usage: GuestUsage) -> ToHost {
    let error = match ended {
        Err(error) => error,
        Ok(value) => {
            let done = ToHost::Done { value, usage };
            match encode(&done, MAX_FRAME, &mut Vec::new()) {
                Err(FrameError::TooLarge { size, limit }) => failure(
                    FailureKind::ResultSize,
                    format!(
                        "the value has {size} bytes of JSON, more than the {limit} it may have"
                    ),
                ),
                _ => return done,
            }
        }
    };
    ToHost::Failed {
        error: *error,
        usage,
        kept: None,
    }
}

/// Why a module did not end in peace.
fn why(error: &wasmtime::Error, refused: bool) -> Box<Failure> {
    let mut failure = match error.downcast_ref::<Stop>() {
        Some(Stop::Failed(failure)) => failure.clone(),
        Some(Stop::Exit(status)) => failure(
            FailureKind::Exception,
            format!("the module ended with status {status}"),
        ),
        Some(Stop::Cancelled(reason)) => failure(FailureKind::Cancelled, reason),
        Some(Stop::Memory) => out_of_memory(),
        Some(Stop::Closed) => failure(FailureKind::Cancelled, "the host is gone"),
        None => match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => failure(
                FailureKind::Memory,
                "the module recursed deeper than its stack",
            ),
            // A module whose memory may not grow ends itself.
            _ if refused => out_of_memory(),
            Some(trap) => trapped(*trap),
            None => failure(
                FailureKind::Exception,
                format!("the module failed: {}", error.root_cause()),
            ),
        },
    };
    failure.trace = error.downcast_ref().map_or_else(Vec::new, trace);
    failure
}

fn trapped(trap: Trap) -> Box<Failure> {
    let what = trap.to_string();
    let what = what.strip_prefix("wasm trap: ").unwrap_or(&what);
    let mut failure = failure(
        FailureKind::Exception,
        format!("the module trapped: {what}"),
    );
    failure.name = Some("Trap".to_owned());
    if trap == Trap::UnreachableCodeReached {
        failure.hints = vec!["what it printed to stderr says why, if it panicked".to_owned()];
    }
    failure
}

fn out_of_memory() -> Box<Failure> {
    failure(
        FailureKind::Memory,
        "the module needs more memory than it may have",
    )
}

/// The functions that were running, the innermost first.
fn trace(backtrace: &WasmBacktrace) -> Vec<String> {
    let frames = backtrace.frames().iter();
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        Some(name) => format!("in {name}"),
        None => format!("in function {}", frame.func_index()),
    };
    frames.map(name).collect()
}
