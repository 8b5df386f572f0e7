//! What a tool says about itself.

use std::sync::Arc;

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind};
use crate::id::{ParseIdError, ToolId};

/// The arguments of a call: a JSON object.
pub type Args = Map<String, Value>;

/// The most tags a tool keeps.
pub const MAX_TAGS: usize = 20;
/// The longest tag, in characters.
pub const MAX_TAG: usize = 64;

/// A tool: MCP's fields plus namespace, version and tags.
///
/// Nothing in it is trusted: descriptions, annotations and schemas come from servers and are
/// checked where they are used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// Its identity in the index.
    pub id: ToolId,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it does, in Markdown or plain text.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments.
    pub input_schema: Arc<Value>,
    /// JSON Schema of its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Arc<Value>>,
    /// Hints about its behaviour.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
    /// Words to find it by: lower case, at most [`MAX_TAGS`] of at most [`MAX_TAG`] characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Icons, as MCP writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Value>,
    /// MCP's `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
}

/// Hints about a tool's behaviour (MCP tool annotations); absent means unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Annotations {
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// It changes nothing.
    #[serde(rename = "readOnlyHint", skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// It may destroy something.
    #[serde(rename = "destructiveHint", skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
    /// Calling it twice with the same arguments is the same as calling it once.
    #[serde(rename = "idempotentHint", skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// It reaches an open set of things, such as the web.
    #[serde(rename = "openWorldHint", skip_serializing_if = "Option::is_none")]
    pub open_world: Option<bool>,
}

impl Annotations {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a call may be repeated without harm: read-only or idempotent by its own word.
    pub fn is_repeatable(&self) -> bool {
        self.read_only == Some(true) || self.idempotent == Some(true)
    }
}

impl Tool {
    /// Starts a tool with the id `id`, an empty description and a schema that takes any object.
    pub fn builder(id: impl AsRef<str>) -> ToolBuilder {
        ToolBuilder {
            id: id.as_ref().parse(),
            version: None,
            tool: ToolFields::default(),
        }
    }

    /// The title, or the name where there is none.
    pub fn display_name(&self) -> &str {
        self.title
            .as_deref()
            .or(self.annotations.title.as_deref())
            .unwrap_or(self.id.name())
    }

    /// The tool as MCP lists it: `name`, without namespace, version and tags.
    pub fn to_mcp(&self) -> Value {
        let mut tool = json!({ "name": self.id.name() });
        if let Some(title) = &self.title {
            tool["title"] = json!(title);
        }
        tool["description"] = json!(self.description);
        tool["inputSchema"] = (*self.input_schema).clone();
        if let Some(schema) = &self.output_schema {
            tool["outputSchema"] = (**schema).clone();
        }
        if !self.annotations.is_empty() {
            tool["annotations"] = json!(self.annotations);
        }
        if !self.icons.is_empty() {
            tool["icons"] = json!(self.icons);
        }
        if !self.meta.is_empty() {
            tool["_meta"] = json!(self.meta);
        }
        tool
    }
}

#[derive(Debug, Clone, Default)]
struct ToolFields {
    title: Option<String>,
    description: String,
    input_schema: Option<Value>,
    output_schema: Option<Value>,
    annotations: Annotations,
    tags: Vec<String>,
    icons: Vec<Value>,
    meta: Map<String, Value>,
}

/// Builds a [`Tool`]; every setter takes and returns the builder.
#[derive(Debug, Clone)]
#[must_use]
pub struct ToolBuilder {
    id: Result<ToolId, ParseIdError>,
    version: Option<Version>,
    tool: ToolFields,
}

impl ToolBuilder {
    /// Sets the id anew.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.id = id.as_ref().parse();
        self
    }

    /// Sets the name for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.tool.title = Some(title.into());
        self
    }

    /// Sets the description.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.tool.description = description.into();
        self
    }

    /// Sets the version; the id must have a namespace.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Sets the JSON Schema of the arguments.
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.tool.input_schema = Some(schema);
        self
    }

    /// Sets the JSON Schema of the value.
    pub fn output_schema(mut self, schema: Value) -> Self {
        self.tool.output_schema = Some(schema);
        self
    }

    /// Sets the annotations.
    pub fn annotations(mut self, annotations: Annotations) -> Self {
        self.tool.annotations = annotations;
        self
    }

    /// Says that the tool changes nothing.
    pub fn read_only(mut self) -> Self {
        self.tool.annotations.read_only = Some(true);
        self
    }

    /// Says that repeating a call is harmless.
    pub fn idempotent(mut self) -> Self {
        self.tool.annotations.idempotent = Some(true);
        self
    }

    /// Says whether the tool may destroy something.
    pub fn destructive(mut self, destructive: bool) -> Self {
        self.tool.annotations.destructive = Some(destructive);
        self
    }

    /// Adds tags; see [`normalize_tags`].
    pub fn tags<T: AsRef<str>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tool
            .tags
            .extend(tags.into_iter().map(|tag| tag.as_ref().to_owned()));
        self
    }

    /// Sets the icons, as MCP writes them.
    pub fn icons(mut self, icons: Vec<Value>) -> Self {
        self.tool.icons = icons;
        self
    }

    /// Sets MCP's `_meta`.
    pub fn meta(mut self, meta: Map<String, Value>) -> Self {
        self.tool.meta = meta;
        self
    }

    /// Makes the tool.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidId`] when the id is malformed, or has a version and no namespace.
    pub fn build(self) -> Result<Tool, Error> {
        let invalid = |error: ParseIdError| {
            Error::new(ErrorKind::InvalidId, error.to_string()).with_source(error)
        };
        let mut id = self.id.map_err(invalid)?;
        if let Some(version) = self.version {
            id = id.with_version(version).map_err(invalid)?;
        }
        let fields = self.tool;
        Ok(Tool {
            id,
            title: fields.title,
            description: fields.description,
            input_schema: Arc::new(
                fields
                    .input_schema
                    .unwrap_or_else(|| json!({"type": "object"})),
            ),
            output_schema: fields.output_schema.map(Arc::new),
            annotations: fields.annotations,
            tags: normalize_tags(&fields.tags),
            icons: fields.icons,
            meta: fields.meta,
        })
    }
}

/// Lower-cases tags, turns white space into `-`, drops other characters than `a-z 0-9 - _ .`,
/// cuts each to [`MAX_TAG`] characters, drops empty ones and repeats, and keeps [`MAX_TAGS`].
pub fn normalize_tags<T: AsRef<str>>(tags: &[T]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for tag in tags {
        let words: Vec<String> = tag
            .as_ref()
            .split_whitespace()
            .map(|word| {
                word.to_lowercase()
                    .chars()
                    .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                    .collect()
            })
            .collect();
        let tag: String = words.join("-").chars().take(MAX_TAG).collect();
        if !tag.is_empty() && !kept.contains(&tag) && kept.len() < MAX_TAGS {
            kept.push(tag);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_normalized() {
        let tags = [
            "  Issue Tracker ",
            "issue-tracker",
            "C++",
            "",
            "Ünïcode",
            &"x".repeat(80),
        ];
        let kept = normalize_tags(&tags);
        assert_eq!(kept, ["issue-tracker", "c", "ncode", &"x".repeat(64)]);
        let many: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
        assert_eq!(normalize_tags(&many).len(), MAX_TAGS);
    }

    #[test]
    fn a_version_needs_a_namespace() {
        let version = Version::new(1, 0, 0);
        let error = Tool::builder("add")
            .version(version.clone())
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidId);
        let tool = Tool::builder("math:add").version(version).build().unwrap();
        assert_eq!(tool.id.to_string(), "math:add:1.0.0");
    }

    #[test]
    fn json_keeps_every_field() {
        let tool = Tool::builder("math:add")
            .title("Add")
            .description("Adds two numbers")
            .output_schema(json!({"type": "number"}))
            .tags(["arithmetic"])
            .read_only()
            .build()
            .unwrap();
        let text = serde_json::to_string(&tool).unwrap();
        assert_eq!(serde_json::from_str::<Tool>(&text).unwrap(), tool);
        assert_eq!(tool.to_mcp()["name"], "add");
        assert_eq!(tool.to_mcp()["annotations"], json!({"readOnlyHint": true}));
    }
}
