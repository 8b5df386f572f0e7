//! Calling the backend: deadline, cancellation, panics, fail-over.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::settings::RunSettings;
use super::validate::{ValidCall, check_args};
use crate::backend::{BackendCall, RawOutput};
use crate::context::CallContext;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::event::Event;
use crate::index::Binding;
use crate::tool::Args;

/// A call that its backend answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) binding: Arc<Binding>,
    pub(super) output: RawOutput,
    pub(super) warnings: Vec<String>,
}

impl ValidCall {
    pub(super) async fn dispatch(self, settings: &RunSettings) -> Result<Answered> {
        let Self {
            first,
            others,
            args,
            cx,
            mut warnings,
        } = self;
        let cx = match settings.timeout {
            Some(timeout) => cx.with_timeout(timeout),
            None => cx,
        };
        let mut others = others.into_iter();
        let (mut binding, mut args) = (first, args);
        loop {
            // Kept only while there is another backend to give them to.
            let spare = (others.len() > 0).then(|| args.clone());
            let error = match attempt(&binding, args, &cx).await {
                Ok(output) => {
                    return Ok(Answered {
                        binding,
                        output,
                        warnings,
                    });
                }
                Err(error) => error,
            };
            let Some(spare) = spare.filter(|_| may_go_on(&error, &binding)) else {
                return Err(error);
            };
            let Some((next, next_args)) = next_that_fits(&mut others, &spare, settings) else {
                return Err(error);
            };
            warnings.push(format!(
                "{} failed ({}), {} ran instead",
                binding.backend_ref(),
                error.code(),
                next.backend_ref()
            ));
            (binding, args) = (next, next_args);
        }
    }
}

async fn attempt(binding: &Binding, args: Args, cx: &CallContext) -> Result<RawOutput> {
    let tool = binding.tool();
    let place = |error: Error| {
        error
            .at(Stage::Dispatch)
            .for_tool(&tool.id)
            .on_backend(binding.backend_ref())
    };
    if cx.is_cancelled() {
        return Err(place(cancelled()));
    }
    if let Some(events) = cx.events() {
        let backend = binding.backend_ref().clone();
        events
            .send(Event::Started {
                tool: tool.id.clone(),
                backend,
            })
            .await;
    }
    let call = BackendCall {
        tool: tool.clone(),
        remote_name: binding.remote_name().clone(),
        args,
    };
    // The backend is called inside the future, so that a panic on the way is caught too. Nothing
    // of ours is shared with it that a panic could leave half changed.
    let work = AssertUnwindSafe(async { binding.backend().call(call, cx).await }).catch_unwind();
    let work = async { work.await.unwrap_or_else(|panic| Err(panicked(&*panic))) };
    within(cx, work).await.map_err(place)
}

/// What `work` answers, unless the call is cancelled or its deadline passes before.
pub(super) async fn within<T>(
    cx: &CallContext,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        outcome = work => outcome,
        () = cx.cancelled() => Err(cancelled()),
        () = deadline(cx) => Err(timed_out()),
    }
}

async fn deadline(cx: &CallContext) {
    match cx.deadline() {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Whether another backend may try: nothing ran, or the tool says that repeating is harmless.
fn may_go_on(error: &Error, binding: &Binding) -> bool {
    match error.kind() {
        ErrorKind::Unavailable => true,
        ErrorKind::Backend | ErrorKind::Panicked | ErrorKind::Protocol => {
            binding.tool().annotations.is_repeatable()
        }
        _ => false,
    }
}

/// The next backend whose own schema takes the arguments too.
fn next_that_fits(
    others: &mut std::vec::IntoIter<Arc<Binding>>,
    args: &Args,
    settings: &RunSettings,
) -> Option<(Arc<Binding>, Args)> {
    others.find_map(|binding| {
        let (args, _) = check_args(&binding, args.clone(), settings.check_input).ok()?;
        Some((binding, args))
    })
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the call was cancelled")
}

fn timed_out() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the call did not end before its deadline",
    )
    .with_hint("the tool was told to stop and may have run in part; allow it more time")
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    Error::new(ErrorKind::Panicked, "the tool's handler panicked").with_source(text)
}
