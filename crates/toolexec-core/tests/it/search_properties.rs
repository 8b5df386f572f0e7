//! What holds of searches and lists whatever the tools.

use proptest::prelude::*;
use toolexec_core::index::{Cursor, Index, ListQuery, MAX_LIMIT, Page, SearchQuery};

use crate::search::{backend, index, tool};

/// Few words, so that tools share them and scores are often equal.
fn any_tool() -> impl Strategy<Value = (String, String)> {
    let word = || prop::sample::select(vec!["get", "file", "issue", "read", "weather", "list"]);
    let namespace = prop::sample::select(vec!["", "a:", "a-b:", "b:"]);
    let name = prop::collection::vec(word(), 1..3).prop_map(|words| words.join("_"));
    let description = prop::collection::vec(word(), 0..5).prop_map(|words| words.join(" "));
    (namespace, name, description).prop_map(|(ns, name, text)| (format!("{ns}{name}"), text))
}

fn pages<T>(limit: usize, page: impl Fn(Option<Cursor>) -> Page<T>) -> Vec<T> {
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let next = page(cursor);
        assert!(next.items.len() <= limit);
        items.extend(next.items);
        cursor = next.next;
        if cursor.is_none() {
            return items;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn pages_joined_are_the_whole_list(
        tools in prop::collection::vec(any_tool(), 1..30),
        limit in 1_usize..7,
    ) {
        let index = index(tools.iter().map(|(id, text)| tool(id, text)));
        for text in ["", "get file", "weather issue list", "the"] {
            let query = |limit, cursor| SearchQuery { limit, cursor, ..SearchQuery::new(text) };
            let whole = index.search(&query(MAX_LIMIT, None)).unwrap();
            prop_assert_eq!(whole.next, None);
            let paged = pages(limit, |cursor| index.search(&query(limit, cursor)).unwrap());
            prop_assert_eq!(paged, whole.items);
        }
        let list = |limit, cursor| ListQuery { limit, cursor, ..ListQuery::default() };
        let whole = index.list(&list(MAX_LIMIT, None)).unwrap();
        prop_assert_eq!(whole.items.len(), index.len());
        let paged = pages(limit, |cursor| index.list(&list(limit, cursor)).unwrap());
        prop_assert_eq!(paged, whole.items);
    }

    #[test]
    fn a_changed_index_searches_as_one_built_anew(
        changes in prop::collection::vec((any_tool(), any::<bool>()), 1..60),
    ) {
        let (changed, backend) = (Index::new(), backend());
        let mut left: Vec<(String, String)> = Vec::new();
        for ((id, text), keep) in changes {
            left.retain(|(other, _)| *other != id);
            if keep {
                backend.offer(&changed, tool(&id, &text).build().unwrap());
                left.push((id, text));
            } else {
                changed.remove(&id.parse().unwrap());
            }
        }
        // In another order than they came.
        left.sort();
        let anew = index(left.iter().map(|(id, text)| tool(id, text)));
        for text in ["", "get file", "read weather issues", "lst", "wea", "a:get"] {
            let query = SearchQuery { limit: MAX_LIMIT, ..SearchQuery::new(text) };
            prop_assert_eq!(changed.search(&query).unwrap(), anew.search(&query).unwrap());
        }
    }
}
