//! Node: JavaScript with the packages that an image has installed.

use serde_json::{Value, json};
use toolexec_wire::{Failure, Language, SeenCall, Start};

use super::bridge::{End, Exited};
use super::child::Recipe;
use super::ending;
use super::find::find;
use super::workdir::WorkDir;
use crate::host::Host;
use crate::javascript;
use crate::text::{Derived, Lines, Place};

const HARNESS: &str = include_str!("harness.mjs");
const FILE: &str = "program.mjs";
/// The status with which Node ends that waits for nothing that could come.
const UNSETTLED: i32 = 13;

/// Runs a program.
pub(super) fn run(start: &Start, host: &Host) -> Result<Value, Box<Failure>> {
    let program = find(Language::Node, &["node", "nodejs"])?;
    let derived = javascript::for_node(&start.source)?;
    let dir = WorkDir::new()?;
    dir.write(FILE, &derived.text)?;
    let harness = dir.write("harness.mjs", HARNESS)?;
    let mut args = vec!["--no-warnings".into()];
    if let Some(memory) = start.limits.memory_bytes {
        let megabytes = (memory >> 20) * 3 / 4;
        args.push(format!("--max-old-space-size={}", megabytes.max(16)).into());
    }
    args.push(harness.into());
    let packages = std::env::var("NODE_PATH").unwrap_or_default();
    let recipe = Recipe {
        program,
        args,
        env: vec![(
            "NODE_PATH",
            format!("{packages}:/usr/local/lib/node_modules:/usr/lib/node_modules").into(),
        )],
    };
    let first = json!({"inputs": start.inputs});
    match super::run(recipe, &dir, Some(&first), start, host)? {
        End::Failed(failure) => Err(placed(*failure, &start.source, &derived)),
        End::Exited(exited) if is_unsettled(&exited) => {
            let mut failure = ending::exited(&exited);
            failure.message = "the program awaits what never comes".into();
            Err(failure)
        }
        end => ending::value(end),
    }
}

/// Looks at the text of a program.
pub(super) fn check(start: &Start, _: &Host) -> (Vec<Failure>, Vec<SeenCall>) {
    if let Err(failure) = find(Language::Node, &["node", "nodejs"]) {
        return (vec![*failure], Vec::new());
    }
    javascript::check_for_node(&start.source)
}

fn is_unsettled(exited: &Exited) -> bool {
    exited.status.and_then(|status| status.code()) == Some(UNSETTLED)
}

/// The places of a failure, in the text as written. The frames come as `name line column`.
fn placed(mut failure: Failure, source: &str, derived: &Derived) -> Box<Failure> {
    let (lines, own) = (Lines::new(source), Lines::new(&derived.text));
    let frame = |text: &String| {
        let mut parts = text.rsplitn(3, ' ');
        let column = parts.next()?.parse().ok()?;
        let line = parts.next()?.parse().ok()?;
        let offset = own.offset(&derived.text, Place { line, column });
        Some((
            parts.next()?.to_owned(),
            lines.place(source, derived.source(offset)),
        ))
    };
    let frames: Vec<_> = failure.trace.iter().filter_map(frame).collect();
    if let Some((_, place)) = frames.first() {
        failure.line = Some(place.line);
        failure.column = Some(place.column);
    }
    let told = |(name, place): &(String, Place)| {
        let place = format!("program:{}:{}", place.line, place.column);
        if name.is_empty() {
            place
        } else {
            format!("{name} ({place})")
        }
    };
    failure.trace = frames.iter().map(told).collect();
    Box::new(failure)
}
