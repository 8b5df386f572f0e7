//! What we answer when a server asks.

use std::sync::Arc;

use rmcp::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ConstString, CreateMessageRequestMethod,
    CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
    ElicitationCapability, ElicitationCreateRequestMethod, ErrorData, Implementation,
    ListRootsRequestMethod, ListRootsResult, ProtocolVersion, RootsCapabilities,
    SamplingCapability,
};
use rmcp::service::{RequestContext, RoleClient};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use toolexec_core::BackendRef;

use crate::interaction::{ELICIT, Interaction, ROOTS, SAMPLE};

/// Answers what servers ask, through the [`Interaction`] if there is one.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    pub(crate) server: BackendRef,
    pub(crate) interaction: Option<Arc<dyn Interaction>>,
}

impl Handler {
    fn supports(&self, method: &str) -> bool {
        self.interaction
            .as_ref()
            .is_some_and(|interaction| interaction.supports(method))
    }

    /// Asks the [`Interaction`]; a question that nobody answers is refused.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Result<Value, String> {
        match &self.interaction {
            Some(interaction) if interaction.supports(method) => {
                interaction.ask(&self.server, method, params).await
            }
            _ => Err(format!("{method} is not supported here")),
        }
    }

    async fn answer<T: DeserializeOwned, M: ConstString>(
        &self,
        method: &str,
        params: impl Serialize,
    ) -> Result<T, ErrorData> {
        if !self.supports(method) {
            return Err(ErrorData::method_not_found::<M>());
        }
        let internal =
            |error: serde_json::Error| ErrorData::internal_error(error.to_string(), None);
        let params = serde_json::to_value(params).map_err(internal)?;
        let answer = self
            .ask(method, params)
            .await
            .map_err(|reason| ErrorData::internal_error(reason, None))?;
        serde_json::from_value(answer).map_err(internal)
    }
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if self.supports(ELICIT) {
            capabilities.elicitation = Some(ElicitationCapability::default());
        }
        if self.supports(SAMPLE) {
            capabilities.sampling = Some(SamplingCapability::default());
        }
        if self.supports(ROOTS) {
            capabilities.roots = Some(RootsCapabilities::default());
        }
        let us = Implementation::new("toolexec", env!("CARGO_PKG_VERSION"));
        // Asked for by `initialize`, which the newest revision does not have.
        ClientConfig::new(capabilities, us)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.answer::<_, ElicitationCreateRequestMethod>(ELICIT, params)
            .await
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        self.answer::<_, CreateMessageRequestMethod>(SAMPLE, params)
            .await
    }

    async fn list_roots(
        &self,
        _context: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        self.answer::<_, ListRootsRequestMethod>(ROOTS, json!({}))
            .await
    }
}
