//! Declarations of tools, checked by the checkers of their languages.

mod nasty;
mod programs;

use std::path::{Path, PathBuf};

use serde_json::Value;
use toolexec_core::Tool;
use toolexec_core::types::{TypeLanguage, declarations, declarations_for_check, signature};
use toolexec_testkit::peers::{self, Checker};
use toolexec_testkit::require::{Missing, require};

/// A directory with declarations and programs.
struct Files {
    dir: PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Self { dir }
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.dir.join(name), text).unwrap();
        self
    }

    fn problems(&self, checker: &Checker, files: &[&str]) -> Vec<String> {
        checker.problems(&self.dir, files).unwrap()
    }
}

/// The tools of all recorded servers, each server a namespace.
fn recorded() -> Result<Vec<Tool>, Missing> {
    let missing = |reason: &str| {
        Missing::new(
            "data",
            reason,
            "set TOOLEXEC_TEST_DATA to the directory of test data",
        )
    };
    let root = std::env::var_os("TOOLEXEC_TEST_DATA")
        .ok_or_else(|| missing("TOOLEXEC_TEST_DATA is not set"))?;
    let dir = Path::new(&root).join("mcp-tools");
    let files = std::fs::read_dir(&dir).map_err(|_| missing("it has no mcp-tools"))?;
    let mut tools = Vec::new();
    for file in files {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let dump: Value = serde_json::from_str(&text).unwrap();
        let namespace = path.file_stem().unwrap().to_str().unwrap();
        for tool in dump["tools"].as_array().unwrap() {
            let mut built =
                Tool::builder(format!("{namespace}:{}", tool["name"].as_str().unwrap()))
                    .description(tool["description"].as_str().unwrap_or_default())
                    .input_schema(tool["inputSchema"].clone());
            if let Some(schema) = tool.get("outputSchema") {
                built = built.output_schema(schema.clone());
            }
            tools.push(built.build().unwrap());
        }
    }
    Ok(tools)
}

#[test]
fn typescript_takes_every_nasty_tool() {
    let Some(tsc) = require(peers::typescript()) else {
        return;
    };
    let files = Files::new("types-nasty-ts");
    files.write(
        "tools.d.ts",
        &declarations(&nasty::tools(), TypeLanguage::TypeScript),
    );
    assert_eq!(files.problems(&tsc, &["tools.d.ts"]), Vec::<String>::new());
}

#[test]
fn python_takes_every_nasty_tool() {
    let Some(ty) = require(peers::ty()) else {
        return;
    };
    let files = Files::new("types-nasty-py");
    files.write(
        "tools.pyi",
        &declarations(&nasty::tools(), TypeLanguage::Python),
    );
    files.write("check.pyi", &declarations_for_check(&nasty::tools()));
    assert_eq!(
        files.problems(&ty, &["tools.pyi", "check.pyi"]),
        Vec::<String>::new()
    );
}

#[test]
fn every_recorded_tool_is_declared() {
    let Some(tools) = require(recorded()) else {
        return;
    };
    assert_eq!(tools.len(), 296);
    let files = Files::new("types-recorded");
    if let Some(tsc) = require(peers::typescript()) {
        files.write(
            "tools.d.ts",
            &declarations(&tools, TypeLanguage::TypeScript),
        );
        assert_eq!(files.problems(&tsc, &["tools.d.ts"]), Vec::<String>::new());
    }
    if let Some(ty) = require(peers::ty()) {
        files.write("tools.pyi", &declarations(&tools, TypeLanguage::Python));
        files.write("check.pyi", &declarations_for_check(&tools));
        assert_eq!(
            files.problems(&ty, &["tools.pyi", "check.pyi"]),
            Vec::<String>::new()
        );
    }
    for tool in &tools {
        for language in [TypeLanguage::TypeScript, TypeLanguage::Python] {
            assert!(
                signature(tool, language).contains(tool.id.name()),
                "{}",
                tool.id
            );
        }
    }
}
