//! The resources, prompts and completions of the servers behind this one.
//!
//! Prompts get the namespace of their server in front (`namespace__name`); resources keep their
//! addresses, and a request for one goes to the servers in their order until one has it.

use std::sync::Arc;

use rmcp::model::{ErrorCode, ErrorData, JsonObject};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use toolexec_core::{CallContext, Source};

use super::Server;
use super::changes::Change;
use crate::McpServer;
use crate::client::{Note, Part};

/// Between the namespace of a server and the name of its prompt.
const SEPARATOR: &str = "__";
/// How many items a page has before it ends.
const PAGE: usize = 1_000;

/// A list that is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Resources,
    Templates,
    Prompts,
}

impl List {
    fn part(self) -> Part {
        match self {
            Self::Resources | Self::Templates => Part::Resources,
            Self::Prompts => Part::Prompts,
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
            Self::Prompts => "prompts/list",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Prompts => "prompts",
        }
    }
}

impl Server {
    /// A page of a list over all servers. One that cannot be reached is left out.
    pub(super) async fn relay_list<T: DeserializeOwned>(
        &self,
        list: List,
        cursor: Option<String>,
        cx: &CallContext,
    ) -> Result<T, ErrorData> {
        let (mut place, mut cursor) = match &cursor {
            Some(cursor) => position(cursor)?,
            None => (0, None),
        };
        let mut items = Vec::new();
        while let Some(upstream) = self.shared.upstreams.get(place) {
            match page(upstream, list, cursor.take(), cx).await {
                Ok((more, next)) => {
                    items.extend(more);
                    cursor = next;
                }
                Err(error) => tracing::warn!(
                    server = upstream.namespace(),
                    error = %error.message,
                    "a list is left out"
                ),
            }
            if cursor.is_none() {
                place += 1;
            }
            if items.len() >= PAGE {
                break;
            }
        }
        let mut result = json!({ list.key(): items });
        if place < self.shared.upstreams.len() {
            result["nextCursor"] = json!(format!("{place}:{}", cursor.unwrap_or_default()));
        }
        typed(result)
    }

    /// Passes a request about a resource on to the server that has it.
    pub(super) async fn relay_resource(
        &self,
        method: &str,
        params: &Value,
        cx: &CallContext,
    ) -> Result<Value, ErrorData> {
        let uri = params["uri"].as_str().unwrap_or_default();
        self.first(Part::Resources, uri, method, params, cx).await
    }

    /// Passes a request for a prompt on to its server.
    pub(super) async fn relay_prompt(
        &self,
        name: &str,
        arguments: Option<&JsonObject>,
        cx: &CallContext,
    ) -> Result<Value, ErrorData> {
        let (upstream, own) = self.prompt(name)?;
        let mut params = json!({ "name": own });
        if let Some(arguments) = arguments {
            params["arguments"] = json!(arguments);
        }
        upstream.relay("prompts/get", params, cx).await
    }

    /// Passes a request for completions on to the server of its prompt or resource.
    pub(super) async fn relay_completion(
        &self,
        mut params: Value,
        cx: &CallContext,
    ) -> Result<Value, ErrorData> {
        let name = params.pointer("/ref/name").and_then(Value::as_str);
        if let Some(name) = name.map(str::to_owned) {
            let (upstream, own) = self.prompt(&name)?;
            params["ref"]["name"] = json!(own);
            return upstream.relay("completion/complete", params, cx).await;
        }
        let uri = params.pointer("/ref/uri").and_then(Value::as_str);
        let uri = uri.unwrap_or_default().to_owned();
        self.first(Part::Completions, &uri, "completion/complete", &params, cx)
            .await
    }

    /// Passes on what changes, from now on.
    pub(super) fn relay_notes(&self, sender: &broadcast::Sender<Change>, stop: &CancellationToken) {
        for upstream in &self.shared.upstreams {
            let (mut notes, sender, stop) = (upstream.watch_notes(), sender.clone(), stop.clone());
            let relay = async move {
                loop {
                    let change = match notes.recv().await {
                        Ok(Note::Prompts) => Change::Prompts,
                        Ok(Note::Resources) | Err(RecvError::Lagged(_)) => Change::Resources,
                        Ok(Note::Resource(uri)) => Change::Resource(uri),
                        Err(RecvError::Closed) => return,
                    };
                    // Nobody listens: nothing to tell.
                    let _ = sender.send(change);
                }
            };
            tokio::spawn(async move { stop.run_until_cancelled(relay).await });
        }
    }

    /// The server of a prompt and the prompt's own name.
    fn prompt(&self, name: &str) -> Result<(&Arc<McpServer>, String), ErrorData> {
        let with = |namespace: &str| {
            let mut upstreams = self.shared.upstreams.iter();
            upstreams.find(|upstream| upstream.namespace() == namespace)
        };
        let named = name
            .split_once(SEPARATOR)
            .and_then(|(namespace, own)| Some((with(namespace)?, own.to_owned())));
        named
            .or_else(|| Some((with("")?, name.to_owned())))
            .ok_or_else(|| {
                let message =
                    format!("unknown prompt {name:?}; prompts/list lists those there are");
                ErrorData::invalid_params(message, None)
            })
    }

    /// The answer of the first server that knows what `uri` is.
    async fn first(
        &self,
        part: Part,
        uri: &str,
        method: &str,
        params: &Value,
        cx: &CallContext,
    ) -> Result<Value, ErrorData> {
        let unknown = ErrorData::resource_not_found(
            format!("no server has the resource {uri:?}"),
            Some(json!({ "uri": uri })),
        );
        let mut failure = None;
        for upstream in &self.shared.upstreams {
            if upstream.has(part).await != Ok(true) {
                continue;
            }
            let asked = match method {
                "resources/subscribe" => upstream.watch_resource(uri, cx).await.map(|()| json!({})),
                _ => upstream.relay(method, params.clone(), cx).await,
            };
            match asked {
                Ok(result) => return Ok(result),
                Err(error) if is_unknown(error.code) => failure = failure.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(failure.unwrap_or(unknown))
    }
}

/// What a server says to an address that it does not have.
fn is_unknown(code: ErrorCode) -> bool {
    code == ErrorCode::RESOURCE_NOT_FOUND
        || code == ErrorCode::INVALID_PARAMS
        || code == ErrorCode::METHOD_NOT_FOUND
}

async fn page(
    upstream: &McpServer,
    list: List,
    cursor: Option<String>,
    cx: &CallContext,
) -> Result<(Vec<Value>, Option<String>), ErrorData> {
    if !upstream.has(list.part()).await? {
        return Ok((Vec::new(), None));
    }
    let mut params = json!({});
    if let Some(cursor) = cursor {
        params["cursor"] = json!(cursor);
    }
    let mut result = upstream.relay(list.method(), params, cx).await?;
    let Some(Value::Array(mut items)) = result.get_mut(list.key()).map(Value::take) else {
        return Ok((Vec::new(), None));
    };
    let namespace = upstream.namespace();
    if list == List::Prompts && !namespace.is_empty() {
        for item in &mut items {
            let name = item["name"].as_str().unwrap_or_default();
            item["name"] = json!(format!("{namespace}{SEPARATOR}{name}"));
        }
    }
    let next = result.get("nextCursor").and_then(Value::as_str);
    Ok((items, next.map(str::to_owned)))
}

/// Which server, and where in its list.
fn position(cursor: &str) -> Result<(usize, Option<String>), ErrorData> {
    let foreign = || ErrorData::invalid_params("this cursor is not one of this list", None);
    let (place, rest) = cursor.split_once(':').ok_or_else(foreign)?;
    let place = place.parse().map_err(|_| foreign())?;
    Ok((place, (!rest.is_empty()).then(|| rest.to_owned())))
}

/// What a server answered, in the protocol's type.
pub(super) fn typed<T: DeserializeOwned>(mut value: Value) -> Result<T, ErrorData> {
    // Servers of older revisions do not say so; clients of 2026-07-28 want to hear it.
    if let Value::Object(result) = &mut value {
        result
            .entry("resultType")
            .or_insert_with(|| json!("complete"));
    }
    serde_json::from_value(value).map_err(|error| {
        tracing::warn!(%error, "an answer cannot be passed on");
        ErrorData::internal_error(
            "the server behind this one answered what cannot be read",
            None,
        )
    })
}
