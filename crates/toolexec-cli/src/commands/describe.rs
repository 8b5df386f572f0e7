//! `toolexec describe`.

use serde_json::Value;
use toolexec::core::types::signature;
use toolexec::{Detail, ToolDoc};

use crate::args::{DescribeArgs, DetailArg};
use crate::arguments::resolve;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::live::Live;
use crate::printer::{Format, Printer, Tone};
use crate::session::Session;

pub(crate) async fn run(
    args: &DescribeArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let detail = match args.detail {
        DetailArg::Summary => Detail::Summary,
        DetailArg::Signature => Detail::Signature,
        DetailArg::Schema => Detail::Schema,
        DetailArg::Full => Detail::Full,
    };
    let live = Live::start(printer, "loading tools");
    let doc = session
        .lookup(session.executor.describe(&args.tool, detail))
        .await;
    drop(live);
    let mut doc = doc?;
    if doc.signature.is_some()
        && let Some(entry) = session.executor.index().get(&doc.tool.id)
    {
        doc.signature = Some(signature(entry.tool(), args.lang.into()));
    }
    if printer.format() == Format::Human {
        show(&doc, printer)?;
    } else {
        printer.document(&doc)?;
    }
    Ok(Exit::Ok)
}

fn show(doc: &ToolDoc, printer: &mut Printer) -> Result<(), Failure> {
    if let Some(signature) = &doc.signature {
        return Ok(printer.line(signature)?);
    }
    let tool = &doc.tool;
    let name = tool.id.to_string();
    let heading = printer.paint_data(Tone::Name, &name).into_owned();
    match &tool.title {
        Some(title) => printer.line(&format!("{heading}  {title}"))?,
        None => printer.line(&heading)?,
    }
    let text = doc
        .description
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty());
    let text = text.unwrap_or(&tool.summary);
    if !text.is_empty() {
        printer.line(&indented(text))?;
    }
    if let Some(why) = &doc.disabled {
        let label = printer
            .paint_data(Tone::Error, "cannot be used:")
            .into_owned();
        printer.line(&format!("  {label} {why}"))?;
    }
    facts(doc, printer)?;
    if let Some(schema) = &doc.input_schema {
        arguments(schema, printer)?;
    }
    if let Some(schema) = &doc.output_schema {
        section("Value", printer)?;
        printer.line(&indented(&outline(schema, schema)))?;
    }
    if let Some(notes) = &doc.notes {
        section("Notes", printer)?;
        printer.line(&indented(notes))?;
    }
    examples(doc, printer)?;
    for reference in &doc.external_refs {
        printer.line(&format!("  see {reference}"))?;
    }
    Ok(())
}

/// Tags, hints, versions and backends, each on a line of its own.
fn facts(doc: &ToolDoc, printer: &mut Printer) -> Result<(), Failure> {
    let hints = &doc.tool.annotations;
    let hints = [
        (hints.read_only, "read-only"),
        (hints.destructive, "destructive"),
        (hints.idempotent, "idempotent"),
        (hints.open_world, "open world"),
    ];
    let hints: Vec<&str> = hints
        .into_iter()
        .filter(|(hint, _)| *hint == Some(true))
        .map(|(_, word)| word)
        .collect();
    let backends: Vec<String> = doc.backends.iter().map(ToString::to_string).collect();
    let facts = [
        ("tags", doc.tool.tags.join(", ")),
        ("hints", hints.join(", ")),
        ("versions", doc.versions.join(", ")),
        ("runs on", backends.join(", ")),
    ];
    for (label, text) in facts.iter().filter(|(_, text)| !text.is_empty()) {
        let label = printer.paint_data(Tone::Dim, label).into_owned();
        printer.line(&format!("  {label}: {text}"))?;
    }
    Ok(())
}

fn arguments(schema: &Value, printer: &mut Printer) -> Result<(), Failure> {
    section("Arguments", printer)?;
    let root = resolve(schema, schema);
    let Some(properties) = root["properties"].as_object().filter(|all| !all.is_empty()) else {
        printer.line("  none are named")?;
        return Ok(());
    };
    let longest = properties.keys().map(|name| name.chars().count()).max();
    let column = longest.unwrap_or(0).min(24);
    for (name, property) in properties {
        let property = resolve(schema, property);
        let required = root["required"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == name));
        let mut about = outline(schema, property);
        if required {
            about.push_str(", required");
        }
        if let Some(default) = property.get("default") {
            about = format!("{about}, default {default}");
        }
        let padding = " ".repeat(column.saturating_sub(name.chars().count()));
        let shown = printer.paint_data(Tone::Name, name).into_owned();
        printer.line(&format!("  {shown}{padding}  {about}"))?;
        if let Some(text) = property["description"].as_str() {
            let indent = " ".repeat(column + 4);
            for line in text.trim().lines() {
                printer.line(format!("{indent}{}", line.trim()).trim_end())?;
            }
        }
    }
    Ok(())
}

fn examples(doc: &ToolDoc, printer: &mut Printer) -> Result<(), Failure> {
    if doc.examples.is_empty() {
        return Ok(());
    }
    section("Examples", printer)?;
    for example in &doc.examples {
        let text = example.description.as_deref().unwrap_or(&example.title);
        if !text.is_empty() {
            printer.line(&format!("  # {}", text.replace('\n', " ")))?;
        }
        let tool = doc.tool.id.to_string();
        let args = Value::Object(example.args.clone());
        printer.line(&format!("  {}", command_line(&tool, &args)))?;
    }
    Ok(())
}

/// A call as it is typed.
pub(crate) fn command_line(tool: &str, args: &Value) -> String {
    let mut words = vec!["toolexec".to_owned(), "run".to_owned(), tool.to_owned()];
    let fields = args.as_object().into_iter().flatten();
    words.extend(fields.map(|(key, value)| match value {
        Value::String(text) => format!("{key}={text}"),
        Value::Number(_) | Value::Bool(_) => format!("{key}={value}"),
        other => format!("{key}:={other}"),
    }));
    words
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a shell needs it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    match shlex::try_quote(word) {
        Ok(quoted) => quoted.into_owned(),
        // A NUL byte cannot be typed.
        Err(_) => word.replace('\0', " "),
    }
}

/// The type of a schema in a few words.
fn outline(root: &Value, schema: &Value) -> String {
    outline_to(root, schema, 3)
}

/// A schema may contain itself, so there is an end to it.
fn outline_to(root: &Value, schema: &Value, depth: usize) -> String {
    let Some(depth) = depth.checked_sub(1) else {
        return "...".to_owned();
    };
    let schema = resolve(root, schema);
    if let Some(options) = schema["enum"].as_array() {
        let shown: Vec<String> = options.iter().take(8).map(ToString::to_string).collect();
        let more = if options.len() > 8 { ", ..." } else { "" };
        return format!("one of {}{more}", shown.join(", "));
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => match schema.get("items") {
            Some(items) => format!("list of {}", outline_to(root, items, depth)),
            None => "list".to_owned(),
        },
        Value::String(kind) if kind == "object" => match schema["properties"].as_object() {
            Some(fields) if !fields.is_empty() => {
                let names: Vec<&str> = fields.keys().map(String::as_str).take(12).collect();
                let more = if fields.len() > 12 { ", ..." } else { "" };
                format!("object {{{}{more}}}", names.join(", "))
            }
            _ => "object".to_owned(),
        },
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        _ => match ["anyOf", "oneOf"]
            .iter()
            .find_map(|key| schema[*key].as_array())
        {
            Some(options) => {
                let options: Vec<String> = options
                    .iter()
                    .take(6)
                    // One level: an alternative may refer to itself.
                    .map(|option| {
                        resolve(root, option)["type"]
                            .as_str()
                            .unwrap_or("any")
                            .to_owned()
                    })
                    .collect();
                options.join(" or ")
            }
            None => "any".to_owned(),
        },
    }
}

fn section(title: &str, printer: &mut Printer) -> Result<(), Failure> {
    let title = format!("{title}:");
    let heading = printer.paint_data(Tone::Name, &title).into_owned();
    printer.line("")?;
    printer.line(&heading)?;
    Ok(())
}

fn indented(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| format!("  {line}").trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}
