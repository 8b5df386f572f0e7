//! Interrupts: the first cancels what runs, so that backends are told; the second ends at once.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::diagnostics::Failure;
use crate::exit::Exit;

/// How long a cancelled call may take to end.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs `work`; on SIGINT or SIGTERM cancels `token` and waits a little for it to end.
///
/// `after` gets what `work` then ends with, and the exit code of the signal.
pub(crate) async fn interruptible<T>(
    token: &CancellationToken,
    work: impl Future<Output = Result<T, Failure>>,
    after: impl FnOnce(T, Exit) -> T,
) -> Result<T, Failure> {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return work.await;
    };
    tokio::pin!(work);
    let exit = tokio::select! {
        outcome = &mut work => return outcome,
        exit = next(&mut interrupt, &mut terminate) => exit,
    };
    token.cancel();
    tokio::select! {
        outcome = tokio::time::timeout(PATIENCE, &mut work) => match outcome {
            Ok(Ok(done)) => Ok(after(done, exit)),
            Ok(Err(failure)) => Err(failure.exit_with(exit)),
            Err(_) => Err(Failure::silent(exit)),
        },
        again = next(&mut interrupt, &mut terminate) => Err(Failure::silent(again)),
    }
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> Exit {
    tokio::select! {
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
    }
}
