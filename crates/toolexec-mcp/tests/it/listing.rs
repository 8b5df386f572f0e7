//! The list of tools.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use toolexec_core::{ErrorKind, Listing, Source};
use toolexec_mcp::McpServer;

use super::{call, call_text, fake, serve, still_serves};

async fn list(server: &Arc<McpServer>) -> Listing {
    Source::list(server.clone()).await.unwrap()
}

fn names(listing: &Listing) -> Vec<&str> {
    listing
        .tools
        .iter()
        .map(|registration| registration.tool.id.name())
        .collect()
}

#[tokio::test]
async fn a_tool_keeps_all_that_the_server_says_of_it() {
    for options in [&[][..], &["--modern"]] {
        let server = serve(fake(options));
        let listing = list(&server).await;
        let add = listing
            .tools
            .iter()
            .find(|registration| registration.tool.id.name() == "add")
            .unwrap();
        let number = json!({"type": "number"});
        assert_eq!(
            serde_json::to_value(&add.tool).unwrap(),
            json!({
                "id": "fake:add",
                "title": "Add",
                "description": "Adds a and b",
                "inputSchema": {
                    "type": "object",
                    "properties": {"a": number, "b": number},
                    "required": ["a", "b"],
                },
                "outputSchema": {
                    "type": "object",
                    "properties": {"sum": number},
                    "required": ["sum"],
                },
                "annotations": {"readOnlyHint": true},
            })
        );
        assert_eq!(listing.notices, Vec::<String>::new());
    }
}

#[tokio::test]
async fn all_pages_are_read() {
    let all = list(&serve(fake(&[]))).await;
    for options in [&["--mode", "pages"][..], &["--mode", "pages", "--modern"]] {
        let paged = list(&serve(fake(options))).await;
        assert_eq!(names(&paged), names(&all));
    }
}

#[tokio::test]
async fn a_list_without_end_is_cut_with_a_notice() {
    let mut config = fake(&["--mode", "endless-pages"]);
    config.limits.pages = 20;
    let server = serve(config);
    let listing = list(&server).await;
    assert_eq!(listing.tools.len(), 20);
    assert_eq!(
        listing.notices,
        ["the list of tools has more than 20 pages; the rest was left out"]
    );
    let listing = list(&serve(fake(&["--mode", "same-page"]))).await;
    assert_eq!(names(&listing), ["echo"]);
    assert_eq!(
        listing.notices,
        [
            "the list of tools repeats itself; it was read up to there",
            "tool \"echo\" was left out: it is listed twice"
        ]
    );
    still_serves(&server).await;
}

#[tokio::test]
async fn broken_and_oddly_named_tools_do_not_spoil_the_rest() {
    for options in [
        &["--mode", "odd-tools"][..],
        &["--mode", "odd-tools", "--modern"],
    ] {
        let server = serve(fake(options));
        let listing = list(&server).await;
        let long = "x".repeat(200);
        let offered: Vec<(&str, &str)> = listing
            .tools
            .iter()
            .map(|tool| (tool.tool.id.name(), &*tool.remote_name))
            .collect();
        let cut = toolexec_core::id::sanitize_segment(&long);
        assert_eq!(
            offered,
            [
                ("echo", "echo"),
                (
                    toolexec_core::id::sanitize_segment("read/file").as_str(),
                    "read/file"
                ),
                (
                    toolexec_core::id::sanitize_segment("read file").as_str(),
                    "read file"
                ),
                (
                    toolexec_core::id::sanitize_segment("naïve").as_str(),
                    "naïve"
                ),
                (cut.as_str(), long.as_str()),
                ("no_schema", "no_schema"),
                ("untyped", "untyped"),
                ("bad_output", "bad_output"),
                ("bad_title", "bad_title"),
            ]
        );
        assert_eq!(listing.notices.len(), 11, "{:#?}", listing.notices);
        for notice in [
            "a tool without a name was left out",
            "an entry of the list of tools is no object: \"no object\"",
            "tool \"no_schema\" has no input schema; any object is accepted",
            "tool \"bad_schema\" was left out: its input schema is no JSON Schema",
            "tool \"echo\" was left out: it is listed twice",
        ] {
            assert!(
                listing.notices.iter().any(|own| own == notice),
                "{notice}: {:#?}",
                listing.notices
            );
        }
        // The server's own name is what it is called by.
        for tool in &listing.tools {
            let answer = call_text(&server, &tool.remote_name, json!({})).await;
            assert_eq!(answer.unwrap(), *tool.remote_name);
        }
    }
}

#[tokio::test]
async fn a_change_of_the_list_is_noticed_once() {
    for options in [&[][..], &["--modern"]] {
        let server = serve(fake(options));
        let before = list(&server).await.tools.len();
        let quiet = tokio::time::timeout(Duration::from_millis(300), server.changed()).await;
        assert!(quiet.is_err(), "nothing changed yet");
        for _ in 0..3 {
            call(&server, "grow", json!({})).await.unwrap();
        }
        let changed = tokio::time::timeout(Duration::from_secs(5), server.changed()).await;
        assert!(changed.is_ok(), "{options:?}");
        assert_eq!(list(&server).await.tools.len(), before + 3);
        let quiet = tokio::time::timeout(Duration::from_millis(300), server.changed()).await;
        assert!(quiet.is_err(), "it was listed since");
    }
}

#[tokio::test]
async fn a_server_that_came_back_is_listed_again() {
    let server = serve(fake(&[]));
    list(&server).await;
    let error = call(&server, "die", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend);
    still_serves(&server).await;
    let changed = tokio::time::timeout(Duration::from_secs(5), server.changed()).await;
    assert!(changed.is_ok());
}
