//! Running programs.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use toolexec_core::code::{Outcome, Submission};
use toolexec_core::results::{owner_of, resolve};
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
    let Some(results) = server.results() else {
        let outcome = code.execute(submission, &cx).await?;
        let (stdout, stderr) = (json!(outcome.stdout), json!(outcome.stderr));
        return Ok(outcome_answer(
            &outcome,
            outcome.value.clone(),
            stdout,
            stderr,
        ));
    };
    // A program takes handles among its inputs, and what is large of its outcome is one.
    let store = results.store();
    submission.inputs = resolve(&*store, owner_of(&cx), submission.inputs).await?;
    let mut outcome = code.execute(submission, &cx).await?;
    let value = results.fit(std::mem::take(&mut outcome.value), &cx).await;
    let stdout = results.fit(json!(outcome.stdout), &cx).await;
    let stderr = results.fit(json!(outcome.stderr), &cx).await;
    Ok(outcome_answer(&outcome, value, stdout, stderr))
}

/// What a model needs of an outcome; the rest is for clients, in `_meta`.
fn outcome_answer(outcome: &Outcome, value: Value, stdout: Value, stderr: Value) -> Answer {
    let mut structured = json!({ "value": value });
    if let Some(error) = &outcome.error {
        structured["error"] = json!(error);
    }
    for (key, text) in [("stdout", stdout), ("stderr", stderr)] {
        if text != json!("") {
            structured[key] = text;
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
