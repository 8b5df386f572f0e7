//! From a configuration to a connection.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use http::{HeaderName, HeaderValue};
use rmcp::model::{
    ClientRequest, LoggingLevel, ProtocolVersion, ServerPeerInfo, SetLevelRequest,
    SetLevelRequestParams, SubscriptionFilter,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, Peer, RoleClient, RunningService,
    serve_client_with_lifecycle,
};
use rmcp::transport::streamable_http_client::{
    StreamableHttpClient, StreamableHttpClientTransportConfig,
};
use rmcp::transport::{AuthClient, StreamableHttpClientTransport, Transport as RmcpTransport};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use toolexec_core::{BackendRef, Error, ErrorKind, Result};
use toolexec_process::{Child, Command, base_env};

use super::connection::{Connection, Watched, exit_text, last_words};
use crate::client::auth::{self, HttpAuth};
use crate::client::config::{HttpConfig, Protocol, ServerConfig, StdioConfig, Transport};
use crate::client::error::{self, StderrTail};
use crate::client::handler::Handler;
use crate::client::hub::{Hub, Note};
use crate::client::transport::Tap;
use crate::client::transport::http::{CappedHttp, install_tls};
use crate::client::transport::stdio::Stdio;

/// What a new connection is made of.
pub(crate) struct Plan {
    pub(crate) server: BackendRef,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) tools_changed: Arc<watch::Sender<u64>>,
    pub(crate) notes: broadcast::Sender<Note>,
}

/// A connection, what notices its end, and what was learned on the way.
pub(crate) struct Connected {
    pub(crate) connection: Arc<Connection>,
    pub(crate) watched: Watched,
    /// The server does not know `server/discover`: no need to ask it again.
    pub(crate) is_legacy: bool,
}

/// A start that failed.
struct Failed {
    error: Error,
    /// Speaking the old way may help: the server ended during the handshake, or said that it
    /// speaks older revisions only.
    is_maybe_old: bool,
}

impl From<Error> for Failed {
    /// A failure that has nothing to do with the server's age.
    fn from(error: Error) -> Self {
        Self {
            error,
            is_maybe_old: false,
        }
    }
}

impl Plan {
    /// Starts or connects, and shakes hands.
    pub(crate) async fn connect(&self, protocol: Protocol) -> Result<Connected> {
        let limit = self.config.timeouts.connect;
        match tokio::time::timeout(limit, self.try_both(protocol)).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "MCP server {} did not finish its start within {limit:?}",
                    self.server.name
                ),
            )
            .on_backend(&self.server)
            .with_hint("programs that install themselves at the first start need a longer `connect` timeout")),
        }
    }

    async fn try_both(&self, protocol: Protocol) -> Result<Connected> {
        match self.try_one(protocol).await {
            // A server of before 2026-07-28 may take an unknown request before `initialize` for
            // a reason to give up.
            Err(Failed {
                is_maybe_old: true, ..
            }) if protocol == Protocol::Auto => self
                .try_one(Protocol::Initialize)
                .await
                .map_err(|failed| failed.error),
            result => result.map_err(|failed| failed.error),
        }
    }

    async fn try_one(&self, protocol: Protocol) -> Result<Connected, Failed> {
        match &self.config.transport {
            Transport::Stdio(stdio) => self.stdio(stdio, protocol).await,
            Transport::Http(http) => self.http(http, protocol).await,
        }
    }

    async fn stdio(&self, stdio: &StdioConfig, protocol: Protocol) -> Result<Connected, Failed> {
        let command = command(stdio);
        let spawned = match &stdio.confine {
            Some(confine) => confine.spawn(command).await,
            None => command.spawn(),
        };
        let mut child = spawned.map_err(|error| error::spawn(&self.server, error))?;
        let (Some(input), Some(output)) = (child.take_stdin(), child.take_stdout()) else {
            return Err(Error::new(ErrorKind::Internal, "a child without pipes").into());
        };
        let hub = self.hub();
        let verdict = Arc::new(OnceLock::new());
        let limits = self.config.limits;
        let transport = Stdio::new(output, input, hub.clone(), limits, verdict.clone());
        let closed = CancellationToken::new();
        match self.serve(transport, &hub, &closed, protocol).await {
            Ok(service) => {
                let watched = Watched {
                    service,
                    child: Some(child),
                    closed,
                    verdict,
                    grace: self.config.timeouts.shutdown,
                };
                Ok(self.finish(&hub, watched))
            }
            Err(error) => Err(self.explain(*error, child, verdict.get()).await),
        }
    }

    /// Why a program did not get through the handshake.
    async fn explain(
        &self,
        error: ClientInitializeError,
        mut child: Child,
        verdict: Option<&String>,
    ) -> Failed {
        let is_end = matches!(
            &error,
            ClientInitializeError::ConnectionClosed(_)
                | ClientInitializeError::TransportError { .. }
        ) || matches!(&error, ClientInitializeError::LegacyFallbackFailed { fallback, .. }
            if matches!(**fallback, ClientInitializeError::ConnectionClosed(_)));
        if !is_end {
            return self.refused(error);
        }
        let wait = std::time::Duration::from_secs(1);
        let what = match (verdict, tokio::time::timeout(wait, child.wait()).await) {
            (Some(verdict), _) => verdict.clone(),
            (None, Ok(exit)) => exit_text(exit.ok(), &child),
            (None, Err(_)) => "closed its standard output".to_owned(),
        };
        let failure = Error::new(
            ErrorKind::Unavailable,
            format!("MCP server {} {what} during its start", self.server.name),
        )
        .on_backend(&self.server)
        .with_hint("run its command by hand, or see `toolexec doctor` for what it wrote");
        let error = match last_words(&mut child).await {
            Some(stderr) => failure.with_source(StderrTail(stderr)),
            None => failure.with_source(error),
        };
        Failed {
            error,
            is_maybe_old: true,
        }
    }

    /// Why a server that is there did not get through the handshake.
    fn refused(&self, error: ClientInitializeError) -> Failed {
        // Some old servers answer what they do not know with an empty result.
        let is_odd = matches!(error, ClientInitializeError::ExpectedInitResult(_));
        let error = error::handshake(&self.server, error);
        Failed {
            is_maybe_old: is_odd || error.kind() == ErrorKind::Unsupported,
            error,
        }
    }

    async fn http(&self, http: &HttpConfig, protocol: Protocol) -> Result<Connected, Failed> {
        install_tls();
        let limit = self.config.limits.message;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::limited(5))
            .user_agent(concat!("toolexec/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "the HTTP client cannot be made").with_source(error)
            })?;
        let client = CappedHttp::new(client, limit);
        let mut config = StreamableHttpClientTransportConfig::with_uri(http.url.as_str());
        config.custom_headers = self.headers(http)?;
        config.max_sse_event_size = limit;
        if let HttpAuth::Bearer(token) = &http.auth {
            config.auth_header = Some(token.clone());
        }
        let manager = auth::manager(&http.url, &http.auth)
            .await
            .map_err(|error| Failed::from(error::auth(&self.server, error)))?;
        match manager {
            Some(manager) => {
                let client = AuthClient::new(client, manager);
                self.http_with(client, config, protocol).await
            }
            None => self.http_with(client, config, protocol).await,
        }
    }

    async fn http_with<C>(
        &self,
        client: C,
        config: StreamableHttpClientTransportConfig,
        protocol: Protocol,
    ) -> Result<Connected, Failed>
    where
        C: StreamableHttpClient + Send + Sync,
    {
        let hub = self.hub();
        let closed = CancellationToken::new();
        let transport = StreamableHttpClientTransport::with_client(client, config);
        let service = self
            .serve(transport, &hub, &closed, protocol)
            .await
            .map_err(|error| self.refused(*error))?;
        let watched = Watched {
            service,
            child: None,
            closed,
            verdict: Arc::default(),
            grace: self.config.timeouts.shutdown,
        };
        Ok(self.finish(&hub, watched))
    }

    async fn serve<T>(
        &self,
        transport: T,
        hub: &Arc<Hub>,
        closed: &CancellationToken,
        protocol: Protocol,
    ) -> Result<RunningService<RoleClient, Handler>, Box<ClientInitializeError>>
    where
        T: RmcpTransport<RoleClient> + Send + 'static,
    {
        let tap = Tap::new(transport, hub.clone(), closed);
        serve_client_with_lifecycle(self.handler(hub), tap, lifecycle(protocol))
            .await
            .map_err(Box::new)
    }

    fn finish(&self, hub: &Arc<Hub>, watched: Watched) -> Connected {
        let peer = watched.service.peer().clone();
        let info = peer.peer_info().unwrap_or_else(|| {
            // rmcp sets it before it returns the service.
            let version = ProtocolVersion::LATEST_WITH_INITIALIZE;
            Arc::new(ServerPeerInfo::new(
                version,
                rmcp::model::ServerCapabilities::default(),
            ))
        });
        let is_legacy = info.protocol_version.has_initialize();
        if is_legacy {
            ask_for_logs(&peer, &info);
        } else {
            subscribe(&peer, &info, hub);
        }
        let server = self.server.clone();
        let connection = Connection::new(server, hub.clone(), self.handler(hub), info, &watched);
        Connected {
            connection: Arc::new(connection),
            watched,
            is_legacy,
        }
    }

    fn headers(&self, http: &HttpConfig) -> Result<HashMap<HeaderName, HeaderValue>> {
        let mut headers = HashMap::new();
        for (name, value) in &http.headers {
            let invalid = || {
                Error::new(
                    ErrorKind::Config,
                    format!(
                        "header {name:?} of MCP server {} is not valid",
                        self.server.name
                    ),
                )
                .on_backend(&self.server)
            };
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| invalid())?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        Ok(headers)
    }

    fn hub(&self) -> Arc<Hub> {
        let name = self.server.name.clone();
        let (tools, notes) = (self.tools_changed.clone(), self.notes.clone());
        Arc::new(Hub::new(name, tools, notes))
    }

    fn handler(&self, hub: &Arc<Hub>) -> Handler {
        Handler {
            server: self.server.clone(),
            interaction: self.config.interaction.clone(),
            hub: hub.clone(),
        }
    }
}

fn command(stdio: &StdioConfig) -> Command {
    let mut command = Command::new(&stdio.command).args(&stdio.args);
    if let Some(confine) = &stdio.confine {
        command = command.envs(confine.base_env());
    } else if stdio.inherit_env {
        command = command.envs(base_env());
    }
    for (name, value) in &stdio.env {
        command = command.env(name, value);
    }
    match &stdio.cwd {
        Some(dir) => command.current_dir(dir),
        None => command,
    }
}

fn lifecycle(protocol: Protocol) -> ClientLifecycleMode {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    match protocol {
        Protocol::Auto => ClientLifecycleMode::Auto {
            preferred_versions,
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        },
        Protocol::Stateless => ClientLifecycleMode::Discover { preferred_versions },
        Protocol::Initialize => ClientLifecycleMode::Initialize,
    }
}

/// Tells an older server which log messages we want; it may send none otherwise.
fn ask_for_logs(peer: &Peer<RoleClient>, info: &ServerPeerInfo) {
    if info.capabilities.logging.is_none() {
        return;
    }
    let peer = peer.clone();
    tokio::spawn(async move {
        let params = SetLevelRequestParams::new(LoggingLevel::Info);
        let request = ClientRequest::SetLevelRequest(SetLevelRequest::new(params));
        if let Err(error) = peer.send_request(request).await {
            tracing::debug!(%error, "an MCP server did not take the log level");
        }
    });
}

/// Asks a stateless server to say when its lists change.
fn subscribe(peer: &Peer<RoleClient>, info: &ServerPeerInfo, hub: &Arc<Hub>) {
    let capabilities = &info.capabilities;
    let tools = capabilities.tools.as_ref().and_then(|it| it.list_changed);
    let prompts = capabilities.prompts.as_ref().and_then(|it| it.list_changed);
    let resources = capabilities.resources.as_ref();
    let mut filter = SubscriptionFilter::default();
    filter.tools_list_changed = tools.filter(|offered| *offered);
    filter.prompts_list_changed = prompts.filter(|offered| *offered);
    filter.resources_list_changed = resources
        .and_then(|it| it.list_changed)
        .filter(|offered| *offered);
    if filter != SubscriptionFilter::default() {
        tokio::spawn(listen(peer.clone(), filter, hub.clone()));
    }
}

/// Keeps a subscription as long as the server does. The hub takes each change as it comes in; here
/// they are only drained.
pub(crate) async fn listen(peer: Peer<RoleClient>, filter: SubscriptionFilter, hub: Arc<Hub>) {
    let subscription = peer.listen(filter).await;
    // The peer would keep the connection's channel open for this task alone.
    drop(peer);
    match subscription {
        Ok(mut subscription) => while let Ok(Some(_)) = subscription.next().await {},
        Err(error) => hub.notice(format!("changes will not be noticed: {error}")),
    }
}
