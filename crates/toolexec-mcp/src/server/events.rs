//! What happens while a call runs, as notifications.

use rmcp::model::{
    LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{Peer, RoleServer};
use serde_json::Value;
use toolexec_core::Event;
use toolexec_core::event::LogLevel;

/// Tells a client what happens while its call runs, as far as it wants to know.
pub(super) struct Notifier {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    /// The least severe log message that it wants.
    level: Option<LoggingLevel>,
    last: f64,
    /// Steps of a chain that ended; their own progress is not the chain's.
    steps: Option<u32>,
}

impl Notifier {
    pub(super) fn new(
        peer: Peer<RoleServer>,
        token: Option<ProgressToken>,
        level: Option<LoggingLevel>,
        is_chain: bool,
    ) -> Self {
        Self {
            peer,
            token,
            level,
            last: f64::NEG_INFINITY,
            steps: is_chain.then_some(0),
        }
    }

    /// Whether the client wants to know anything.
    pub(super) fn listens(&self) -> bool {
        self.token.is_some() || self.level.is_some()
    }

    pub(super) async fn notify(&mut self, event: Event) {
        match event {
            Event::Progress {
                progress,
                total,
                message,
            } if self.steps.is_none() => self.progress(progress, total, message).await,
            Event::Step { step } => {
                if let Some(steps) = &mut self.steps {
                    *steps += 1;
                    let done = f64::from(*steps);
                    self.progress(done, None, step.tool).await;
                }
            }
            Event::Log { level, data } => self.log(level, data).await,
            _ => {}
        }
    }

    /// The protocol wants progress that grows; what does not is left out.
    async fn progress(&mut self, progress: f64, total: Option<f64>, message: Option<String>) {
        let Some(token) = self.token.clone() else {
            return;
        };
        if progress <= self.last || !progress.is_finite() {
            return;
        }
        self.last = progress;
        let mut params = ProgressNotificationParam::new(token, progress);
        params.total = total;
        params.message = message;
        // A client that is gone is noticed elsewhere.
        let _ = self.peer.notify_progress(params).await;
    }

    async fn log(&self, level: LogLevel, data: Value) {
        let level = logging_level(level);
        if self
            .level
            .is_none_or(|least| severity(level) < severity(least))
        {
            return;
        }
        let (logger, data) = split(data);
        let mut params = LoggingMessageNotificationParam::new(level, data);
        params.logger = logger;
        let _ = self.peer.notify_logging_message(params).await;
    }
}

/// The logger's name, where an MCP server gave one; see `client::convert::log`.
fn split(data: Value) -> (Option<String>, Value) {
    match data {
        Value::Object(mut fields)
            if fields.len() == 2
                && fields.get("logger").is_some_and(Value::is_string)
                && fields.contains_key("data") =>
        {
            let logger = fields.get("logger").and_then(Value::as_str);
            let logger = logger.map(str::to_owned);
            (logger, fields.remove("data").unwrap_or_default())
        }
        other => (None, other),
    }
}

fn logging_level(level: LogLevel) -> LoggingLevel {
    match level {
        LogLevel::Debug => LoggingLevel::Debug,
        LogLevel::Info => LoggingLevel::Info,
        LogLevel::Notice => LoggingLevel::Notice,
        LogLevel::Warning => LoggingLevel::Warning,
        LogLevel::Error => LoggingLevel::Error,
        LogLevel::Critical => LoggingLevel::Critical,
        LogLevel::Alert => LoggingLevel::Alert,
        LogLevel::Emergency => LoggingLevel::Emergency,
    }
}

fn severity(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}
