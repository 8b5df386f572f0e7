//! A call as a stream of events.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::stream::{FusedStream, Stream};
use tokio::sync::mpsc;

use super::{Request, RunResult};
use crate::error::Result;
use crate::event::{Event, EventSink};

/// How many events may wait for their reader before the tool has to.
const BUFFER: usize = 32;

/// The events of one call; see [`Runner::stream`](super::Runner::stream).
///
/// Dropping it cancels the call.
#[must_use = "nothing runs until the stream is polled"]
pub struct RunStream {
    // `None` once the call has ended.
    call: Option<BoxFuture<'static, Result<RunResult>>>,
    events: mpsc::Receiver<Event>,
    // The last event, while earlier ones still wait in `events`.
    last: Option<Event>,
}

impl RunStream {
    /// The events of `request`, which `run` runs. `run` gets the request with a sink in its
    /// context.
    pub fn new<F, Fut>(request: Request, run: F) -> Self
    where
        F: FnOnce(Request) -> Fut,
        Fut: Future<Output = Result<RunResult>> + Send + 'static,
    {
        let (sink, events) = EventSink::channel(BUFFER);
        let request = Request {
            cx: request.cx.clone().with_events(sink),
            ..request
        };
        Self {
            call: Some(Box::pin(run(request))),
            events,
            last: None,
        }
    }
}

impl Stream for RunStream {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let this = self.get_mut();
        loop {
            if let Some(call) = &mut this.call {
                // Events first: they happened before the end.
                if let Poll::Ready(Some(event)) = this.events.poll_recv(cx) {
                    return Poll::Ready(Some(event));
                }
                let outcome = std::task::ready!(call.as_mut().poll(cx));
                this.call = None;
                // What a stray task of the tool sends from here on is not part of the call.
                this.events.close();
                this.last = Some(match outcome {
                    Ok(result) => Event::Done {
                        result: Box::new(result),
                    },
                    Err(error) => Event::Error {
                        error: Box::new(error.report()),
                    },
                });
            } else if let Ok(event) = this.events.try_recv() {
                return Poll::Ready(Some(event));
            } else {
                return Poll::Ready(this.last.take());
            }
        }
    }
}

impl FusedStream for RunStream {
    fn is_terminated(&self) -> bool {
        self.call.is_none() && self.last.is_none()
    }
}

impl fmt::Debug for RunStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunStream")
            .field("ended", &self.is_terminated())
            .finish_non_exhaustive()
    }
}
