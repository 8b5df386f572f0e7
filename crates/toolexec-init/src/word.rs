//! The host's word to a machine that waits: a line of `name=value`.

use std::time::Duration;

/// The host's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// Since 1970.
    pub(crate) time: Duration,
    /// Of random numbers.
    pub(crate) seed: Vec<u8>,
    /// How many processes and threads the guest may have.
    pub(crate) pids: u64,
    /// The arguments of the guest.
    pub(crate) args: Vec<String>,
    /// Whether there is a disk with programs, and how many bytes they may write.
    pub(crate) disk: Option<u64>,
    /// The port on which the word may come once more, where it may.
    pub(crate) again: Option<String>,
}

impl Word {
    /// Reads a line. Nothing, when it is not one that this version knows.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut word = Self {
            time: Duration::ZERO,
            seed: Vec::new(),
            pids: 0,
            args: Vec::new(),
            disk: None,
            again: None,
        };
        for field in line.split_whitespace() {
            let (name, value) = field.split_once('=')?;
            match name {
                "time" => {
                    let (seconds, nanos) = value.split_once('.')?;
                    word.time = Duration::new(seconds.parse().ok()?, nanos.parse().ok()?);
                }
                "seed" => word.seed = bytes(value)?,
                "pids" => word.pids = value.parse().ok()?,
                "arg" => word.args.push(value.to_owned()),
                "disk" => word.disk = Some(value.parse().ok()?),
                "again" => word.again = Some(value.to_owned()),
                _ => return None,
            }
        }
        let is_whole = !word.time.is_zero() && word.seed.len() >= 32 && word.pids > 0;
        is_whole.then_some(word)
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = |at: usize| hex.get(at..at + 2);
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits(at)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_word_is_taken() {
        let seed = "0f".repeat(32);
        let line = format!(
            "time=1700000000.5 seed={seed} pids=8 arg=--warm arg=python disk=4096 again=/dev/a"
        );
        let wanted = Word {
            time: Duration::new(1_700_000_000, 5),
            seed: vec![15; 32],
            pids: 8,
            args: vec!["--warm".to_owned(), "python".to_owned()],
            disk: Some(4096),
            again: Some("/dev/a".to_owned()),
        };
        assert_eq!(Word::parse(&line), Some(wanted));
        for less in [
            "",
            "time=1.0 pids=8",
            &line.replace("0f", "0g"),
            &line.replace(".5", ""),
            &format!("{line} new=1"),
            &line.replace("pids=8", "pids=-1"),
        ] {
            assert_eq!(Word::parse(less), None, "{less}");
        }
    }
}
