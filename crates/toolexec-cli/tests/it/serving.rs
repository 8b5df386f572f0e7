//! A `toolexec serve` over HTTP, until the test ends.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::program::Place;

/// A home that tests share: what the program compiles for its sandboxes is kept there, and takes
/// longer than clients wait.
pub(crate) fn home() -> PathBuf {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("home");
    std::fs::create_dir_all(&home).unwrap();
    home
}

/// A running server.
pub(crate) struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    /// Serves what the configuration of `place` has, to whoever is on this machine.
    pub(crate) fn start(place: &Place, args: &[&str]) -> Self {
        Self::guarded(place, &[&["--no-auth"], args].concat())
    }

    /// Serves what the configuration of `place` has, to whom it lets in.
    pub(crate) fn guarded(place: &Place, args: &[&str]) -> Self {
        let all = [&["serve", "--http", "127.0.0.1:0"], args].concat();
        let mut child = place
            .command(&all)
            .env("HOME", home())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("serving MCP at ")?;
            rest.split(' ').next().map(str::to_owned)
        });
        // Read to its end, so that the server never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let url = url.unwrap_or_else(|| panic!("the server did not say where it listens"));
        Self { child, url }
    }

    /// Its endpoint.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
