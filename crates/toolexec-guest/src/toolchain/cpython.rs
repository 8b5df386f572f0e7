//! CPython: Python with everything that an image has installed.

use serde_json::{Value, json};
use toolexec_wire::{Failure, Language, SeenCall, Start};

use super::child::Recipe;
use super::find::{find, search_path};
use super::workdir::WorkDir;
use super::{ending, helper};
use crate::host::Host;
use crate::python;

const HARNESS: &str = include_str!("harness.py");
/// The name of the program in traces, as the other engine of Python has it.
const FILE: &str = "main.py";

/// Runs a program.
pub(super) fn run(start: &Start, host: &Host) -> Result<Value, Box<Failure>> {
    let dir = WorkDir::new()?;
    let recipe = recipe(&dir, start, None)?;
    let first = json!({"inputs": start.inputs, "deferred": python::deferred(&start.source)});
    ending::value(super::run(recipe, &dir, Some(&first), start, host)?)
}

/// Looks at the text of a program: what Python says of its syntax, and the calls in it.
pub(super) fn check(start: &Start, host: &Host) -> (Vec<Failure>, Vec<SeenCall>) {
    match syntax(start, host) {
        Ok(problems) if problems.is_empty() => {
            // Where the other parser does not know a form, nothing is seen.
            (
                problems,
                python::seen_calls(&start.source).unwrap_or_default(),
            )
        }
        Ok(problems) => (problems, Vec::new()),
        Err(failure) => (vec![*failure], Vec::new()),
    }
}

fn syntax(start: &Start, host: &Host) -> Result<Vec<Failure>, Box<Failure>> {
    let dir = WorkDir::new()?;
    let recipe = recipe(&dir, start, Some("--check"))?;
    let checked = helper::finish(recipe.start(dir.path(), &search_path())?, host)?;
    if checked.success {
        return Ok(Vec::new());
    }
    let told = serde_json::from_str::<Failure>(&checked.stdout);
    told.map(|problem| vec![problem]).map_err(|_| {
        let mut failure = crate::host::failure(
            toolexec_wire::FailureKind::Unsupported,
            "the Python of this sandbox does not start",
        );
        failure
            .trace
            .extend(checked.stderr.lines().last().map(str::to_owned));
        failure
    })
}

fn recipe(dir: &WorkDir, start: &Start, flag: Option<&str>) -> Result<Recipe, Box<Failure>> {
    let program = find(Language::CPython, &["python3", "python"])?;
    dir.write(FILE, &start.source)?;
    let harness = dir.write("harness.py", HARNESS)?;
    // Isolated: neither its directory nor the user's packages are where modules come from.
    let mut args = vec![
        "-I".into(),
        "-B".into(),
        "-X".into(),
        "utf8".into(),
        harness.into(),
    ];
    args.extend(flag.map(Into::into));
    Ok(Recipe {
        program,
        args,
        env: Vec::new(),
    })
}
