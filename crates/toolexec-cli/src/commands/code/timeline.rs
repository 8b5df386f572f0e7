//! The calls of a program as a small timeline.

use std::time::Duration;

use toolexec::core::code::{CallOp, CallRecord};

/// How wide the time is drawn.
const WIDTH: usize = 32;
/// The most calls that are drawn.
const MAX_CALLS: usize = 40;

/// A line for each call: when it ran, what it was, how long it took.
pub(super) fn lines(calls: &[CallRecord], whole: Duration) -> Vec<String> {
    let shown = &calls[..calls.len().min(MAX_CALLS)];
    let longest = shown.iter().map(|call| name(call).chars().count()).max();
    let column = longest.unwrap_or(0);
    let mut lines: Vec<String> = shown
        .iter()
        .map(|call| {
            let name = name(call);
            let padding = " ".repeat(column - name.chars().count());
            let end = match &call.error {
                Some(error) => format!("  failed: {}", error.code),
                None => call
                    .backend
                    .as_ref()
                    .map(|at| format!("  {at}"))
                    .unwrap_or_default(),
            };
            let took = millis(call.duration);
            format!("{} {name}{padding} {took:>9}{end}", bar(call, whole))
        })
        .collect();
    if calls.len() > shown.len() {
        lines.push(format!("… and {} more", calls.len() - shown.len()));
    }
    lines
}

/// `1.2 ms`.
pub(super) fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn name(call: &CallRecord) -> String {
    let tool = call.tool.as_deref().unwrap_or_default();
    let op = match call.op {
        CallOp::Run => return tool.to_owned(),
        CallOp::Chain => "chain",
        CallOp::Search => "search",
        CallOp::Describe => "describe",
        CallOp::Examples => "examples",
        CallOp::Namespaces => "namespaces",
        _ => "call",
    };
    format!("{op} {tool}").trim_end().to_owned()
}

/// Where in the whole time the call ran; at least one cell is filled.
fn bar(call: &CallRecord, whole: Duration) -> String {
    let whole = whole.as_secs_f64().max(f64::MIN_POSITIVE);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the width"
    )]
    let at =
        |time: Duration| ((time.as_secs_f64() / whole).clamp(0.0, 1.0) * WIDTH as f64) as usize;
    let from = at(call.start).min(WIDTH - 1);
    let to = at(call.start + call.duration).clamp(from + 1, WIDTH);
    let empty = |count: usize| "·".repeat(count);
    format!(
        "{}{}{}",
        empty(from),
        "█".repeat(to - from),
        empty(WIDTH - to)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use toolexec::{BackendKind, BackendRef};

    use super::*;

    fn call(tool: &str, start: u64, duration: u64) -> CallRecord {
        CallRecord {
            number: 1,
            op: CallOp::Run,
            tool: Some(tool.to_owned()),
            args: Value::Null,
            result: None,
            error: None,
            backend: Some(BackendRef::new(BackendKind::Local, "math")),
            start: Duration::from_millis(start),
            duration: Duration::from_millis(duration),
            lane: 0,
            omitted: None,
        }
    }

    #[test]
    fn calls_stand_where_they_ran() {
        let calls = [
            call("math:add", 0, 50),
            call("math:sum", 50, 50),
            call("a:b", 100, 0),
        ];
        assert_eq!(
            lines(&calls, Duration::from_millis(100)),
            [
                "████████████████················ math:add   50.0 ms  local/math",
                "················████████████████ math:sum   50.0 ms  local/math",
                "·······························█ a:b         0.0 ms  local/math",
            ]
        );
    }

    #[test]
    fn many_calls_are_counted() {
        let calls: Vec<CallRecord> = (0..50).map(|n| call("a:b", n, 1)).collect();
        let lines = lines(&calls, Duration::from_millis(50));
        assert_eq!(lines.len(), MAX_CALLS + 1);
        assert_eq!(lines.last().map(String::as_str), Some("… and 10 more"));
        assert_eq!(super::lines(&[], Duration::ZERO), Vec::<String>::new());
    }
}
