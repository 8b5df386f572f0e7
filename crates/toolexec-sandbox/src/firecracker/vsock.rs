//! The way to the guest: a Unix socket behind which Firecracker reaches the ports of its machine.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// A connection to a port of a machine. What was read ahead is kept.
pub(super) type Stream = BufReader<UnixStream>;

/// The longest answer to `CONNECT`.
const LONGEST: u64 = 64;

/// Asks for a port. Nothing, when nobody listens on it yet: Firecracker hangs up then.
pub(super) async fn connect(socket: &Path, port: u32) -> io::Result<Option<Stream>> {
    let mut stream = BufReader::new(UnixStream::connect(socket).await?);
    let asked = format!("CONNECT {port}\n");
    if stream.write_all(asked.as_bytes()).await.is_err() {
        return Ok(None);
    }
    let mut line = String::new();
    match (&mut stream).take(LONGEST).read_line(&mut line).await {
        Ok(0) => return Ok(None),
        Ok(_) if is_accepted(&line) => return Ok(Some(stream)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
        Err(error) => return Err(error),
    }
    let line = line.trim_end();
    Err(io::Error::other(format!(
        "the virtual socket answered {line:?} instead of OK"
    )))
}

/// `OK` and the number of the host's end.
fn is_accepted(line: &str) -> bool {
    let number = line
        .strip_prefix("OK ")
        .and_then(|rest| rest.strip_suffix('\n'));
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_ok_is_one() {
        assert!(is_accepted("OK 1073741824\n"));
        for other in ["OK\n", "OK 1", "OK x\n", "ok 1\n", "R"] {
            assert!(!is_accepted(other), "{other}");
        }
    }
}
