//! The path of a call: resolve, authorize, validate, dispatch, normalize, validate.
//!
//! Each stage takes the type that the stage before it makes, so a wrong order does not compile:
//!
//! ```text
//! Request → Resolved → Authorized → ValidCall → Answered → Normalized → RunResult
//! ```

mod authorize;
mod dispatch;
mod limits;
mod loader;
mod normalize;
mod request;
mod resolve;
mod result;
mod settings;
mod stream;
mod validate;

use std::sync::Arc;

use crate::context::Caller;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::index::{Entry, Index};
use crate::results::{self, ResultStore};

pub use authorize::{AllowAll, Decision, Policy, PolicyRequest};
pub use limits::ValueLimits;
pub use loader::Loader;
pub use request::{BackendChoice, Request};
pub use result::RunResult;
pub(crate) use result::as_millis;
pub use settings::{Check, RunSettings};
pub use stream::RunStream;

/// Runs tools of an index. Cheap to clone.
#[derive(Clone)]
pub struct Runner {
    shared: Arc<Shared>,
    // What one caller may see of the index; all of it when absent.
    view: Option<Index>,
}

#[derive(Clone)]
struct Shared {
    index: Index,
    settings: RunSettings,
    policy: Arc<dyn Policy>,
    loader: Option<Arc<dyn Loader>>,
    results: Option<Arc<dyn ResultStore>>,
}

impl Runner {
    /// A runner with the default settings that allows every call.
    pub fn new(index: Index) -> Self {
        Self::with(index, RunSettings::default(), Arc::new(AllowAll))
    }

    /// A runner with these settings and this policy.
    pub fn with(index: Index, settings: RunSettings, policy: Arc<dyn Policy>) -> Self {
        Self {
            shared: Arc::new(Shared {
                index,
                settings,
                policy,
                loader: None,
                results: None,
            }),
            view: None,
        }
    }

    /// The same runner, which asks `loader` for tools that the index does not have.
    #[must_use]
    pub fn with_loader(self, loader: Arc<dyn Loader>) -> Self {
        self.with_parts(|shared| shared.loader = Some(loader))
    }

    /// The same runner, whose arguments may hold handles of results that `store` keeps.
    #[must_use]
    pub fn with_results(self, store: Arc<dyn ResultStore>) -> Self {
        self.with_parts(|shared| shared.results = Some(store))
    }

    fn with_parts(self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = (*self.shared).clone();
        change(&mut shared);
        Self {
            shared: Arc::new(shared),
            view: self.view,
        }
    }

    /// The same runner as this caller may see it: [`index`](Self::index) and [`find`](Self::find)
    /// leave out the tools that the policy never lets it call. Who calls is still what the
    /// context of a call says.
    #[must_use]
    pub fn seen_by(&self, caller: Option<&Arc<Caller>>) -> Self {
        let policy = self.shared.policy.clone();
        let view = policy.hides_tools().then(|| {
            let caller = caller.cloned();
            self.shared.index.seen_by(move |entry| {
                entry.bindings().iter().any(|binding| {
                    policy.may_ever_call(caller.as_deref(), binding.tool(), binding.backend_ref())
                })
            })
        });
        Self {
            shared: self.shared.clone(),
            view,
        }
    }

    /// Puts everything into the index that the loader can load.
    ///
    /// # Cancel safety
    /// What was loaded stays.
    pub async fn load_all(&self) {
        if let Some(loader) = &self.shared.loader {
            loader.load_all().await;
        }
    }

    /// What the loader could not load, and why. A caller who does not see all tools is not told.
    pub fn unavailable(&self) -> Vec<String> {
        match (&self.shared.loader, &self.view) {
            (Some(loader), None) => loader.unavailable(),
            _ => Vec::new(),
        }
    }

    /// Finds the tool that a caller names, and loads it first where needed.
    ///
    /// # Errors
    /// As [`Index::find`], or why the tool cannot be loaded.
    ///
    /// # Cancel safety
    /// What was loaded stays.
    pub async fn find(&self, tool: &str) -> Result<Arc<Entry>> {
        self.find_in(self.index(), tool).await
    }

    async fn find_in(&self, index: &Index, tool: &str) -> Result<Arc<Entry>> {
        match (index.find(tool), &self.shared.loader) {
            (Err(error), Some(loader)) if error.kind() == ErrorKind::NotFound => {
                loader
                    .load(tool)
                    .await
                    .map_err(|error| error.for_tool(tool).at(Stage::Resolve))?;
                index.find(tool)
            }
            (found, _) => found,
        }
    }

    /// A tool that is to be called. One that its caller may not see is found, so that the policy
    /// says which rule denies it; an unknown one is an error that names none of those.
    async fn find_to_call(&self, request: &Request) -> Result<Arc<Entry>> {
        let found = self.find_in(&self.shared.index, request.tool()).await;
        let names_others =
            |error: &Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Ambiguous);
        if found.as_ref().err().is_some_and(names_others) && self.hides_tools() {
            let view = self.seen_by(request.cx.caller());
            return view.index().find(request.tool());
        }
        found
    }

    /// Whether callers may see different tools.
    pub(crate) fn hides_tools(&self) -> bool {
        self.shared.policy.hides_tools()
    }

    /// The index it runs tools of.
    pub fn index(&self) -> &Index {
        self.view.as_ref().unwrap_or(&self.shared.index)
    }

    /// Its settings.
    pub fn settings(&self) -> &RunSettings {
        &self.shared.settings
    }

    /// Runs one tool.
    ///
    /// A tool's own failure is an `Ok` whose `is_error` is set; `Err` means that the execution
    /// failed, and its kind says whether the tool may have run.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call: the backend stops what it started, and a remote peer
    /// is told where its protocol allows. Effects the tool already had stand.
    pub async fn run(&self, request: Request) -> Result<RunResult> {
        let shared = &*self.shared;
        let settings = &shared.settings;
        let started = std::time::Instant::now();
        let entry = dispatch::within(&request.cx, self.find_to_call(&request)).await?;
        request
            .cx
            .spend_call()
            .map_err(|error| error.for_tool(&request.tool))?;
        let mut resolved = request.resolve(&entry, settings)?;
        if let Some(store) = &shared.results {
            let cx = resolved.cx.clone();
            let args = std::mem::take(&mut resolved.args);
            let values = results::resolve(&**store, results::owner_of(&cx), args);
            resolved.args = dispatch::within(&cx, values)
                .await
                .map_err(|error| error.for_tool(&entry.tool().id))?;
        }
        resolved
            .authorize(&*shared.policy)?
            .validate(settings)?
            .dispatch(settings)
            .await?
            .normalize()
            .validate(settings, started)
    }

    /// Runs one tool and yields what happens as it happens.
    ///
    /// The stream ends with exactly one `done` or `error`. Nothing runs until it is polled;
    /// dropping it cancels the call.
    pub fn stream(&self, request: Request) -> RunStream {
        let runner = self.clone();
        RunStream::new(
            request,
            move |request| async move { runner.run(request).await },
        )
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("index", &self.shared.index)
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}
