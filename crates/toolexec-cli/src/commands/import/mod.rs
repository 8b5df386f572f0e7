//! `toolexec import`: sections for `toolexec.toml` from the files of other programs.

mod openapi;
mod servers;

use std::path::Path;

use serde_json::json;
use toml_edit::{DocumentMut, Item, Table};
use toolexec::config::{self, Config};

use crate::args::{Global, ImportArgs};
use crate::arguments::read_file;
use crate::commands::file;
use crate::commands::jsonc;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::{Format, Printer, Tone};
use crate::session::Session;

/// What a file offers.
#[derive(Debug, Default)]
struct Import {
    sections: Vec<Section>,
    /// What a person should know or do.
    notices: Vec<String>,
}

/// A section to be written.
#[derive(Debug)]
struct Section {
    /// `servers` or `apis`.
    kind: &'static str,
    name: String,
    table: Table,
}

pub(crate) fn run(
    args: &ImportArgs,
    global: &Global,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    // A named file may be new; a search that finds none means a new one here.
    let target = match &global.config {
        Some(file) => file.clone(),
        None => Session::config_file(config::find(None)?),
    };
    let import = read(args, &target)?;
    let old = if target.exists() {
        read_file(&target)?
    } else {
        String::new()
    };
    let new = merged(&target, &old, &import, args.force)?;
    check(&target, &new)?;
    if !args.dry_run {
        file::replace(&target, &new)?;
    }
    report(args, &target, &import, printer)?;
    Ok(Exit::Ok)
}

fn read(args: &ImportArgs, target: &Path) -> Result<Import, Failure> {
    let text = read_file(&args.file)?;
    let value = jsonc::parse(&text).ok();
    if let Some(servers) = value.as_ref().and_then(servers::find) {
        if args.name.is_some() {
            return Err(Failure::usage("--name is for OpenAPI documents"));
        }
        return Ok(servers::read(servers));
    }
    if openapi::is_document(value.as_ref(), &text) {
        return openapi::read(args, target, value.as_ref(), &text);
    }
    let shown = args.file.display();
    Err(
        Failure::usage(format!("{shown} is nothing that can be imported"))
            .hint("it takes JSON with `mcpServers` or `servers`, and OpenAPI or Swagger documents"),
    )
}

/// The file with the new sections.
fn merged(target: &Path, old: &str, import: &Import, force: bool) -> Result<String, Failure> {
    let mut document: DocumentMut = old.parse().map_err(|error: toml_edit::TomlError| {
        Failure::usage(format!("{} is no valid TOML: {error}", target.display()))
    })?;
    let taken: Vec<String> = import
        .sections
        .iter()
        .filter(|section| {
            let kind = document.get(section.kind).and_then(Item::as_table_like);
            kind.is_some_and(|table| table.contains_key(&section.name))
        })
        .map(|section| format!("{}.{}", section.kind, section.name))
        .collect();
    if !taken.is_empty() && !force {
        return Err(Failure::usage(format!(
            "{} has these sections already: {}",
            target.display(),
            taken.join(", ")
        ))
        .hint("--force replaces them; nothing was written"));
    }
    for section in &import.sections {
        let kind = document.entry(section.kind).or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        let kind = kind.as_table_like_mut().ok_or_else(|| {
            Failure::usage(format!(
                "`{}` in {} is no table",
                section.kind,
                target.display()
            ))
        })?;
        kind.insert(&section.name, Item::Table(section.table.clone()));
    }
    Ok(document.to_string())
}

/// What is written must be read again.
fn check(target: &Path, text: &str) -> Result<(), Failure> {
    // Variables need not be set yet.
    let any = |_: &str| Some("x".to_owned());
    Config::parse(target, text, &any)?;
    Ok(())
}

fn report(
    args: &ImportArgs,
    target: &Path,
    import: &Import,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let names: Vec<String> = import
        .sections
        .iter()
        .map(|section| format!("{}.{}", section.kind, section.name))
        .collect();
    if printer.format() != Format::Human {
        printer.document(&json!({
            "file": target,
            "written": !args.dry_run,
            "sections": names,
            "notices": import.notices,
        }))?;
        return Ok(());
    }
    if args.dry_run {
        let new = merged(target, "", import, true)?;
        printer.line(new.trim())?;
    }
    for notice in &import.notices {
        let label = printer.paint(Tone::Hint, "note:").into_owned();
        printer.say(&format!("{label} {notice}"))?;
    }
    let verb = if args.dry_run { "would write" } else { "wrote" };
    printer.say(&format!(
        "{verb} {} to {}",
        names.join(", "),
        target.display()
    ))?;
    if !args.dry_run {
        printer.say("next: `toolexec doctor`")?;
    }
    Ok(())
}

/// A name that can be a namespace.
fn namespace(name: &str) -> String {
    let mut out = String::new();
    for c in name.trim().chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') {
            out.push(c);
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    let out = out.trim_matches('_');
    if out.is_empty() {
        "imported".to_owned()
    } else {
        out.chars().take(64).collect()
    }
}
