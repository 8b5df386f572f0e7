//! A bound on the number of connections.

use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;

use axum_server::Handle;
use axum_server::accept::Accept;
use futures_util::future::Either;

/// Accepts no more than so many connections at the same time; the rest is closed at once.
#[derive(Clone)]
pub(super) struct Capped<A> {
    inner: A,
    handle: Handle<SocketAddr>,
    most: usize,
}

impl<A> Capped<A> {
    pub(super) fn new(inner: A, handle: Handle<SocketAddr>, most: usize) -> Self {
        Self {
            inner,
            handle,
            most,
        }
    }
}

impl<I, S, A: Accept<I, S>> Accept<I, S> for Capped<A> {
    type Stream = A::Stream;
    type Service = A::Service;
    type Future = Either<Ready<io::Result<(A::Stream, A::Service)>>, A::Future>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        // The one to be accepted is counted already.
        if self.handle.connection_count() > self.most {
            tracing::warn!(
                most = self.most,
                "a connection is closed: there are too many"
            );
            return Either::Left(ready(Err(io::Error::other("too many connections"))));
        }
        Either::Right(self.inner.accept(stream, service))
    }
}

impl<A> fmt::Debug for Capped<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capped")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}
