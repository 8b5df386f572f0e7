//! Registering, finding and changing tools.

use std::sync::Arc;

use semver::Version;
use serde_json::json;
use toolexec_core::index::{Change, ChangeKind, Index, NamespaceInfo, Registration, SyncReport};
use toolexec_core::{BackendKind, BackendRef, ErrorKind, Tool, ToolId};

use crate::fixture::{Answer, Scripted, index};

fn id(text: &str) -> ToolId {
    text.parse().unwrap()
}

fn backend(name: &str) -> Arc<Scripted> {
    Scripted::new(BackendKind::Mcp, name, Answer::Value(json!(1)))
}

fn offers(backend: &Arc<Scripted>, tools: &[(&str, &str)]) -> Vec<Registration> {
    tools
        .iter()
        .map(|(id, description)| {
            let tool = Tool::builder(id).description(*description).build().unwrap();
            Registration::new(tool, backend.clone())
        })
        .collect()
}

fn versions(index: &Index, tools: &[&str]) {
    let backend = backend("b");
    for tool in tools {
        backend.offer(index, Tool::builder(tool).build().unwrap());
    }
}

#[test]
fn without_a_version_the_highest_is_found() {
    let index = Index::new();
    versions(
        &index,
        &[
            "a:b",
            "a:b:1.2.0",
            "a:b:1.10.0",
            "a:b:2.0.0-rc.1",
            "a:b:1.9.9",
        ],
    );
    let found = |reference: &str| {
        index
            .find(reference)
            .map(|entry| entry.tool().id.to_string())
    };
    assert_eq!(found("a:b").unwrap(), "a:b:2.0.0-rc.1");
    assert_eq!(found("a:b:1.2.0").unwrap(), "a:b:1.2.0");
    assert_eq!(found("a:b:^1").unwrap(), "a:b:1.10.0");
    assert_eq!(found("a:b:1").unwrap(), "a:b:1.10.0");
    assert_eq!(found("a:b:>=1.2, <1.10").unwrap(), "a:b:1.9.9");
    let error = found("a:b:3.0.0").unwrap_err();
    assert_eq!(
        error.to_string(),
        "tool a:b has no version that fits a:b:3.0.0"
    );
    assert_eq!(
        error.hints(),
        ["versions: none, 1.2.0, 1.9.9, 1.10.0, 2.0.0-rc.1"]
    );
    assert_eq!(index.len(), 1);
    assert_eq!(index.versions(id("a:b").key()).len(), 5);
}

#[test]
fn a_bare_name_finds_the_only_tool_of_that_name() {
    let index = Index::new();
    versions(&index, &["git:commit", "fs:read", "db:read", "plain"]);
    assert_eq!(index.find("commit").unwrap().tool().id, id("git:commit"));
    assert_eq!(index.find("plain").unwrap().tool().id, id("plain"));
    let error = index.find("read").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    assert_eq!(error.hints(), ["say which: db:read, fs:read"]);
}

#[test]
fn registering_again_replaces_even_with_another_schema() {
    let index = Index::new();
    let backend = backend("b");
    let tool = |schema| Tool::builder("a:b").input_schema(schema).build().unwrap();
    let first = tool(json!({"required": ["a"]}));
    assert_eq!(
        index.register(Registration::new(first, backend.clone())),
        ChangeKind::Registered
    );
    let second = tool(json!({"required": ["a", "b"]}));
    assert_eq!(
        index.register(Registration::new(second, backend)),
        ChangeKind::Updated
    );
    let entry = index.find("a:b").unwrap();
    assert_eq!(*entry.tool().input_schema, json!({"required": ["a", "b"]}));
    assert_eq!(entry.bindings().len(), 1);
}

#[test]
fn two_servers_may_offer_the_same_tool() {
    let index = Index::new();
    let (one, two) = (backend("one"), backend("two"));
    index.register_all(offers(&one, &[("a:b", "first")]));
    index.register_all(offers(&two, &[("a:b", "second")]));
    let entry = index.find("a:b").unwrap();
    // The first registered is preferred; each keeps its own definition.
    assert_eq!(entry.tool().description, "first");
    assert_eq!(entry.bindings()[1].tool().description, "second");
    assert_eq!(
        index.remove_backend(&BackendRef::new(BackendKind::Mcp, "one")),
        1
    );
    assert_eq!(index.find("a:b").unwrap().tool().description, "second");
}

#[test]
fn sync_changes_only_what_differs_and_announces_that() {
    let index = Index::new();
    let server = backend("server");
    let name = BackendRef::new(BackendKind::Mcp, "server");
    index.sync(
        &name,
        offers(&server, &[("s:a", "1"), ("s:b", "1"), ("s:c", "1")]),
    );
    let mut changes = index.subscribe();
    let report = index.sync(
        &name,
        offers(&server, &[("s:a", "1"), ("s:b", "2"), ("s:d", "1")]),
    );
    assert_eq!(
        report,
        SyncReport {
            added: 1,
            updated: 1,
            removed: 1,
            unchanged: 1
        }
    );
    let mut seen = Vec::new();
    while let Ok(Change { kind, id, backend }) = changes.try_recv() {
        assert_eq!(backend, name);
        seen.push((kind, id.to_string()));
    }
    assert_eq!(
        seen,
        [
            (ChangeKind::Updated, "s:b".to_owned()),
            (ChangeKind::Registered, "s:d".to_owned()),
            (ChangeKind::Removed, "s:c".to_owned()),
        ]
    );
}

#[test]
fn removing_takes_a_tool_out_of_every_view() {
    let index = index();
    assert!(index.remove(&id("math:div")));
    assert!(!index.remove(&id("math:div")));
    assert_eq!(
        index.find("math:div").unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        index.namespaces(),
        [
            NamespaceInfo {
                name: "math".into(),
                tools: 1
            },
            NamespaceInfo {
                name: "test".into(),
                tools: 5
            },
        ]
    );
}

#[test]
fn an_id_with_a_version_is_found_exactly() {
    let index = Index::new();
    versions(&index, &["a:b:1.0.0", "a:b:2.0.0"]);
    let entry = index.get(&id("a:b:1.0.0")).unwrap();
    assert_eq!(entry.tool().id.version(), Some(&Version::new(1, 0, 0)));
    assert!(index.get(&id("a:b")).is_none());
}
