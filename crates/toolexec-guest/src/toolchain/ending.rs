//! The end of a process that did not say how its program ended.

use std::os::unix::process::ExitStatusExt;

use serde_json::Value;
use toolexec_wire::{Failure, FailureKind};

use super::bridge::{End, Exited};
use crate::host::failure;

const SIGKILL: i32 = 9;

/// The value of a program whose process says how it ended.
pub(super) fn value(end: End) -> Result<Value, Box<Failure>> {
    match end {
        End::Done(value) => Ok(value),
        End::Failed(failure) => Err(failure),
        End::Exited(exited) if is_peaceful(&exited) => Ok(exited.result.unwrap_or(Value::Null)),
        End::Exited(exited) => Err(self::exited(&exited)),
    }
}

/// Whether it ended with status 0.
pub(super) fn is_peaceful(exited: &Exited) -> bool {
    exited.status.is_some_and(|status| status.success())
}

/// A process that ended without a word.
pub(super) fn exited(exited: &Exited) -> Box<Failure> {
    let status = exited.status.unwrap_or_default();
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (_, Some(signal)) => format!("was ended by signal {signal}"),
        _ => "ended".to_owned(),
    };
    let said = exited
        .said
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty());
    let message = match said {
        Some(said) => format!("the program {how}: {said}"),
        None => format!("the program {how} before it had a value"),
    };
    let mut failure = failure(FailureKind::Exception, message);
    failure.name = Some("Exit".into());
    if status.signal() == Some(SIGKILL) {
        // Nobody else kills one process of a program: the host ends the guest with it.
        "the program was killed, as the kernel does when there is no memory left"
            .clone_into(&mut failure.message);
        failure.kind = FailureKind::Memory;
    }
    let starved = ["out of memory", "Cannot allocate memory", "MemoryError"];
    if starved.iter().any(|words| exited.said.contains(words)) {
        failure.kind = FailureKind::Memory;
    }
    failure
}
