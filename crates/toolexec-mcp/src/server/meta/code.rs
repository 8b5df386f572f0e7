//! Running programs.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use toolexec_core::code::{Outcome, Submission};
use toolexec_core::sandbox::{Language, Limits, Profile};
use toolexec_core::{Args, CallContext, Error, ErrorKind, Result};

use super::MetaTool;
use crate::server::Server;
use crate::server::answer::Answer;

#[derive(Deserialize)]
struct Execute {
    language: Language,
    code: String,
    #[serde(default)]
    inputs: Map<String, Value>,
    timeout_ms: Option<u64>,
}

pub(super) async fn execute(server: &Server, args: Args, cx: CallContext) -> Result<Answer> {
    let args: Execute = server.meta().read(MetaTool::ExecuteCode, args)?;
    let Some(code) = server.code() else {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "this server runs no programs",
        ));
    };
    let mut submission = Submission::new(args.language, args.code)
        .limits(Limits {
            run_time: args.timeout_ms.map(Duration::from_millis),
            ..Limits::default()
        })
        .profile(server.profile());
    submission.inputs = args.inputs;
    let outcome = code.execute(submission, &cx).await?;
    Ok(outcome_answer(&outcome))
}

/// What a model needs of an outcome; the rest is for clients, in `_meta`.
fn outcome_answer(outcome: &Outcome) -> Answer {
    let mut structured = json!({ "value": outcome.value });
    if let Some(error) = &outcome.error {
        structured["error"] = json!(error);
    }
    for (key, text) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        if !text.is_empty() {
            structured[key] = json!(text);
        }
    }
    if !outcome.logs.is_empty() {
        structured["logs"] = json!(outcome.logs);
    }
    let details = json!({
        "sandbox": outcome.sandbox,
        "profile": outcome.profile,
        "usage": outcome.usage,
        "enforced": outcome.enforced,
    });
    let mut meta = Map::new();
    meta.insert("io.toolexec/outcome".to_owned(), details);
    Answer {
        is_error: !outcome.is_ok(),
        meta,
        ..Answer::structured(structured)
    }
}

/// The profile of programs over MCP: never less than the standard.
pub(in crate::server) fn at_least_standard(profile: Profile) -> Profile {
    match profile {
        Profile::Dev => Profile::Standard,
        stronger => stronger,
    }
}
