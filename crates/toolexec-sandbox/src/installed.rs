//! Where the programs are that are installed on this machine.

use std::path::{Path, PathBuf};

use toolexec_process::base_env;

/// A program: a path, or a name that is looked for on the `PATH` and in further places.
pub(crate) fn program(program: &Path, further: &[&str]) -> Option<PathBuf> {
    let found = if program.components().count() > 1 {
        Some(program.to_owned())
    } else {
        let path = base_env().into_iter().find(|(name, _)| name == "PATH");
        let path = path.map(|(_, path)| path).unwrap_or_default();
        std::env::split_paths(&path)
            .chain(further.iter().map(PathBuf::from))
            .map(|place| place.join(program))
            .find(|program| program.is_file())
    };
    found.filter(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_and_a_path_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().to_string_lossy().into_owned();
        let own = dir.path().join("toolexec-nowhere-else");
        std::fs::write(&own, "").unwrap();
        let name = Path::new("toolexec-nowhere-else");
        assert_eq!(program(name, &[]), None);
        assert_eq!(program(name, &[&place]), Some(own.clone()));
        assert_eq!(program(&own, &[]), Some(own));
        assert_eq!(
            program(Path::new("./toolexec-nowhere-else"), &[&place]),
            None
        );
    }
}
