//! A source that does what it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::Notify;
use toolexec::core::index::Registration;
use toolexec::core::{Backend, BackendCall, Listing, RawOutput};
use toolexec::{BackendKind, BackendRef, CallContext, Error, ErrorKind, Source, Tool};

pub(crate) struct Scripted {
    name: BackendRef,
    /// The names of its tools, or nothing while it cannot be reached.
    tools: Mutex<Option<Vec<&'static str>>>,
    changed: Notify,
    pub(crate) lists: AtomicUsize,
    pub(crate) shut_down: AtomicUsize,
}

impl Scripted {
    pub(crate) fn new(name: &str, tools: &[&'static str]) -> Arc<Self> {
        Arc::new(Self {
            name: BackendRef::new(BackendKind::Mcp, name),
            tools: Mutex::new(Some(tools.to_vec())),
            changed: Notify::new(),
            lists: AtomicUsize::new(0),
            shut_down: AtomicUsize::new(0),
        })
    }

    pub(crate) fn offer(&self, tools: Option<&[&'static str]>) {
        *self.tools.lock().unwrap() = tools.map(<[_]>::to_vec);
        self.changed.notify_one();
    }

    pub(crate) fn listed(&self) -> usize {
        self.lists.load(Ordering::SeqCst)
    }
}

impl Source for Scripted {
    fn backend_ref(&self) -> &BackendRef {
        &self.name
    }

    fn namespace(&self) -> &str {
        &self.name.name
    }

    fn list(self: Arc<Self>) -> BoxFuture<'static, Result<Listing, Error>> {
        async move {
            self.lists.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            let Some(names) = self.tools.lock().unwrap().clone() else {
                let cause = std::io::Error::other("connection refused");
                return Err(
                    Error::new(ErrorKind::Unavailable, "the server cannot be reached")
                        .with_source(cause)
                        .with_hint("start it"),
                );
            };
            let register = |name: &&str| {
                let tool = Tool::builder(format!("{}:{name}", self.name.name))
                    .build()
                    .unwrap();
                Registration::new(tool, self.clone())
            };
            let tools = names.iter().map(register).collect();
            Ok(Listing {
                tools,
                notices: vec!["one tool was left out".into()],
            })
        }
        .boxed()
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        self.changed.notified().boxed()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        self.shut_down.fetch_add(1, Ordering::SeqCst);
        std::future::ready(()).boxed()
    }
}

impl Backend for Scripted {
    fn backend_ref(&self) -> &BackendRef {
        &self.name
    }

    fn call<'a>(
        &'a self,
        call: BackendCall,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<RawOutput, Error>> {
        let answer = RawOutput::Value(json!({"tool": *call.remote_name, "args": call.args}));
        std::future::ready(Ok(answer)).boxed()
    }
}
