//! The command `tool` of shell scripts: the guest's program, asked for by an argument, that makes
//! one call and prints its answer.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use toolexec_wire::{CallError, MAX_FRAME};

use super::VARIABLE;

/// The argument with which the guest's program is this command.
pub const ARGUMENT: &str = "--toolexec-tool";

const USAGE: &str = "\
tool NAMESPACE:NAME [KEY=VALUE...]   run a tool; values are JSON, else text
tool NAMESPACE:NAME '{...}'          the same, with all arguments as JSON; - reads them from stdin
tool -r ...                          print a text without quotes
tool search WORDS... | describe TOOL [DETAIL] | examples TOOL | namespaces | chain JSON
tool log LEVEL TEXT... | progress DONE [TOTAL [MESSAGE]]
result VALUE                         the value of the script: JSON, else text; - reads it";

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(Value),
    Error(CallError),
}

#[derive(Deserialize)]
struct Answered {
    #[serde(flatten)]
    answer: Answer,
}

/// What is to be said, and whether there is an answer to it.
#[derive(Debug, PartialEq)]
enum Wish {
    Ask(Value),
    Tell(Value),
}

/// Makes the call that the arguments after [`ARGUMENT`] name.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command of a shell"
)]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Result<Vec<String>, _> = args.into_iter().map(OsString::into_string).collect();
    let Ok(mut args) = args else {
        eprintln!("tool: the arguments are no text");
        return ExitCode::from(2);
    };
    let raw = args.first().is_some_and(|first| first == "-r");
    if raw {
        args.remove(0);
    }
    let wish = match wish(&args, &mut standard_input) {
        Ok(wish) => wish,
        Err(why) => {
            eprintln!("tool: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match say(&wish) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(Answer::Ok(Value::String(text)))) if raw => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Some(Answer::Ok(value))) => {
            println!("{}", whole(value));
            ExitCode::SUCCESS
        }
        Ok(Some(Answer::Error(error))) => {
            // In one piece, so that it stays together.
            let _ = std::io::stderr().write_all(told(&error).as_bytes());
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("tool: {why}");
            ExitCode::FAILURE
        }
    }
}

/// A value whose numbers are whole where they can be: a shell computes with no others.
fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => crate::text::number(float).unwrap_or(Value::Number(number)),
            None => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(whole).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, whole(value)))
            .collect(),
        other => other,
    }
}

/// A failed call, for who reads the script's output.
fn told(error: &CallError) -> String {
    let mut text = format!("tool: {}: {}\n", error.code, error.message);
    for violation in &error.violations {
        text.extend(["  ", &violation.to_string(), "\n"]);
    }
    for hint in &error.hints {
        text.extend(["hint: ", hint, "\n"]);
    }
    text
}

fn say(wish: &Wish) -> Result<Option<Answer>, String> {
    let gone = |error: std::io::Error| format!("the guest cannot be reached: {}", error.kind());
    let path = std::env::var_os(VARIABLE)
        .ok_or("there is no guest: this is for scripts that toolexec runs")?;
    let mut stream = UnixStream::connect(path).map_err(gone)?;
    let (Wish::Ask(message) | Wish::Tell(message)) = wish;
    stream
        .write_all(format!("{message}\n").as_bytes())
        .map_err(gone)?;
    if matches!(wish, Wish::Tell(_)) {
        return Ok(None);
    }
    let mut line = String::new();
    // An answer fits into a frame.
    BufReader::new(stream.take(2 * MAX_FRAME as u64))
        .read_line(&mut line)
        .map_err(gone)?;
    let answered: Answered =
        serde_json::from_str(&line).map_err(|_| "the guest hung up".to_owned())?;
    Ok(Some(answered.answer))
}

fn standard_input() -> Result<String, String> {
    let mut text = String::new();
    let read = std::io::stdin()
        .take(MAX_FRAME as u64)
        .read_to_string(&mut text);
    read.map_err(|error| format!("standard input cannot be read: {}", error.kind()))?;
    Ok(text)
}

fn wish(
    args: &[String],
    input: &mut dyn FnMut() -> Result<String, String>,
) -> Result<Wish, String> {
    let (first, rest) = args.split_first().ok_or("which tool?")?;
    let one = |what: &str| match rest {
        [one] => Ok(one.clone()),
        _ => Err(format!("{first} takes {what}")),
    };
    let ask = |mut op: Value| {
        op["type"] = "call".into();
        op["id"] = 1.into();
        Ok(Wish::Ask(op))
    };
    match first.as_str() {
        "--result" => {
            let text = if rest == ["-"] {
                input()?
            } else {
                rest.join(" ")
            };
            Ok(Wish::Tell(json!({"type": "result", "value": value(&text)})))
        }
        "search" => ask(json!({"op": "search", "query": rest.join(" ")})),
        "examples" => ask(json!({"op": "examples", "tool": one("a tool")?})),
        "namespaces" => ask(json!({"op": "namespaces"})),
        "chain" => {
            let chain = serde_json::from_str::<Value>(&one("JSON")?)
                .map_err(|error| format!("the chain is no JSON: {error}"))?;
            ask(json!({"op": "chain", "chain": chain}))
        }
        "describe" => match rest {
            [tool] => ask(json!({"op": "describe", "tool": tool})),
            [tool, detail] => ask(json!({"op": "describe", "tool": tool, "detail": detail})),
            _ => Err("describe takes a tool, and a detail".into()),
        },
        "log" => {
            let (level, words) = rest.split_first().ok_or("log takes a level and a text")?;
            let data = value(&words.join(" "));
            Ok(Wish::Tell(
                json!({"type": "log", "level": level, "data": data}),
            ))
        }
        "progress" => progress(rest),
        tool if tool.contains(':') => {
            let args = arguments(rest, input)?;
            ask(json!({"op": "run", "tool": tool, "args": args}))
        }
        other => Err(format!(
            "there is no `{other}`: a tool is written namespace:name"
        )),
    }
}

fn progress(rest: &[String]) -> Result<Wish, String> {
    let number = |text: Option<&String>| match text {
        None => Ok(None),
        Some(text) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(format!("{text} is no number")),
        },
    };
    let done = number(rest.first())?.ok_or("progress takes a number")?;
    let total = number(rest.get(1))?;
    let message = rest.get(2..).filter(|words| !words.is_empty());
    let message = message.map(|words| words.join(" "));
    Ok(Wish::Tell(json!({
        "type": "progress", "progress": done, "total": total, "message": message,
    })))
}

fn arguments(
    rest: &[String],
    input: &mut dyn FnMut() -> Result<String, String>,
) -> Result<Value, String> {
    if let [only] = rest
        && (only == "-" || only.starts_with('{'))
    {
        let text = if only == "-" { input()? } else { only.clone() };
        return match serde_json::from_str(&text) {
            Ok(Value::Object(object)) => Ok(Value::Object(object)),
            Ok(_) => Err("the arguments are no JSON object".into()),
            Err(error) => Err(format!("the arguments are no JSON: {error}")),
        };
    }
    let mut all = Map::new();
    for word in rest {
        let (key, text) = word
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| format!("`{word}` is no argument: write key=value"))?;
        if all.insert(key.to_owned(), value(text)).is_some() {
            return Err(format!("`{key}` is given twice"));
        }
    }
    Ok(Value::Object(all))
}

/// JSON, else text.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(args: &[&str]) -> Result<Wish, String> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        wish(&args, &mut || Ok("{\"x\": 1}".into()))
    }

    #[test]
    fn arguments_are_json_else_text() {
        let run = |args: Value| {
            Ok(Wish::Ask(
                json!({"op": "run", "tool": "a:b", "args": args, "type": "call", "id": 1}),
            ))
        };
        assert_eq!(
            made(&["a:b", "n=1", "s=two words", "l=[1]", "e=", "q=a=b"]),
            run(json!({"n": 1, "s": "two words", "l": [1], "e": "", "q": "a=b"}))
        );
        assert_eq!(made(&["a:b", "{\"n\": 1}"]), run(json!({"n": 1})));
        assert_eq!(made(&["a:b", "-"]), run(json!({"x": 1})));
        assert_eq!(made(&["a:b"]), run(json!({})));
        for wrong in [
            &["a:b", "x"][..],
            &["a:b", "=1"],
            &["a:b", "n=1", "n=2"],
            &["b"],
            &[],
        ] {
            assert!(made(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn other_commands() {
        let tell = |message: Value| Ok(Wish::Tell(message));
        assert_eq!(
            made(&["--result", "[1,", "2]"]),
            tell(json!({"type": "result", "value": [1, 2]}))
        );
        assert_eq!(
            made(&["log", "info", "two", "words"]),
            tell(json!({"type": "log", "level": "info", "data": "two words"}))
        );
        assert_eq!(
            made(&["progress", "1", "2"]),
            tell(json!({"type": "progress", "progress": 1.0, "total": 2.0, "message": null}))
        );
        assert!(made(&["progress", "x"]).is_err());
    }
}
