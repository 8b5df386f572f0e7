//! Connections that are passed on as they are.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use url::Url;

use super::Proxy;
use super::meter::Meter;
use super::refusal::Refusal;
use crate::clients::CONNECT_TIMEOUT;
use crate::egress::PrivateAddress;
use crate::web::rules::Rule;

/// Connects to a host under a rule: to an address that was judged, and to no other.
pub(super) async fn connect(proxy: &Proxy, rule: &Rule, url: &Url) -> Result<TcpStream, Refusal> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let failed = |why: &str| {
        let line = format!("{host}:{port} cannot be reached: {why}");
        Refusal::new(StatusCode::BAD_GATEWAY, line)
    };
    let resolver = proxy.clients.resolver(rule.allow_private);
    let found = resolver.addresses(host).await.map_err(|error| {
        if error.is::<PrivateAddress>() {
            Refusal::private(url)
        } else {
            failed("its host name is not known")
        }
    })?;
    let connecting = async {
        for ip in found {
            if let Ok(stream) = TcpStream::connect(SocketAddr::new(ip, port)).await {
                return Ok(stream);
            }
        }
        Err(failed("no connection could be made"))
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connecting)
        .await
        .unwrap_or_else(|_| Err(failed("connecting took too long")))
}

/// Passes bytes on, both ways, until both sides end, one fails, or neither says anything.
pub(super) async fn pass(
    client: impl AsyncRead + AsyncWrite,
    host: TcpStream,
    meter: &Meter,
    idle: Duration,
) -> io::Result<()> {
    let (from_client, to_client) = tokio::io::split(client);
    let (from_host, to_host) = host.into_split();
    let last = Mutex::new(Instant::now());
    let out = pump(from_client, to_host, meter, idle, &last);
    let back = pump(from_host, to_client, meter, idle, &last);
    tokio::try_join!(out, back).map(drop)
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    meter: &Meter,
    idle: Duration,
    last: &Mutex<Instant>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let until = *last.lock().unwrap_or_else(PoisonError::into_inner) + idle;
        let Ok(read) = tokio::time::timeout_at(until, from.read(&mut buffer)).await else {
            // The other way may have been busy meanwhile.
            let latest = *last.lock().unwrap_or_else(PoisonError::into_inner);
            if latest + idle <= Instant::now() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            continue;
        };
        let piece = buffer.get(..read?).unwrap_or_default();
        if piece.is_empty() {
            return to.shutdown().await;
        }
        meter.spend(piece.len()).map_err(io::Error::other)?;
        tokio::time::timeout(idle, to.write_all(piece)).await??;
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}
