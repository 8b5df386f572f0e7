//! What containers and virtual machines are started with.
//!
//! It cannot be changed once they run, so guests that wait for a program wait for one with the
//! same limits: those that programs have by default.

use std::sync::Arc;

use toolexec_core::sandbox::{
    ENGINES, Enforcement, Enforcer, Language, LimitName, Limits, needs_toolchain, with_toolchains,
};

use crate::share::thousandths;
use crate::toolchain_cache::Cache;

/// What a container holds above a program's limit of memory: the engine with its stack, and what
/// it goes above its own limit before it notices. Its own error, which is the better one, comes
/// first.
const HEADROOM: u64 = 64 << 20;
const MIB: u64 = 1 << 20;
/// How many processes and threads programs in a root may have where nobody set a limit: they have
/// helpers.
pub(crate) const PROGRAM_PIDS: u64 = 256;
/// How much they may write there, in bytes.
const TMP: u64 = 64 * MIB;
/// The least that a file system in memory can be held to: with 0 it is not held at all.
const LEAST_TMP: u64 = 4096;

/// What containers that wait for a program differ in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    /// One of [`KINDS`](crate::piped::KINDS).
    pub(crate) language: Language,
    /// Of which image it is made; without one, of the guest alone.
    pub(crate) image: Option<Arc<str>>,
    /// Whether it may use the cache of compiled programs.
    pub(crate) has_cache: bool,
    pub(crate) resources: Resources,
}

/// What the kernel holds a container to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Resources {
    /// Bytes of memory, swap included: whole MiB.
    pub(crate) memory: Option<u64>,
    /// Thousandths of a processor.
    pub(crate) cpus: Option<u64>,
    /// Processes and threads of the program, besides those of the guest.
    pub(crate) pids: Option<u64>,
    /// Bytes of files.
    pub(crate) disk: Option<u64>,
    /// Seconds of CPU time, above what the host allows: its error is the better one.
    pub(crate) cpu_time: Option<u64>,
}

/// The languages of containers: those of toolchains too, where there is more than the guest.
pub(crate) fn languages(has_programs: bool) -> Vec<Language> {
    if has_programs {
        with_toolchains()
    } else {
        ENGINES.to_vec()
    }
}

/// The bytes that programs in a root may write to its `/tmp`.
pub(crate) fn tmp(resources: &Resources) -> u64 {
    resources.disk.unwrap_or(TMP).max(LEAST_TMP)
}

/// Who keeps a program in `language` within its limits, of those who may.
pub(crate) fn enforcement_for(language: Language, all: Enforcement) -> Enforcement {
    // The guest counts the memory of its own engines, the kernel the CPU time of each process for
    // itself.
    let is_family = needs_toolchain(language);
    let holds = |(name, by): &(LimitName, Enforcer)| match name {
        LimitName::Memory => !is_family || *by != Enforcer::Guest,
        LimitName::CpuTime => !is_family || *by != Enforcer::Kernel,
        _ => true,
    };
    all.into_iter().filter(holds).collect()
}

impl Kind {
    /// What a program in `language` needs that may use `limits`.
    pub(crate) fn new(language: Language, image: Option<Arc<str>>, limits: &Limits) -> Self {
        Self {
            language: crate::piped::kind(language),
            image,
            has_cache: false,
            resources: Resources::new(limits),
        }
    }

    /// The same with a cache of compiled programs, where there is one and the language compiles.
    /// How much is written there nobody limits.
    pub(crate) fn with_cache(mut self, language: Language, cache: Option<&Cache>) -> Self {
        let may_write = self.resources.disk.is_none();
        self.has_cache = cache.is_some() && language == Language::Go && may_write;
        self
    }
}

impl Resources {
    /// What keeps a program within its limits.
    pub(crate) fn new(limits: &Limits) -> Self {
        let memory = |bytes: u64| {
            bytes
                .saturating_add(HEADROOM)
                .div_ceil(MIB)
                .saturating_mul(MIB)
        };
        Self {
            memory: limits.memory.map(memory),
            cpus: limits.cpus.map(thousandths),
            pids: limits.pids,
            disk: limits.disk,
            cpu_time: limits.cpu_time.map(|time| time.as_secs() + 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn limits_become_what_kernels_count() {
        let limits = Limits {
            memory: Some(100),
            cpus: Some(0.5),
            pids: Some(3),
            disk: Some(7),
            cpu_time: Some(Duration::from_millis(1500)),
            ..Limits::default()
        };
        let expected = Kind {
            language: Language::JavaScript,
            image: None,
            has_cache: false,
            resources: Resources {
                memory: Some(65 << 20),
                cpus: Some(500),
                pids: Some(3),
                disk: Some(7),
                cpu_time: Some(3),
            },
        };
        assert_eq!(Kind::new(Language::TypeScript, None, &limits), expected);
        let none = Resources::new(&Limits::default());
        assert_eq!(none, Resources::default());
        let all = Limits {
            memory: Some(u64::MAX),
            ..Limits::default()
        };
        assert!(Resources::new(&all).memory >= Some(u64::MAX - MIB));
    }
}
