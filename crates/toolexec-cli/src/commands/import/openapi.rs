//! OpenAPI and Swagger documents.

use std::path::{Path, PathBuf};

use serde_json::Value;
use toml_edit::{Table, value};
use toolexec::providers::{ApiConfig, OpenApi};

use super::{Import, Section, namespace};
use crate::args::ImportArgs;
use crate::diagnostics::Failure;

/// Whether the text looks like a document; `value` is it when it is JSON.
pub(super) fn is_document(value: Option<&Value>, text: &str) -> bool {
    match value {
        Some(value) => value.get("openapi").is_some() || value.get("swagger").is_some(),
        None => text.lines().any(|line| {
            let key = line.split(':').next().unwrap_or_default();
            matches!(key.trim_matches(['"', '\'']), "openapi" | "swagger")
        }),
    }
}

pub(super) fn read(
    args: &ImportArgs,
    target: &Path,
    document: Option<&Value>,
    text: &str,
) -> Result<Import, Failure> {
    let name = name(args, document);
    let api = OpenApi::parse(&name, &ApiConfig::default(), text);
    let mut import = Import::default();
    match api {
        Ok(api) => {
            let tools = api.tools().count();
            let notices = api.notices().len();
            import
                .notices
                .push(format!("{name}: {tools} operations become tools"));
            if notices > 0 {
                import.notices.push(format!(
                    "{name}: {notices} parts are not used; `toolexec doctor {name}` lists them"
                ));
            }
        }
        Err(error) if error.kind() == toolexec::ErrorKind::Config => {
            // Often a document without servers: it works once it has a base_url.
            import
                .notices
                .push(format!("{name}: {}", error.guest_message()));
            import.notices.extend(error.hints().iter().cloned());
        }
        Err(error) => return Err(error.into()),
    }
    import.notices.extend(
        document
            .into_iter()
            .flat_map(|document| wanted_auth(&name, document)),
    );
    let mut table = Table::new();
    table.insert(
        "spec",
        value(relative(&args.file, target).display().to_string()),
    );
    import.sections.push(Section {
        kind: "apis",
        name,
        table,
    });
    Ok(import)
}

/// `--name`, else the title of the document, else the name of the file.
fn name(args: &ImportArgs, document: Option<&Value>) -> String {
    const SHORT: usize = 24;
    let title = document.and_then(|document| document["info"]["title"].as_str());
    let title = title.filter(|title| title.chars().count() <= SHORT);
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
    match (&args.name, title) {
        (Some(name), _) => name.clone(),
        (None, Some(title)) => namespace(&title.to_lowercase()),
        (None, None) => namespace(&stem),
    }
}

/// The credentials that the document asks for, as lines for the file.
fn wanted_auth(name: &str, document: &Value) -> Vec<String> {
    let schemes = document["components"]["securitySchemes"]
        .as_object()
        .or_else(|| document["securityDefinitions"].as_object());
    let prefix: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    let each = schemes.into_iter().flatten();
    each.filter_map(|(scheme, about)| {
        let fields = match (about["type"].as_str()?, about["scheme"].as_str()) {
            ("apiKey", _) => format!("type = \"api-key\", value = \"${{{prefix}_KEY}}\""),
            ("basic", _) | ("http", Some("basic")) => format!(
                "type = \"basic\", username = \"${{{prefix}_USER}}\", password = \"${{{prefix}_PASSWORD}}\""
            ),
            _ => format!("type = \"bearer\", token = \"${{{prefix}_TOKEN}}\""),
        };
        let key = toml_edit::Key::new(scheme);
        Some(format!(
            "{name}: where it asks for {scheme}, add: auth.{key} = {{ {fields} }}"
        ))
    })
    .collect()
}

/// The path of `file` as the configuration at `target` has to name it.
fn relative(file: &Path, target: &Path) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let target = std::path::absolute(target).unwrap_or_else(|_| target.to_owned());
    match target.parent().and_then(|dir| file.strip_prefix(dir).ok()) {
        Some(inside) => inside.to_owned(),
        None => file,
    }
}
