//! Programs that call tools.
//!
//! ```text
//! Submission → profile → sandbox → session
//!              loop: print → transcript | call → budget → gateway → answer | done → Outcome
//! ```
//!
//! One loop serves every sandbox: what a guest says is counted, capped and answered here, and
//! nothing of it is trusted.
//!
//! What one program can make the host hold is bounded, whatever its sandbox: a frame of 16 MiB
//! with at most 2^20 values in it, 32 MiB of arguments of open calls, 8 MiB of records, its
//! output limit, its files, and what the tools that run at the same time answer.

mod answer;
mod calls;
mod check;
mod clock;
mod event;
mod executor;
mod failure;
mod files;
mod fork;
mod link;
mod module;
mod outcome;
mod program;
mod record;
mod session;
mod sessions;
mod settings;
mod submission;
mod tape;
mod transcript;

pub use event::{CodeEvent, CodeStream};
pub use executor::{CodeExecutor, CodeExecutorBuilder};
pub use failure::{CodeError, CodeErrorKind, Excess, Problem};
pub use files::{Artifact, InputFiles, MAX_INPUT_BYTES, MAX_INPUT_FILES};
pub use module::MAX_MODULE;
pub use outcome::{LogLine, Outcome, Usage};
pub use record::{CallOp, CallRecord, Omitted};
pub use session::CodeSession;
pub use sessions::{
    CodeSessions, SessionInfo, SessionLimits, SessionOptions, SessionSettings, SessionState,
};
pub use settings::CodeSettings;
pub use submission::{MAX_SOURCE, Submission};
pub use toolexec_wire::Stream;
