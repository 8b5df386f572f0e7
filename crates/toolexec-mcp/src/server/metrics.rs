//! What is counted, for Prometheus.

use std::time::Instant;

use http::StatusCode;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// What is counted of a server.
pub(super) struct Metrics {
    registry: Registry,
    calls: IntCounterVec,
    durations: HistogramVec,
    running: IntGauge,
    sessions: IntGauge,
    requests: IntCounterVec,
}

/// A call that is being counted; dropping it without an end counts it as cancelled.
pub(super) struct Counted<'a> {
    metrics: &'a Metrics,
    tool: String,
    started: Instant,
    outcome: &'static str,
}

impl Metrics {
    /// Counters at zero.
    #[expect(
        clippy::expect_used,
        reason = "names that Prometheus does not take fail in every test"
    )]
    pub(super) fn new() -> Self {
        Self::try_new().expect("names that Prometheus takes")
    }

    fn try_new() -> prometheus::Result<Self> {
        let calls = IntCounterVec::new(
            Opts::new(
                "toolexec_mcp_calls_total",
                "Tool calls that ended, by outcome.",
            ),
            &["tool", "outcome"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "toolexec_mcp_call_duration_seconds",
                "How long tool calls took.",
            )
            .buckets(vec![
                0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0,
            ]),
            &["tool"],
        )?;
        let running = IntGauge::new("toolexec_mcp_calls_running", "Tool calls that run now.")?;
        let sessions = IntGauge::new("toolexec_mcp_sessions", "Sessions that are open.")?;
        let requests = IntCounterVec::new(
            Opts::new(
                "toolexec_mcp_http_requests_total",
                "HTTP requests, by status.",
            ),
            &["status"],
        )?;
        let registry = Registry::new();
        registry.register(Box::new(calls.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(running.clone()))?;
        registry.register(Box::new(sessions.clone()))?;
        registry.register(Box::new(requests.clone()))?;
        Ok(Self {
            registry,
            calls,
            durations,
            running,
            sessions,
            requests,
        })
    }

    /// Counts a call from here on.
    pub(super) fn call(&self, tool: &str) -> Counted<'_> {
        self.running.inc();
        Counted {
            metrics: self,
            tool: tool.to_owned(),
            started: Instant::now(),
            outcome: "cancelled",
        }
    }

    pub(super) fn sessions(&self, open: usize) {
        self.sessions.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    pub(super) fn answered(&self, status: StatusCode) {
        self.requests.with_label_values(&[status.as_str()]).inc();
    }

    /// All of it, in the text format of Prometheus.
    pub(super) fn text(&self) -> String {
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => {
                tracing::error!(%error, "metrics cannot be written");
                String::new()
            }
        }
    }
}

impl Counted<'_> {
    /// The call ended; the tool failed or not.
    pub(super) fn ended(mut self, is_error: bool) {
        self.outcome = if is_error { "error" } else { "ok" };
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let metrics = self.metrics;
        metrics.running.dec();
        let calls = &metrics.calls;
        calls.with_label_values(&[&*self.tool, self.outcome]).inc();
        let seconds = self.started.elapsed().as_secs_f64();
        let durations = metrics.durations.with_label_values(&[&*self.tool]);
        durations.observe(seconds);
    }
}
