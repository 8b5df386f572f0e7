//! What a person wants to know about a server that does not do what it should.

use std::time::{Duration, Instant};

use super::supervisor::{Phase, Supervisor};

/// How a server is and what it said last. Not for models: it may hold paths and secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// Where it is in its life.
    pub state: ServerState,
    /// The process id of its program, while that runs.
    pub pid: Option<u32>,
    /// How often it was started.
    pub starts: u32,
    /// The last lines of its standard error, also of a program that ended.
    pub stderr: Vec<String>,
    /// What was odd about its messages.
    pub notices: Vec<String>,
}

/// Where a server is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerState {
    /// Not started, or ended in good order; the next use starts it.
    NotStarted,
    /// Being started or connected to.
    Starting,
    /// Ready for calls.
    Connected {
        /// The revision of the protocol that was agreed on.
        protocol_version: String,
        /// What it calls itself.
        name: Option<String>,
        /// Its version.
        version: Option<String>,
        /// What it tells models about its use.
        instructions: Option<String>,
    },
    /// It ended or did not start, and is left alone for a while.
    BackingOff {
        /// How long still.
        retry_after: Duration,
        /// What happened.
        why: String,
    },
    /// It ended or did not start; the next use tries again.
    Failed {
        /// What happened.
        why: String,
    },
}

impl Supervisor {
    pub(crate) fn diagnostics(&self) -> Diagnostics {
        let (phase, starts, stderr, notices) = self.snapshot();
        let pid = match &phase {
            Phase::Connected(connection) => connection.pid,
            _ => None,
        };
        Diagnostics {
            state: state(&phase),
            pid,
            starts,
            stderr: stderr.map(|tail| tail.lines()).unwrap_or_default(),
            notices,
        }
    }
}

fn state(phase: &Phase) -> ServerState {
    match phase {
        Phase::Idle => ServerState::NotStarted,
        Phase::Starting(_) => ServerState::Starting,
        Phase::Connected(connection) => {
            let info = &connection.info;
            let server = info.server_info.as_ref();
            ServerState::Connected {
                protocol_version: info.protocol_version.as_str().to_owned(),
                name: server.map(|server| server.name.clone()),
                version: server.map(|server| server.version.clone()),
                instructions: info.instructions.clone(),
            }
        }
        Phase::Resting { until, failure } => {
            let why = failure.reason().to_owned();
            let retry_after = until.saturating_duration_since(Instant::now());
            if retry_after.is_zero() {
                ServerState::Failed { why }
            } else {
                ServerState::BackingOff { retry_after, why }
            }
        }
    }
}
