//! Finding and listing tools.

use std::sync::Arc;

use serde_json::{Value, json};
use toolexec_core::index::{Field, Index, ListQuery, MAX_LIMIT, Match, SearchQuery, ToolSummary};
use toolexec_core::tool::ToolBuilder;
use toolexec_core::{BackendKind, ErrorKind, Tool, ToolId};

use crate::fixture::{Answer, Scripted};

pub(crate) fn backend() -> Arc<Scripted> {
    Scripted::new(BackendKind::Mcp, "b", Answer::Value(json!(1)))
}

pub(crate) fn index(tools: impl IntoIterator<Item = ToolBuilder>) -> Index {
    let (index, backend) = (Index::new(), backend());
    for tool in tools {
        backend.offer(&index, tool.build().unwrap());
    }
    index
}

pub(crate) fn tool(id: &str, description: &str) -> ToolBuilder {
    Tool::builder(id).description(description)
}

/// A handful of tools as real servers have them.
fn workshop() -> Index {
    let path = json!({
        "type": "object",
        "properties": {"path": {"type": "string", "description": "Where the file is"}}
    });
    let convert = json!({
        "type": "object",
        "properties": {
            "amount": {"type": "number"},
            "target": {"type": "object", "properties": {
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}
            }}
        }
    });
    index([
        tool("fs:readFile", "Returns the text of a file.").input_schema(path.clone()),
        tool("fs:delete_file", "Removes a file for good.").input_schema(path),
        tool("github:create_issue", "Opens a new issue in a repository.").tags(["tracker"]),
        tool("github:list_issues", "Lists the issues of a repository.").tags(["tracker"]),
        tool(
            "weather:get-forecast",
            "Tells how the weather will be in the next days.",
        ),
        tool("units:convert", "Turns one measure into another.").input_schema(convert),
        tool("echo", "Says what it is told."),
    ])
}

fn found(index: &Index, text: &str) -> Vec<String> {
    let page = index.search(&SearchQuery::new(text)).unwrap();
    page.items
        .iter()
        .map(|hit| hit.tool.id.to_string())
        .collect()
}

fn first(index: &Index, text: &str) -> String {
    found(index, text).into_iter().next().unwrap_or_default()
}

fn matched(index: &Index, text: &str) -> Vec<Match> {
    let page = index.search(&SearchQuery::new(text)).unwrap();
    page.items
        .into_iter()
        .next()
        .map(|hit| hit.matched)
        .unwrap_or_default()
}

fn fit(term: &str, as_term: Option<&str>, fields: &[Field]) -> Match {
    Match {
        term: term.to_owned(),
        as_term: as_term.map(str::to_owned),
        fields: fields.to_vec(),
    }
}

#[test]
fn every_part_of_a_tool_is_searched() {
    let index = workshop();
    let cases = [
        ("read a file", "fs:readFile"),
        ("issues of a repo", "github:list_issues"),
        ("opening an issue", "github:create_issue"),
        ("forecasts", "weather:get-forecast"),
        ("fahrenheit", "units:convert"),
        ("amount", "units:convert"),
        (
            "what will the weather be like tomorrow?",
            "weather:get-forecast",
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(first(&index, query), expected, "{query}");
    }
    assert_eq!(found(&index, "tracker").len(), 2);
    assert_eq!(found(&index, "github").len(), 2);
}

#[test]
fn hits_say_why_they_were_found() {
    let index = workshop();
    assert_eq!(
        matched(&index, "Which weather forecast?"),
        [
            fit("weather", None, &[Field::Namespace, Field::Description]),
            fit("forecast", None, &[Field::Name]),
        ]
    );
    assert_eq!(
        matched(&index, "path of files to read"),
        [
            fit("path", None, &[Field::Parameter]),
            fit(
                "files",
                None,
                &[Field::Name, Field::Description, Field::ParameterText]
            ),
            fit("read", None, &[Field::Name]),
        ]
    );
}

#[test]
fn other_words_are_taken_where_the_tool_has_none_of_the_query() {
    let index = workshop();
    let cases = [
        ("erase", fit("erase", Some("delet"), &[Field::Name])),
        ("repos", fit("repos", None, &[Field::Description])),
        (
            "fahren",
            fit("fahren", Some("fahrenheit"), &[Field::ParameterText]),
        ),
        (
            "fahrenhiet",
            fit("fahrenhiet", Some("fahrenheit"), &[Field::ParameterText]),
        ),
    ];
    for (query, expected) in cases {
        assert!(
            matched(&index, query).contains(&expected),
            "{:?}",
            matched(&index, query)
        );
    }
}

#[test]
fn a_name_or_an_id_finds_its_tool_first() {
    let index = index([
        tool("a:get", "Reads."),
        tool("b:get_item", "Get get get get."),
        tool("c:get", "Get an item, get it all."),
        tool("the", "A tool with a stop word for a name."),
    ]);
    assert_eq!(found(&index, "a:get")[..2], ["a:get", "c:get"]);
    assert_eq!(first(&index, "c:get:1.0.0"), "c:get");
    assert_eq!(first(&index, "getItem"), "b:get_item");
    assert_eq!(first(&index, "GET ITEM"), "b:get_item");
    assert_eq!(found(&index, "the"), ["the"]);
}

#[test]
fn a_query_without_content_still_finds_what_has_its_words() {
    let index = workshop();
    assert_eq!(found(&index, "???"), Vec::<String>::new());
    assert_eq!(found(&index, "of the"), Vec::<String>::new());
    assert_eq!(found(&index, "xyzzyplugh"), Vec::<String>::new());
    assert_eq!(first(&index, "tell me"), "weather:get-forecast");
}

#[test]
fn an_empty_query_lists_by_id() {
    let index = workshop();
    let page = index.search(&SearchQuery::new("  ")).unwrap();
    let listed = index.list(&ListQuery::default()).unwrap();
    let tools: Vec<ToolSummary> = page.items.into_iter().map(|hit| hit.tool).collect();
    assert_eq!(tools, listed.items);
    let ids: Vec<String> = tools.iter().map(|tool| tool.id.to_string()).collect();
    assert_eq!(
        ids,
        [
            "echo",
            "fs:delete_file",
            "fs:readFile",
            "github:create_issue",
            "github:list_issues",
            "units:convert",
            "weather:get-forecast",
        ]
    );
}

#[test]
fn a_hit_reads_as_flat_json() {
    let index = index([tool("a:add", "Adds. Fast.")
        .title("Add")
        .tags(["math"])
        .read_only()]);
    let mut page = serde_json::to_value(index.search(&SearchQuery::new("add")).unwrap()).unwrap();
    assert!(page["items"][0]["score"].take().as_f64().is_some());
    assert_eq!(
        page,
        json!({"items": [{
            "id": "a:add", "name": "add", "title": "Add", "summary": "Adds.", "namespace": "a",
            "tags": ["math"], "annotations": {"readOnlyHint": true}, "score": null,
            "matched": [{"term": "add", "fields": ["name", "title", "description"]}],
        }]})
    );
}

#[test]
fn filters_narrow_searches_and_lists() {
    let index = workshop();
    let search = |namespace: Option<&str>, tags: &[&str]| {
        let query = SearchQuery {
            namespace: namespace.map(str::to_owned),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..SearchQuery::new("file issue say")
        };
        let ids = index
            .search(&query)
            .unwrap()
            .items
            .into_iter()
            .map(|hit| hit.tool.id.to_string());
        let mut ids: Vec<String> = ids.collect();
        ids.sort();
        ids
    };
    assert_eq!(search(Some("fs"), &[]), ["fs:delete_file", "fs:readFile"]);
    assert_eq!(search(Some(""), &[]), ["echo"]);
    assert_eq!(
        search(None, &["tracker"]),
        ["github:create_issue", "github:list_issues"]
    );
    assert_eq!(search(Some("fs"), &["tracker"]), Vec::<String>::new());
    let list = ListQuery {
        namespace: Some(String::new()),
        ..ListQuery::default()
    };
    let page = index.list(&list).unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.next, None);
}

#[test]
fn a_limit_of_zero_and_a_foreign_cursor_are_refused() {
    let index = workshop();
    let none = SearchQuery {
        limit: 0,
        ..SearchQuery::new("file")
    };
    let error = index.search(&none).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::InvalidInput, "limit is 0".into())
    );
    let one = SearchQuery {
        limit: 1,
        ..SearchQuery::new("file")
    };
    let cursor = index.search(&one).unwrap().next;
    let other = SearchQuery {
        cursor: cursor.clone(),
        ..SearchQuery::new("issue")
    };
    let error = index.search(&other).unwrap_err();
    assert_eq!(error.to_string(), "cursor belongs to another query");
    let list = ListQuery {
        cursor,
        ..ListQuery::default()
    };
    assert_eq!(
        index.list(&list).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn a_large_limit_gives_a_full_page_and_a_cursor() {
    let index = index((0..150).map(|n| tool(&format!("a:tool{n}"), "Does it.")));
    let all = ListQuery {
        limit: usize::MAX,
        ..ListQuery::default()
    };
    let page = index.list(&all).unwrap();
    assert_eq!(page.items.len(), MAX_LIMIT);
    let rest = index
        .list(&ListQuery {
            cursor: page.next,
            ..all
        })
        .unwrap();
    assert_eq!((rest.items.len(), rest.next), (50, None));
}

#[test]
fn a_cursor_survives_changes_of_the_index() {
    let index = index(["a", "c", "e", "g"].map(|name| tool(&format!("ns:{name}"), "Does it.")));
    let list = ListQuery {
        limit: 2,
        ..ListQuery::default()
    };
    let first = index.list(&list).unwrap();
    let gone: ToolId = "ns:c".parse().unwrap();
    assert!(index.remove(&gone));
    for name in ["ns:b", "ns:f"] {
        backend().offer(&index, Tool::builder(name).build().unwrap());
    }
    let rest = index
        .list(&ListQuery {
            cursor: first.next,
            limit: 9,
            ..list
        })
        .unwrap();
    let ids: Vec<String> = rest.items.iter().map(|tool| tool.id.to_string()).collect();
    assert_eq!(ids, ["ns:e", "ns:f", "ns:g"]);
}

#[test]
fn the_highest_version_is_what_is_searched() {
    let index = index([
        tool("a:b:1.0.0", "Counts apples."),
        tool("a:b:2.0.0", "Counts oranges."),
    ]);
    assert_eq!(found(&index, "apples"), Vec::<String>::new());
    assert_eq!(found(&index, "oranges"), ["a:b:2.0.0"]);
    assert!(index.remove(&"a:b:2.0.0".parse().unwrap()));
    assert_eq!(found(&index, "apples"), ["a:b:1.0.0"]);
    assert_eq!(found(&index, "oranges"), Vec::<String>::new());
}

#[test]
fn hostile_tools_and_queries_do_no_harm() {
    let mut deep = json!({"type": "string", "description": "abyss"});
    for _ in 0..100 {
        deep = json!({"type": "object", "properties": {"inner": deep}});
    }
    let endless = json!({"anyOf": [{"$ref": "#"}], "properties": {"self": {"$ref": "#"}}});
    let odd = json!({"properties": [1], "items": "x", "enum": {}, "anyOf": 3});
    let long = "word ".repeat(100_000);
    let index = index([
        tool("a:deep", "Deep.").input_schema(deep),
        tool("a:endless", "Endless.").input_schema(endless),
        tool("a:odd", "Odd.").input_schema(odd),
        tool("a:bool", "Bool.").input_schema(json!(true)),
        tool("a:long", &long),
        tool("a:signs", "\u{0}\u{feff}💥…''\"\"--__.. é\u{301} ﷽"),
    ]);
    for query in [
        &long,
        &"💥".repeat(5_000),
        "'",
        "-_.",
        "\u{0}",
        "a:b:c:d",
        "\"unclosed",
        "İ",
    ] {
        index.search(&SearchQuery::new(query)).unwrap();
    }
    assert_eq!(found(&index, "abyss"), Vec::<String>::new());
    assert_eq!(first(&index, "deep"), "a:deep");
}

/// The tools that real MCP servers list, when there is test data.
fn dumps() -> Option<Vec<Tool>> {
    let data = std::env::var_os("TOOLEXEC_TEST_DATA")?;
    let folder = std::fs::read_dir(std::path::Path::new(&data).join("mcp-tools")).ok()?;
    let mut tools = Vec::new();
    for file in folder {
        let path = file.unwrap().path();
        let server = path.file_stem().unwrap().to_str().unwrap();
        let dump: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for listed in dump["tools"].as_array().unwrap() {
            let id = format!("{server}:{}", listed["name"].as_str().unwrap());
            let builder = tool(&id, listed["description"].as_str().unwrap_or_default())
                .input_schema(listed["inputSchema"].clone());
            let title = listed["title"].as_str();
            let builder = title.map_or(builder.clone(), |title| builder.title(title));
            tools.push(builder.build().unwrap());
        }
    }
    Some(tools)
}

#[test]
fn tools_of_real_servers_are_found_by_what_they_do() {
    let Some(tools) = dumps() else {
        eprintln!("skipped: TOOLEXEC_TEST_DATA names no test data");
        return;
    };
    let index = index([]);
    let backend = backend();
    assert_eq!(tools.len(), 296);
    for tool in tools {
        backend.offer(&index, tool);
    }
    assert_eq!(index.len(), 296);
    assert_eq!(index.disabled(), []);
    let cases = [
        (
            "open a pull request on github",
            "github:create_pull_request",
        ),
        (
            "take a screenshot of the page",
            "playwright:browser_take_screenshot",
        ),
        ("run a SQL select", "sqlite:read_query"),
        ("what time is it in Tokyo", "time:get_current_time"),
        ("move or rename a file", "filesystem:move_file"),
        ("list files in a folder", "filesystem:list_directory"),
        ("delete a pod in the cluster", "kubernetes:kubectl_delete"),
        ("scale deployment", "kubernetes:kubectl_scale"),
        ("read the logs of a container", "kubernetes:kubectl_logs"),
        ("commit my changes", "git:git_commit"),
        ("click a button", "playwright:browser_click"),
        (
            "think step by step",
            "sequential-thinking:sequentialthinking",
        ),
        ("lint my javascript", "eslint:lint-files"),
        ("comment on a jira ticket", "atlassian:jira_add_comment"),
    ];
    let missed: Vec<(&str, &str, Vec<String>)> = cases
        .into_iter()
        .map(|(query, expected)| (query, expected, found(&index, query)))
        .filter(|(_, expected, found)| !found.iter().take(3).any(|id| id == expected))
        .collect();
    assert_eq!(missed, []);
}
