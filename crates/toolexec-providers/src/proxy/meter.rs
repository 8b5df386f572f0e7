//! What passes is counted and bounded.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::hidden::Scrubber;

/// Why a body ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cut {
    #[error("it is larger than its limit")]
    TooLarge,
    #[error("it took too long")]
    TooLate,
    #[error("the proxy passed as many bytes as it may")]
    Spent,
}

/// The bytes that a proxy may still pass.
#[derive(Debug)]
pub(super) struct Meter(AtomicU64);

impl Meter {
    pub(super) fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    /// Whether there is nothing left.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    pub(super) fn spend(&self, bytes: usize) -> Result<(), Cut> {
        let bytes = bytes as u64;
        let spent = |left: u64| left.checked_sub(bytes);
        let taken = self
            .0
            .try_update(Ordering::Relaxed, Ordering::Relaxed, spent);
        taken.map(drop).map_err(|_| {
            self.0.store(0, Ordering::Relaxed);
            Cut::Spent
        })
    }
}

/// What is reported when a body is cut off.
pub(super) type OnCut = Box<dyn Fn(&(dyn StdError + 'static)) + Send + Sync>;

/// A body under limits.
pub(super) struct Metered<B> {
    body: B,
    left: u64,
    meter: Arc<Meter>,
    deadline: Pin<Box<Sleep>>,
    on_cut: Option<OnCut>,
}

impl<B> Metered<B> {
    pub(super) fn new(body: B, most: u64, meter: Arc<Meter>, deadline: Instant) -> Self {
        Self {
            body,
            left: most,
            meter,
            deadline: Box::pin(tokio::time::sleep_until(deadline)),
            on_cut: None,
        }
    }

    /// Tells somebody why the body ended early.
    pub(super) fn on_cut(mut self, told: OnCut) -> Self {
        self.on_cut = Some(told);
        self
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Cut> {
        self.left = self.left.checked_sub(bytes as u64).ok_or(Cut::TooLarge)?;
        self.meter.spend(bytes)
    }
}

type BodyError = Box<dyn StdError + Send + Sync>;

impl<B> Body for Metered<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = if this.deadline.as_mut().poll(cx).is_ready() {
            Poll::Ready(Some(Err(Cut::TooLate.into())))
        } else {
            let polled = Pin::new(&mut this.body).poll_frame(cx);
            polled.map_err(Into::<BodyError>::into)
        };
        let polled = polled.map_ok(|frame| {
            let data = frame.data_ref().map_or(0, Bytes::len);
            this.spend(data).map(|()| frame)
        });
        let polled: Poll<Option<Result<Frame<Bytes>, BodyError>>> =
            polled.map(|frame| frame.map(|frame| Ok(frame??)));
        if let (Poll::Ready(Some(Err(error))), Some(told)) = (&polled, this.on_cut.take()) {
            told(&**error);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body without the credentials that were sent.
pub(super) struct Scrubbed<B> {
    body: B,
    scrubber: Option<Scrubber>,
}

impl<B> Scrubbed<B> {
    pub(super) fn new(body: B, scrubber: Scrubber) -> Self {
        Self {
            body,
            scrubber: Some(scrubber),
        }
    }
}

impl<B> Body for Scrubbed<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        loop {
            let Some(scrubber) = &mut this.scrubber else {
                return Poll::Ready(None);
            };
            let clean = match std::task::ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => scrubber.push(&data),
                    // Trailers are not passed on.
                    Err(_) => continue,
                },
                None => {
                    let last = scrubber.finish();
                    this.scrubber = None;
                    last
                }
            };
            if !clean.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(clean.into()))));
            }
        }
    }
}
