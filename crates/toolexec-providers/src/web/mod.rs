//! The web as a tool, `fetch`, under rules: which addresses, methods and paths, and what is added
//! to a request on its way.
//!
//! A caller names an address and gets what is there. It never holds a credential: a rule's headers
//! are put in here, over what the caller wrote, and a value of theirs that an answer repeats is
//! taken out again.
//!
//! - A request, and each redirect of it, must fit a rule; without rules nothing is allowed.
//! - Names are resolved once, to public addresses only unless the rule says otherwise, and what
//!   was found is what is connected to: a name cannot mean one address when it is checked and
//!   another when it is used.
//! - A path with an encoded slash or backslash fits only a rule for every path: the server might
//!   read another path in it than the rule did.

mod fetch;
pub(crate) mod rules;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use toolexec_core::index::Registration;
use toolexec_core::{
    Annotations, Backend, BackendCall, BackendKind, BackendRef, CallContext, Error, ErrorKind,
    Listing, RawOutput, Result, Source, Tool,
};

use fetch::Fetcher;
use rules::Rules;
pub use rules::{WebError, WebRule};

/// The name of the tool.
pub const FETCH: &str = "fetch";

/// What a request may take.
#[derive(Debug, Clone)]
pub struct WebLimits {
    /// How long a request may take, redirects and body included.
    pub timeout: Duration,
    /// The largest answer, in bytes after decompression.
    pub max_response: usize,
    /// The most redirects.
    pub max_redirects: usize,
}

impl Default for WebLimits {
    /// A minute, 10 MiB, 5 redirects.
    fn default() -> Self {
        Self {
            timeout: Duration::from_mins(1),
            max_response: 10 << 20,
            max_redirects: 5,
        }
    }
}

/// The source of the tool `fetch`.
pub struct Web {
    backend: BackendRef,
    namespace: String,
    tool: Tool,
    fetcher: Fetcher,
}

impl Web {
    /// A source that reaches what `rules` allow.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a rule cannot be read; its message names the rule.
    pub fn new(
        name: &str,
        namespace: &str,
        rules: impl IntoIterator<Item = WebRule>,
    ) -> Result<Arc<Self>> {
        let rules = Rules::new(rules)
            .map_err(|error| Error::new(ErrorKind::Config, error.to_string()).with_source(error))?;
        let tool = tool(namespace, &rules)?;
        Ok(Arc::new(Self {
            backend: BackendRef::new(BackendKind::Provider, name),
            namespace: namespace.to_owned(),
            tool,
            fetcher: Fetcher::new(rules),
        }))
    }
}

/// Callers read in its description where they may go.
fn tool(namespace: &str, rules: &Rules) -> Result<Tool> {
    let description = format!(
        "Fetches an address of the web and answers {{status, url, headers, body}}: the body is a \
         JSON value, a text, or bytes in base64. Allowed: {}.",
        rules.summary()
    );
    Tool::builder(format!("{namespace}:{FETCH}"))
        .description(description)
        .tags(["web", "http"])
        .annotations(Annotations {
            open_world: Some(true),
            read_only: Some(rules.only_read()),
            ..Annotations::default()
        })
        .input_schema(input_schema())
        .output_schema(output_schema())
        .build()
}

fn input_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "url": {"type": "string", "description": "the address"},
            "method": {
                "type": "string",
                "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
                "default": "GET"
            },
            "headers": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "headers of the request"
            },
            "json": {"description": "a body, sent as JSON"},
            "body": {"type": "string", "description": "a body, sent as it is"},
            "as": {
                "type": "string",
                "enum": ["auto", "text"],
                "default": "auto",
                "description": "text: do not read JSON in the answer"
            }
        },
        "required": ["url"],
        "additionalProperties": false
    })
}

fn output_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "status": {"type": "integer"},
            "url": {"type": "string", "description": "where the answer came from"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {}
        },
        "required": ["status", "url", "headers", "body"]
    })
}

impl Source for Web {
    fn backend_ref(&self) -> &BackendRef {
        &self.backend
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn list(self: Arc<Self>) -> BoxFuture<'static, Result<Listing>> {
        let listing = Listing {
            tools: vec![Registration::new(self.tool.clone(), self.clone())],
            notices: Vec::new(),
        };
        Box::pin(std::future::ready(Ok(listing)))
    }
}

impl Backend for Web {
    fn backend_ref(&self) -> &BackendRef {
        &self.backend
    }

    fn call<'a>(
        &'a self,
        call: BackendCall,
        _cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<RawOutput>> {
        Box::pin(async move {
            let fetched = self.fetcher.fetch(&call.args).await;
            fetched
                .map(RawOutput::Value)
                .map_err(|error| error.on_backend(&self.backend))
        })
    }
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web")
            .field("backend", &self.backend)
            .field("fetcher", &self.fetcher)
            .finish_non_exhaustive()
    }
}
