//! Running programs.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use toolexec_core::code::{Outcome, Submission};
use toolexec_core::results::{owner_of, resolve};
use toolexec_core::sandbox::{Language, Limits, Profile, on_engine};
use toolexec_core::{Args, CallContext, Error, ErrorKind, Result};

use super::{MetaTool, artifacts};
use crate::server::Server;
use crate::server::answer::Answer;
use crate::server::kept::{OfConnection, Wanted};

#[derive(Deserialize)]
struct Execute {
    language: Language,
    engine: Option<String>,
    code: String,
    #[serde(default)]
    inputs: Map<String, Value>,
    #[serde(default)]
    files: Map<String, Value>,
    timeout_ms: Option<u64>,
    image: Option<String>,
    session: Option<String>,
}

/// Runs a program, in a session where one is named. What `connection` opens ends with it.
pub(in crate::server) async fn execute(
    server: &Server,
    args: Args,
    cx: CallContext,
    connection: Option<&OfConnection>,
) -> Result<Answer> {
    let args: Execute = server.meta().await.read(MetaTool::ExecuteCode, args)?;
    let (Some(code), Some(kept)) = (server.code(), server.kept()) else {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "this server runs no programs",
        ));
    };
    let language = on_engine(args.language, args.engine.as_deref())?;
    let mut submission = Submission::new(language, args.code)
        .limits(Limits {
            run_time: args.timeout_ms.map(Duration::from_millis),
            ..Limits::default()
        })
        .profile(server.profile());
    submission.inputs = args.inputs;
    let mut files = args.files;
    submission.image = args.image;
    if let Some(results) = server.results() {
        let store = results.store();
        submission.inputs = resolve(&*store, owner_of(&cx), submission.inputs).await?;
        files = resolve(&*store, owner_of(&cx), files).await?;
    }
    submission.files = Some(artifacts::given(files)?);
    let (session, outcome) = match &args.session {
        Some(session) => {
            let wanted = Wanted::read(session);
            let (id, outcome) = kept.execute(wanted, submission, connection, &cx).await?;
            (Some(id), outcome)
        }
        None => (None, code.execute(submission, &cx).await?),
    };
    let mut parts = parts(&outcome);
    if let Some(results) = server.results() {
        for part in parts.values_mut() {
            *part = results.fit(part.take(), &cx).await;
        }
    }
    if let Some(session) = session {
        parts.insert("session".to_owned(), json!(session));
        // Such as that the session is lost.
        if !outcome.warnings.is_empty() {
            parts.insert("warnings".to_owned(), json!(outcome.warnings));
        }
    }
    let (told, blocks) = artifacts::left(&outcome.artifacts, server.results(), &cx).await;
    if !told.is_empty() {
        parts.insert("files".to_owned(), told.into());
    }
    let mut answer = outcome_answer(&outcome, parts);
    answer.content.extend(blocks);
    Ok(answer)
}

/// What a program gave, each of which can be large.
fn parts(outcome: &Outcome) -> Map<String, Value> {
    let mut parts = Map::new();
    parts.insert("value".to_owned(), outcome.value.clone());
    for (key, text) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        if !text.is_empty() {
            parts.insert(key.to_owned(), json!(text));
        }
    }
    if !outcome.logs.is_empty() {
        parts.insert("logs".to_owned(), json!(outcome.logs));
    }
    parts
}

/// What a model needs of an outcome; the rest is for clients, in `_meta`.
fn outcome_answer(outcome: &Outcome, parts: Map<String, Value>) -> Answer {
    let mut structured = Value::Object(parts);
    if let Some(error) = &outcome.error {
        structured["error"] = json!(error);
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
