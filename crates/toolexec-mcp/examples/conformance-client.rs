//! What the MCP conformance suite drives: it lists the tools of the server whose URL is the last
//! argument and calls each, logging in when it is asked to.
//!
//! ```text
//! conformance client --requirements 2026-07-28 --command target/debug/examples/conformance-client
//! ```
#![expect(clippy::print_stderr, reason = "what it says is for a person")]

use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toolexec_core::index::Registration;
use toolexec_core::{
    Backend, BackendCall, BackendRef, CallContext, Error, ErrorKind, Result, Source,
};
use toolexec_mcp::auth::{self, HttpAuth, Login, LoginRequest, TokenStore};
use toolexec_mcp::interaction::{ELICIT, ROOTS, SAMPLE};
use toolexec_mcp::{Interaction, McpServer, ServerConfig, Transport};

/// How often it logs in before it gives up.
const MAX_LOGINS: usize = 3;
/// The identity that servers may look up instead of having us register.
const METADATA_URL: &str = "https://conformance-test.local/client-metadata.json";
const REDIRECT_URI: &str = "http://localhost:3000/callback";

/// What the suite says about the scenario.
#[derive(Debug, Default, Deserialize)]
struct Context {
    #[serde(default, alias = "toolCalls")]
    tool_calls: Vec<ToolCall>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ToolCall {
    name: String,
    #[serde(default)]
    arguments: Map<String, Value>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let url = std::env::args().next_back().unwrap_or_default();
    let scenario = std::env::var("MCP_CONFORMANCE_SCENARIO").unwrap_or_default();
    let context = std::env::var("MCP_CONFORMANCE_CONTEXT").ok();
    let context = context.and_then(|text| serde_json::from_str(&text).ok());
    let client = Client {
        url,
        scenario,
        context: context.unwrap_or_default(),
        tokens: Arc::default(),
    };
    match client.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}: {:?}", error.report());
            ExitCode::FAILURE
        }
    }
}

struct Client {
    url: String,
    scenario: String,
    context: Context,
    tokens: Arc<Memory>,
}

impl Client {
    /// Uses the server; logs in and begins again when it is refused.
    async fn run(&self) -> Result<()> {
        let mut logins = 0;
        loop {
            let server = self.server();
            let used = self.use_all(&server).await;
            Source::shutdown(&*server).await;
            match used {
                Err(error) if error.kind() == ErrorKind::Denied && logins < MAX_LOGINS => {
                    logins += 1;
                    self.log_in(&error).await?;
                }
                other => return other,
            }
        }
    }

    fn server(&self) -> Arc<McpServer> {
        let mut config = ServerConfig::http(&self.url);
        config.interaction = Some(Arc::new(Answers));
        config.timeouts.connect = Duration::from_secs(20);
        if let Transport::Http(http) = &mut config.transport {
            let (id, secret) = (&self.context.client_id, &self.context.client_secret);
            http.auth = match (id, secret) {
                (Some(id), Some(secret)) if self.scenario == "auth/client-credentials-basic" => {
                    HttpAuth::ClientCredentials {
                        client_id: id.clone(),
                        client_secret: secret.clone(),
                        scopes: Vec::new(),
                    }
                }
                _ if self.tokens.tokens().is_none() => HttpAuth::None,
                _ => HttpAuth::Stored(self.tokens.clone()),
            };
        }
        McpServer::new("server", "server", config)
    }

    async fn use_all(&self, server: &Arc<McpServer>) -> Result<()> {
        let listing = Source::list(server.clone()).await?;
        for notice in &listing.notices {
            eprintln!("{notice}");
        }
        if self.scenario == "sse-retry" {
            // The suite counts streams, and the one for notifications must be the first.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        if self.context.tool_calls.is_empty() {
            for tool in &listing.tools {
                call(server, tool, sample_arguments(tool, &listing.tools)).await?;
            }
        }
        for asked in &self.context.tool_calls {
            let named = |tool: &&Registration| tool.remote_name.as_ref() == asked.name;
            let Some(tool) = listing.tools.iter().find(named) else {
                return Err(Error::new(ErrorKind::NotFound, "the tool is not listed"));
            };
            call(server, tool, asked.arguments.clone()).await?;
        }
        Ok(())
    }

    /// Logs in as a person with a browser would.
    async fn log_in(&self, refusal: &Error) -> Result<()> {
        let login = Login::start(
            LoginRequest {
                server: self.url.clone(),
                redirect_uri: REDIRECT_URI.to_owned(),
                client_id: self.context.client_id.clone(),
                client_secret: self.context.client_secret.clone(),
                client_metadata_url: Some(METADATA_URL.to_owned()),
                challenge: auth::challenge(refusal),
                scopes: Vec::new(),
            },
            self.tokens.clone(),
        )
        .await?;
        let failed = |error| Error::new(ErrorKind::Backend, "no browser").with_source(error);
        let browser = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(failed)?;
        let answer = browser.get(login.url()).send().await.map_err(failed)?;
        let location = answer.headers().get("location");
        let location = location.and_then(|value| value.to_str().ok());
        login.finish(location.unwrap_or_default()).await
    }
}

/// Calls a tool; what it answers does not matter, but a refusal does.
async fn call(
    server: &Arc<McpServer>,
    tool: &Registration,
    args: Map<String, Value>,
) -> Result<()> {
    let call = BackendCall {
        tool: Arc::new(tool.tool.clone()),
        remote_name: Arc::from(tool.remote_name.as_ref()),
        args,
    };
    let cx = CallContext::new().with_timeout(Duration::from_secs(20));
    match server.call(call, &cx).await {
        Err(error) if error.kind() == ErrorKind::Denied => Err(error),
        Err(error) => {
            eprintln!("{}: {error}", tool.remote_name.as_ref());
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// A value of the declared type for each required argument; a tool that echoes a schema gets that
/// of the first tool.
fn sample_arguments(tool: &Registration, all: &[Registration]) -> Map<String, Value> {
    let schema = &tool.tool.input_schema;
    let required = schema["required"].as_array().into_iter().flatten();
    let names = required.filter_map(Value::as_str);
    names
        .map(|name| {
            let value = match schema["properties"][name]["type"].as_str() {
                Some("number" | "integer") => json!(1),
                Some("string") => json!("test"),
                Some("boolean") => json!(true),
                Some("object") if name == "schema" => (*all[0].tool.input_schema).clone(),
                _ => Value::Null,
            };
            (name.to_owned(), value)
        })
        .collect()
}

/// Answers what servers ask: forms with their defaults.
#[derive(Debug)]
struct Answers;

impl Interaction for Answers {
    fn supports(&self, _method: &str) -> bool {
        true
    }

    fn ask<'a>(
        &'a self,
        _server: &'a BackendRef,
        method: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<Value, String>> {
        let answer = match method {
            ELICIT => {
                let fields = params["requestedSchema"]["properties"].as_object();
                let content: Map<String, Value> = fields
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, field)| Some((name.clone(), field.get("default")?.clone())))
                    .collect();
                json!({"action": "accept", "content": content})
            }
            SAMPLE => json!({
                "role": "assistant",
                "content": {"type": "text", "text": "an answer"},
                "model": "none",
                "stopReason": "endTurn",
            }),
            ROOTS => json!({"roots": []}),
            _ => return Box::pin(async { Err("not known".to_owned()) }),
        };
        Box::pin(async { Ok(answer) })
    }
}

/// Keeps tokens in memory.
#[derive(Debug, Default)]
struct Memory(Mutex<Option<String>>);

impl Memory {
    fn tokens(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenStore for Memory {
    fn load(&self) -> BoxFuture<'_, std::io::Result<Option<String>>> {
        Box::pin(async { Ok(self.tokens().clone()) })
    }

    fn save(&self, tokens: String) -> BoxFuture<'_, std::io::Result<()>> {
        Box::pin(async {
            *self.tokens() = Some(tokens);
            Ok(())
        })
    }

    fn clear(&self) -> BoxFuture<'_, std::io::Result<()>> {
        Box::pin(async {
            *self.tokens() = None;
            Ok(())
        })
    }
}
