//! How a server is reached and what it may cost.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use toolexec_process::Confine;

use crate::client::auth::HttpAuth;
use crate::interaction::Interaction;

/// Everything about one MCP server but its name.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// How it is reached.
    pub transport: Transport,
    /// Which lifecycle of the protocol to speak.
    pub protocol: Protocol,
    /// How long its parts may take.
    pub timeouts: Timeouts,
    /// How much it may send.
    pub limits: Limits,
    /// When it is started again after it ended.
    pub restart: Restart,
    /// Who answers when it asks back; nobody unless set.
    pub interaction: Option<Arc<dyn Interaction>>,
}

/// How a server is reached.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Transport {
    /// A program that speaks over its standard input and output.
    Stdio(StdioConfig),
    /// A URL that speaks streamable HTTP.
    Http(HttpConfig),
}

/// A program that speaks MCP over its standard input and output.
#[derive(Clone, Default)]
pub struct StdioConfig {
    /// The program: a name, found through `PATH` of `env`, or a path.
    pub command: String,
    /// Its arguments; no shell reads them.
    pub args: Vec<String>,
    /// Its whole environment, but for what `inherit_env` adds.
    pub env: BTreeMap<String, String>,
    /// Adds the variables of [`toolexec_process::BASE_ENV`] (`PATH`, `HOME`, …) as this process
    /// has them, where `env` does not name them.
    pub inherit_env: bool,
    /// Its working directory; ours unless set.
    pub cwd: Option<PathBuf>,
    /// What it is started inside of; nothing unless set. It gets the environment of that in place
    /// of what `inherit_env` adds.
    pub confine: Option<Arc<dyn Confine>>,
}

/// A URL that speaks MCP over streamable HTTP.
#[derive(Clone, Default)]
pub struct HttpConfig {
    /// The URL of its endpoint.
    pub url: String,
    /// Headers sent with every request.
    pub headers: BTreeMap<String, String>,
    /// How we prove who we are.
    pub auth: HttpAuth,
}

/// Which lifecycle of the protocol to speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Asks with `server/discover`, and falls back to `initialize` when the server does not know
    /// it, does not answer within ten seconds, or ends because of it.
    #[default]
    Auto,
    /// Revision 2026-07-28 only.
    Stateless,
    /// `initialize`, with revision 2025-11-25 or older.
    Initialize,
}

/// How long the parts of a server may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From starting or connecting to the end of the handshake. Programs that install themselves
    /// at their first start (`npx`, `uvx`) need some.
    pub connect: Duration,
    /// One page of the list of tools.
    pub list: Duration,
    /// One call, unless its caller sets an earlier deadline.
    pub call: Option<Duration>,
    /// Each step of ending a program: after its input was closed, and after SIGTERM.
    pub shutdown: Duration,
}

/// How much a server may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest message, in bytes.
    pub message: usize,
    /// The most tools.
    pub tools: usize,
    /// The most pages of the list of tools.
    pub pages: usize,
    /// The most bytes of JSON in the whole list of tools.
    pub list: usize,
    /// The most lines in a row on a program's standard output that are no messages.
    pub garbage: usize,
}

/// When a server is started again after it ended.
///
/// A server that ran for a while and ends is started again by the next call. One that ends soon
/// or does not start is left alone for a pause that doubles each time; calls fail meanwhile and
/// say how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// The first pause.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long a server must run to be forgiven its failures.
    pub stable_after: Duration,
}

impl ServerConfig {
    /// A program with default limits; it inherits the base environment.
    pub fn stdio(
        command: impl Into<String>,
        args: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self::new(Transport::Stdio(StdioConfig {
            command: command.into(),
            args: args.into_iter().map(Into::into).collect(),
            inherit_env: true,
            ..StdioConfig::default()
        }))
    }

    /// A URL with default limits.
    pub fn http(url: impl Into<String>) -> Self {
        Self::new(Transport::Http(HttpConfig {
            url: url.into(),
            ..HttpConfig::default()
        }))
    }

    /// A server with default limits.
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            protocol: Protocol::default(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            restart: Restart::default(),
            interaction: None,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(60),
            list: Duration::from_secs(30),
            call: None,
            shutdown: Duration::from_secs(2),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 16 << 20,
            tools: 10_000,
            pages: 1_000,
            list: 64 << 20,
            garbage: 1_000,
        }
    }
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            stable_after: Duration::from_secs(10),
        }
    }
}

impl Restart {
    /// The pause of this number, counted from one.
    pub(crate) fn pause(&self, number: u32) -> Duration {
        let factor = 2_u32.saturating_pow(number.saturating_sub(1));
        self.first_pause
            .saturating_mul(factor)
            .min(self.longest_pause)
    }
}

// Values of variables and headers are often secrets: only their names are shown.
impl fmt::Debug for StdioConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdioConfig")
            .field("command", &self.command)
            .field("args", &self.args)
            .field("env", &self.env.keys())
            .field("inherit_env", &self.inherit_env)
            .field("cwd", &self.cwd)
            .field("confine", &self.confine)
            .finish()
    }
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("url", &self.url)
            .field("headers", &self.headers.keys())
            .field("auth", &self.auth)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let restart = Restart::default();
        let pauses = [1, 2, 3, 7, 8, 200].map(|number| restart.pause(number).as_millis());
        assert_eq!(pauses, [500, 1000, 2000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let mut stdio = StdioConfig::default();
        stdio.env.insert("TOKEN".to_owned(), "s3cret".to_owned());
        let mut http = HttpConfig::default();
        http.headers.insert("X-Key".to_owned(), "s3cret".to_owned());
        http.auth = HttpAuth::Bearer("s3cret".to_owned());
        let text = format!("{stdio:?} {http:?}");
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("TOKEN") && text.contains("X-Key"), "{text}");
    }
}
