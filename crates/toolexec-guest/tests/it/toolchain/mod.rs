//! Programs in the toolchains of this machine, run by the guest's own program.

mod bash;
mod cpython;
mod go;
mod hostile;
mod node;

use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;
use toolexec_wire::{Language, Start};

use crate::harness::{Guest, Ran, program, tools};

/// A guest, and the directory that it has for its programs.
pub(crate) struct Place {
    guest: Option<Guest>,
    dir: tempfile::TempDir,
}

impl Place {
    /// A guest that finds these programs and those of the machine.
    pub(crate) fn new(programs: &[&Path]) -> Self {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("toolchains");
        Self::with_cache(programs, Some(&cache))
    }

    pub(crate) fn with_cache(programs: &[&Path], cache: Option<&Path>) -> Self {
        let dirs = programs.iter().filter_map(|program| program.parent());
        let machine = std::env::var_os("PATH").unwrap_or_default();
        let all = dirs
            .map(Path::to_path_buf)
            .chain(std::env::split_paths(&machine));
        Self::with_path(&std::env::join_paths(all).unwrap(), cache)
    }

    pub(crate) fn with_path(path: &OsString, cache: Option<&Path>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut env = vec![
            ("PATH", path.as_os_str()),
            ("TMPDIR", dir.path().as_os_str()),
        ];
        env.extend(cache.map(|cache| ("TOOLEXEC_TOOLCHAIN_CACHE", cache.as_os_str())));
        let guest = Some(Guest::native(&env));
        Self { guest, dir }
    }

    pub(crate) fn guest(&mut self) -> &mut Guest {
        self.guest.as_mut().unwrap()
    }

    pub(crate) fn run(&mut self, start: Start) -> Ran {
        self.guest().run(start, tools)
    }

    /// Ends the guest in peace; nothing is left of its programs.
    pub(crate) fn end(mut self) {
        assert!(self.guest.take().unwrap().hang_up());
        let left: Vec<_> = std::fs::read_dir(self.dir.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Runs a program in a guest of its own.
pub(crate) fn run(programs: &[&Path], start: Start) -> Ran {
    let mut place = Place::new(programs);
    let ran = place.run(start);
    place.end();
    ran
}

/// The value of a program.
pub(crate) fn value(programs: &[&Path], language: Language, source: &str) -> Value {
    let ran = run(programs, program(language, source));
    let result = ran.result;
    result.unwrap_or_else(|failure| panic!("{source}\n{failure:#?}\n{}", ran.stderr))
}

#[test]
fn a_toolchain_that_is_not_there_is_said() {
    let nothing = tempfile::tempdir().unwrap();
    for (language, name) in [
        (Language::Go, "go"),
        (Language::Bash, "bash"),
        (Language::CPython, "python3"),
        (Language::Node, "node"),
    ] {
        let path = nothing.path().as_os_str().to_owned();
        let mut place = Place::with_path(&path, None);
        let failure = place.run(program(language, "1")).failure();
        assert_eq!(
            failure.message,
            format!("there is no {name} in this sandbox")
        );
        assert_eq!(failure.kind, toolexec_wire::FailureKind::Unsupported);
        let (problems, _) = place.guest().check(program(language, "1"));
        assert_eq!(problems, [failure]);
        place.end();
    }
}
