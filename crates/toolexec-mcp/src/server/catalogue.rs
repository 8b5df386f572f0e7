//! What clients find in the list of tools.

use rmcp::model::{ErrorData, ListToolsResult, Tool as McpTool};
use tokio::sync::broadcast::Receiver;
use toolexec_core::index::Cursor;
use toolexec_core::{Error, Runner};

use super::Server;
use super::changes::Change;
use super::direct;
use super::options::Mode;

/// How many tools a page has: clients that ask for no second page see the first.
const PAGE: usize = 1_000;
/// The largest catalogue that `auto` shows directly: tools, and bytes of their list.
const FEW_TOOLS: usize = 40;
const FEW_BYTES: usize = 32 << 10;

/// What `auto` chose, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// `Meta` or `Direct`.
    pub mode: Mode,
    /// Why.
    pub reason: String,
}

impl Server {
    /// Which mode clients get, and why. `auto` loads every source to decide, once: a list that
    /// changes its kind would cost every client its cache.
    ///
    /// # Cancel safety
    /// Safe: the next caller decides.
    pub async fn decide(&self) -> &Decision {
        let decide = async {
            let mode = self.shared.mode;
            match mode {
                Mode::Auto => self.choose().await,
                mode => Decision {
                    mode,
                    reason: "the configuration says so".to_owned(),
                },
            }
        };
        self.shared.decision.get_or_init(|| decide).await
    }

    async fn choose(&self) -> Decision {
        self.runner().load_all().await;
        let tools = self.runner().index().len();
        let bytes = direct::page(self.runner().index(), None, FEW_TOOLS)
            .ok()
            .and_then(|page| serde_json::to_vec(&page.tools).ok())
            .map_or(usize::MAX, |list| list.len());
        let (mode, reason) = if tools > FEW_TOOLS {
            let reason = format!("{tools} tools are more than {FEW_TOOLS}");
            (Mode::Meta, reason)
        } else if bytes > FEW_BYTES {
            let reason =
                format!("the list of {tools} tools has {bytes} bytes, more than {FEW_BYTES}");
            (Mode::Meta, reason)
        } else {
            let reason = format!("there are {tools} tools, whose list has {bytes} bytes");
            (Mode::Direct, reason)
        };
        tracing::info!(%mode, reason, "the mode was chosen");
        Decision { mode, reason }
    }

    /// Whether anything that clients list can change.
    pub(super) fn may_change(&self) -> bool {
        self.shared.mode != Mode::Meta
    }

    /// What changes from now on.
    pub(super) fn watch_changes(&self) -> Receiver<Change> {
        self.shared
            .changes
            .start(self.runner().index(), |sender, stop| {
                #[cfg(feature = "client")]
                self.relay_notes(sender, stop);
                #[cfg(not(feature = "client"))]
                let _ = (sender, stop);
            });
        self.shared.changes.subscribe()
    }

    /// A page of the list of tools, as `runner` shows them.
    pub(super) async fn list_tools(
        &self,
        runner: &Runner,
        cursor: Option<String>,
    ) -> Result<ListToolsResult, ErrorData> {
        if self.decide().await.mode == Mode::Meta {
            if cursor.is_some() {
                return Err(ErrorData::invalid_params("the list has one page", None));
            }
            return Ok(ListToolsResult::with_all_items(self.meta().await.list()));
        }
        runner.load_all().await;
        let page = direct::page(runner.index(), cursor.map(Cursor::from), PAGE)
            .map_err(|error: Error| ErrorData::invalid_params(error.to_string(), None))?;
        let mut result = ListToolsResult::with_all_items(page.tools);
        result.next_cursor = page.next.map(|next| next.to_string());
        Ok(result)
    }

    /// A tool by the name that clients call it by, where it is known already.
    pub(super) fn known_tool(&self, name: &str) -> Option<McpTool> {
        if self.shared.decision.get()?.mode == Mode::Meta {
            return None;
        }
        let index = self.runner().index();
        let id = direct::id_of(name, index)?;
        let entry = index.find(&id).ok()?;
        // Asked at every call, for the sake of the few schemas that want headers.
        direct::wants_headers(&entry.tool().input_schema).then(|| direct::listed(entry.tool()))
    }
}
