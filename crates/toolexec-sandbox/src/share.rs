//! A share of the processors, as the kernel counts it.

/// How much CPU time a share is counted over, in microseconds.
pub(crate) const PERIOD: u64 = 100_000;
/// The least of a period that the kernel takes.
const LEAST: u64 = 1000;

/// Processors in thousandths, as containers are told apart by.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive share of processors"
)]
pub(crate) fn thousandths(cpus: f64) -> u64 {
    ((cpus * 1000.0) as u64).max(1)
}

/// Thousandths of a processor as microseconds of each [`PERIOD`].
pub(crate) fn quota(thousandths: u64) -> u64 {
    (thousandths.saturating_mul(PERIOD) / 1000).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_time_of_each_period_and_never_less_than_the_kernel_takes() {
        let quotas = [0.0001, 0.5, 2.0].map(|cpus| quota(thousandths(cpus)));
        assert_eq!(quotas, [1000, 50_000, 200_000]);
        assert_eq!(quota(u64::MAX), u64::MAX / 1000);
    }
}
