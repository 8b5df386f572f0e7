//! What rmcp and the transports report, as errors of the run path.

use std::error::Error as StdError;
use std::time::Duration;

use rmcp::model::{ErrorCode, ErrorData};
use rmcp::service::{ClientInitializeError, ServiceError};
use rmcp::transport::AuthError;
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, HttpStatusError, InsufficientScopeError, StreamableHttpError,
};
use toolexec_core::{BackendRef, Error, ErrorKind};
use toolexec_process::{ConfineError, SpawnError};

use crate::client::transport::http::TooLarge;

/// An answer that we threw away because of its size; never on the wire.
pub(crate) const CODE_TOO_LARGE: i32 = -31_001;
/// An answer that could not be read; never on the wire.
pub(crate) const CODE_UNREADABLE: i32 = -31_002;

/// The most characters of a server's own message that are passed on.
const MAX_MESSAGE: usize = 2_000;

/// Lines of a server's standard error, as the cause of an error.
#[derive(Debug, thiserror::Error)]
#[error("the end of its standard error:\n{0}")]
pub(crate) struct StderrTail(pub(crate) String);

/// A program that could not be started.
pub(crate) fn spawn(server: &BackendRef, error: SpawnError) -> Error {
    if let SpawnError::Confine(error) = error {
        return confined(server, error);
    }
    // The program is named by base name only: the rest is a path of this machine.
    let message = match &error {
        SpawnError::NotFound { program, .. } => format!(
            "MCP server {} cannot be started: program {:?} was not found",
            server.name,
            base_name(program)
        ),
        _ => format!("MCP server {} cannot be started", server.name),
    };
    let hint = error.hint();
    let failure = Error::new(ErrorKind::Unavailable, message)
        .on_backend(server)
        .with_retryable(false)
        .with_source(error);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// A program whose sandbox cannot be used, or that cannot be started there.
fn confined(server: &BackendRef, mut error: ConfineError) -> Error {
    let message = format!(
        "MCP server {} cannot be started in its sandbox: {error}",
        server.name
    );
    let failure = Error::new(ErrorKind::SandboxUnavailable, message)
        .on_backend(server)
        .with_retryable(false);
    let failure = error.hints.drain(..).fold(failure, Error::with_hint);
    match error.source {
        Some(source) => failure.with_source(source),
        None => failure,
    }
}

/// A handshake that failed, for a reason other than the end of the program.
pub(crate) fn handshake(server: &BackendRef, error: ClientInitializeError) -> Error {
    let name = &server.name;
    if let Some(failure) = transport_failure(server, &error) {
        return failure.with_source(error);
    }
    let (kind, message) = match &error {
        ClientInitializeError::JsonRpcError(data) => (
            ErrorKind::Protocol,
            format!(
                "MCP server {name} refused the connection: {}",
                short(&data.message)
            ),
        ),
        ClientInitializeError::NoCompatibleProtocolVersion { .. } => (
            ErrorKind::Unsupported,
            format!("MCP server {name} speaks no revision of the protocol that we speak"),
        ),
        ClientInitializeError::ConnectionClosed(_) => (
            ErrorKind::Unavailable,
            format!("MCP server {name} closed the connection during the handshake"),
        ),
        ClientInitializeError::TransportError { .. } => (
            ErrorKind::Unavailable,
            format!("MCP server {name} cannot be reached"),
        ),
        _ => (
            ErrorKind::Protocol,
            format!("MCP server {name} broke the protocol during the handshake"),
        ),
    };
    Error::new(kind, message)
        .on_backend(server)
        .with_hint("`toolexec doctor` shows what the server wrote and how far it got")
        .with_source(error)
}

/// A request that failed while the connection stands.
pub(crate) fn request(server: &BackendRef, error: ServiceError) -> Error {
    let name = &server.name;
    if let Some(failure) = transport_failure(server, &error) {
        return failure.with_source(error);
    }
    let (kind, message) = match &error {
        ServiceError::McpError(data) => return answered(server, data),
        ServiceError::UnexpectedResponse => (
            ErrorKind::Protocol,
            format!("MCP server {name} answered something else than was asked"),
        ),
        ServiceError::Timeout { timeout } => (
            ErrorKind::Timeout,
            format!("MCP server {name} did not answer within {timeout:?}"),
        ),
        ServiceError::Cancelled { .. } => (
            ErrorKind::Backend,
            format!("MCP server {name} dropped the request"),
        ),
        _ => (
            ErrorKind::Backend,
            format!("the connection to MCP server {name} failed during the request"),
        ),
    };
    Error::new(kind, message)
        .on_backend(server)
        .with_source(error)
}

/// A token that could not be had before connecting.
pub(crate) fn auth(server: &BackendRef, error: AuthError) -> Error {
    let failure = match transport_failure(server, &error) {
        Some(failure) => failure,
        None => Error::new(
            ErrorKind::Denied,
            format!("MCP server {}: no access token could be had", server.name),
        )
        .on_backend(server),
    };
    failure.with_source(error)
}

/// An error that the server answered.
fn answered(server: &BackendRef, data: &ErrorData) -> Error {
    let name = &server.name;
    let text = short(&data.message);
    let error = match data.code {
        ErrorCode(CODE_TOO_LARGE) => Error::new(
            ErrorKind::LimitExceeded,
            format!("MCP server {name}: {text}"),
        )
        .with_hint("ask for less at once, or raise the server's message limit"),
        ErrorCode(CODE_UNREADABLE) => {
            Error::new(ErrorKind::Protocol, format!("MCP server {name}: {text}"))
        }
        ErrorCode::INVALID_PARAMS => Error::new(
            ErrorKind::InvalidInput,
            format!("MCP server {name} refused the arguments: {text}"),
        ),
        ErrorCode::METHOD_NOT_FOUND => Error::new(
            ErrorKind::Unsupported,
            format!("MCP server {name} does not support the request: {text}"),
        ),
        // Kept as the cause: whoever asks on behalf of a client passes it on.
        ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY => Error::new(
            ErrorKind::Unsupported,
            format!("MCP server {name} wants what its client does not offer: {text}"),
        )
        .with_source(data.clone()),
        ErrorCode(code) => Error::new(
            ErrorKind::Backend,
            format!("MCP server {name} answered error {code}: {text}"),
        ),
    };
    error.on_backend(server)
}

/// What an HTTP transport says in the chain of causes of `error`, if that is why it failed. The
/// caller adds `error` itself as the cause.
fn transport_failure(
    server: &BackendRef,
    error: &(dyn StdError + Send + Sync + 'static),
) -> Option<Error> {
    let name = &server.name;
    let failure = if find::<AuthRequiredError>(error).is_some() || is_auth_required(error) {
        unauthorized(name)
    } else if let Some(scope) = find::<InsufficientScopeError>(error) {
        Error::new(
            ErrorKind::Denied,
            format!("MCP server {name} wants more rights than the token has (HTTP 403)"),
        )
        .with_hint(match scope.get_required_scope() {
            Some(scope) => format!("log in again with the scope {scope:?}"),
            None => "log in again with more scopes".to_owned(),
        })
    } else if let Some(auth) = find::<AuthError>(error) {
        Error::new(
            ErrorKind::Denied,
            format!("MCP server {name}: no access token could be had"),
        )
        .with_hint(auth_hint(auth))
    } else if let Some(too_large) = find::<TooLarge>(error) {
        Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "MCP server {name}: the answer is larger than {} bytes",
                too_large.limit
            ),
        )
        .with_hint("ask for less at once, or raise the server's message limit")
    } else if let Some(status) = find::<HttpStatusError>(error) {
        status_failure(name, status)
    } else {
        unreachable_failure(name, find::<reqwest::Error>(error)?)?
    };
    Some(failure.on_backend(server))
}

fn unauthorized(name: &str) -> Error {
    Error::new(
        ErrorKind::Denied,
        format!("MCP server {name} wants authorization (HTTP 401)"),
    )
    .with_hint("set a bearer token or an Authorization header for this server")
    .with_hint(format!(
        "or log in with OAuth, if the server offers it: `toolexec login {name}`"
    ))
}

fn auth_hint(error: &AuthError) -> &'static str {
    match error {
        AuthError::ClientCredentialsError(_) | AuthError::TokenExchangeFailed(_) => {
            "check the client id, the client secret and the scopes of this server"
        }
        AuthError::NoAuthorizationSupport | AuthError::MetadataError(_) => {
            "the server does not say where to get a token; set a bearer token instead"
        }
        _ => "log in to this server again",
    }
}

fn status_failure(name: &str, status: &HttpStatusError) -> Error {
    let code = status.status;
    if code != 429 {
        return Error::new(
            ErrorKind::Backend,
            format!("MCP server {name} failed with HTTP {code}"),
        );
    }
    let wait = status
        .retry_after
        .as_deref()
        .and_then(|text| text.trim().parse().ok())
        .map(Duration::from_secs);
    let error = Error::new(
        ErrorKind::Unavailable,
        format!("MCP server {name} takes no more requests now (HTTP 429)"),
    );
    match wait {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// A request that did not reach the server.
fn unreachable_failure(name: &str, error: &reqwest::Error) -> Option<Error> {
    if error.is_connect() {
        let message = format!("MCP server {name} cannot be reached");
        return Some(
            Error::new(ErrorKind::Unavailable, message)
                .with_hint("check the URL of the server, and that it runs"),
        );
    }
    if error.is_builder() {
        let message = format!("the URL or a header of MCP server {name} is not valid");
        return Some(Error::new(ErrorKind::Config, message));
    }
    None
}

/// Whether a 401 came without a challenge, which rmcp reports as text only.
fn is_auth_required(error: &(dyn StdError + 'static)) -> bool {
    find::<StreamableHttpError<reqwest::Error>>(error).is_some_and(|error| match error {
        StreamableHttpError::UnexpectedServerResponse(text) => text.starts_with("HTTP 401"),
        _ => false,
    }) || matches!(
        find::<AuthError>(error),
        Some(AuthError::AuthorizationRequired)
    )
}

/// The first error of type `T` in a chain of causes. rmcp keeps some causes in fields that its
/// errors do not report as their source.
pub(crate) fn find<'a, T: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = hidden_cause(error).or_else(|| error.source());
    }
    None
}

fn hidden_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(error) = error.downcast_ref::<ClientInitializeError>() {
        return match error {
            ClientInitializeError::TransportError { error, .. } => Some(error.error.as_ref()),
            ClientInitializeError::LegacyFallbackFailed { fallback, .. } => Some(fallback.as_ref()),
            _ => None,
        };
    }
    if let Some(ServiceError::TransportSend(error)) = error.downcast_ref() {
        return Some(error.error.as_ref());
    }
    if let Some(error) = error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        return match error {
            StreamableHttpError::Client(error) => Some(error),
            StreamableHttpError::HttpStatus(error) => Some(error),
            StreamableHttpError::Auth(error) => Some(error),
            StreamableHttpError::Io(error) => error
                .get_ref()
                .map(|error| -> &(dyn StdError + 'static) { error }),
            _ => None,
        };
    }
    None
}

/// The cause of a failure that several callers share.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Cause(String);

impl Cause {
    /// The chain of causes of `error` as one text.
    pub(crate) fn chain(error: &Error) -> Option<Self> {
        let causes = error.report().causes;
        (!causes.is_empty()).then(|| Self(causes.join(": ")))
    }

    /// The end of a program's standard error.
    pub(crate) fn stderr(lines: String) -> Self {
        Self(StderrTail(lines).to_string())
    }
}

fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

fn short(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
