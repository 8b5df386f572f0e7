//! From the sections of the file to sources of tools and settings of the run path.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use toolexec_core::run::{Check, RunSettings};
use toolexec_core::{BackendKind, BackendRef, Error, Listing, Source};
use toolexec_mcp::auth::HttpAuth;
use toolexec_mcp::config::{HttpConfig, ServerConfig, StdioConfig, Transport};
use toolexec_mcp::{Interaction, McpServer};
use toolexec_process::Confine;
use toolexec_providers::command::{self, ArgTemplate, CommandTool, Commands, StdinTemplate};

use super::apis::ApiFile;
use super::check::COMMANDS;
use super::confine::{Confined, Places, confine};
use super::sections::{
    CheckRule, CommandArg, CommandSection, Kind, OutputFormat, RunSection, ServerAuth,
    ServerSection,
};
use super::units::{Size, Time};
use super::{Config, ConfigError, FILE_NAME, Fault, web};
use crate::tokens::FileTokens;

/// A stand-in for "no limit" where a limit must be given.
pub(super) const FOREVER: Duration = Duration::from_hours(365 * 24);

/// The sources of a configuration, ready to be used; nothing is started yet.
#[derive(Default)]
pub struct Connected {
    /// Every source, in the order of the sections: servers, APIs, commands. A source with a
    /// fault is among them; it fails when it is listed.
    pub sources: Vec<Arc<dyn Source>>,
    servers: Vec<Arc<McpServer>>,
    confined: Vec<Confined>,
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

    /// The sandboxes that servers and commands run in.
    pub fn confined(&self) -> &[Confined] {
        &self.confined
    }

    fn confine(&mut self, source: &str, name: &str, confine: &Arc<dyn Confine>) {
        self.confined.push(Confined {
            source: source.to_owned(),
            name: name.to_owned(),
            confine: confine.clone(),
        });
    }
}

impl Config {
    /// Makes the sources. Nothing is read, started or connected before a source is used.
    pub fn connect(&self) -> Connected {
        self.connect_with(None, &Places::default())
    }

    /// Makes the sources; `interaction` answers what MCP servers ask while a tool runs, and
    /// `places` says what sandboxes of servers and commands need.
    pub fn connect_with(
        &self,
        interaction: Option<&Arc<dyn Interaction>>,
        places: &Places,
    ) -> Connected {
        let gvisor = &self.sections.code.gvisor;
        let mut connected = Connected::default();
        for (name, section) in &self.sections.servers {
            let namespace = section.namespace.as_deref().unwrap_or(name);
            let mut config = server(section, self.directory());
            if let (Some(sandbox), Transport::Stdio(stdio)) =
                (&section.sandbox, &mut config.transport)
            {
                let args = section.args.iter().map(String::as_str);
                let confine = confine(sandbox, self.directory(), args, places, gvisor);
                connected.confine(name, name, &confine);
                stdio.confine = Some(confine);
            }
            config.interaction = interaction.cloned();
            let server = McpServer::new(&**name, namespace, config);
            connected.servers.push(server.clone());
            connected.sources.push(server);
        }
        for (name, section) in &self.sections.apis {
            let source = ApiFile::new(name, section, self.directory());
            connected.sources.push(Arc::new(source));
        }
        let commands = self.commands(&mut connected, places);
        connected.sources.extend(commands);
        connected.sources.extend(web::source(&self.sections.web));
        for fault in &self.faults {
            connected.sources.push(Arc::new(Faulty::new(fault)));
        }
        connected
    }

    /// The programs, one source for each namespace.
    fn commands(&self, connected: &mut Connected, places: &Places) -> Vec<Arc<dyn Source>> {
        let gvisor = &self.sections.code.gvisor;
        let mut namespaces: BTreeMap<&str, Vec<CommandTool>> = BTreeMap::new();
        for (name, section) in &self.sections.commands {
            let namespace = section.namespace.as_deref().unwrap_or(COMMANDS);
            let mut tool = command_tool(name, section, self.directory());
            if let Some(sandbox) = &section.sandbox {
                // Only what callers have no part in: an argument of theirs must show no file.
                let fixed = section.args.iter().filter_map(|arg| match arg {
                    CommandArg::One(text) if !text.contains("{{") => Some(text.as_str()),
                    _ => None,
                });
                let confine = confine(sandbox, self.directory(), fixed, places, gvisor);
                connected.confine(&source_of(namespace), name, &confine);
                tool.confine = Some(confine);
            }
            namespaces.entry(namespace).or_default().push(tool);
        }
        let all = namespaces.into_iter();
        all.map(|(namespace, tools)| -> Arc<dyn Source> {
            let name = source_of(namespace);
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

/// The name of the source of the commands of a namespace: not that of an API with the same one.
fn source_of(namespace: &str) -> String {
    match namespace {
        COMMANDS => COMMANDS.to_owned(),
        other => format!("{COMMANDS}.{other}"),
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
            confine: None,
        }),
    };
    let mut config = ServerConfig::new(transport);
    if let Some(Time(timeout)) = section.timeout {
        config.timeouts.call = timeout;
    }
    let most = section.sandbox.as_ref().and_then(|own| own.0.timeout);
    if let Some(Time(Some(most))) = most {
        config.timeouts.call = Some(config.timeouts.call.map_or(most, |call| call.min(most)));
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
    let most = section.sandbox.as_ref().and_then(|own| own.0.timeout);
    if let Some(Time(Some(most))) = most {
        tool.timeout = tool.timeout.min(most);
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
