//! Programs that work for the guest, such as a compiler: they run to their end.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use toolexec_wire::{Failure, Stream};

use super::child::Running;
use crate::host::Host;

/// The most that is kept of what one writes.
const MOST: usize = 256 << 10;
/// How often the host is looked at, which may cancel.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What one did.
#[derive(Debug, Default)]
pub(super) struct Finished {
    pub(super) success: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Waits for the end of a helper, or for the host to cancel.
pub(super) fn finish(mut running: Running, host: &Host) -> Result<Finished, Box<Failure>> {
    let mut finished = Finished::default();
    let mut ended = false;
    while !ended {
        // No call is open, so no answer comes.
        host.try_next()?;
        ended = wait(&running);
        for output in &mut running.streams {
            let kept = match output.stream {
                Stream::Stdout => &mut finished.stdout,
                Stream::Stderr => &mut finished.stderr,
            };
            while let Some(text) = output.read() {
                let room = MOST.saturating_sub(kept.len());
                kept.push_str(
                    text.get(..text.floor_char_boundary(room))
                        .unwrap_or_default(),
                );
            }
        }
    }
    finished.success = running.status().is_some_and(|status| status.success());
    Ok(finished)
}

/// Waits until there is something to read; whether it ended.
fn wait(running: &Running) -> bool {
    let Some(ended) = running.ended() else {
        return true;
    };
    let [out, err] = &running.streams;
    let mut fds = vec![PollFd::from_borrowed_fd(ended, PollFlags::IN)];
    for output in [out, err] {
        fds.extend(
            output
                .fd()
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
        );
    }
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: LOOK_EVERY.subsec_nanos().into(),
    };
    // Interrupted, or late: it is asked again.
    let _ = poll(&mut fds, Some(&timeout));
    fds.first().is_some_and(|ended| !ended.revents().is_empty())
}
