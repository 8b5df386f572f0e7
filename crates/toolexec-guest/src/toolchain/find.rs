//! Where the programs of a toolchain are.

use std::path::{Path, PathBuf};

use toolexec_wire::{Failure, FailureKind, Language};

use crate::host::failure;

/// Where programs are in an image that does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where Go is installed, by its own instructions and in its images.
const GO: &str = "/usr/local/go/bin";

/// The path of the image, or the usual one.
pub(super) fn search_path() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    let path = if own.is_empty() { DEFAULT_PATH } else { &own };
    if path.split(':').any(|entry| entry == GO) {
        return path.to_owned();
    }
    format!("{path}:{GO}")
}

/// The first of these programs that the path has.
///
/// # Errors
/// Says which is missing, and what to do.
pub(super) fn find(language: Language, names: &[&str]) -> Result<PathBuf, Box<Failure>> {
    let path = search_path();
    let all = names.iter().flat_map(|name| {
        path.split(':')
            .filter(|entry| entry.starts_with('/'))
            .map(move |entry| Path::new(entry).join(name))
    });
    all.into_iter()
        .find(|program| is_program(program))
        .ok_or_else(|| missing(language, names.first().copied().unwrap_or_default()))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn missing(language: Language, name: &str) -> Box<Failure> {
    let mut failure = failure(
        FailureKind::Unsupported,
        format!("there is no {name} in this sandbox"),
    );
    let (image, with) = match language {
        Language::Go => ("golang, or Debian's with golang-go", "go"),
        Language::Bash => ("debian", "bash"),
        Language::CPython => ("python, or Debian's with python3", "python"),
        _ => ("node, or Debian's with nodejs", "node"),
    };
    failure.hints = vec![format!(
        "give the sandbox an image that has it: {image}, or a root that `toolexec image build \
         --with {with}` makes; without isolation, install it on this machine"
    )];
    failure
}
