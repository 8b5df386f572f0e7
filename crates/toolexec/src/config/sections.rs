//! The sections of the file, as they are written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use toolexec_core::policy::{Effect, Rule};

use super::code::CodeSection;
use super::confine::ToolSandboxSetting;
use super::serve::ServeSection;
use super::units::{Size, Time};
use super::web::WebSection;

/// The configuration of toolexec (`toolexec.toml`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sections {
    /// MCP servers, by name.
    pub servers: BTreeMap<String, ServerSection>,
    /// HTTP APIs described by an OpenAPI or Swagger document, by name.
    pub apis: BTreeMap<String, ApiSection>,
    /// Programs that are tools, by the name of the tool.
    pub commands: BTreeMap<String, CommandSection>,
    /// Addresses that the tool `web:fetch` may fetch, by a name of yours. Without any there is no
    /// such tool.
    pub web: BTreeMap<String, WebSection>,
    /// The tools that the program itself brings.
    pub builtin: BuiltinSection,
    /// How calls are run.
    pub run: RunSection,
    /// How tools are searched.
    pub search: SearchSection,
    /// How programs that call tools are run.
    pub code: CodeSection,
    /// Who may call what. A deny rule wins over an allow rule, whatever their order.
    pub rules: Vec<Rule>,
    /// An MCP server in front of the tools.
    pub serve: ServeSection,
}

/// An MCP server: `command` for one that is started, `url` for one that is reached over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSection {
    /// The program to start.
    pub command: Option<String>,
    /// Its arguments. `${NAME}` is replaced.
    pub args: Vec<String>,
    /// Its environment, besides PATH, HOME and the like. `${NAME}` is replaced.
    pub env: BTreeMap<String, String>,
    /// Its working directory, relative to this file.
    pub cwd: Option<PathBuf>,
    /// Where it is reached over streamable HTTP. `${NAME}` is replaced.
    pub url: Option<String>,
    /// Headers of every request. `${NAME}` is replaced.
    pub headers: BTreeMap<String, String>,
    /// How to authenticate over HTTP. `${NAME}` is replaced.
    pub auth: Option<ServerAuth>,
    /// The namespace of its tools; its name when absent.
    pub namespace: Option<String>,
    /// How long one call may take.
    pub timeout: Option<Time>,
    /// How long it may take to start or connect.
    pub start_timeout: Option<Time>,
    /// The largest message it may send.
    pub max_message: Option<Size>,
    /// The sandbox that it is started in. Default: none.
    pub sandbox: Option<ToolSandboxSetting>,
    /// Whether it is used. Default: true.
    pub enabled: Option<bool>,
}

/// How to authenticate with an MCP server over HTTP.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ServerAuth {
    /// A token, sent as `Authorization: Bearer`.
    Bearer {
        /// The token.
        token: String,
    },
    /// OAuth 2 client credentials, with the authorization server that the MCP server names.
    ClientCredentials {
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: String,
        /// The scopes asked for.
        #[serde(default)]
        scopes: Vec<String>,
    },
    /// OAuth 2.1 in a browser, once, with `toolexec login`. A server without `auth` can be logged
    /// in to as well; this says how.
    Login(LoginAuth),
}

/// How a person logs in to an MCP server.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoginAuth {
    /// The id of toolexec at the authorization server; without one it registers itself.
    pub client_id: Option<String>,
    /// The secret that belongs to the id. `${NAME}` is replaced.
    pub client_secret: Option<String>,
    /// Where a description of this client is published (an HTTPS URL), for authorization servers
    /// that read such descriptions in place of a registration.
    pub client_metadata_url: Option<String>,
    /// The scopes asked for; what the server suggests when absent.
    pub scopes: Vec<String>,
}

/// An HTTP API whose operations become tools.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["spec"]))]
pub struct ApiSection {
    /// The OpenAPI 3.0/3.1 or Swagger 2.0 document, JSON or YAML, relative to this file.
    pub spec: PathBuf,
    /// Where the API is, in place of every server that the document names. `${NAME}` is replaced.
    pub base_url: Option<String>,
    /// Which server of the document is used: its place in the list (from 0), URL or description.
    pub server: Option<String>,
    /// Values of the server's variables. `${NAME}` is replaced.
    pub server_variables: BTreeMap<String, String>,
    /// Credentials by the name of the document's security scheme; `*` for operations for which
    /// the document does not say what they need. `${NAME}` is replaced.
    pub auth: BTreeMap<String, ApiAuth>,
    /// Headers of every request. `${NAME}` is replaced.
    pub headers: BTreeMap<String, String>,
    /// Other origins that may get credentials and headers.
    pub trusted_origins: Vec<String>,
    /// Which operations become tools; all when empty.
    pub include: Vec<Filter>,
    /// Which operations do not, even when they are included.
    pub exclude: Vec<Filter>,
    /// Whether values are checked against the schema that the document gives. Default: true.
    pub output_schemas: Option<bool>,
    /// Which redirects are followed. Default: same-origin.
    pub redirects: Option<RedirectRule>,
    /// The most redirects of one call. Default: 5.
    pub max_redirects: Option<usize>,
    /// Whether private, loopback and link-local addresses may be connected to. Default: false.
    pub allow_private: Option<bool>,
    /// How long connecting may take. Default: 10s.
    pub connect_timeout: Option<Time>,
    /// How long an answer may take. Default: 60s.
    pub timeout: Option<Time>,
    /// The largest document. Default: 64MiB.
    pub max_document: Option<Size>,
    /// The largest answer. Default: 10MiB.
    pub max_response: Option<Size>,
    /// The largest request body. Default: 32MiB.
    pub max_request: Option<Size>,
    /// The namespace of its tools; its name when absent.
    pub namespace: Option<String>,
    /// Whether it is used. Default: true.
    pub enabled: Option<bool>,
}

/// A credential of an API.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ApiAuth {
    /// A key, sent where the document's scheme says.
    ApiKey {
        /// The key.
        value: String,
        /// Where it is sent when no scheme says so.
        #[serde(default, rename = "in")]
        location: Option<KeyPlace>,
        /// The name of the header, query parameter or cookie when no scheme says so.
        #[serde(default)]
        name: Option<String>,
    },
    /// A token, sent as `Authorization: Bearer`.
    Bearer {
        /// The token.
        token: String,
    },
    /// A user and a password.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// OAuth 2 client credentials: a token is fetched, kept and renewed.
    ClientCredentials {
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: String,
        /// Where tokens come from; needed unless the document names a place at the API's origin.
        #[serde(default)]
        token_url: Option<String>,
        /// The scopes asked for; none means those that the operation names.
        #[serde(default)]
        scopes: Vec<String>,
        /// Whether the client's name and secret go into the form instead of a header.
        #[serde(default)]
        in_body: bool,
    },
}

/// Where an API key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum KeyPlace {
    Header,
    Query,
    Cookie,
}

/// Which redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RedirectRule {
    /// None.
    None,
    /// Those to the same scheme, host and port.
    SameOrigin,
    /// All; credentials stay with their origin.
    All,
}

/// Picks operations: every field that is set must fit; `*` stands for any characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// One of the operation's tags.
    pub tag: Option<String>,
    /// The operation id.
    pub operation: Option<String>,
    /// The path as the document writes it.
    pub path: Option<String>,
    /// The method.
    pub method: Option<String>,
}

/// A program that is a tool. No shell is involved.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["program"]))]
pub struct CommandSection {
    /// The program.
    pub program: String,
    /// Its arguments; `{{name}}` is replaced by the tool's argument of that name.
    pub args: Vec<CommandArg>,
    /// A name of the tool for people.
    pub title: Option<String>,
    /// What the tool does.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// JSON Schema of its arguments; derived from the templates when absent.
    pub input: Option<Value>,
    /// JSON Schema of its value.
    pub output_schema: Option<Value>,
    /// What its standard output is. Default: text.
    pub output: Option<OutputFormat>,
    /// What its standard input gets: `json` for all arguments, or a template. Default: nothing.
    pub stdin: Option<String>,
    /// Its environment, besides PATH, HOME and the like. `${NAME}` is replaced.
    pub env: BTreeMap<String, String>,
    /// Its working directory, relative to this file.
    pub cwd: Option<PathBuf>,
    /// The exit codes that are no failure. Default: `[0]`.
    pub success: Option<Vec<i32>>,
    /// How long it may run. Default: 60s.
    pub timeout: Option<Time>,
    /// The most it may print. Default: 10MiB.
    pub max_output: Option<Size>,
    /// Whether it changes nothing.
    pub read_only: Option<bool>,
    /// Whether running it twice is the same as running it once.
    pub idempotent: Option<bool>,
    /// The sandbox that it runs in. Default: none.
    pub sandbox: Option<ToolSandboxSetting>,
    /// The namespace of the tool. Default: commands.
    pub namespace: Option<String>,
    /// Whether it is used. Default: true.
    pub enabled: Option<bool>,
}

/// One argument of a program, or several that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "an argument is a text, a list of texts, or { when = ..., args = [...] }"
)]
pub enum CommandArg {
    /// One argument; left out when a value that it needs is absent.
    One(String),
    /// Arguments that are left out together: `["--depth", "{{depth}}"]`.
    Group(Vec<String>),
    /// Arguments that are there only when a value is: not absent, null or false.
    When {
        /// The name of the value.
        when: String,
        /// The arguments.
        args: Vec<String>,
    },
}

/// What a program prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Text.
    Text,
    /// One JSON value.
    Json,
    /// One JSON value per line.
    Jsonl,
}

/// The tools that the program itself brings: `math`, `text`, `time`, `demo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BuiltinSection {
    /// Whether they are there. Default: true.
    pub enabled: Option<bool>,
}

/// How calls are run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunSection {
    /// How long a call may take. Default: 60s.
    pub timeout: Option<Time>,
    /// What happens when arguments do not fit the input schema. Default: error.
    pub check_input: Option<CheckRule>,
    /// What happens when a value does not fit the output schema. Default: error.
    pub check_output: Option<CheckRule>,
    /// The order of preference among the backends of one tool. Default: local, provider, mcp.
    pub prefer: Vec<Kind>,
    /// Whether another backend is tried when one fails, for tools that are safe to repeat.
    /// Default: true.
    pub fail_over: Option<bool>,
    /// What becomes of a call that no rule fits. Default: allow.
    pub default_effect: Option<Effect>,
    /// The largest arguments. Default: 8MiB.
    pub max_args: Option<Size>,
    /// The largest value. Default: 64MiB.
    pub max_value: Option<Size>,
}

/// What happens when data does not fit its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckRule {
    /// The call fails.
    Error,
    /// The call goes on, and its result says so.
    Warn,
    /// Nobody looks.
    Off,
}

/// A kind of backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A function of the program itself.
    Local,
    /// An HTTP API or a program.
    Provider,
    /// An MCP server.
    Mcp,
}

/// How tools are searched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SearchSection {
    /// How many tools a search shows. Default: 10.
    #[schemars(range(min = 1, max = 100))]
    pub limit: Option<usize>,
}
