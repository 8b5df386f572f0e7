//! Where the daemon listens, and the requests that must not wait for anybody.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use toolexec_core::{Error, ErrorKind, Result};

/// How long one answer of the daemon may take, in seconds.
const PATIENCE: u64 = 60;
/// How long sending a request may take that nobody waits for.
const SENDING: Duration = Duration::from_millis(500);
/// How long such a request may take to be answered.
const ANSWER: Duration = Duration::from_secs(30);

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// A socket of this machine.
    Unix(String),
    /// Host and port.
    Tcp(String),
}

impl Endpoint {
    /// Reads `unix:///run/docker.sock`, a path, `tcp://host:port` or `http://host:port`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for anything else.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if let Some(path) = text
            .strip_prefix("unix://")
            .or(text.starts_with('/').then_some(text))
            && path.starts_with('/')
        {
            return Ok(Self::Unix(path.to_owned()));
        }
        let address = text
            .strip_prefix("tcp://")
            .or_else(|| text.strip_prefix("http://"));
        if let Some(address) = address.map(|address| address.trim_end_matches('/'))
            && !address.is_empty()
            && !address.contains('/')
        {
            return Ok(Self::Tcp(address.to_owned()));
        }
        let message = "this is no address of a Docker daemon that can be used";
        Err(Error::new(ErrorKind::Config, message)
            .with_source(format!("{text:?}"))
            .with_hint(
                "write unix:///path/of/docker.sock or tcp://host:port; for a daemon behind ssh or \
                 TLS forward its socket: ssh -L /path/docker.sock:/var/run/docker.sock HOST",
            ))
    }

    /// Whether the daemon is likely to be on this machine.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// A client, which speaks once it is asked for something.
    pub(super) fn client(&self) -> Result<Docker, bollard::errors::Error> {
        match self {
            Self::Unix(path) => Docker::connect_with_unix(path, PATIENCE, API_DEFAULT_VERSION),
            Self::Tcp(address) => Docker::connect_with_http(address, PATIENCE, API_DEFAULT_VERSION),
        }
    }

    /// Sends a request and does not wait for what becomes of it: a guest must end also where
    /// nobody is left who could wait, such as at the end of this program.
    pub(super) fn tell(&self, method: &str, path: &str) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        match self {
            Self::Unix(socket) => {
                if let Err(error) = tell_socket(socket, &request) {
                    tracing::debug!(%error, "the Docker daemon was not told");
                }
            }
            Self::Tcp(address) => {
                // Finding and reaching another machine takes its time.
                let address = address.clone();
                std::thread::spawn(move || {
                    if let Err(error) = tell_address(&address, &request) {
                        tracing::debug!(%error, "the Docker daemon was not told");
                    }
                });
            }
        }
    }
}

fn tell_socket(socket: &str, request: &str) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_write_timeout(Some(SENDING))?;
    stream.write_all(request.as_bytes())?;
    // A daemon may give up what nobody waits for any more: the connection stays for a while.
    if let Ok(runtime) = Handle::try_current() {
        stream.set_nonblocking(true)?;
        runtime.spawn(async move {
            let Ok(mut stream) = tokio::net::UnixStream::from_std(stream) else {
                return;
            };
            let mut answer = [0; 64];
            let _ = tokio::time::timeout(ANSWER, stream.read(&mut answer)).await;
        });
    }
    Ok(())
}

fn tell_address(address: &str, request: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_write_timeout(Some(ANSWER))?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(request.as_bytes())?;
    stream.read(&mut [0; 64]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_docker_writes_them() {
        let unix = |path: &str| Some(Endpoint::Unix(path.to_owned()));
        let tcp = |address: &str| Some(Endpoint::Tcp(address.to_owned()));
        let cases = [
            ("unix:///run/docker.sock", unix("/run/docker.sock")),
            ("/run/docker.sock", unix("/run/docker.sock")),
            ("tcp://127.0.0.1:2375", tcp("127.0.0.1:2375")),
            ("http://daemon:2375/", tcp("daemon:2375")),
            ("unix://run/docker.sock", None),
            ("https://daemon:2376", None),
            ("ssh://user@daemon", None),
            ("tcp://", None),
            ("tcp://daemon:2375/path", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Endpoint::parse(text).ok(), expected, "{text}");
        }
    }
}
