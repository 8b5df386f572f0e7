//! Firecracker's API: HTTP over a Unix socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::spec::Call;

/// The longest answer that is read.
const MOST: usize = 64 << 10;

/// A connection to the API of one machine. Dropping it closes it.
pub(super) struct Api {
    sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
}

/// Why a call did not do what it should. For operators: it may name paths of the host.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// Firecracker answered that it will not.
    #[error("{path} was refused with status {status}: {why}")]
    Refused {
        /// What was called.
        path: &'static str,
        /// The status of HTTP.
        status: u16,
        /// In Firecracker's words.
        why: String,
    },
    /// There was no answer.
    #[error("{path} was not answered: {why}")]
    Silent {
        /// What was called.
        path: &'static str,
        /// Why.
        why: String,
    },
}

/// What Firecracker says when it will not.
#[derive(Deserialize)]
struct Fault {
    fault_message: String,
}

impl Api {
    /// Connects to a socket.
    pub(super) async fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(io::Error::other)?;
        let connection = tokio::spawn(async move {
            // A broken connection shows in the call that is under way.
            let _ = connection.await;
        });
        Ok(Self { sender, connection })
    }

    /// Makes calls, one after the other, until one fails; each may take so long.
    pub(super) async fn call_all(
        &mut self,
        calls: &[Call],
        patience: Duration,
    ) -> Result<(), ApiError> {
        for call in calls {
            let silent = |why: String| ApiError::Silent {
                path: call.path,
                why,
            };
            let answer = tokio::time::timeout(patience, self.call(call)).await;
            answer.map_err(|_| silent(format!("not within {} s", patience.as_secs_f32())))??;
        }
        Ok(())
    }

    async fn call(&mut self, call: &Call) -> Result<(), ApiError> {
        let silent = |why: &dyn std::fmt::Display| ApiError::Silent {
            path: call.path,
            why: why.to_string(),
        };
        let method = Method::from_bytes(call.method.as_bytes()).map_err(|error| silent(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(call.path)
            .header(HOST, "localhost")
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(call.body.to_string())))
            .map_err(|error| silent(&error))?;
        self.sender.ready().await.map_err(|error| silent(&error))?;
        let answer = self.sender.send_request(request).await;
        let answer = answer.map_err(|error| silent(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST).collect().await;
        let body = body.map_err(|error| silent(&error))?.to_bytes();
        if matches!(status, StatusCode::OK | StatusCode::NO_CONTENT) {
            return Ok(());
        }
        let why = match serde_json::from_slice::<Fault>(&body) {
            Ok(fault) => fault.fault_message,
            Err(_) => String::from_utf8_lossy(&body).into_owned(),
        };
        Err(ApiError::Refused {
            path: call.path,
            status: status.as_u16(),
            why,
        })
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
