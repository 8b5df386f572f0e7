//! Calls of containerd over its socket.

use std::path::Path;
use std::time::Duration;

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use toolexec_core::{Error, Result};

use super::api::{Call, Content, ReadContent};
use crate::unavailable;

/// How long a call may take. Starting a container on a busy machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that is read of something stored, in bytes; descriptions of images are small.
const MOST_CONTENT: i64 = 4 << 20;

/// A connection to containerd, in a namespace. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Client {
    channel: Channel,
    namespace: MetadataValue<Ascii>,
}

impl Client {
    /// Connects to the socket.
    ///
    /// # Errors
    /// [`ErrorKind::SandboxUnavailable`](toolexec_core::ErrorKind::SandboxUnavailable) when
    /// nobody answers there.
    pub(super) async fn connect(socket: &Path, namespace: &str) -> Result<Self> {
        let absent = |source: Box<dyn std::error::Error + Send + Sync>| {
            unavailable("containerd does not answer")
                .with_hint(
                    "install and start containerd, or say where its socket is: \
                     [code.containerd] socket",
                )
                .with_source(Unreached {
                    socket: socket.to_owned(),
                    source,
                })
        };
        // The system's own words first: a missing file, or one that may not be opened.
        tokio::net::UnixStream::connect(socket)
            .await
            .map_err(|error| absent(error.into()))?;
        let endpoint = Endpoint::try_from(format!("unix://{}", socket.display()));
        let endpoint = endpoint.map_err(|error| absent(error.into()))?;
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| absent(error.into()))?;
        let namespace = namespace.parse().map_err(|_| {
            unavailable("the namespace of containerd has letters that no namespace has")
        })?;
        Ok(Self { channel, namespace })
    }

    /// Calls, and waits for the answer for as long as such a call may take.
    pub(super) async fn call<C: Call>(&self, call: C) -> Result<C::Answer, Status> {
        let answer = tokio::time::timeout(PATIENCE, self.call_long(call)).await;
        answer.unwrap_or_else(|_| Err(Status::deadline_exceeded(C::PATH)))
    }

    /// Calls, and waits for the answer.
    pub(super) async fn call_long<C: Call>(&self, call: C) -> Result<C::Answer, Status> {
        let mut grpc = Grpc::new(self.channel.clone());
        ready(&mut grpc).await?;
        let codec = ProstCodec::default();
        let path = PathAndQuery::from_static(C::PATH);
        let answer = grpc.unary(self.request(call), path, codec).await?;
        Ok(answer.into_inner())
    }

    /// Reads something small that is stored.
    pub(super) async fn read(&self, digest: &str) -> Result<Vec<u8>, Status> {
        let mut grpc = Grpc::new(self.channel.clone());
        ready(&mut grpc).await?;
        let codec = ProstCodec::<ReadContent, Content>::default();
        let path = PathAndQuery::from_static(ReadContent::PATH);
        let digest = digest.to_owned();
        let request = self.request(ReadContent {
            digest,
            size: MOST_CONTENT,
        });
        let mut pieces = grpc
            .server_streaming(request, path, codec)
            .await?
            .into_inner();
        let mut all = Vec::new();
        while let Some(piece) = pieces.message().await? {
            all.extend(piece.data);
        }
        Ok(all)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("containerd-namespace", self.namespace.clone());
        request
    }
}

/// Whether what was to be ended or removed is not there any more.
pub(super) fn is_gone(status: &Status) -> bool {
    status.code() == Code::NotFound
}

/// What it means that a container cannot be started.
pub(super) fn explain(status: Status, runtime: &str) -> Error {
    let message = status.message();
    if status.code() == Code::Unavailable {
        return unavailable("containerd does not answer any more")
            .with_hint("look at its log, and start it again")
            .with_source(status);
    }
    if message.contains("binary not installed") || message.contains("failed to resolve runtime") {
        return missing_shim(runtime).with_source(status);
    }
    unavailable("containerd cannot start the container of a guest").with_source(status)
}

fn missing_shim(runtime: &str) -> Error {
    let error = unavailable("containerd does not have the shim of its runtime");
    let hint = match runtime {
        "io.containerd.kata.v2" => {
            "install Kata Containers: containerd-shim-kata-v2 must be in the PATH of containerd"
        }
        "io.containerd.runsc.v1" => {
            "install gVisor's containerd-shim-runsc-v1 where containerd finds it, or use the \
             runtime io.containerd.runc.v2 with a program named runsc: [code.containerd] \
             runtime_options"
        }
        "io.containerd.runc.v2" => {
            "install containerd as a whole: its containerd-shim-runc-v2 must be in its PATH"
        }
        _ => "install the shim of the runtime, or name another: [code.containerd] runtime",
    };
    error.with_hint(hint)
}

async fn ready(grpc: &mut Grpc<Channel>) -> Result<(), Status> {
    let ready = grpc.ready().await;
    ready.map_err(|error| Status::unavailable(error.to_string()))
}

/// Where nobody answered, which only an operator may read.
#[derive(Debug, thiserror::Error)]
#[error("connecting to {}", socket.display())]
struct Unreached {
    socket: std::path::PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}
