//! An operation, ready to be called.

use std::collections::BTreeMap;

use reqwest::Method;
use url::Url;

/// One operation of a document.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) method: Method,
    /// The path as the document writes it, with `{name}` where parameters go.
    pub(super) path: String,
    /// The server's address.
    pub(super) base: Url,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    /// What the operation needs; absent when the document does not say.
    pub(super) security: Option<Vec<Requirement>>,
    /// The value of `Accept`.
    pub(super) accept: String,
}

/// Security schemes that are needed together, each with its scopes.
pub(super) type Requirement = Vec<(String, Vec<String>)>;

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    /// The name of the argument.
    pub(super) argument: String,
    /// The name the API knows.
    pub(super) name: String,
    pub(super) location: Location,
    pub(super) format: Format,
    /// Whether slashes in a path parameter stay (`x-multi-segment`).
    pub(super) keep_slashes: bool,
}

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Location {
    Path,
    Query,
    Header,
    Cookie,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// In a style.
    Style {
        style: Style,
        explode: bool,
        allow_reserved: bool,
    },
    /// As JSON text.
    Json,
}

/// The styles of `OpenAPI`, and tabs of Swagger 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Simple,
    Label,
    Matrix,
    Form,
    SpaceDelimited,
    PipeDelimited,
    TabDelimited,
    DeepObject,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(super) struct Body {
    /// The name of the argument.
    pub(super) argument: String,
    /// The value of `Content-Type`, without a boundary.
    pub(super) content_type: String,
    pub(super) kind: BodyKind,
}

/// How a body is written.
#[derive(Debug, Clone)]
pub(super) enum BodyKind {
    Json,
    Form(BTreeMap<String, Format>),
    Multipart(BTreeMap<String, Part>),
    /// Text, or bytes in base64.
    Raw,
}

/// How a part of a multipart body is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// A file or text in place of JSON.
    pub(super) is_file: bool,
    /// Its media type, when the document names one.
    pub(super) content_type: Option<String>,
}

impl Location {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "path" => Self::Path,
            "query" => Self::Query,
            "header" => Self::Header,
            "cookie" => Self::Cookie,
            _ => return None,
        })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }

    /// The style of a parameter that names none.
    fn default_style(self) -> Style {
        match self {
            Self::Path | Self::Header => Style::Simple,
            Self::Query | Self::Cookie => Style::Form,
        }
    }

    fn allows(self, style: Style) -> bool {
        match self {
            Self::Path => matches!(style, Style::Simple | Style::Label | Style::Matrix),
            Self::Query => !matches!(style, Style::Simple | Style::Label | Style::Matrix),
            Self::Header => style == Style::Simple,
            Self::Cookie => style == Style::Form,
        }
    }
}

impl Style {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "simple" => Self::Simple,
            "label" => Self::Label,
            "matrix" => Self::Matrix,
            "form" => Self::Form,
            "spaceDelimited" => Self::SpaceDelimited,
            "pipeDelimited" => Self::PipeDelimited,
            "tabDelimited" => Self::TabDelimited,
            "deepObject" => Self::DeepObject,
            _ => return None,
        })
    }
}

impl Format {
    /// The format that `style`, `explode` and `allowReserved` of a parameter or an encoding say.
    pub(super) fn read(fields: &serde_json::Value, location: Location) -> Result<Self, String> {
        let style = match fields.get("style").and_then(serde_json::Value::as_str) {
            None => location.default_style(),
            Some(text) => match Style::parse(text) {
                Some(style) if location.allows(style) => style,
                Some(_) => return Err(format!("style {text} is not for {}", location.as_str())),
                None => return Err(format!("unknown style {text:?}")),
            },
        };
        let flag = |key: &str| fields.get(key).and_then(serde_json::Value::as_bool);
        Ok(Self::Style {
            style,
            explode: flag("explode").unwrap_or(matches!(style, Style::Form | Style::DeepObject)),
            allow_reserved: flag("allowReserved").unwrap_or(false),
        })
    }
}
