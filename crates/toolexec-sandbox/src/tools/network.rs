//! Who takes the connections of a program.

use std::fmt;
use std::net::TcpListener;
#[cfg(unix)]
use std::os::unix::net::UnixListener;

use futures_util::future::BoxFuture;

/// Takes the connections of a program that has no other network.
pub trait Egress: fmt::Debug + Send + Sync {
    /// What it lets pass, in a few words: `https://example.com`.
    fn describe(&self) -> String;

    /// What programs look for in their environment to find it at this port of the loopback
    /// address. `authority` is where they find [`authority`](Self::authority).
    fn environment(&self, port: u16, authority: &str) -> Vec<(String, String)>;

    /// The certificates that it signs with, as PEM, where it looks into what is encrypted.
    fn authority(&self) -> Option<String>;

    /// Takes connections until it is dropped.
    fn serve(&self, listener: Listener) -> BoxFuture<'static, ()>;
}

/// Where the connections of a program come in.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// At a port of the loopback address of the program's own network.
    Tcp(TcpListener),
    /// At a socket of this machine, to which a port of that address leads.
    #[cfg(unix)]
    Unix(UnixListener),
}

/// Somebody takes connections until this is dropped.
#[cfg(all(feature = "process", target_os = "linux"))]
#[derive(Debug)]
pub(super) struct Served(tokio::task::JoinHandle<()>);

#[cfg(all(feature = "process", target_os = "linux"))]
impl Served {
    pub(super) fn by(network: &dyn Egress, listener: Listener) -> Self {
        Self(tokio::spawn(network.serve(listener)))
    }
}

#[cfg(all(feature = "process", target_os = "linux"))]
impl Drop for Served {
    fn drop(&mut self) {
        self.0.abort();
    }
}
