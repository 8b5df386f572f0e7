//! Long calls as tasks (the tasks extension of 2026-07-28).
//!
//! A client that offers it gets a call's answer if that comes soon, else a task to ask for later.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use rmcp::model::{
    CallToolResult, ClientCapabilities, DetailedTask, ErrorData, InputResponses, Task,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use serde_json::Value;
use toolexec_core::Event;

use super::Server;
use super::ask::{Batch, input_request};
use super::call::{Purpose, is_stateless};
use super::context::caller;
use super::flow::{Flow, Reply, next};
use crate::interaction::Question;

/// How many tasks run at the same time; of more, the client waits for the answer.
const MOST: usize = 1_000;
/// How long a task may run, and its answer is kept.
const LIFETIME: Duration = Duration::from_hours(1);

/// The tasks of all clients.
#[derive(Default)]
pub(super) struct Tasks {
    manager: TaskManager,
    /// Whose task it is, by its id.
    owners: Mutex<HashMap<String, Option<String>>>,
}

impl Tasks {
    fn owners(&self) -> MutexGuard<'_, HashMap<String, Option<String>>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that the task is the caller's; another's is as unknown as none.
    fn own(&self, id: &str, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
        let who = caller(context).map(|caller| caller.name.clone());
        if self.owners().get(id) == Some(&who) {
            return Ok(());
        }
        Err(ErrorData::invalid_params(
            format!("unknown task {id:?}"),
            None,
        ))
    }

    pub(super) fn get(
        &self,
        id: &str,
        context: &RequestContext<RoleServer>,
    ) -> Result<DetailedTask, ErrorData> {
        self.own(id, context)?;
        self.manager.get_task(id)
    }

    pub(super) fn update(
        &self,
        id: &str,
        answers: InputResponses,
        context: &RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.own(id, context)?;
        self.manager.update_task(id, answers)
    }

    pub(super) fn cancel(
        &self,
        id: &str,
        context: &RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.own(id, context)?;
        self.manager.cancel_task(id)
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.manager.shutdown();
    }
}

impl Server {
    /// How long the client waits for an answer before the call becomes a task; for ever, where it
    /// knows no tasks.
    pub(super) fn patience(
        &self,
        context: &RequestContext<RoleServer>,
        capabilities: &ClientCapabilities,
        purpose: Purpose,
    ) -> Option<Duration> {
        let is_call = matches!(purpose, Purpose::Tool | Purpose::Chain);
        let tasks = &self.shared.tasks;
        let may = is_call && capabilities.supports_tasks() && is_stateless(context);
        (may && tasks.manager.running_task_count() < MOST).then_some(self.shared.task_after)
    }

    /// Lets a call go on as a task.
    pub(super) fn go_on_as_task(&self, flow: Flow, context: &RequestContext<RoleServer>) -> Task {
        let millis = u64::try_from(LIFETIME.as_millis()).unwrap_or(u64::MAX);
        let options = TaskOptions::new().with_ttl_ms(millis);
        let tasks = &self.shared.tasks;
        let run = |cx: TaskContext| -> rmcp::task_manager::TaskFuture { Box::pin(run(flow, cx)) };
        let task = tasks.manager.spawn(options, run);
        let mut owners = tasks.owners();
        // Forgotten with the tasks themselves.
        if owners.len() > 2 * MOST {
            owners.retain(|id, _| tasks.manager.get_task(id).is_ok());
        }
        let owner = caller(context).map(|caller| caller.name.clone());
        owners.insert(task.task_id.clone(), owner);
        task
    }
}

/// Drives a call as a task, until it has an answer or is cancelled.
async fn run(mut flow: Flow, cx: TaskContext) -> Result<CallToolResult, TaskExit> {
    let mut asked = FuturesUnordered::new();
    let mut keys = HashSet::new();
    loop {
        tokio::select! {
            biased;
            // Dropping the flow ends the call, which tells whoever runs it.
            () = cx.cancelled() => return Err(TaskExit::Cancelled),
            Some(event) = next(&mut flow.events) => {
                if let Event::Progress { progress, total, message } = event {
                    cx.set_status_message(status(progress, total, message));
                }
            }
            Some(batch) = next(&mut flow.questions) => {
                let names = unique(&batch, &mut keys);
                asked.push(ask(cx.clone(), batch, names));
            }
            Some(()) = asked.next(), if !asked.is_empty() => {}
            reply = &mut flow.work => return match reply {
                Reply::Tool(answer) => Ok(answer.into_result()),
                Reply::Refused(error) => Err(TaskExit::Error(error)),
                #[cfg(feature = "client")]
                Reply::Relayed(Err(error)) => Err(TaskExit::Error(error)),
                #[cfg(feature = "client")]
                Reply::Relayed(Ok(_)) => Err(TaskExit::Cancelled),
            },
        }
    }
}

fn status(progress: f64, total: Option<f64>, message: Option<String>) -> String {
    let share = match total {
        Some(total) => format!("{progress} of {total}"),
        None => progress.to_string(),
    };
    match message {
        Some(message) => format!("{message} ({share})"),
        None => share,
    }
}

/// Names that were not used in this task.
fn unique(batch: &Batch, used: &mut HashSet<String>) -> Vec<String> {
    let mut names = Vec::new();
    for question in &batch.questions {
        let numbered = (2..).map(|number| format!("{}-{number}", question.key));
        let mut all = std::iter::once(question.key.clone()).chain(numbered);
        let name = all.find(|name| !used.contains(name)).unwrap_or_default();
        used.insert(name.clone());
        names.push(name);
    }
    names
}

async fn ask(cx: TaskContext, batch: Batch, names: Vec<String>) {
    let all = names.into_iter().zip(&batch.questions);
    let answers = all.map(|(name, question)| one(&cx, name, question));
    let answers = futures_util::future::try_join_all(answers).await;
    // The call may have ended meanwhile.
    let _ = batch.reply.send(answers);
}

async fn one(cx: &TaskContext, name: String, question: &Question) -> Result<Value, String> {
    let request = input_request(question)?;
    let answer = cx.request_input(name, request).await;
    answer.map_err(|_| "the client did not answer".to_owned())
}
