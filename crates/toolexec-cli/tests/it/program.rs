//! Runs the program in a directory of its own and writes down what it did.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The program under test.
pub(crate) const TOOLEXEC: &str = env!("CARGO_BIN_EXE_toolexec");

/// A directory with a home of its own, in which the program runs.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// With this configuration.
    pub(crate) fn with_config(text: &str) -> Self {
        let place = Self::new();
        place.write("toolexec.toml", text);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    /// The program, with an environment that holds nothing of this machine but PATH.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(TOOLEXEC), args)
    }

    /// The program where a copy of it is.
    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    pub(crate) fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path());
        command
    }

    pub(crate) fn output(&self, args: &[&str], input: &str) -> Output {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs and writes down: the command line, the exit code, stdout and stderr.
    pub(crate) fn transcript(&self, args: &[&str]) -> String {
        self.transcript_with(args, "")
    }

    pub(crate) fn transcript_with(&self, args: &[&str], input: &str) -> String {
        let output = self.output(args, input);
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.replace(&*self.dir.path().to_string_lossy(), "[DIR]")
                .replace(env!("CARGO_BIN_EXE_toolexec"), "[TOOLEXEC]")
        };
        let code = output
            .status
            .code()
            .map_or("signal".to_owned(), |code| code.to_string());
        format!(
            "$ toolexec {}\nexit: {code}\n--- stdout\n{}--- stderr\n{}",
            args.join(" "),
            text(&output.stdout),
            text(&output.stderr)
        )
    }
}

/// Compares with the snapshot; times and versions differ from run to run.
macro_rules! assert_transcript {
    ($transcript:expr) => {
        insta::with_settings!({
            omit_expression => true,
            filters => vec![
                (r#""(duration_ms|load_ms|pid)": ?[0-9.]+"#, "\"$1\": \"[N]\""),
                (r#""score": ?[0-9.]+"#, "\"score\": \"[N]\""),
                (r" in [0-9]+(\.[0-9]+)?(ns|µs|ms|s)\b", " in [TIME]"),
                (r"failed, [0-9]+(\.[0-9]+)?(ns|µs|ms|s)\b", "failed, [TIME]"),
                (r"\b[0-9]+ ms\b", "[TIME]"),
                (r"toolexec 0\.[0-9]+\.[0-9]+", "toolexec [VERSION]"),
                (r"toolexec-demo-notes 0\.[0-9]+\.[0-9]+", "toolexec-demo-notes [VERSION]"),
                (r#""(iso)": "[^"]+""#, "\"$1\": \"[NOW]\""),
                (r#""(unix)": [0-9]+"#, "\"$1\": \"[NOW]\""),
                (r"127\.0\.0\.1:[0-9]+", "127.0.0.1:[PORT]"),
            ],
        }, {
            insta::assert_snapshot!($transcript);
        });
    };
}
pub(crate) use assert_transcript;
