//! `search`, `describe` and `list`.

use crate::program::{Place, assert_transcript};

macro_rules! transcripts {
    ($($name:ident: $args:expr;)*) => {
        $(
            #[test]
            fn $name() {
                assert_transcript!(Place::new().transcript(&$args));
            }
        )*
    };
}

transcripts! {
    search_for_words: ["search", "add", "two", "numbers", "-n", "2"];
    search_as_json: ["search", "divide", "-n", "1", "--format", "json"];
    search_that_finds_nothing: ["search", "zzzzqqqq"];
    search_with_limit_zero: ["search", "add", "-n", "0"];
    search_with_a_foreign_cursor: ["search", "add", "--cursor", "abc"];
    describe_in_full: ["describe", "math:add"];
    describe_as_json: ["describe", "math:add", "--detail", "summary", "--format", "json"];
    describe_of_an_unknown_tool: ["describe", "text:uper"];
    list_everything: ["list"];
    list_a_namespace: ["list", "--namespace", "text"];
    list_by_tag_as_jsonl: ["list", "--tag", "stream", "--format", "jsonl"];
    list_namespaces: ["list", "--namespaces"];
}

#[test]
fn a_cursor_goes_on_where_the_page_ended() {
    let place = Place::new();
    let page = |cursor: Option<&str>| {
        let mut args = vec!["search", "numbers", "-n", "2", "--format", "json"];
        args.extend(cursor.into_iter().flat_map(|cursor| ["--cursor", cursor]));
        let output = place.output(&args, "");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let first = page(None);
    let second = page(first["next"].as_str());
    let ids = |page: &serde_json::Value| {
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!((ids(&first).len(), ids(&second).len()), (2, 2));
    assert!(ids(&first).iter().all(|id| !ids(&second).contains(id)));
}
