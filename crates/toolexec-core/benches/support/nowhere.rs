//! A backend for tools that are never called.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use toolexec_core::backend::{Backend, BackendCall, RawOutput};
use toolexec_core::index::{Index, Registration};
use toolexec_core::{BackendKind, BackendRef, CallContext, Error, ErrorKind, Result, Tool};

struct Nowhere(BackendRef);

impl Backend for Nowhere {
    fn backend_ref(&self) -> &BackendRef {
        &self.0
    }

    fn call<'a>(
        &'a self,
        _call: BackendCall,
        _cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<RawOutput>> {
        Box::pin(async { Err(Error::new(ErrorKind::Unsupported, "a bench calls nothing")) })
    }
}

/// The tools, offered by a backend that cannot run them.
pub(crate) fn registrations(tools: Vec<Tool>) -> Vec<Registration> {
    let backend: Arc<dyn Backend> = Arc::new(Nowhere(BackendRef::new(BackendKind::Local, "bench")));
    let register = |tool| Registration::new(tool, backend.clone());
    tools.into_iter().map(register).collect()
}

/// An index of the tools.
pub(crate) fn index(tools: Vec<Tool>) -> Index {
    let index = Index::new();
    index.register_all(registrations(tools));
    index
}
