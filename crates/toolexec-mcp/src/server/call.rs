//! A call of a tool, from the request to the answer.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CreateTaskResult, ErrorCode, ErrorData,
    InputRequiredResult, InputResponses, ProtocolVersion, Task,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use toolexec_core::{Args, CallContext, Error, ErrorKind, EventSink, Request};

use super::answer::Answer;
use super::ask::Asker;
use super::context::{call_context, caller};
use super::events::Notifier;
use super::flow::{Asking, Flow, Progress, Reply};
use super::handler::Handler;
use super::kept::OfConnection;
use super::meta::{self, MetaTool};
use super::options::Mode;
use super::{Server, direct};
use crate::interaction;

/// How many events may wait for a slow client before the tool waits.
const EVENTS: usize = 64;

/// What a name stands for.
#[derive(Debug, Clone)]
enum Target {
    Meta(MetaTool),
    Tool(String),
}

/// Runs what the request names. What fails in it is an answer that a model reads; only a request
/// that names nothing is an error of the protocol.
pub(super) async fn call(
    handler: &Handler,
    mut request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let server = &handler.server;
    let target = server.target(&request.name, &context).await?;
    let is_chain = matches!(target, Target::Meta(MetaTool::RunChain));
    let round = Round {
        key: request.request_state.take(),
        answers: request.input_responses.take().unwrap_or_default(),
    };
    let subject = Subject {
        method: "tools/call",
        name: &request.name,
        args: request.arguments.take().unwrap_or_default(),
    };
    let tools = server.clone();
    // A request that stands alone has no connection that its sessions could end with.
    let opened = handler.opened.clone().filter(|_| !is_stateless(&context));
    let work = |args, cx| async move { perform(&tools, target, args, cx, opened).await };
    let counted = server.shared.metrics.call(&request.name);
    let purpose = if is_chain {
        Purpose::Chain
    } else {
        Purpose::Tool
    };
    match handler
        .flow(&context, round, subject, purpose, work)
        .await?
    {
        Step::Replied(Reply::Tool(answer)) => {
            counted.ended(answer.is_error);
            Ok(answer.into_result().into())
        }
        Step::NeedsInput(result) => {
            counted.ended(false);
            Ok(result.into())
        }
        Step::Task(task) => {
            counted.ended(false);
            Ok(CreateTaskResult::new(task).into())
        }
        Step::Replied(Reply::Refused(error)) => Err(error),
        #[cfg(feature = "client")]
        Step::Replied(Reply::Relayed(_)) => Err(unknown_state()),
    }
}

/// What a client sends when it calls again with the input it was asked for.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) key: Option<String>,
    pub(super) answers: InputResponses,
}

/// What a request is about.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) method: &'static str,
    pub(super) name: &'a str,
    pub(super) args: Args,
}

/// How far a request came.
pub(super) enum Step {
    Replied(Reply),
    NeedsInput(InputRequiredResult),
    /// It goes on as a task.
    Task(Task),
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Tool,
    Chain,
    #[cfg(feature = "client")]
    Relay,
}

impl Handler {
    /// Starts `work`, or goes on with what waited for the input of this round, until there is a
    /// reply or more input is needed.
    pub(super) async fn flow<W, F>(
        &self,
        context: &RequestContext<RoleServer>,
        round: Round,
        subject: Subject<'_>,
        purpose: Purpose,
        work: W,
    ) -> Result<Step, ErrorData>
    where
        W: FnOnce(Args, CallContext) -> F,
        F: Future<Output = Reply> + Send + 'static,
    {
        let parked = &self.server.shared.parked;
        let asking = asking(context);
        let notifier = self.notifier(context, purpose == Purpose::Chain);
        let capabilities = context.client_capabilities().unwrap_or_default();
        let patience = self.server.patience(context, &capabilities, purpose);
        let (asker, questions) = Asker::new(capabilities);
        let may_wait = questions.is_some() && asking == Asking::Rounds;
        // Most calls never wait: their arguments need not be written down.
        let of = (may_wait || round.key.is_some()).then(|| subject.of(context));
        let of = of.unwrap_or_default();
        let flow = if let Some(key) = round.key {
            let mut flow = parked.take(&key, &of).ok_or_else(unknown_state)?;
            flow.answered(&round.answers);
            flow
        } else {
            let cx = interaction::answered_by(call_context(context), Arc::new(asker));
            let outlives = may_wait || patience.is_some();
            let listens = notifier.listens() || patience.is_some();
            let mut flow = start(cx, outlives, listens, |cx| work(subject.args, cx));
            flow.questions = questions;
            flow
        };
        let progress = flow.drive(context, asking, notifier, patience).await;
        Ok(match progress {
            Progress::Answered(reply) => Step::Replied(reply),
            Progress::NeedsInput(flow) => {
                let requests = flow.input_requests();
                let key = parked.park(flow, of);
                Step::NeedsInput(InputRequiredResult::new(Some(requests), Some(key)))
            }
            Progress::Slow(flow) => Step::Task(self.server.go_on_as_task(flow, context)),
        })
    }
}

/// Starts a call; one that outlives its request gets a task of its own.
fn start<W, F>(cx: CallContext, outlives: bool, listens: bool, work: W) -> Flow
where
    W: FnOnce(CallContext) -> F,
    F: Future<Output = Reply> + Send + 'static,
{
    let cancel = CancellationToken::new();
    let mut cx = cx.with_cancel(cancel.clone());
    let mut events = None;
    if listens {
        let (sink, receiver) = EventSink::channel(EVENTS);
        cx = cx.with_events(sink);
        events = Some(receiver);
    }
    let work = work(cx);
    let work: BoxFuture<'static, Reply> = if outlives {
        let task = AbortOnDropHandle::new(tokio::spawn(work));
        Box::pin(async move { task.await.unwrap_or_else(|_| broken()) })
    } else {
        Box::pin(work)
    };
    let mut flow = Flow::new(work, cancel);
    flow.events = events;
    flow
}

async fn perform(
    server: &Server,
    target: Target,
    args: Args,
    cx: CallContext,
    opened: Option<Arc<OfConnection>>,
) -> Reply {
    let answer = match target {
        Target::Meta(MetaTool::ExecuteCode) => {
            meta::execute_code(server, args, cx, opened.as_deref()).await
        }
        Target::Meta(tool) => meta::call(server, tool, args, cx).await,
        Target::Tool(id) => direct_call(server, id, args, cx).await,
    };
    let error = match answer {
        Ok(answer) => return Reply::Tool(answer),
        Err(error) => error,
    };
    if error.kind() == ErrorKind::Internal {
        tracing::error!(error = ?error, "a call failed");
    }
    match missing_capability(&error) {
        Some(data) => Reply::Refused(data),
        None => Reply::Tool(Answer::failure(&error)),
    }
}

/// What a server wants of its client and this client does not offer, in the server's words.
fn missing_capability(error: &Error) -> Option<ErrorData> {
    let data = std::error::Error::source(error)?.downcast_ref::<ErrorData>()?;
    let is_it = data.code == ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY;
    is_it.then(|| data.clone())
}

async fn direct_call(
    server: &Server,
    id: String,
    args: Args,
    cx: CallContext,
) -> toolexec_core::Result<Answer> {
    let entry = server.runner().find(&id).await?;
    let has_output_schema = direct::has_output_schema(entry.tool());
    let request = Request::new(id, args).with_context(cx);
    let result = server.runner().run(request).await?;
    Ok(Answer::of_tool(result, has_output_schema))
}

impl Server {
    /// What a name stands for.
    async fn target(
        &self,
        name: &str,
        context: &RequestContext<RoleServer>,
    ) -> Result<Target, ErrorData> {
        if self.decide().await.mode == Mode::Meta {
            let tools = self.meta().await;
            return tools.find(name).map(Target::Meta).ok_or_else(|| {
                let names: Vec<&str> = tools.names().collect();
                let message = format!(
                    "unknown tool {name:?}; there are {}. To run a tool that search_tools found, \
                     call run_tool with its id",
                    names.join(", ")
                );
                ErrorData::invalid_params(message, None)
            });
        }
        let runner = self.runner_for(caller(context).as_ref());
        let index = runner.index();
        let mut id = direct::id_of(name, index);
        if id.is_none() {
            // A name with a fingerprint can be read only when the tool is known.
            runner.load_all().await;
            id = direct::id_of(name, index);
        }
        let unknown = |hints: &[String]| {
            let message = format!("unknown tool {name:?}; tools/list lists those there are");
            ErrorData::invalid_params(
                message,
                (!hints.is_empty()).then(|| json!({"hints": hints})),
            )
        };
        let id = id.ok_or_else(|| unknown(&[]))?;
        match runner.find(&id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(unknown(error.hints())),
            // Whatever else is wrong is an answer that a model reads.
            _ => Ok(Target::Tool(id)),
        }
    }
}

impl Handler {
    fn notifier(&self, context: &RequestContext<RoleServer>, is_chain: bool) -> Notifier {
        let level = if is_stateless(context) {
            context.meta.log_level()
        } else {
            Some(self.log_level())
        };
        let token = context.meta.get_progress_token();
        Notifier::new(context.peer.clone(), token, level, is_chain)
    }
}

/// Whether the request stands alone (revision 2026-07-28).
pub(super) fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

fn asking(context: &RequestContext<RoleServer>) -> Asking {
    if is_stateless(context) {
        Asking::Rounds
    } else {
        Asking::Requests
    }
}

impl Subject<'_> {
    /// Whose request for what it is: one that waits for input goes on only for the same.
    fn of(&self, context: &RequestContext<RoleServer>) -> String {
        let caller = caller(context).map(|caller| caller.name.clone());
        json!([caller, self.method, self.name, self.args]).to_string()
    }
}

pub(super) fn unknown_state() -> ErrorData {
    ErrorData::invalid_params(
        "this requestState belongs to no call that waits for input: it was used, changed or is \
         too old, or tool and arguments are not the same; call the tool anew",
        None,
    )
}

fn broken() -> Reply {
    let message = "the call ended without an answer";
    let error = Error::new(ErrorKind::Internal, message);
    Reply::Tool(Answer::failure(&error))
}
