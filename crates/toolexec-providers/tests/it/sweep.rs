//! Documents of other people: GitHub's in all its editions, and examples of every version.

use std::path::{Path, PathBuf};

use serde_json::Value;
use toolexec_core::schema::Schema;
use toolexec_core::{Error, ErrorKind};
use toolexec_providers::{ApiConfig, OpenApi};
use toolexec_testkit::peers;
use toolexec_testkit::require::require;

/// How many operations a document has, counted without the crate's own code.
fn operations(document: &Value) -> usize {
    const METHODS: [&str; 8] = [
        "get", "put", "post", "delete", "options", "head", "patch", "trace",
    ];
    let paths = document.get("paths").and_then(Value::as_object);
    let items = paths
        .into_iter()
        .flatten()
        .filter(|(path, _)| !path.starts_with("x-"));
    items
        .map(|(_, item)| match item["$ref"].as_str() {
            Some(reference) => document.pointer(&reference[1..]).unwrap_or(item),
            None => item,
        })
        .map(|item| {
            METHODS
                .iter()
                .filter(|method| item.get(**method).is_some())
                .count()
        })
        .sum()
}

/// Loads a document; every operation must be a tool or be named as left out.
fn load(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let config = ApiConfig {
        base_url: Some("https://api.example.com".into()),
        ..ApiConfig::default()
    };
    let api = match OpenApi::parse("x", &config, &text) {
        Ok(api) => api,
        Err(error) => return refusal(&error),
    };
    let left_out = |notice: &&String| notice.starts_with("left out");
    let left_out = api.notices().iter().filter(left_out).count();
    let tools = api.tools().count();
    for tool in api.tools() {
        for schema in std::iter::once(&tool.input_schema).chain(&tool.output_schema) {
            let compiled = Schema::compile(schema.clone());
            compiled.map_err(|error| format!("{}: {error}: {schema}", tool.id))?;
        }
    }
    // YAML is counted after it was read by the crate; there is no second reader here.
    if let Ok(document) = serde_json::from_str::<Value>(&text) {
        let counted = operations(&document);
        if counted != tools + left_out {
            let notices = api.notices().join("\n");
            return Err(format!(
                "{counted} operations, {tools} tools, {left_out} left out\n{notices}"
            ));
        }
    }
    Ok(())
}

/// A refusal of a whole document must be one of the known ones.
fn refusal(error: &Error) -> Result<(), String> {
    let message = error.to_string();
    let is_known = error.kind() == ErrorKind::Unsupported
        || message.starts_with("the document describes no operation")
        || message.starts_with("this is no OpenAPI document");
    if is_known { Ok(()) } else { Err(message) }
}

fn sweep(paths: &[PathBuf]) {
    let mut failed = Vec::new();
    for path in paths {
        if let Err(reason) = load(path) {
            failed.push(format!("{}: {reason}", path.display()));
        }
    }
    assert_eq!(failed, Vec::<String>::new());
}

fn documents(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(documents(&path));
        } else if [".json", ".yaml", ".yml"]
            .iter()
            .any(|end| name.ends_with(end))
            && !name.starts_with("package")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_edition_of_github_loads() {
    let Some(path) = require(peers::github_openapi()) else {
        return;
    };
    let all = documents(path.parent().unwrap());
    let is_used = |path: &PathBuf| {
        // With everything written out in place (73 MB each) they say nothing new.
        let name = path.to_string_lossy();
        !name.contains("deref") && !name.contains("diff")
    };
    let used: Vec<PathBuf> = all.into_iter().filter(is_used).collect();
    assert!(used.len() > 3, "{used:?}");
    sweep(&used);
}

#[test]
fn every_example_loads() {
    let Some(directory) = require(peers::openapi_examples()) else {
        return;
    };
    let used: Vec<PathBuf> = ["2.0", "3.0", "3.1"]
        .iter()
        .flat_map(|version| documents(&directory.join(version)))
        .collect();
    assert!(used.len() > 120, "{}", used.len());
    sweep(&used);
}
