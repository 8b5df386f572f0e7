//! Bash: scripts that call tools with the command `tool`.

use std::fmt::Write;

use serde_json::{Map, Value};
use toolexec_wire::{Failure, FailureKind, Language, SeenCall, Start};

use super::bridge::End;
use super::child::Recipe;
use super::files::DIRECTORY;
use super::find::{find, search_path};
use super::workdir::WorkDir;
use super::{ending, helper};
use crate::host::{Host, failure};

/// What a script finds before its first line.
const PRELUDE: &str = include_str!("prelude.sh");
/// The name of the script in its messages.
const FILE: &str = "main.sh";

/// Runs a script. Its value is what `result` said last, else the variable `__out`.
pub(super) fn run(start: &Start, host: &Host) -> Result<Value, Box<Failure>> {
    let program = find(Language::Bash, &["bash"])?;
    let dir = WorkDir::new()?;
    // On the script's first line, so that lines keep their numbers.
    let enter = format!("cd {DIRECTORY} || exit; ");
    let enter = if start.files { &*enter } else { "" };
    dir.write(FILE, &format!("{enter}{}", start.source))?;
    let prelude = format!("{PRELUDE}{}", variables(&start.inputs)?);
    let prelude = dir.write("prelude.sh", &prelude)?;
    let guest = std::env::current_exe().map_err(|_| {
        let message = "the guest's program cannot be found again";
        failure(FailureKind::Unsupported, message)
    })?;
    let recipe = Recipe {
        program,
        args: ["--noprofile", "--norc", FILE].map(Into::into).into(),
        env: vec![
            ("BASH_ENV", prelude.into()),
            ("TOOLEXEC_GUEST", guest.into()),
        ],
    };
    match super::run(recipe, &dir, None, start, host)? {
        End::Exited(exited) if !ending::is_peaceful(&exited) => {
            let mut failure = ending::exited(&exited);
            let at = exited.said.lines().rev().find_map(line);
            if let Some((number, message)) = at {
                failure.line = Some(number);
                if failure.message.ends_with(message) {
                    let how = failure.message.split(':').next().unwrap_or_default();
                    failure.message = format!("{how}: {message}");
                }
            }
            Err(failure)
        }
        end => ending::value(end),
    }
}

/// Looks at the syntax of a script.
pub(super) fn check(start: &Start, host: &Host) -> (Vec<Failure>, Vec<SeenCall>) {
    let problems = syntax(start, host).unwrap_or_else(|failure| vec![*failure]);
    (problems, Vec::new())
}

fn syntax(start: &Start, host: &Host) -> Result<Vec<Failure>, Box<Failure>> {
    let program = find(Language::Bash, &["bash"])?;
    let dir = WorkDir::new()?;
    dir.write(FILE, &start.source)?;
    let recipe = Recipe {
        program,
        args: ["--noprofile", "--norc", "-n", FILE].map(Into::into).into(),
        env: Vec::new(),
    };
    let checked = helper::finish(recipe.start(dir.path(), &search_path())?, host)?;
    if checked.success {
        return Ok(Vec::new());
    }
    let mut problem = *failure(FailureKind::Syntax, "the script is no bash");
    problem.name = Some("SyntaxError".into());
    if let Some((number, message)) = checked.stderr.lines().find_map(line) {
        message.clone_into(&mut problem.message);
        problem.line = Some(number);
    }
    Ok(vec![problem])
}

/// The line and the message of `main.sh: line 3: no such thing`.
fn line(said: &str) -> Option<(u32, &str)> {
    let (number, message) = said
        .strip_prefix(FILE)?
        .strip_prefix(": line ")?
        .split_once(": ")?;
    Some((number.parse().ok()?, message))
}

/// The inputs as variables: texts as they are, anything else as JSON.
fn variables(inputs: &Map<String, Value>) -> Result<String, Box<Failure>> {
    let mut all = String::new();
    for (name, value) in inputs {
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if !is_name || text.contains('\0') {
            let message = format!("the input `{name}` cannot be a variable of bash");
            return Err(failure(FailureKind::Unsupported, message));
        }
        // Writing to a text does not fail.
        let _ = writeln!(all, "{name}='{}'", text.replace('\'', "'\\''"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn inputs_are_quoted() {
        let inputs = json!({"a": "it's $HOME\n", "b": [1, "x"], "c_1": null});
        assert_eq!(
            variables(inputs.as_object().unwrap()).unwrap(),
            "a='it'\\''s $HOME\n'\nb='[1,\"x\"]'\nc_1='null'\n"
        );
        for wrong in [json!({"a b": 1}), json!({"a;x": 1}), json!({"a": "\u{0}"})] {
            assert!(variables(wrong.as_object().unwrap()).is_err());
        }
    }
}
