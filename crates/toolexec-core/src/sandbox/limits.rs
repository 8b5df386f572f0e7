//! What a program may use.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// What a program may use. `None` means that nobody asked for a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Time in which the program itself runs. It stops while the program waits for answers.
    pub run_time: Option<Duration>,
    /// Time in which the program waits for answers, all waits together.
    pub wait_time: Option<Duration>,
    /// CPU time, in seconds of one processor.
    pub cpu_time: Option<Duration>,
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Calls of tools, steps of chains included.
    pub tool_calls: Option<u64>,
    /// Calls that run at the same time. More calls wait for their turn.
    pub parallel_calls: Option<u64>,
    /// Steps of one chain.
    pub chain_steps: Option<u64>,
    /// Bytes that the program prints and logs.
    pub output: Option<u64>,
    /// Bytes of the value, as JSON.
    pub result: Option<u64>,
    /// Processors: a share, not a time.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Bytes written to disk.
    pub disk: Option<u64>,
    /// Bytes of the files that the program leaves.
    pub file_bytes: Option<u64>,
    /// Files that the program leaves.
    pub files: Option<u64>,
}

/// The name of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LimitName {
    /// [`Limits::run_time`], in milliseconds.
    RunTime,
    /// [`Limits::wait_time`], in milliseconds.
    WaitTime,
    /// [`Limits::cpu_time`], in milliseconds.
    CpuTime,
    /// [`Limits::memory`], in bytes.
    Memory,
    /// [`Limits::tool_calls`].
    ToolCalls,
    /// [`Limits::parallel_calls`].
    ParallelCalls,
    /// [`Limits::chain_steps`].
    ChainSteps,
    /// [`Limits::output`], in bytes.
    Output,
    /// [`Limits::result`], in bytes.
    Result,
    /// [`Limits::cpus`].
    Cpus,
    /// [`Limits::pids`].
    Pids,
    /// [`Limits::disk`], in bytes.
    Disk,
    /// [`Limits::file_bytes`].
    FileBytes,
    /// [`Limits::files`].
    Files,
}

impl LimitName {
    /// Every limit, in the order of [`Limits`].
    pub const ALL: [Self; 14] = [
        Self::RunTime,
        Self::WaitTime,
        Self::CpuTime,
        Self::Memory,
        Self::ToolCalls,
        Self::ParallelCalls,
        Self::ChainSteps,
        Self::Output,
        Self::Result,
        Self::Cpus,
        Self::Pids,
        Self::Disk,
        Self::FileBytes,
        Self::Files,
    ];

    /// The stable name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunTime => "run_time",
            Self::WaitTime => "wait_time",
            Self::CpuTime => "cpu_time",
            Self::Memory => "memory",
            Self::ToolCalls => "tool_calls",
            Self::ParallelCalls => "parallel_calls",
            Self::ChainSteps => "chain_steps",
            Self::Output => "output",
            Self::Result => "result",
            Self::Cpus => "cpus",
            Self::Pids => "pids",
            Self::Disk => "disk",
            Self::FileBytes => "file_bytes",
            Self::Files => "files",
        }
    }

    /// An amount of it as people read it: `1500 ms`, `4096 bytes`, `3`.
    pub fn amount(self, amount: f64) -> String {
        match self {
            Self::RunTime | Self::WaitTime | Self::CpuTime => {
                format!("{} ms", (amount * 10.0).round() / 10.0)
            }
            Self::Memory | Self::Output | Self::Result | Self::Disk | Self::FileBytes => {
                format!("{amount} bytes")
            }
            Self::ToolCalls
            | Self::ParallelCalls
            | Self::ChainSteps
            | Self::Cpus
            | Self::Pids
            | Self::Files => amount.to_string(),
        }
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Limits {
    /// What a program gets that asks for nothing: 30 seconds of its own, 5 minutes of waiting,
    /// 256 MiB of memory, 1,000 tool calls, 32 at the same time, chains of 100 steps, 1 MiB of
    /// output and 4 MiB of value.
    pub fn standard() -> Self {
        Self {
            run_time: Some(Duration::from_secs(30)),
            wait_time: Some(Duration::from_mins(5)),
            memory: Some(256 << 20),
            tool_calls: Some(1000),
            parallel_calls: Some(32),
            chain_steps: Some(100),
            output: Some(1 << 20),
            result: Some(4 << 20),
            ..Self::default()
        }
    }

    /// How large a limit is, in its unit; `None` where it is not set.
    pub fn get(&self, name: LimitName) -> Option<f64> {
        let millis = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        let count = |count: Option<u64>| count.map(|count| count as f64);
        match name {
            LimitName::RunTime => millis(self.run_time),
            LimitName::WaitTime => millis(self.wait_time),
            LimitName::CpuTime => millis(self.cpu_time),
            LimitName::Memory => count(self.memory),
            LimitName::ToolCalls => count(self.tool_calls),
            LimitName::ParallelCalls => count(self.parallel_calls),
            LimitName::ChainSteps => count(self.chain_steps),
            LimitName::Output => count(self.output),
            LimitName::Result => count(self.result),
            LimitName::Cpus => self.cpus,
            LimitName::Pids => count(self.pids),
            LimitName::Disk => count(self.disk),
            LimitName::FileBytes => count(self.file_bytes),
            LimitName::Files => count(self.files),
        }
    }

    /// These limits, and those of `defaults` where they say nothing.
    #[must_use]
    pub fn or(self, defaults: Self) -> Self {
        Self {
            run_time: self.run_time.or(defaults.run_time),
            wait_time: self.wait_time.or(defaults.wait_time),
            cpu_time: self.cpu_time.or(defaults.cpu_time),
            memory: self.memory.or(defaults.memory),
            tool_calls: self.tool_calls.or(defaults.tool_calls),
            parallel_calls: self.parallel_calls.or(defaults.parallel_calls),
            chain_steps: self.chain_steps.or(defaults.chain_steps),
            output: self.output.or(defaults.output),
            result: self.result.or(defaults.result),
            cpus: self.cpus.or(defaults.cpus),
            pids: self.pids.or(defaults.pids),
            disk: self.disk.or(defaults.disk),
            file_bytes: self.file_bytes.or(defaults.file_bytes),
            files: self.files.or(defaults.files),
        }
    }

    /// These limits, none above `maximum`; what is not set is what `maximum` says.
    #[must_use]
    pub fn at_most(self, maximum: &Self) -> Self {
        fn less<T: PartialOrd>(own: Option<T>, most: Option<T>) -> Option<T> {
            match (own, most) {
                (Some(own), Some(most)) => Some(if own > most { most } else { own }),
                (own, most) => own.or(most),
            }
        }
        Self {
            run_time: less(self.run_time, maximum.run_time),
            wait_time: less(self.wait_time, maximum.wait_time),
            cpu_time: less(self.cpu_time, maximum.cpu_time),
            memory: less(self.memory, maximum.memory),
            tool_calls: less(self.tool_calls, maximum.tool_calls),
            parallel_calls: less(self.parallel_calls, maximum.parallel_calls),
            chain_steps: less(self.chain_steps, maximum.chain_steps),
            output: less(self.output, maximum.output),
            result: less(self.result, maximum.result),
            cpus: less(self.cpus, maximum.cpus),
            pids: less(self.pids, maximum.pids),
            disk: less(self.disk, maximum.disk),
            file_bytes: less(self.file_bytes, maximum.file_bytes),
            files: less(self.files, maximum.files),
        }
    }

    /// Checks that nothing is above `maximum` and that everything can be kept at all.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] that names the limit. Nothing is lowered in silence.
    pub fn check(&self, maximum: &Self) -> Result<()> {
        LimitName::ALL
            .into_iter()
            .try_for_each(|name| self.check_one(name, maximum))
    }

    /// Checks one of the limits, as [`Limits::check`] does.
    ///
    /// # Errors
    /// As those of [`Limits::check`].
    pub fn check_one(&self, name: LimitName, maximum: &Self) -> Result<()> {
        let Some(asked) = self.get(name) else {
            return Ok(());
        };
        if asked == 0.0 && name == LimitName::ParallelCalls {
            let message = "with parallel_calls 0 no call could ever run";
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .with_hint("to forbid calls, set tool_calls to 0"));
        }
        let needs_some = matches!(name, LimitName::Cpus | LimitName::RunTime);
        if !(asked.is_finite() && asked >= 0.0) || (asked == 0.0 && needs_some) {
            let message = format!("a {name} limit of {asked} makes no sense");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        match maximum.get(name).filter(|most| asked > *most) {
            Some(most) => Err(above(name, asked, most)),
            None => Ok(()),
        }
    }
}

fn above(name: LimitName, asked: f64, most: f64) -> Error {
    let message = format!(
        "{name} of {} was asked for; at most {} is allowed",
        name.amount(asked),
        name.amount(most)
    );
    Error::new(ErrorKind::InvalidInput, message).with_hint(format!(
        "ask for less, or raise the configured maximum of {name}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_above_the_maximum_is_refused_and_not_lowered() {
        let maximum = Limits {
            run_time: Some(Duration::from_secs(10)),
            ..Limits::default()
        };
        let asked = |seconds| Limits {
            run_time: Some(Duration::from_secs(seconds)),
            memory: Some(u64::MAX),
            ..Limits::default()
        };
        asked(10).check(&maximum).unwrap();
        let error = asked(11).check(&maximum).unwrap_err();
        assert_eq!(
            error.guest_message(),
            "run_time of 11000 ms was asked for; at most 10000 ms is allowed"
        );
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let none = Limits::default();
        let cpus = |cpus| Limits {
            cpus: Some(cpus),
            ..none
        };
        for limits in [
            cpus(0.0),
            cpus(-1.0),
            cpus(f64::NAN),
            Limits {
                parallel_calls: Some(0),
                ..none
            },
        ] {
            let error = limits.check(&none).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        cpus(0.5).check(&none).unwrap();
    }

    #[test]
    fn defaults_are_lowered_to_the_maximum() {
        let maximum = Limits {
            memory: Some(64 << 20),
            tool_calls: Some(5000),
            cpus: Some(0.5),
            ..Limits::default()
        };
        let expected = Limits {
            memory: Some(64 << 20),
            cpus: Some(0.5),
            ..Limits::standard()
        };
        assert_eq!(Limits::standard().at_most(&maximum), expected);
    }

    #[test]
    fn what_is_not_said_comes_from_the_defaults() {
        let own = Limits {
            tool_calls: Some(0),
            ..Limits::default()
        };
        let merged = own.or(Limits::standard());
        assert_eq!(
            merged,
            Limits {
                tool_calls: Some(0),
                ..Limits::standard()
            }
        );
        assert_eq!(LimitName::ALL.map(|name| merged.get(name).is_some()), {
            let (yes, no) = (true, false);
            [
                yes, yes, no, yes, yes, yes, yes, yes, yes, no, no, no, no, no,
            ]
        });
    }
}
