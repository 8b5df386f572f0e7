//! How fast the counter of this machine's processor counts, from which an emulated machine has
//! its time: it cannot find that out itself while others use the processor.

use std::time::{Duration, Instant};

/// How long is measured: a ten-thousandth is as good as a clock.
const MEASURED: Duration = Duration::from_millis(25);
/// How far the readings of both clocks may lie apart.
const APART: Duration = Duration::from_micros(2);

/// Counts in a millisecond. Takes a moment.
pub(crate) fn counter_khz() -> u64 {
    let (start, from) = reading();
    std::thread::sleep(MEASURED);
    let (end, to) = reading();
    let counts = u128::from(to.wrapping_sub(from)) * 1_000_000;
    let nanos = end.duration_since(start).as_nanos().max(1);
    u64::try_from(counts / nanos).unwrap_or_default()
}

/// Both clocks at the same time.
fn reading() -> (Instant, u64) {
    let mut best: Option<(Duration, Instant, u64)> = None;
    for _ in 0..1000 {
        let before = Instant::now();
        let count = counter();
        let apart = before.elapsed();
        if best.is_none_or(|(least, ..)| apart < least) {
            best = Some((apart, before, count));
        }
        if apart < APART {
            break;
        }
    }
    best.map_or_else(|| (Instant::now(), counter()), |(_, at, count)| (at, count))
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "no library reads it")]
fn counter() -> u64 {
    // SAFETY: every processor of this kind has the instruction, and it changes nothing.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Elsewhere QEMU counts nanoseconds.
#[cfg(not(target_arch = "x86_64"))]
fn counter() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let since = START.get_or_init(Instant::now).elapsed();
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_counts_and_does_so_evenly() {
        let (one, other) = (counter_khz(), counter_khz());
        assert!(one > 100_000, "{one}");
        assert!(one.abs_diff(other) < one / 100, "{one} {other}");
    }
}
