//! From the sections of the file to sources of tools and settings of the run path.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use toolexec_core::run::{Check, RunSettings};
use toolexec_core::{BackendKind, BackendRef, Error, ErrorKind, Listing, Source};
use toolexec_mcp::auth::HttpAuth;
use toolexec_mcp::config::{HttpConfig, ServerConfig, StdioConfig, Transport};
use toolexec_mcp::{Interaction, McpServer};
use toolexec_providers::command::{self, ArgTemplate, CommandTool, Commands, StdinTemplate};
use toolexec_providers::openapi::{
    ApiConfig, ApiLimits, Credential, KeyLocation, OpenApi, OperationFilter, Redirects,
};

use super::check::COMMANDS;
use super::sections::{
    ApiAuth, ApiSection, CheckRule, CommandArg, CommandSection, Filter, KeyPlace, Kind,
    OutputFormat, RedirectRule, RunSection, ServerAuth, ServerSection,
};
use super::units::{Size, Time};
use super::{Config, ConfigError, FILE_NAME, Fault, web};
use crate::tokens::FileTokens;

/// A stand-in for "no limit" where a limit must be given.
const FOREVER: Duration = Duration::from_hours(365 * 24);

/// The sources of a configuration, ready to be used; nothing is started yet.
#[derive(Default)]
pub struct Connected {
    /// Every source, in the order of the sections: servers, APIs, commands. A source with a
    /// fault is among them; it fails when it is listed.
    pub sources: Vec<Arc<dyn Source>>,
    servers: Vec<Arc<McpServer>>,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.sources.iter().map(|source| source.backend_ref());
        f.debug_list().entries(names).finish()
    }
}

impl Connected {
    /// The MCP server of this name.
    pub fn server(&self, name: &str) -> Option<&Arc<McpServer>> {
        let is_it = |server: &&Arc<McpServer>| &*Source::backend_ref(&***server).name == name;
        self.servers.iter().find(is_it)
    }

    /// Every MCP server, in the order of the sections.
    pub fn servers(&self) -> &[Arc<McpServer>] {
        &self.servers
    }
}

impl Config {
    /// Makes the sources. Nothing is read, started or connected before a source is used.
    pub fn connect(&self) -> Connected {
        self.connect_with(None)
    }

    /// Makes the sources; `interaction` answers what MCP servers ask while a tool runs.
    pub fn connect_with(&self, interaction: Option<&Arc<dyn Interaction>>) -> Connected {
        let mut connected = Connected::default();
        for (name, section) in &self.sections.servers {
            let namespace = section.namespace.as_deref().unwrap_or(name);
            let mut config = server(section, self.directory());
            config.interaction = interaction.cloned();
            let server = McpServer::new(&**name, namespace, config);
            connected.servers.push(server.clone());
            connected.sources.push(server);
        }
        for (name, section) in &self.sections.apis {
            let source = ApiFile::new(name, section, self.directory());
            connected.sources.push(Arc::new(source));
        }
        connected.sources.extend(self.commands());
        connected.sources.extend(web::source(&self.sections.web));
        for fault in &self.faults {
            connected.sources.push(Arc::new(Faulty::new(fault)));
        }
        connected
    }

    /// The programs, one source for each namespace.
    fn commands(&self) -> Vec<Arc<dyn Source>> {
        let mut namespaces: BTreeMap<&str, Vec<CommandTool>> = BTreeMap::new();
        for (name, section) in &self.sections.commands {
            let namespace = section.namespace.as_deref().unwrap_or(COMMANDS);
            let tool = command_tool(name, section, self.directory());
            namespaces.entry(namespace).or_default().push(tool);
        }
        let all = namespaces.into_iter();
        all.map(|(namespace, tools)| -> Arc<dyn Source> {
            // Not the name of an API with the same namespace.
            let name = match namespace {
                COMMANDS => COMMANDS.to_owned(),
                other => format!("{COMMANDS}.{other}"),
            };
            match Commands::new(&name, namespace, tools) {
                Ok(commands) => commands,
                // Each was checked alone when the file was read.
                Err(error) => {
                    let file = self.file.as_deref().unwrap_or(Path::new(FILE_NAME));
                    let error = ConfigError::new(file, error.guest_message());
                    Arc::new(Faulty {
                        backend: BackendRef::new(BackendKind::Provider, name),
                        namespace: namespace.to_owned(),
                        error,
                    })
                }
            }
        })
        .collect()
    }

    /// How calls are run.
    pub fn run_settings(&self) -> RunSettings {
        let RunSection {
            timeout,
            check_input,
            check_output,
            prefer,
            fail_over,
            default_effect: _,
            max_args,
            max_value,
        } = &self.sections.run;
        let mut settings = RunSettings::default();
        if let Some(Time(timeout)) = timeout {
            settings.timeout = *timeout;
        }
        if let Some(rule) = check_input {
            settings.check_input = check(*rule);
        }
        if let Some(rule) = check_output {
            settings.check_output = check(*rule);
        }
        settings.preference = prefer.iter().map(|&kind| backend_kind(kind)).collect();
        settings.fail_over = fail_over.unwrap_or(settings.fail_over);
        if let Some(Size(bytes)) = max_args {
            settings.args_limits.max_bytes = *bytes;
        }
        if let Some(Size(bytes)) = max_value {
            settings.value_limits.max_bytes = *bytes;
        }
        settings
    }
}

fn check(rule: CheckRule) -> Check {
    match rule {
        CheckRule::Error => Check::Error,
        CheckRule::Warn => Check::Warn,
        CheckRule::Off => Check::Off,
    }
}

fn backend_kind(kind: Kind) -> BackendKind {
    match kind {
        Kind::Local => BackendKind::Local,
        Kind::Provider => BackendKind::Provider,
        Kind::Mcp => BackendKind::Mcp,
    }
}

fn server(section: &ServerSection, directory: &Path) -> ServerConfig {
    let transport = match &section.url {
        Some(url) => Transport::Http(HttpConfig {
            url: url.clone(),
            headers: section.headers.clone(),
            auth: http_auth(url, section.auth.as_ref()),
        }),
        None => Transport::Stdio(StdioConfig {
            command: program(section.command.as_deref().unwrap_or_default(), directory),
            args: section.args.clone(),
            env: section.env.clone(),
            inherit_env: true,
            cwd: section.cwd.as_ref().map(|cwd| directory.join(cwd)),
        }),
    };
    let mut config = ServerConfig::new(transport);
    if let Some(Time(timeout)) = section.timeout {
        config.timeouts.call = timeout;
    }
    if let Some(Time(timeout)) = section.start_timeout {
        config.timeouts.connect = timeout.unwrap_or(FOREVER);
    }
    if let Some(Size(bytes)) = section.max_message {
        config.limits.message = bytes;
    }
    config
}

/// A path such as `./server` starts from the file's directory; a plain name is looked up in PATH.
fn program(text: &str, directory: &Path) -> String {
    let is_path = text.contains('/') && Path::new(text).is_relative();
    if !is_path {
        return text.to_owned();
    }
    directory.join(text).to_string_lossy().into_owned()
}

/// A program as a tool.
pub(super) fn command_tool(name: &str, section: &CommandSection, directory: &Path) -> CommandTool {
    let mut tool = CommandTool::new(name, program(&section.program, directory));
    tool.title.clone_from(&section.title);
    tool.description.clone_from(&section.description);
    tool.tags.clone_from(&section.tags);
    tool.annotations.read_only = section.read_only;
    tool.annotations.idempotent = section.idempotent;
    tool.args = section.args.iter().map(arg).collect();
    tool.stdin = match section.stdin.as_deref() {
        None => StdinTemplate::Nothing,
        Some("json") => StdinTemplate::Json,
        Some(text) => StdinTemplate::Text(text.to_owned()),
    };
    let env = section.env.iter();
    tool.env = env
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    tool.cwd = section.cwd.as_ref().map(|cwd| directory.join(cwd));
    tool.input_schema.clone_from(&section.input);
    tool.output_schema.clone_from(&section.output_schema);
    tool.output = match section.output {
        None | Some(OutputFormat::Text) => command::OutputFormat::Text,
        Some(OutputFormat::Json) => command::OutputFormat::Json,
        Some(OutputFormat::Jsonl) => command::OutputFormat::Jsonl,
    };
    if let Some(success) = &section.success {
        tool.success.clone_from(success);
    }
    if let Some(Time(timeout)) = section.timeout {
        tool.timeout = timeout.unwrap_or(FOREVER);
    }
    if let Some(Size(bytes)) = section.max_output {
        tool.max_output = bytes;
    }
    tool
}

fn arg(arg: &CommandArg) -> ArgTemplate {
    match arg {
        CommandArg::One(text) => ArgTemplate::One(text.clone()),
        CommandArg::Group(texts) => ArgTemplate::Group(texts.clone()),
        CommandArg::When { when, args } => ArgTemplate::When {
            when: when.clone(),
            args: args.clone(),
        },
    }
}

fn http_auth(url: &str, auth: Option<&ServerAuth>) -> HttpAuth {
    let tokens = || FileTokens::of(url).map(Arc::new);
    match auth {
        // Somebody may have logged in all the same.
        None => match tokens().filter(|tokens| tokens.exist()) {
            Some(tokens) => HttpAuth::Stored(tokens),
            None => HttpAuth::None,
        },
        Some(ServerAuth::Login(_)) => match tokens() {
            Some(tokens) => HttpAuth::Stored(tokens),
            None => HttpAuth::None,
        },
        Some(ServerAuth::Bearer { token }) => HttpAuth::Bearer(token.clone()),
        Some(ServerAuth::ClientCredentials {
            client_id,
            client_secret,
            scopes,
        }) => HttpAuth::ClientCredentials {
            client_id: client_id.clone(),
            client_secret: client_secret.clone(),
            scopes: scopes.clone(),
        },
    }
}

fn api(section: &ApiSection) -> ApiConfig {
    let usual = ApiConfig::default();
    let time = |own: Option<Time>, usual: Duration| match own {
        Some(Time(time)) => time.unwrap_or(FOREVER),
        None => usual,
    };
    let size = |own: Option<Size>, usual: usize| own.map_or(usual, |Size(bytes)| bytes);
    ApiConfig {
        namespace: section.namespace.clone(),
        base_url: section.base_url.clone(),
        server: section.server.clone(),
        server_variables: section.server_variables.clone(),
        auth: section
            .auth
            .iter()
            .map(|(name, auth)| (name.clone(), credential(auth)))
            .collect(),
        headers: section
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect(),
        trusted_origins: section.trusted_origins.clone(),
        include: section.include.iter().map(filter).collect(),
        exclude: section.exclude.iter().map(filter).collect(),
        output_schemas: section.output_schemas.unwrap_or(usual.output_schemas),
        redirects: section
            .redirects
            .map_or(usual.redirects, |rule| match rule {
                RedirectRule::None => Redirects::None,
                RedirectRule::SameOrigin => Redirects::SameOrigin,
                RedirectRule::All => Redirects::All,
            }),
        max_redirects: section.max_redirects.unwrap_or(usual.max_redirects),
        allow_private: section.allow_private.unwrap_or(usual.allow_private),
        connect_timeout: time(section.connect_timeout, usual.connect_timeout),
        timeout: time(section.timeout, usual.timeout),
        limits: ApiLimits {
            max_document: size(section.max_document, usual.limits.max_document),
            max_response: size(section.max_response, usual.limits.max_response),
            max_request: size(section.max_request, usual.limits.max_request),
            ..usual.limits
        },
    }
}

fn filter(filter: &Filter) -> OperationFilter {
    OperationFilter {
        tag: filter.tag.clone(),
        operation: filter.operation.clone(),
        path: filter.path.clone(),
        method: filter.method.clone(),
    }
}

fn credential(auth: &ApiAuth) -> Credential {
    match auth {
        ApiAuth::ApiKey {
            value,
            location,
            name,
        } => Credential::ApiKey {
            value: value.clone().into(),
            location: location.map(|place| match place {
                KeyPlace::Header => KeyLocation::Header,
                KeyPlace::Query => KeyLocation::Query,
                KeyPlace::Cookie => KeyLocation::Cookie,
            }),
            name: name.clone(),
        },
        ApiAuth::Bearer { token } => Credential::Bearer {
            token: token.clone().into(),
        },
        ApiAuth::Basic { username, password } => Credential::Basic {
            username: username.clone(),
            password: password.clone().into(),
        },
        ApiAuth::ClientCredentials {
            client_id,
            client_secret,
            token_url,
            scopes,
            in_body,
        } => Credential::ClientCredentials {
            client_id: client_id.clone(),
            client_secret: client_secret.clone().into(),
            token_url: token_url.clone(),
            scopes: scopes.clone(),
            in_body: *in_body,
        },
    }
}

/// An API whose document is read when its tools are first needed: documents can be large.
#[derive(Debug)]
struct ApiFile {
    backend: BackendRef,
    namespace: String,
    document: PathBuf,
    config: ApiConfig,
    loaded: OnceLock<Arc<OpenApi>>,
}

impl ApiFile {
    fn new(name: &str, section: &ApiSection, directory: &Path) -> Self {
        Self {
            backend: BackendRef::new(BackendKind::Provider, name),
            namespace: section.namespace.as_deref().unwrap_or(name).to_owned(),
            document: directory.join(&section.spec),
            config: api(section),
            loaded: OnceLock::new(),
        }
    }

    fn read(&self) -> Result<Arc<OpenApi>, Error> {
        let name = &*self.backend.name;
        let text = std::fs::read_to_string(&self.document).map_err(|error| {
            let message = format!("the document of API {name} cannot be read");
            let path = self.document.display();
            let cause = std::io::Error::new(error.kind(), format!("{path}: {error}"));
            Error::new(ErrorKind::Config, message)
                .with_source(cause)
                .with_hint(format!("check `spec` in [apis.{name}]"))
        })?;
        OpenApi::parse(name, &self.config, &text)
    }
}

impl Source for ApiFile {
    fn backend_ref(&self) -> &BackendRef {
        &self.backend
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn list(self: Arc<Self>) -> BoxFuture<'static, Result<Listing, Error>> {
        Box::pin(async move {
            if let Some(loaded) = self.loaded.get() {
                return loaded.clone().list().await;
            }
            let this = self.clone();
            // Reading and parsing megabytes would hold up other tasks.
            let api = tokio::task::spawn_blocking(move || this.read())
                .await
                .map_err(|error| {
                    let message = "the document could not be read to its end";
                    Error::new(ErrorKind::Internal, message).with_source(error)
                })??;
            self.loaded.get_or_init(|| api).clone().list().await
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        match self.loaded.get() {
            Some(loaded) => loaded.shutdown(),
            None => Box::pin(std::future::ready(())),
        }
    }
}

/// A source that cannot be used: it says why when its tools are needed.
#[derive(Debug)]
struct Faulty {
    backend: BackendRef,
    namespace: String,
    error: ConfigError,
}

impl Faulty {
    fn new(fault: &Fault) -> Self {
        let kind = match fault.source.section {
            "servers" => BackendKind::Mcp,
            _ => BackendKind::Provider,
        };
        Self {
            backend: BackendRef::new(kind, &*fault.source.name),
            namespace: fault.source.namespace.clone(),
            error: fault.error.clone(),
        }
    }
}

impl Source for Faulty {
    fn backend_ref(&self) -> &BackendRef {
        &self.backend
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn list(self: Arc<Self>) -> BoxFuture<'static, Result<Listing, Error>> {
        Box::pin(std::future::ready(Err(self.error.clone().into())))
    }
}
