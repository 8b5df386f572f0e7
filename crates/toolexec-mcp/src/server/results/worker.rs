//! The process that applies a jq filter.

use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;

use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, compile, data};
use jaq_json::{Val, read};
use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};

/// The most memory, in bytes: what is read, what jq makes of it, and the program itself.
const MEMORY: u64 = 1 << 30;
/// The most CPU time, in seconds.
const CPU: u64 = 5;

/// What is asked of the process: the first line of its standard input; the value follows.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) filter: String,
    /// The most characters of all values together.
    pub(super) max_output: usize,
}

/// What the process answers on its standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Values {
        values: Vec<serde_json::Value>,
        /// There were more.
        truncated: bool,
    },
    Error {
        error: String,
    },
}

/// Runs as the process that applies one jq filter: reads it and the value from standard input and
/// writes what it gives to standard output. For programs that name themselves as a
/// [`JqProgram`](super::JqProgram).
pub fn jq_worker() -> ExitCode {
    let answer = bound_self().and_then(|()| work());
    let answer = answer.unwrap_or_else(|error| Answer::Error {
        error: error.to_string(),
    });
    let written = serde_json::to_vec(&answer)
        .map_err(io::Error::from)
        .and_then(|text| io::stdout().write_all(&text));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn bound_self() -> io::Result<()> {
    setrlimit(Resource::RLIMIT_AS, MEMORY, MEMORY)?;
    setrlimit(Resource::RLIMIT_CPU, CPU, CPU)?;
    // Neither files nor core dumps.
    setrlimit(Resource::RLIMIT_FSIZE, 0, 0)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}

fn work() -> io::Result<Answer> {
    let mut input = io::stdin().lock();
    let mut task = String::new();
    input.read_line(&mut task)?;
    let task: Task = serde_json::from_str(&task)?;
    let mut json = Vec::new();
    input.read_to_end(&mut json)?;
    Ok(apply(&task, &json))
}

fn apply(task: &Task, json: &[u8]) -> Answer {
    match try_apply(task, json) {
        Ok((values, truncated)) => Answer::Values { values, truncated },
        Err(error) => Answer::Error { error },
    }
}

fn try_apply(task: &Task, json: &[u8]) -> Result<(Vec<serde_json::Value>, bool), String> {
    let input = read::parse_single(json).map_err(|error| format!("no JSON: {error}"))?;
    let definitions = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    let functions = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs());
    let arena = Arena::default();
    let program = File {
        code: task.filter.as_str(),
        path: (),
    };
    let modules = Loader::new(definitions)
        .load(&arena, program)
        .map_err(|errors| format!("the jq filter has a syntax error: {}", syntax(&errors)))?;
    let filter = Compiler::default()
        .with_funs(functions)
        .compile(modules)
        .map_err(|errors| format!("the jq filter uses what there is not: {}", unknown(&errors)))?;
    let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let mut values = Vec::new();
    let mut left = task.max_output;
    for value in filter.id.run((context, input)) {
        let value = match value.map_err(jaq_core::Exn::get_err) {
            Ok(value) => value,
            Err(Ok(error)) => return Err(format!("the jq filter failed: {error}")),
            // `halt` ends it.
            Err(Err(_)) => break,
        };
        let text = value.to_string();
        let Some(rest) = left.checked_sub(text.chars().count() + 1) else {
            return Ok((values, true));
        };
        left = rest;
        let value = serde_json::from_str(&text);
        values.push(value.map_err(|_| "the jq filter gives a value that is no JSON".to_owned())?);
    }
    Ok((values, false))
}

/// What is wrong with the text of a filter.
fn syntax(errors: &load::Errors<&str, ()>) -> String {
    let mut found = Vec::new();
    for (_, error) in errors {
        match error {
            load::Error::Io(errors) => {
                found.extend(
                    errors
                        .iter()
                        .map(|(name, _)| format!("there is no module {name:?}")),
                );
            }
            load::Error::Lex(errors) => {
                let each = errors.iter();
                found.extend(each.map(|(wanted, rest)| expected(wanted.as_str(), rest)));
            }
            load::Error::Parse(errors) => {
                let each = errors.iter();
                found.extend(each.map(|(wanted, rest)| expected(wanted.as_str(), rest)));
            }
        }
    }
    found.join("; ")
}

fn expected(wanted: &str, rest: &str) -> String {
    if rest.is_empty() {
        return format!("expected {wanted} at the end");
    }
    let shown: String = rest.chars().take(20).collect();
    format!("expected {wanted} at {shown:?}")
}

/// Which names of a filter mean nothing.
fn unknown(errors: &compile::Errors<&str, ()>) -> String {
    let errors = errors.iter().flat_map(|(_, errors)| errors);
    let found: Vec<String> = errors
        .map(|(name, kind)| format!("{} {name:?}", kind.as_str()))
        .collect();
    found.join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(filter: &str, value: &Value, max_output: usize) -> Value {
        let task = Task {
            filter: filter.to_owned(),
            max_output,
        };
        json!(apply(&task, value.to_string().as_bytes()))
    }

    #[test]
    fn a_filter_gives_values() {
        let rows = json!([{"n": 1, "s": "a"}, {"n": 2.5, "s": "b"}]);
        let all = |values: Value| json!({"values": values, "truncated": false});
        assert_eq!(answer(".[].s", &rows, 99), all(json!(["a", "b"])));
        assert_eq!(answer("map(.n) | add", &rows, 99), all(json!([3.5])));
        assert_eq!(
            answer("map(select(.n > 2)) | length", &rows, 99),
            all(json!([1]))
        );
        assert_eq!(answer("empty", &rows, 99), all(json!([])));
        assert_eq!(answer("1, halt, 2", &rows, 99), all(json!([1])));
        assert_eq!(
            answer("group_by(.s) | map({(.[0].s): length}) | add", &rows, 99),
            all(json!([{"a": 1, "b": 1}]))
        );
        let first = json!({"values": ["a"], "truncated": true});
        assert_eq!(answer(".[].s", &rows, 5), first);
    }

    #[test]
    fn a_filter_that_is_wrong_says_where() {
        let cases = [
            (
                ".[",
                "the jq filter has a syntax error: expected closing bracket at the end",
            ),
            (
                "nosuch",
                "the jq filter uses what there is not: filter \"nosuch\"",
            ),
            ("error(\"no\")", "the jq filter failed: \"no\""),
            (".a", "the jq filter failed: cannot index [1] with \"a\""),
        ];
        for (filter, wanted) in cases {
            assert_eq!(
                answer(filter, &json!([1]), 99),
                json!({"error": wanted}),
                "{filter}"
            );
        }
    }

    #[test]
    fn nothing_of_the_host_is_seen() {
        let nothing =
            json!({"error": "the jq filter has a syntax error: there is no module \"x\""});
        assert_eq!(answer("import \"x\" as x; 1", &json!(1), 99), nothing);
    }
}
