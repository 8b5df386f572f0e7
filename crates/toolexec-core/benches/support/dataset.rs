//! Public data sets of tools and of queries with the tools that answer them.
//!
//! They are found by `TOOLEXEC_TEST_DATA`, a folder with `toolsearch/tools.jsonl` and
//! `toolsearch/queries.jsonl`, and are no part of this repository.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use toolexec_core::{Tool, ToolId};

/// The variable that names the folder of test data.
pub(crate) const VARIABLE: &str = "TOOLEXEC_TEST_DATA";

/// One data set: its tools, and its queries.
#[derive(Debug, Default)]
pub(crate) struct DataSet {
    pub(crate) name: String,
    pub(crate) tools: Vec<Tool>,
    pub(crate) queries: Vec<Query>,
}

/// A query and the tools that answer it.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) relevant: HashSet<ToolId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolLine {
    id: String,
    name: String,
    #[serde(default)]
    description: String,
    input_schema: Option<Value>,
    dataset: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Deserialize)]
struct QueryLine {
    id: String,
    dataset: String,
    query: String,
    relevant: Vec<String>,
}

/// The folder of the data sets, when it is set and there.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os(VARIABLE)?).join("toolsearch");
    folder.join("tools.jsonl").is_file().then_some(folder)
}

/// Reads the data sets of a folder. The answer names the first line that cannot be read.
pub(crate) fn load(folder: &Path) -> Result<Vec<DataSet>, String> {
    let mut sets: Vec<DataSet> = Vec::new();
    let mut ids: HashMap<String, ToolId> = HashMap::new();
    let mut taken: HashSet<(String, ToolId)> = HashSet::new();
    for line in lines::<ToolLine>(folder, "tools.jsonl")? {
        let tool = tool(&line, &mut taken).ok_or_else(|| format!("tool {} has no id", line.id))?;
        ids.insert(line.id, tool.id.clone());
        match sets.iter_mut().find(|set| set.name == line.dataset) {
            Some(set) => set.tools.push(tool),
            None => sets.push(DataSet {
                name: line.dataset,
                tools: vec![tool],
                queries: Vec::new(),
            }),
        }
    }
    for line in lines::<QueryLine>(folder, "queries.jsonl")? {
        let known = |id: &String| ids.get(id).cloned().ok_or(format!("no tool {id}"));
        let relevant = line.relevant.iter().map(known).collect::<Result<_, _>>()?;
        let set = sets.iter_mut().find(|set| set.name == line.dataset);
        let set = set.ok_or_else(|| format!("query {} is of no data set", line.id))?;
        set.queries.push(Query {
            id: line.id,
            text: line.query,
            relevant,
        });
    }
    Ok(sets)
}

/// The tool of a line. Names that other tools of the set have get a number.
fn tool(line: &ToolLine, taken: &mut HashSet<(String, ToolId)>) -> Option<Tool> {
    let (namespace, name) = (clean(&line.namespace), clean(&line.name));
    let id = (1..).find_map(|number| {
        let name = if number == 1 {
            name.clone()
        } else {
            format!("{name}.v{number}")
        };
        let id = ToolId::new(&namespace, &name).ok();
        let Some(id) = id else { return Some(None) };
        taken
            .insert((line.dataset.clone(), id.clone()))
            .then_some(Some(id))
    })??;
    let mut tool = Tool::builder(id.to_string())
        .description(line.description.clone())
        .build()
        .ok()?;
    if let Some(schema) = &line.input_schema {
        tool.input_schema = Arc::new(schema.clone());
    }
    Some(tool)
}

/// A segment of an id: other characters than it may have become `_`.
fn clean(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    text.chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .take(120)
        .collect()
}

fn lines<T: for<'a> Deserialize<'a>>(folder: &Path, name: &str) -> Result<Vec<T>, String> {
    let text = std::fs::read_to_string(folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| format!("{name}, line {}: {error}", number + 1))
    };
    text.lines().enumerate().map(parse).collect()
}
