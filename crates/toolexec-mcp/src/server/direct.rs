//! The tools themselves, under names that every client takes.
//!
//! A name is `namespace__name`, or `name` for a tool without namespace, wherever that can be read
//! back to the id; else it ends in a fingerprint of the id. It depends on the id alone, so it stays
//! the same whatever other tools come and go.

use std::borrow::Cow;
use std::sync::Arc;

use rmcp::model::{MetaObject, Tool as McpTool, ToolAnnotations};
use serde_json::{Map, Value, json};
use toolexec_core::index::{Cursor, Index, ListQuery, MAX_LIMIT};
use toolexec_core::{Result, Tool, ToolId};

/// Between namespace and name.
const SEPARATOR: &str = "__";
/// The longest name that every client takes.
const MAX_NAME: usize = 64;

/// The name of a tool.
pub(super) fn name_of(id: &ToolId) -> String {
    let (namespace, name) = (id.namespace(), id.name());
    let plain = if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}{SEPARATOR}{name}")
    };
    let reads_back = match plain.split_once(SEPARATOR) {
        Some(parts) => parts == (namespace, name),
        None => namespace.is_empty(),
    };
    if reads_back
        && !has_fingerprint(&plain)
        && plain.len() <= MAX_NAME
        && plain.chars().all(is_allowed)
    {
        return plain;
    }
    let fingerprint = format!("{SEPARATOR}{:016x}", fingerprint(id.key().as_str()));
    // Ids are ASCII, so every byte is a character.
    let room = MAX_NAME - fingerprint.len();
    let kept = plain.chars().take(room);
    let allowed = kept.map(|c| if is_allowed(c) { c } else { '_' });
    allowed.collect::<String>() + &fingerprint
}

/// The tool reference that a name stands for; `index` is asked about names with a fingerprint.
pub(super) fn id_of(name: &str, index: &Index) -> Option<String> {
    let plain = match name.split_once(SEPARATOR) {
        Some((namespace, name)) => format!("{namespace}:{name}"),
        None => name.to_owned(),
    };
    let reads_back = plain.parse().is_ok_and(|id: ToolId| name_of(&id) == name);
    if reads_back {
        return Some(plain);
    }
    if !has_fingerprint(name) {
        return None;
    }
    let mut query = ListQuery {
        limit: MAX_LIMIT,
        ..ListQuery::default()
    };
    loop {
        let page = index.list(&query).ok()?;
        let found = page.items.iter().find(|tool| name_of(&tool.id) == name);
        if let Some(tool) = found {
            return Some(tool.id.key().as_str().to_owned());
        }
        query.cursor = Some(page.next?);
    }
}

/// A page of tools.
#[derive(Debug)]
pub(super) struct ToolPage {
    pub(super) tools: Vec<McpTool>,
    pub(super) next: Option<Cursor>,
}

/// The tools by id, at most `size` of them. The same catalogue gives the same pages, byte for byte.
pub(super) fn page(index: &Index, cursor: Option<Cursor>, size: usize) -> Result<ToolPage> {
    let mut query = ListQuery {
        cursor,
        ..ListQuery::default()
    };
    let mut tools = Vec::new();
    loop {
        query.limit = (size - tools.len()).clamp(1, MAX_LIMIT);
        let page = index.list(&query)?;
        let entries = page.items.iter().filter_map(|tool| index.get(&tool.id));
        tools.extend(entries.map(|entry| listed(entry.tool())));
        if page.next.is_none() || tools.len() >= size {
            return Ok(ToolPage {
                tools,
                next: page.next,
            });
        }
        query.cursor = page.next;
    }
}

/// A tool as clients list it.
pub(super) fn listed(tool: &Tool) -> McpTool {
    let description = Some(&tool.description).filter(|text| !text.is_empty());
    let mut listed = McpTool::default();
    listed.name = Cow::Owned(name_of(&tool.id));
    listed.title.clone_from(&tool.title);
    listed.description = description.map(|text| Cow::Owned(text.clone()));
    listed.input_schema = Arc::new(input_schema(&tool.input_schema));
    listed.output_schema = output_schema(tool).cloned().map(Arc::new);
    if !tool.annotations.is_empty() {
        let hints = &tool.annotations;
        listed.annotations = Some(ToolAnnotations::from_raw(
            hints.title.clone(),
            hints.read_only,
            hints.destructive,
            hints.idempotent,
            hints.open_world,
        ));
    }
    if !tool.icons.is_empty() {
        let icons = tool.icons.iter().cloned().map(serde_json::from_value);
        listed.icons = Some(icons.filter_map(std::result::Result::ok).collect());
    }
    if !tool.meta.is_empty() {
        listed.meta = Some(MetaObject(tool.meta.clone()));
    }
    listed
}

/// The output schema, where clients take it: the protocol knows values that are objects.
fn output_schema(tool: &Tool) -> Option<&Map<String, Value>> {
    match tool.output_schema.as_deref()? {
        Value::Object(schema) if schema.get("type")?.as_str() == Some("object") => Some(schema),
        _ => None,
    }
}

/// Whether clients see an output schema.
pub(super) fn has_output_schema(tool: &Tool) -> bool {
    output_schema(tool).is_some()
}

/// Whether a schema wants arguments in headers of the request too (`x-mcp-header`).
pub(super) fn wants_headers(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            fields.contains_key("x-mcp-header") || fields.values().any(wants_headers)
        }
        Value::Array(items) => items.iter().any(wants_headers),
        _ => false,
    }
}

/// The protocol wants `"type": "object"`, which every tool means and not every tool says.
fn input_schema(schema: &Value) -> Map<String, Value> {
    let mut schema = match schema {
        Value::Object(schema) => schema.clone(),
        _ => Map::new(),
    };
    if schema.get("type") != Some(&json!("object")) {
        schema.insert("type".to_owned(), json!("object"));
    }
    schema
}

/// Whether a name ends as those do that cannot be read back.
fn has_fingerprint(name: &str) -> bool {
    name.rsplit_once(SEPARATOR)
        .is_some_and(|(_, end)| end.len() == 16 && end.chars().all(|c| c.is_ascii_hexdigit()))
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// FNV-1a: the same on every platform and in every release.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use toolexec_core::backend::local::{Local, LocalTool};

    use super::*;

    fn index(ids: &[(&str, &str)]) -> Index {
        let index = Index::new();
        for (namespace, name) in ids {
            let tool = LocalTool::new(*name, async |_| Ok::<_, String>(1));
            let local = Local::new(*namespace).tool(tool);
            index.register_all(local.registrations().unwrap());
        }
        index
    }

    #[test]
    fn names_are_unique_and_lead_back() {
        let long = "n".repeat(100);
        let ids = [
            ("math", "add"),
            ("a_", "b"),
            ("a", "_b"),
            ("a__b", "c"),
            ("a", "b__c"),
            ("my.server", "do.it"),
            ("my_server", "do_it"),
            ("long", &long),
        ];
        let index = index(&ids);
        let names: Vec<String> = ids
            .iter()
            .map(|(namespace, name)| name_of(&ToolId::new(namespace, name).unwrap()))
            .collect();
        assert_eq!(
            names[..4],
            [
                "math__add",
                "a___b__141046836b210971",
                "a___b",
                "a__b__c__35a343703cebc277"
            ]
        );
        let unique: std::collections::HashSet<&String> = names.iter().collect();
        assert_eq!(unique.len(), ids.len());
        for (name, (namespace, tool)) in names.iter().zip(ids) {
            assert!(
                name.len() <= MAX_NAME && name.chars().all(is_allowed),
                "{name}"
            );
            let id = format!("{namespace}:{tool}");
            assert_eq!(id_of(name, &index).as_deref(), Some(&*id));
        }
        assert_eq!(id_of("a__b__c__0000000000000000", &index), None);
        assert_eq!(id_of("no.such", &index), None);
    }

    #[test]
    fn pages_are_the_whole_list_in_the_same_order() {
        let ids: Vec<String> = (0..250).map(|number| format!("t{number:03}")).collect();
        let pairs: Vec<(&str, &str)> = ids.iter().map(|id| ("n", &**id)).collect();
        let index = index(&pairs);
        let names = |size: usize| {
            let (mut names, mut cursor) = (Vec::new(), None);
            loop {
                let page = page(&index, cursor, size).unwrap();
                names.extend(page.tools.into_iter().map(|tool| tool.name.into_owned()));
                cursor = page.next;
                if cursor.is_none() {
                    return names;
                }
            }
        };
        let whole: Vec<String> = ids.iter().map(|id| format!("n__{id}")).collect();
        for size in [1, 7, 100, 120, 1000] {
            assert_eq!(names(size), whole, "{size}");
        }
    }

    #[test]
    fn schemas_are_brought_into_the_form_that_clients_take() {
        let mut tool = Tool::builder("n:t").build().unwrap();
        tool.input_schema = Arc::new(json!({"$schema": "http://json-schema.org/draft-07/schema#"}));
        tool.output_schema = Some(Arc::new(json!({"type": "array"})));
        let listed = listed(&tool);
        let expected = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
        });
        assert_eq!(Value::Object((*listed.input_schema).clone()), expected);
        assert_eq!(listed.output_schema, None);
    }
}
