//! What runtimes differ in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toolexec_core::sandbox::{Enforcement, Enforcer, LimitName};
use toolexec_core::{Error, Result};
use toolexec_process::{Command, base_env};

use super::bundle::{Bundle, ID};
use crate::cgroup::{Controller, Setting, Version, basics, caps};
use crate::{installed, unavailable};

/// Where programs for root are that an ordinary user's `PATH` may lack.
const SYSTEM: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// A program that runs bundles, and what is special about it.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    /// A path, or a name that is looked for.
    pub(crate) program: PathBuf,
    /// What it is called.
    pub(crate) name: &'static str,
    /// What brings it.
    pub(crate) install: &'static str,
    /// What it is always told.
    pub(crate) options: Vec<String>,
    /// What it is told besides where it is not root. One without such options makes the user
    /// namespace that the specification names.
    pub(crate) rootless_options: &'static [&'static str],
    /// Whether it runs in a control group of ours, with all it starts, and makes none.
    pub(crate) joins_groups: bool,
    /// Whether it counts the processes of each container, in whatever control group.
    pub(crate) counts_processes: bool,
    /// Whether its kernel ends the first process of a container at its limit of CPU time.
    pub(crate) kills_at_cpu_limit: bool,
    /// The most threads and processes of the machine that one container takes.
    pub(crate) threads: u64,
    /// What its own kernel takes of the memory of a control group.
    pub(crate) own_memory: u64,
    /// The least memory of a control group in which it starts.
    pub(crate) least_memory: u64,
}

impl Runtime {
    /// The memory of a control group for a guest that needs so much.
    fn memory(&self, guest: u64) -> u64 {
        guest.saturating_add(self.own_memory).max(self.least_memory)
    }

    /// What is written to a control group that it joins, for a container that may use so many
    /// bytes of memory and thousandths of a processor.
    pub(crate) fn settings(
        &self,
        version: Version,
        memory: Option<u64>,
        cpus: Option<u64>,
    ) -> Vec<Setting> {
        let mut settings = basics(version, self.threads);
        let memory = memory.map(|memory| self.memory(memory));
        settings.extend(caps(version, memory, cpus));
        settings
    }

    /// Runs a bundle to its end.
    pub(crate) fn run(&self, program: &Path, bundle: &Bundle, is_root: bool) -> Command {
        let mut state = OsString::from("--root=");
        state.push(bundle.state());
        Command::new(program.to_string_lossy())
            .envs(base_env().into_iter().filter(|(name, _)| name == "PATH"))
            .arg(state)
            .args(self.options(is_root))
            .args(["run", "--bundle"])
            .arg(bundle.directory())
            .arg(ID)
    }

    fn options(&self, is_root: bool) -> Vec<String> {
        let mut options = self.options.clone();
        if !is_root {
            options.extend(self.rootless_options.iter().map(ToString::to_string));
        }
        options
    }

    /// What is enforced where control groups have these controllers.
    pub(super) fn enforcement(&self, controllers: &[Controller]) -> Enforcement {
        let mut all = vec![
            (LimitName::Memory, Enforcer::Guest),
            (LimitName::CpuTime, Enforcer::Host),
            // The root is read-only but for a file system in memory of that size.
            (LimitName::Disk, Enforcer::Kernel),
        ];
        if self.kills_at_cpu_limit {
            all.push((LimitName::CpuTime, Enforcer::Kernel));
        }
        let has = |controller| controllers.contains(&controller);
        if has(Controller::Memory) {
            all.push((LimitName::Memory, Enforcer::Kernel));
        } else if !self.joins_groups {
            // Of a kernel of its own, what is the guest's cannot be told from outside.
            all.push((LimitName::Memory, Enforcer::Host));
        }
        if has(Controller::Cpu) {
            all.push((LimitName::Cpus, Enforcer::Kernel));
        }
        if self.counts_processes || has(Controller::Pids) {
            all.push((LimitName::Pids, Enforcer::Kernel));
        }
        all
    }

    /// Where the program is.
    ///
    /// # Errors
    /// When it is not there; says what brings it.
    pub(crate) fn find(&self) -> Result<PathBuf> {
        installed::program(&self.program, &SYSTEM).ok_or_else(|| self.missing())
    }

    fn missing(&self) -> Error {
        let program = Path::new(&self.program).display();
        unavailable(&format!("{} is not installed", self.name))
            .with_hint(self.install)
            .with_source(std::io::Error::other(format!("no program {program}")))
    }

    /// Says what to do about a container that does not start.
    pub(crate) fn explain(&self, error: &Error) -> Error {
        let causes = error.report().causes.join(": ");
        let hint = if causes.contains("cgroup") {
            "control groups cannot be made: run as root, outside of a container that mounts them \
             read-only"
        } else if causes.contains("user_namespaces") || causes.contains("uid_map") {
            "user namespaces are off or used up: sysctl user.max_user_namespaces, \
             kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns"
        } else if causes.contains("flag provided but not defined")
            || causes.contains("invalid platform")
            || causes.contains("unknown platform")
        {
            "the program is too old, or another one of that name"
        } else {
            "try its own example first: it may need rights that this container or user lacks"
        };
        let told = unavailable(&format!("{} does not start a container", self.name));
        let told = told.with_hint(hint).with_hint(self.install);
        told.with_source(std::io::Error::other(causes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime(joins_groups: bool) -> Runtime {
        Runtime {
            program: PathBuf::from("runtime"),
            name: "a runtime",
            install: "install it",
            options: vec!["--always".to_owned()],
            rootless_options: &["--rootless"],
            joins_groups,
            counts_processes: false,
            kills_at_cpu_limit: !joins_groups,
            threads: 8,
            own_memory: 64,
            least_memory: 128,
        }
    }

    #[test]
    fn what_needs_a_control_group_is_claimed_with_one() {
        use Enforcer::{Guest, Host, Kernel};
        use LimitName::{CpuTime, Cpus, Disk, Memory, Pids};
        let none = runtime(false).enforcement(&[]);
        let expected = [
            (Memory, Guest),
            (CpuTime, Host),
            (Disk, Kernel),
            (CpuTime, Kernel),
            (Memory, Host),
        ];
        assert_eq!(none, expected);
        let all = [Controller::Memory, Controller::Pids, Controller::Cpu];
        let expected = [
            (Memory, Guest),
            (CpuTime, Host),
            (Disk, Kernel),
            (Memory, Kernel),
            (Cpus, Kernel),
            (Pids, Kernel),
        ];
        assert_eq!(runtime(true).enforcement(&all), expected);
    }

    #[test]
    fn a_kernel_of_its_own_has_memory_of_its_own() {
        assert_eq!(
            [10, 100].map(|guest| runtime(true).memory(guest)),
            [128, 164]
        );
        assert_eq!(runtime(true).options(true), ["--always"]);
        assert_eq!(runtime(true).options(false), ["--always", "--rootless"]);
    }
}
