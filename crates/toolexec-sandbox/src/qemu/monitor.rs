//! QEMU's monitor, through which a machine is saved and restored.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as Blocking;
use std::sync::Arc;
use std::time::Duration;

use sendfd::SendWithFd;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// How often it is asked whether a machine is saved.
const AGAIN: Duration = Duration::from_millis(5);
/// What a descriptor is called.
const STATE: &str = "state";

/// A monitor that has greeted.
pub(super) struct Monitor {
    stream: BufReader<UnixStream>,
    // The same socket: only this kind takes descriptors.
    blocking: Blocking,
}

/// A stream and its other end, which QEMU is to have.
pub(super) fn pair() -> io::Result<(Blocking, Arc<OwnedFd>)> {
    let (ours, other) = Blocking::pair()?;
    ours.set_nonblocking(true)?;
    Ok((ours, Arc::new(other.into())))
}

impl Monitor {
    /// Waits for the greeting. Inside of a Tokio runtime.
    pub(super) async fn greet(ours: Blocking) -> io::Result<Self> {
        let blocking = ours.try_clone()?;
        let stream = BufReader::new(UnixStream::from_std(ours)?);
        let mut monitor = Self { stream, blocking };
        monitor.message().await?;
        monitor.call("qmp_capabilities", &json!({})).await?;
        // The memory of the machine is a file, and that file is what is kept of it.
        let shared = json!([{"capability": "x-ignore-shared", "state": true}]);
        let capabilities = json!({"capabilities": shared});
        monitor
            .call("migrate-set-capabilities", &capabilities)
            .await?;
        Ok(monitor)
    }

    /// Writes all of a machine but its memory to `state`. It stands still then.
    pub(super) async fn save(&mut self, state: &OwnedFd) -> io::Result<()> {
        let call = json!({"execute": "getfd", "arguments": {"fdname": STATE}});
        self.blocking
            .send_with_fd(line(&call).as_bytes(), &[state.as_raw_fd()])?;
        self.answer().await?;
        let to = json!({"uri": format!("fd:{STATE}")});
        self.call("migrate", &to).await?;
        loop {
            let said = self.call("query-migrate", &json!({})).await?;
            match said["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => {
                    let why = said["error-desc"]
                        .as_str()
                        .unwrap_or("the machine is not saved");
                    return Err(io::Error::other(why.to_owned()));
                }
                _ => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Has a machine that waits for it go on as it was saved, from a descriptor of QEMU.
    pub(super) async fn restore(&mut self, state: i32) -> io::Result<()> {
        let from = json!({"uri": format!("fd:{state}")});
        self.call("migrate-incoming", &from).await.map(drop)
    }

    async fn call(&mut self, name: &str, arguments: &Value) -> io::Result<Value> {
        let call = json!({"execute": name, "arguments": arguments});
        self.stream.write_all(line(&call).as_bytes()).await?;
        self.answer().await
    }

    /// What QEMU answers. What else it tells is not asked for.
    async fn answer(&mut self) -> io::Result<Value> {
        loop {
            let mut message = self.message().await?;
            if let Some(error) = message.get("error") {
                let why = error["desc"].as_str().unwrap_or("it cannot");
                return Err(io::Error::other(format!("QEMU says: {why}")));
            }
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
        }
    }

    async fn message(&mut self) -> io::Result<Value> {
        let mut text = String::new();
        if self.stream.read_line(&mut text).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        serde_json::from_str(&text).map_err(io::Error::other)
    }
}

fn line(call: &Value) -> String {
    format!("{call}\n")
}
