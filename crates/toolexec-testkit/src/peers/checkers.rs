//! Checkers of programs: the TypeScript compiler and ty, the type checker of Python.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{entry, serve};
use crate::require::Missing;

/// A checker of programs.
#[derive(Debug, Clone)]
pub struct Checker {
    program: PathBuf,
    args: &'static [&'static str],
}

/// The TypeScript compiler, strict.
pub fn typescript() -> Result<Checker, Missing> {
    let program = if cfg!(target_arch = "aarch64") {
        "node_modules/@typescript/typescript-linux-arm64/lib/tsc"
    } else {
        "node_modules/@typescript/typescript-linux-x64/lib/tsc"
    };
    Ok(Checker {
        program: entry("typescript", program)?,
        args: &[
            "--noEmit",
            "--strict",
            "--pretty",
            "false",
            "--target",
            "es2023",
            "--module",
            "esnext",
            "--lib",
            "es2023",
            "--types",
            "",
            "--exactOptionalPropertyTypes",
        ],
    })
}

/// ty, which is also what monty checks Python programs with.
pub fn ty() -> Result<Checker, Missing> {
    Ok(Checker {
        program: entry("ty", "bin/ty")?,
        args: &[
            "check",
            "--output-format",
            "concise",
            "--python-version",
            "3.14",
        ],
    })
}

impl Checker {
    /// Checks files of the directory `dir` and returns what is wrong, a line each.
    ///
    /// # Errors
    /// When it does not run at all.
    pub fn problems(&self, dir: &Path, files: &[&str]) -> std::io::Result<Vec<String>> {
        let output = serve::command(&self.program)
            .args(self.args)
            .args(files)
            .current_dir(dir)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        // ty ends with a line about all of it.
        let about_all = |line: &str| line == "All checks passed!" || line.starts_with("Found ");
        lines.retain(|line| !line.trim().is_empty() && !about_all(line));
        if !output.status.success() && lines.is_empty() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(std::io::Error::other(format!("{}: {said}", output.status)));
        }
        Ok(lines)
    }
}
