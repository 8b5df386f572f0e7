//! The sandbox `firecracker`: against what speaks like it, and for real where `FIRECRACKER_BIN`
//! names one and KVM starts machines.

mod failures;
mod leftovers;
mod life;
mod real;
#[cfg(all(feature = "host", feature = "wasm"))]
mod walls;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use toolexec_core::Result;
use toolexec_core::sandbox::{Language, Limits, Sandbox, Session, SessionSpec};
use toolexec_sandbox::firecracker::{Builder, FirecrackerSandbox};
use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_sandbox::vm::Images;

use crate::machines;

/// What speaks like Firecracker, with what it is told, and what it was asked.
struct Double {
    work: TempDir,
    image: PathBuf,
}

impl Double {
    /// One that does this besides what Firecracker does.
    fn new(script: Value) -> Self {
        let work = tempfile::tempdir().unwrap();
        let program = work.path().join("firecracker");
        symlink(env!("CARGO_BIN_EXE_fake-firecracker"), program).unwrap();
        let image = machines::image(work.path(), b"\x7fELF kernel");
        let double = Self { work, image };
        double.tell(script);
        double
    }

    /// Has it do this from now on.
    fn tell(&self, mut script: Value) {
        script["guest"] = json!(guest().program().unwrap());
        let path = self.work.path().join("script.json");
        fs::write(path, script.to_string()).unwrap();
    }

    fn program(&self) -> PathBuf {
        self.work.path().join("firecracker")
    }

    fn state(&self) -> PathBuf {
        self.work.path().join("state")
    }

    /// A sandbox that starts it.
    fn builder(&self) -> Builder {
        let images = Images::new(self.work.path().join("images"));
        FirecrackerSandbox::builder(guest(), images, self.state())
            .program(self.program())
            .image(&self.image)
            // The double needs none.
            .kvm("/dev/null")
            .patience(Duration::from_secs(20))
            .warm(0)
    }

    fn sandbox(&self) -> FirecrackerSandbox {
        self.builder().build()
    }

    /// What it was asked so far, by all of its processes.
    fn asked(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.work.path().join("asked.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Which paths of the API were called, in short.
    fn calls(&self) -> Vec<String> {
        let asked = self.asked();
        let paths = asked.iter().filter_map(|asked| asked["path"].as_str());
        paths.map(str::to_owned).collect()
    }

    /// Which machines have a directory.
    fn machines(&self) -> Vec<String> {
        names(&self.state().join("machines/firecracker"))
    }
}

/// The guest that machines run.
fn guest() -> LinuxGuest {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    LinuxGuest::built_in(Some(cache.join("linux-guest")))
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

/// A program may use what programs usually may.
async fn start(sandbox: &FirecrackerSandbox) -> Result<Session> {
    start_with(sandbox, Limits::standard()).await
}

async fn start_with(sandbox: &FirecrackerSandbox, limits: Limits) -> Result<Session> {
    let spec = SessionSpec::new(Language::JavaScript, limits);
    sandbox.start(spec).await
}
