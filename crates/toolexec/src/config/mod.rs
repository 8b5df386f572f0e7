//! The configuration file, `toolexec.toml`.
//!
//! ```toml
//! [servers.github]
//! command = "npx"
//! args = ["-y", "@modelcontextprotocol/server-github"]
//! env.GITHUB_PERSONAL_ACCESS_TOKEN = "${GITHUB_TOKEN}"
//!
//! [apis.petstore]
//! spec = "petstore.yaml"
//! auth.api_key = { type = "api-key", value = "${PETSTORE_KEY}" }
//!
//! [commands.line_count]
//! program = "wc"
//! args = ["-l", "--", "{{file}}"]
//! ```
//!
//! An unknown key, a wrong type or a missing variable is a [`ConfigError`] that names the file,
//! the line and what was expected. A missing variable only makes its own source unusable.

mod apis;
mod check;
mod code;
mod confine;
mod connect;
mod containerd;
mod document;
mod error;
mod expand;
mod find;
mod network;
mod rules;
mod sandboxes;
mod sections;
mod serve;
#[cfg(feature = "serve")]
mod serve_options;
pub mod units;
mod web;

use std::path::{Path, PathBuf};

use serde_json::Value;

pub use code::{CandidatesSection, CodeSection, LimitsSection, ProfileName, SandboxName};
pub use confine::{
    Confined, MountSection, Places, ToolKindName, ToolSandboxSection, ToolSandboxSetting,
};
pub use connect::Connected;
pub use containerd::{ContainerdSection, RuntimeOptionsSection};
pub use error::ConfigError;
pub use expand::EXPANDED;
pub use find::{CONFIG_VAR, FILE_NAME, Found, find};
pub use network::{AllowSetting, NetworkSection, NetworkSetting};
pub use sandboxes::{
    DockerSection, FirecrackerSection, GvisorPlatform, GvisorSection, QemuAccel, QemuSection,
    RuncSection,
};
pub use sections::*;
pub use serve::{
    AlgorithmName, AuthName, IssuerSection, KeySection, ModeName, ResultsSection, ServeSection,
};
pub use web::WebSection;

/// A configuration that was read and checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// The file, when there is one.
    pub file: Option<PathBuf>,
    /// What it says, with its variables replaced. Sources that are switched off or have a fault
    /// are not in it.
    pub sections: Sections,
    /// Sources that cannot be used, and why.
    pub faults: Vec<Fault>,
    /// Sources that are switched off.
    pub disabled: Vec<SourceName>,
    /// Why `[serve]` cannot be used, while the rest of the file can.
    pub serve_fault: Option<ConfigError>,
}

/// Names a source of the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceName {
    /// Its section: `servers`, `apis`, `commands` or `web`.
    pub section: &'static str,
    /// Its name.
    pub name: String,
    /// The namespace of its tools.
    pub namespace: String,
}

/// A source that cannot be used, while the rest of the file can.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Which.
    pub source: SourceName,
    /// Why.
    pub error: ConfigError,
}

impl Config {
    /// Reads a file; variables come from the environment of this process.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| ConfigError::new(file, format!("the file cannot be read: {error}")))?;
        Self::parse(file, &text, &|name| std::env::var(name).ok())
    }

    /// Reads the text of `file`; `variable` looks up what stands in `${..}`.
    pub fn parse(
        file: &Path,
        text: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let document = document::Document::parse(file, text)?;
        let (sections, unset) = document.read(variable)?;
        check::checked(&document, sections, unset)
    }

    /// The directory that relative paths of the file start from.
    pub fn directory(&self) -> &Path {
        self.file
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""))
    }
}

/// The JSON Schema of the file.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Sections).to_value();
    tidy(&mut schema);
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("title".to_owned(), "toolexec.toml".into());
    }
    schema
}

/// Takes out what TOML cannot write (`null`) and `default`: the defaults of the fields are
/// "absent", and what that means stands in the descriptions.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.shift_remove("default");
            if let Some(Value::Array(kinds)) = fields.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [only] = kinds.as_slice() {
                    fields["type"] = only.clone();
                }
            }
            if let Some(Value::Array(options)) = fields.get_mut("anyOf") {
                options.retain(|option| option["type"] != "null");
                if let [Value::Object(only)] = options.as_slice() {
                    let only = only.clone();
                    fields.shift_remove("anyOf");
                    fields.extend(only);
                }
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
