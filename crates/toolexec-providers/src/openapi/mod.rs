//! HTTP APIs described by an `OpenAPI` 3.x or Swagger 2.0 document.
//!
//! Every operation of the document is a tool. Its arguments are one object: each parameter by its
//! name, and the request body as `body`. Where two parameters have one name, the later of path,
//! query, header and cookie gets the place added (`id_query`); where a parameter is called `body`,
//! the body is `request_body`. Characters that models' APIs do not take in names become `_`, and
//! the description says what is sent.
//!
//! What goes in: JSON, forms and multipart bodies as JSON values; files and other bodies as a text
//! or as `{"data": base64, "filename", "contentType"}`.
//!
//! What comes out: JSON as it is, text as a string, pictures and sound as content blocks, other
//! bytes as `{"contentType", "size", "data"}`, nothing as null, the headers for `HEAD`. Streams
//! (server-sent events, JSON lines) are chunks while they run and a list at the end. Paging and
//! location headers of a success are in `_meta.http`. An answer of 4xx or 5xx, or of 3xx that
//! is not followed, is the tool's own failure: `{"status", "retryable", "retryAfter", "headers",
//! "problem" or "body"}`.
//!
//! A part of the document that is broken costs its operation and nothing else. References are
//! followed inside the document; nothing is fetched.

mod auth;
mod body;
mod build;
mod config;
mod document;
mod failure;
mod http;
mod load;
mod media;
mod model;
mod naming;
mod request;
mod response;
mod rewrite;
mod schema;
mod server;
mod stream;
mod style;
mod swagger;
mod token;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use toolexec_core::index::Registration;
use toolexec_core::{
    Backend, BackendCall, BackendRef, CallContext, Error, ErrorKind, Listing, RawOutput, Result,
    Source, Tool,
};
use url::{Origin, Url};

use auth::{Auth, Choice};
use http::{Http, Reply};
use model::Operation;
use request::Prepared;
use response::Head;

pub use config::{ApiConfig, ApiLimits, Credential, KeyLocation, OperationFilter, Redirects};

/// An API: the tools of its document, and the way to call them.
pub struct OpenApi {
    backend: BackendRef,
    namespace: String,
    tools: Vec<OfferedTool>,
    operations: HashMap<Arc<str>, Operation>,
    notices: Vec<String>,
    http: Http,
    auth: Auth,
    /// Headers for every request to a trusted origin.
    headers: HeaderMap,
    trusted: Vec<Origin>,
    timeout: Duration,
    limits: ApiLimits,
}

struct OfferedTool {
    tool: Tool,
    /// `GET /pets/{id}`.
    remote_name: Arc<str>,
}

impl OpenApi {
    /// Reads the text of a document, JSON or YAML. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the document or the configuration cannot be used at all,
    /// [`ErrorKind::Unsupported`] for another version of `OpenAPI`, and
    /// [`ErrorKind::LimitExceeded`] when the document is too large.
    pub fn parse(name: &str, config: &ApiConfig, text: &str) -> Result<Arc<Self>> {
        let document = document::parse(text, config.limits.max_document)?;
        Self::load(name, config, document)
    }

    /// Takes a document that was read already. Nothing is connected yet.
    ///
    /// # Errors
    /// As [`OpenApi::parse`].
    pub fn load(name: &str, config: &ApiConfig, document: Value) -> Result<Arc<Self>> {
        load::load(name, config, document).map(Arc::new)
    }

    /// Its tools, in the order of the document.
    pub fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter().map(|offered| &offered.tool)
    }

    /// What a person should know: operations left out, parts of the document not used.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    async fn run(&self, call: BackendCall, cx: &CallContext) -> Result<RawOutput> {
        let api = &*self.backend.name;
        let operation = self.operations.get(&call.remote_name).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("API {api} has no operation {:?}", &*call.remote_name),
            )
        })?;
        let request = request::prepare(operation, &call.args, self.limits.max_request)?;
        let allowed = cx
            .remaining()
            .map_or(self.timeout, |left| left.min(self.timeout));
        let deadline = Instant::now() + allowed;
        let late = |_| {
            Error::new(
                ErrorKind::Timeout,
                format!("API {api} did not answer within {allowed:?}"),
            )
        };
        let sent = self.send(operation, request, cx);
        let (reply, missing) = timeout_at(deadline, sent).await.map_err(late)??;
        let head = Head::of(&reply);
        if head.status.is_success() && media::is_stream(head.media_type()) {
            let (max, idle) = (self.limits.max_response, self.timeout);
            let stream = stream::read(api, reply.response, head.media_type(), max, idle, cx);
            return stream.await.map(RawOutput::Value);
        }
        let body = response::collect(api, reply.response, self.limits.max_response);
        let bytes = timeout_at(deadline, body).await.map_err(late)??;
        response::output(api, &operation.method, &head, &bytes, missing.as_deref())
    }

    /// Sends a request with its credentials; once more when a kept token is refused. Also tells
    /// which credentials are missing.
    async fn send(
        &self,
        operation: &Operation,
        mut request: Prepared,
        cx: &CallContext,
    ) -> Result<(Reply, Option<String>)> {
        if !self.trusted.contains(&operation.base.origin()) {
            return Ok((self.http.send(&request).await?, None));
        }
        request.headers.extend(self.headers.clone());
        trace(&mut request.headers, cx);
        let requirement = match self.auth.choose(operation.security.as_deref()) {
            Choice::None => return Ok((self.http.send(&request).await?, None)),
            Choice::Missing(names) => {
                return Ok((self.http.send(&request).await?, Some(names)));
            }
            Choice::Use(requirement) => requirement,
        };
        let mut first = request.clone();
        let was_kept = self
            .auth
            .apply(&requirement, &mut first, &self.http, false)
            .await?;
        let reply = self.http.send(&first).await?;
        if !was_kept || reply.response.status() != reqwest::StatusCode::UNAUTHORIZED {
            return Ok((reply, None));
        }
        self.auth
            .apply(&requirement, &mut request, &self.http, true)
            .await?;
        Ok((self.http.send(&request).await?, None))
    }
}

impl Source for OpenApi {
    fn backend_ref(&self) -> &BackendRef {
        &self.backend
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn list(self: Arc<Self>) -> BoxFuture<'static, Result<Listing>> {
        let tools = self.tools.iter().map(|offered| {
            Registration::new(offered.tool.clone(), self.clone())
                .with_remote_name(offered.remote_name.clone())
        });
        let listing = Listing {
            tools: tools.collect(),
            notices: self.notices.clone(),
        };
        Box::pin(std::future::ready(Ok(listing)))
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        self.http.shutdown();
        Box::pin(std::future::ready(()))
    }
}

impl Backend for OpenApi {
    fn backend_ref(&self) -> &BackendRef {
        &self.backend
    }

    fn call<'a>(
        &'a self,
        call: BackendCall,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<RawOutput>> {
        Box::pin(async move {
            let result = self.run(call, cx).await;
            result.map_err(|error| error.on_backend(&self.backend))
        })
    }
}

impl fmt::Debug for OpenApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenApi")
            .field("name", &self.backend.name)
            .field("tools", &self.tools.len())
            .finish_non_exhaustive()
    }
}

/// Passes the trace context on.
fn trace(headers: &mut HeaderMap, cx: &CallContext) {
    let Some(trace) = cx.trace() else { return };
    let state = trace.tracestate.as_deref();
    for (name, value) in [
        ("traceparent", Some(&*trace.traceparent)),
        ("tracestate", state),
    ] {
        if let Some(Ok((name, value))) = value.map(|value| request::header(name, value)) {
            headers.insert(name, value);
        }
    }
}

/// The origin of an address that a person configured.
fn origin(text: &str) -> std::result::Result<Origin, url::ParseError> {
    Url::parse(text).map(|url| url.origin())
}
