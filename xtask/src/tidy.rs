//! Rules that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::shell::{say, workspace};

/// The longest source file.
const MAX_LINES: usize = 600;

/// Words that stand for unfinished work. Spelled in halves, so that this file passes.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
];

/// Directories of one machine.
const MACHINE: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Checks every file of the workspace.
pub(crate) fn run() -> Result<()> {
    let root = workspace();
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut faults = Vec::new();
    for file in &files {
        let Ok(text) = fs::read_to_string(file) else {
            continue;
        };
        let name = file.strip_prefix(&root).unwrap_or(file);
        faults.extend(look(name, &text));
        faults.extend(forgotten_modules(name, file, &text));
    }
    for fault in &faults {
        say(fault);
    }
    if !faults.is_empty() {
        bail!("{} faults in {} files", faults.len(), files.len());
    }
    Ok(())
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !matches!(&*name, "target" | ".git" | "node_modules") {
                collect(&path, files)?;
            }
            continue;
        }
        let kind = path.extension().unwrap_or_default().to_string_lossy();
        let is_text = matches!(
            &*kind,
            "rs" | "md" | "toml" | "json" | "snap" | "sh" | "yaml"
        );
        if is_text || path.ends_with(".ci/run") {
            files.push(path);
        }
    }
    Ok(())
}

fn look(name: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let is_source = name.extension().is_some_and(|kind| kind == "rs");
    let lines = text.lines().count();
    if is_source && lines > MAX_LINES {
        faults.push(format!(
            "{}: {lines} lines; the limit is {MAX_LINES}",
            name.display()
        ));
    }
    if is_source && !text.starts_with("//!") {
        faults.push(format!(
            "{}:1: a file starts with what it is for",
            name.display()
        ));
    }
    for (number, line) in (1..).zip(text.lines()) {
        let mut fault = |what: &str| faults.push(format!("{}:{number}: {what}", name.display()));
        if is_source && UNFINISHED.iter().any(|word| line.contains(word)) {
            fault("unfinished work");
        }
        if MACHINE.iter().any(|path| line.contains(path)) {
            fault("a path of one machine");
        }
    }
    faults
}

/// Test files that `tests/it/main.rs` does not name are never run.
fn forgotten_modules(name: &Path, file: &Path, text: &str) -> Vec<String> {
    if !name.ends_with("tests/it/main.rs") {
        return Vec::new();
    }
    let siblings = file.parent().and_then(|dir| fs::read_dir(dir).ok());
    siblings
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension().is_some_and(|kind| kind == "rs") || path.join("mod.rs").is_file()
        })
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .filter(|module| module != "main" && !text.contains(&format!("mod {module};")))
        .map(|module| format!("{}: module {module} is forgotten", name.display()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_file_and_line() {
        let text = format!(
            "//! A file.\nlet a = 1; // {} later\nlet p = {:?};\n",
            UNFINISHED[0], MACHINE[0]
        );
        assert_eq!(
            look(Path::new("a.rs"), &text),
            ["a.rs:2: unfinished work", "a.rs:3: a path of one machine"]
        );
        let long = "//! A file.\n".repeat(MAX_LINES + 1);
        assert_eq!(
            look(Path::new("a.rs"), &long),
            ["a.rs: 601 lines; the limit is 600"]
        );
        assert_eq!(
            look(Path::new("a.rs"), "fn a() {}\n"),
            ["a.rs:1: a file starts with what it is for"]
        );
    }
}
