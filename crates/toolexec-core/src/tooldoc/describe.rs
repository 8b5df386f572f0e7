//! The doc of a tool, put together.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::detail::Detail;
use super::entry::DocEntry;
use super::example::Example;
use super::sample;
use super::schema_info::SchemaInfo;
use super::store::DEFAULT_MAX_EXAMPLES;
use crate::backend::BackendRef;
use crate::index::{Entry, ToolSummary};
use crate::types::{TypeLanguage, signature};

/// What a caller reads before it calls a tool.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolDoc {
    /// The tool, in short.
    #[serde(flatten)]
    pub tool: ToolSummary,
    /// How much of the rest is here.
    pub detail: Detail,
    /// The signature, at that level only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// With the schemas: the whole description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// With the schemas: JSON Schema of the arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Arc<Value>>,
    /// With the schemas: JSON Schema of the value, if the tool has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Arc<Value>>,
    /// With the schemas: the parameters at a glance, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_info: Option<SchemaInfo>,
    /// With the schemas: why the tool cannot be called, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<String>,
    /// In full: what a caller should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// In full: calls that show its use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
    /// In full: where to read more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_refs: Vec<String>,
    /// In full: the versions there are, lowest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// In full: where it runs, in the order of preference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<BackendRef>,
}

/// Puts the doc of a tool together from what it says about itself and what was registered for it.
///
/// `versions` are all entries of the tool's key. Where nobody registered an example, the examples
/// of the input schema are shown, else one that is derived from it and marked as generated.
pub fn describe(
    entry: &Entry,
    versions: &[Arc<Entry>],
    doc: Option<&DocEntry>,
    detail: Detail,
) -> ToolDoc {
    let mut summary = ToolSummary::of(entry.tool());
    if let Some(text) = doc.and_then(|doc| doc.summary.as_ref()) {
        summary.summary.clone_from(text);
    }
    let mut described = ToolDoc {
        tool: summary,
        detail,
        signature: None,
        description: None,
        input_schema: None,
        output_schema: None,
        schema_info: None,
        disabled: None,
        notes: None,
        examples: Vec::new(),
        external_refs: Vec::new(),
        versions: Vec::new(),
        backends: Vec::new(),
    };
    if detail == Detail::Signature {
        described.signature = Some(signature(entry.tool(), TypeLanguage::TypeScript));
    }
    if detail >= Detail::Schema {
        add_schemas(&mut described, entry);
    }
    if detail >= Detail::Full {
        add_rest(&mut described, entry, versions, doc);
    }
    described
}

fn add_schemas(described: &mut ToolDoc, entry: &Entry) {
    let tool = entry.tool();
    described.description = Some(tool.description.clone());
    described.schema_info = SchemaInfo::of(&tool.input_schema);
    described.input_schema = Some(tool.input_schema.clone());
    described.output_schema.clone_from(&tool.output_schema);
    let schemas = entry.bindings().first().map(|binding| binding.schemas());
    described.disabled = schemas.and_then(Result::err).map(ToString::to_string);
}

fn add_rest(
    described: &mut ToolDoc,
    entry: &Entry,
    versions: &[Arc<Entry>],
    doc: Option<&DocEntry>,
) {
    if let Some(doc) = doc {
        described.notes.clone_from(&doc.notes);
        described.examples.clone_from(&doc.examples);
        described.external_refs.clone_from(&doc.external_refs);
    }
    if described.examples.is_empty() {
        described.examples = examples_of(entry);
    }
    let version = |entry: &Arc<Entry>| entry.tool().id.version().map(ToString::to_string);
    described.versions = versions.iter().filter_map(version).collect();
    described.backends = entry
        .bindings()
        .iter()
        .map(|binding| binding.backend_ref().clone())
        .collect();
}

fn examples_of(entry: &Entry) -> Vec<Example> {
    let stated = sample::stated(&entry.tool().input_schema, DEFAULT_MAX_EXAMPLES);
    if !stated.is_empty() {
        return stated;
    }
    let schemas = entry
        .bindings()
        .first()
        .and_then(|binding| binding.schemas().ok());
    schemas
        .and_then(|schemas| sample::generated(&schemas.input))
        .into_iter()
        .collect()
}
