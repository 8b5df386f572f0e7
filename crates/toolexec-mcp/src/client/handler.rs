//! What we answer when a server asks.

use std::sync::Arc;

use rmcp::ClientHandler;
use rmcp::model::{
    ClientConfig, ConstString, CreateMessageRequestMethod, CreateMessageRequestParams,
    CreateMessageResult, ElicitRequestParams, ElicitResult, ElicitationCreateRequestMethod,
    ErrorData, Implementation, ListRootsRequestMethod, ListRootsResult, ProtocolVersion,
};
use rmcp::service::{RequestContext, RoleClient};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use toolexec_core::BackendRef;

use crate::client::convert;
use crate::client::hub::Hub;
use crate::interaction::{ELICIT, Interaction, Question, ROOTS, SAMPLE};

/// Answers what servers ask, through the [`Interaction`] if there is one.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    pub(crate) server: BackendRef,
    pub(crate) interaction: Option<Arc<dyn Interaction>>,
    pub(crate) hub: Arc<Hub>,
}

impl Handler {
    fn supports(&self, method: &str) -> bool {
        self.interaction
            .as_ref()
            .is_some_and(|interaction| interaction.supports(method))
    }

    /// Asks who made the only call there is, else the [`Interaction`]; a question that nobody
    /// answers is refused.
    async fn ask(&self, method: &str, params: Value) -> Result<Value, String> {
        let asker = self.hub.sole_asker().or_else(|| self.interaction.clone());
        match asker {
            Some(asker) if asker.supports(method) => asker.ask(&self.server, method, params).await,
            _ => Err(format!("{method} is not supported here")),
        }
    }

    /// Asks several questions at once: `of_call` where there is one, else the [`Interaction`].
    pub(crate) async fn ask_all(
        &self,
        of_call: Option<Arc<dyn Interaction>>,
        questions: Vec<Question>,
    ) -> Result<Vec<Value>, String> {
        let asker = of_call.or_else(|| self.interaction.clone());
        let refused = |method: &str| Err(format!("{method} is not supported here"));
        let Some(asker) = asker else {
            return refused(questions.first().map_or("input", |one| &one.method));
        };
        if let Some(one) = questions.iter().find(|one| !asker.supports(&one.method)) {
            return refused(&one.method);
        }
        asker.ask_all(&self.server, questions).await
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
        let interaction = self.interaction.as_deref();
        let capabilities = interaction.map(convert::capabilities).unwrap_or_default();
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
