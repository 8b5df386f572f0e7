//! HTTP servers for tests: on a loopback port, bounded in time, ended on drop.

use std::ffi::OsString;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::require::Missing;

/// The longest a server lives, even when the test was killed.
const LIFETIME_SECONDS: &str = "300";
/// The longest a server may take until it accepts connections.
const READY: Duration = Duration::from_secs(90);
/// The longest a killed server may keep its port.
const GONE: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 3;

/// A running server; ended when dropped.
#[derive(Debug)]
pub struct Served {
    child: Child,
    address: SocketAddr,
}

impl Served {
    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            // An error means that the group is gone already.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.wait();
        // We reap `timeout`; the server itself may need a moment more to leave its port.
        let deadline = Instant::now() + GONE;
        while TcpStream::connect(self.address).is_ok() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Starts a server; `line` gives program and arguments for a port.
pub(super) fn start(
    name: &str,
    line: impl Fn(u16) -> (PathBuf, Vec<OsString>),
) -> Result<Served, Missing> {
    let failed = |reason: String| Missing::new(name, reason, "run `cargo xtask peers`");
    let mut last = String::new();
    // Another process may take the port between our look and its use.
    for _ in 0..ATTEMPTS {
        let port = free_port().map_err(|error| failed(format!("no free port: {error}")))?;
        let (program, args) = line(port);
        match launch(&program, &args, port) {
            Ok(served) => return Ok(served),
            Err(reason) => last = reason,
        }
    }
    Err(failed(last))
}

fn launch(program: &Path, args: &[OsString], port: u16) -> Result<Served, String> {
    // `timeout` ends it even when nobody is left to drop it.
    let child = command(Path::new("timeout"))
        .args(["-k", "1", LIFETIME_SECONDS])
        .arg(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("does not start: {error}"))?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut served = Served { child, address };
    let stderr = served.child.stderr.take().map(drain);
    let deadline = Instant::now() + READY;
    while TcpStream::connect(address).is_err() {
        if let Ok(Some(status)) = served.child.try_wait() {
            let said = stderr.and_then(|reader| reader.join().ok());
            let said = said.unwrap_or_default();
            return Err(format!("ended at once ({status}): {said}"));
        }
        if Instant::now() > deadline {
            return Err(format!("not ready after {} s", READY.as_secs()));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(served)
}

/// Reads stderr to its end, so that the server never waits for us; keeps the first part.
fn drain(mut stderr: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    const KEPT: usize = 4096;
    thread::spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 1024];
        while let Ok(read @ 1..) = stderr.read(&mut buffer) {
            let room = KEPT.saturating_sub(kept.len()).min(read);
            kept.extend_from_slice(buffer.get(..room).unwrap_or_default());
        }
        String::from_utf8_lossy(&kept).into_owned()
    })
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the testkit must not lean on the crate that it tests"
)]
pub(super) fn command(program: &Path) -> Command {
    Command::new(program)
}
