//! Where programs run that are not trusted.

use std::fmt;
use std::pin::Pin;

use crate::child::{Child, Exit};
use crate::command::Command;
use crate::error::{ConfineError, SpawnError};

/// Starts programs inside of something, such as a container. The child that comes out is the
/// program to whoever holds it: its pipes, its status, and its end when it is dropped.
///
/// An implementation must run the program inside or not at all.
pub trait Confine: fmt::Debug + Send + Sync {
    /// What it is, in a few words without paths and secrets: `process, no network, 256 MiB`.
    fn describe(&self) -> String;

    /// The environment that programs get besides what their own configuration says.
    fn base_env(&self) -> Vec<(String, String)>;

    /// Starts a program inside.
    ///
    /// # Cancel safety
    /// An implementation must end what it has started when the future is dropped.
    fn spawn(&self, command: Command) -> SpawnFuture<'_>;

    /// Whether programs can be started inside: everything is done but the program itself.
    ///
    /// # Cancel safety
    /// As [`spawn`](Self::spawn).
    fn probe(&self) -> ProbeFuture<'_>;
}

/// What [`Confine::spawn`] returns.
pub type SpawnFuture<'a> = Pin<Box<dyn Future<Output = Result<Child, SpawnError>> + Send + 'a>>;

/// What [`Confine::probe`] returns.
pub type ProbeFuture<'a> = Pin<Box<dyn Future<Output = Result<(), ConfineError>> + Send + 'a>>;

/// What a child is held by from the outside, and what is known of its end there. It is dropped
/// after the child has ended.
pub trait Keeper: fmt::Debug + Send + Sync {
    /// Which limit the child exceeded, as a predicate: `ran out of memory (256 MiB)`.
    fn exceeded(&self, exit: Exit) -> Option<String>;
}
