//! The tools of a server, all pages of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{ClientRequest, ListToolsRequest, PaginatedRequestParams, ServerResult};
use rmcp::service::PeerRequestOptions;
use serde_json::{Map, Value};
use toolexec_core::id::sanitize_segment;
use toolexec_core::index::Registration;
use toolexec_core::{Backend, Error, ErrorKind, Listing, Result, ToolId};

use super::McpServer;
use super::call::{ask, failed};
use super::connection::Connection;
use crate::client::config::{Limits, ServerConfig};
use crate::client::convert;
use crate::client::transport::adapt::ODD_TOOLS;

/// Lists the tools of a server.
pub(crate) async fn list(
    server: &Arc<McpServer>,
    connection: &Arc<Connection>,
    config: &ServerConfig,
) -> Result<Listing> {
    let mut notices = Vec::new();
    let entries = if connection.info.capabilities.tools.is_some() {
        pages(connection, config, &mut notices).await?
    } else {
        notices.push("the server offers no tools".to_owned());
        Vec::new()
    };
    let mut reader = Reader {
        server,
        notices,
        tools: Vec::new(),
        seen: HashMap::new(),
    };
    for entry in entries {
        reader.read(entry);
    }
    let mut notices = reader.notices;
    notices.extend(connection.hub.notices());
    Ok(Listing {
        tools: reader.tools,
        notices,
    })
}

/// All entries of all pages, up to the limits.
async fn pages(
    connection: &Arc<Connection>,
    config: &ServerConfig,
    notices: &mut Vec<String>,
) -> Result<Vec<Value>> {
    let mut pages = Pages::new(config.limits);
    let mut cursor = None;
    loop {
        let page = page(connection, cursor, config.timeouts.list).await?;
        match pages.add(page, notices)? {
            Some(next) => cursor = Some(next),
            None => return Ok(pages.entries),
        }
    }
}

async fn page(
    connection: &Arc<Connection>,
    cursor: Option<String>,
    timeout: Duration,
) -> Result<Value> {
    let request = ListToolsRequest {
        params: cursor.map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor))),
        ..ListToolsRequest::default()
    };
    let options = PeerRequestOptions::with_timeout(timeout);
    let request = ClientRequest::ListToolsRequest(request);
    match ask(connection, request, options).await {
        Ok(result) => page_json(result).map_err(|error| error.on_backend(&connection.server)),
        Err(error) => Err(failed(connection, error).await),
    }
}

fn page_json(result: ServerResult) -> Result<Value> {
    let mut page = convert::result_json(result)?;
    // Entries that rmcp's type could not hold; see `transport::adapt`.
    let odd = page
        .get_mut("_meta")
        .and_then(|meta| meta.get_mut(ODD_TOOLS))
        .map(Value::take);
    if let (Some(Value::Array(odd)), Some(tools)) =
        (odd, page.get_mut("tools").and_then(Value::as_array_mut))
    {
        tools.extend(odd);
    }
    Ok(page)
}

/// What was read so far.
struct Pages {
    limits: Limits,
    entries: Vec<Value>,
    cursors: HashSet<String>,
    bytes: usize,
}

impl Pages {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: Vec::new(),
            cursors: HashSet::new(),
            bytes: 0,
        }
    }

    /// Adds a page; returns the cursor of the next one, unless this was the last or a limit is
    /// reached.
    fn add(&mut self, mut page: Value, notices: &mut Vec<String>) -> Result<Option<String>> {
        let Some(Value::Array(entries)) = page.get_mut("tools").map(Value::take) else {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the server's list of tools has no tools in it",
            ));
        };
        for entry in entries {
            self.bytes += size(&entry);
            if self.entries.len() == self.limits.tools || self.bytes > self.limits.list {
                notices.push(format!(
                    "the list of tools is too long: only the first {} were taken",
                    self.entries.len()
                ));
                return Ok(None);
            }
            self.entries.push(entry);
        }
        let Some(next) = page.get("nextCursor").and_then(Value::as_str) else {
            return Ok(None);
        };
        if !self.cursors.insert(next.to_owned()) {
            notices.push("the list of tools repeats itself; it was read up to there".to_owned());
            return Ok(None);
        }
        if self.cursors.len() >= self.limits.pages {
            notices.push(format!(
                "the list of tools has more than {} pages; the rest was left out",
                self.limits.pages
            ));
            return Ok(None);
        }
        Ok(Some(next.to_owned()))
    }
}

/// About as many bytes as the value has as JSON.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(size).sum::<usize>() + items.len() + 2,
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| key.len() + 4 + size(value))
            .sum(),
    }
}

/// Turns entries into registrations.
struct Reader<'a> {
    server: &'a Arc<McpServer>,
    notices: Vec<String>,
    tools: Vec<Registration>,
    // From the name in our ids to the server's own.
    seen: HashMap<String, String>,
}

impl Reader<'_> {
    fn read(&mut self, entry: Value) {
        let Value::Object(entry) = entry else {
            self.notices.push(format!(
                "an entry of the list of tools is no object: {entry:.100}"
            ));
            return;
        };
        let remote = match entry.get("name") {
            Some(Value::String(name)) if !name.is_empty() => name.clone(),
            _ => {
                self.notices
                    .push("a tool without a name was left out".to_owned());
                return;
            }
        };
        if let Err(reason) = self.take(entry, &remote) {
            self.notices
                .push(format!("tool {remote:?} was left out: {reason}"));
        }
    }

    fn take(&mut self, entry: Map<String, Value>, remote: &str) -> Result<(), String> {
        let name = sanitize_segment(remote);
        match self.seen.get(&name) {
            Some(other) if other == remote => {
                return Err("it is listed twice".to_owned());
            }
            Some(other) => return Err(format!("its name collides with that of {other:?}")),
            None => {}
        }
        let id = ToolId::new(&self.server.namespace, &name).map_err(|error| error.to_string())?;
        let notices = &mut self.notices;
        if name != remote {
            notices.push(format!(
                "tool {remote:?} is offered as {name:?}: its name has characters that ids cannot have"
            ));
        }
        let mut notice = |text: &str| notices.push(format!("tool {remote:?} {text}"));
        let tool = convert::tool(entry, id, &mut notice)?;
        let backend: Arc<dyn Backend> = self.server.clone();
        self.tools
            .push(Registration::new(tool, backend).with_remote_name(remote));
        self.seen.insert(name, remote.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_end_at_each_limit_with_a_notice() {
        let page =
            |next: &str| json!({"tools": [{"name": "a"}, {"name": "b"}], "nextCursor": next});
        let mut notices = Vec::new();
        let mut all = Pages::new(Limits {
            tools: 3,
            ..Limits::default()
        });
        assert_eq!(
            all.add(page("2"), &mut notices).unwrap().as_deref(),
            Some("2")
        );
        assert_eq!(all.add(page("3"), &mut notices).unwrap(), None);
        assert_eq!(all.entries.len(), 3);
        let mut all = Pages::new(Limits::default());
        assert!(all.add(page("2"), &mut notices).unwrap().is_some());
        assert_eq!(all.add(page("2"), &mut notices).unwrap(), None);
        let mut all = Pages::new(Limits {
            pages: 1,
            ..Limits::default()
        });
        assert_eq!(all.add(page("2"), &mut notices).unwrap(), None);
        assert_eq!(
            notices,
            [
                "the list of tools is too long: only the first 3 were taken",
                "the list of tools repeats itself; it was read up to there",
                "the list of tools has more than 1 pages; the rest was left out",
            ]
        );
    }
}
