//! `toolexec install`: tells a client of MCP servers about this one.

mod clients;
mod document;
mod entry;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use similar::TextDiff;
use toolexec::config;

use crate::args::Global;
use crate::arguments::read_file;
use crate::commands::file;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::install_args::InstallArgs;
use crate::printer::{Format, Printer, Tone, pretty};
use clients::{Client, Syntax, System};
use entry::Reach;

/// What becomes of the file.
struct Change {
    /// What was or would be done, in a word.
    action: &'static str,
    old: String,
    new: String,
}

pub(crate) fn run(
    args: &InstallArgs,
    global: &Global,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    check_name(&args.name)?;
    let Some(name) = args.client else {
        return list(args, printer);
    };
    let known = clients::all().iter().find(|client| client.name == name);
    let client = known.ok_or_else(|| Failure::usage("the client is not known"))?;
    if args.print {
        return print(args, client, global, printer);
    }
    let target = target(args, client)?;
    let old = if target.exists() {
        read_file(&target)?
    } else {
        String::new()
    };
    let change = change(args, client, global, &target, old)?;
    let mut backup = None;
    if change.new != change.old && !args.dry_run {
        if target.exists() {
            backup = Some(file::back_up(&target)?);
        }
        write(&target, &change.new)?;
    }
    report(args, client, &target, &change, backup.as_deref(), printer)?;
    Ok(Exit::Ok)
}

/// The clients and how each stands.
fn list(args: &InstallArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let rows: Vec<(&Client, Option<PathBuf>, &str)> = clients::all()
        .iter()
        .map(|client| {
            let file = user_file(client);
            let state = file
                .as_ref()
                .map_or("no home", |file| state(args, client, file));
            (client, file, state)
        })
        .collect();
    if printer.format() != Format::Human {
        let items: Vec<Value> = rows
            .iter()
            .map(|(client, file, state)| {
                json!({ "client": word(client), "title": client.title, "file": file, "state": state })
            })
            .collect();
        printer.items("clients", &items)?;
        return Ok(Exit::Ok);
    }
    for (client, file, state) in &rows {
        let file = file.as_ref().map(|file| file.display().to_string());
        let name = format!("{:<16}", word(client));
        let name = printer.paint_data(Tone::Name, &name).into_owned();
        printer.line(&format!("{name}{state:<15}{}", file.unwrap_or_default()))?;
    }
    printer
        .say("install in one with `toolexec install --client NAME`; --dry-run shows the change")?;
    Ok(Exit::Ok)
}

fn state(args: &InstallArgs, client: &Client, file: &Path) -> &'static str {
    let Ok(text) = fs::read_to_string(file) else {
        return if file.exists() {
            "unreadable"
        } else {
            "no file"
        };
    };
    match document::entry(client.syntax, &text, client.section, &args.name) {
        Ok(Some(_)) => "installed",
        Ok(None) => "not installed",
        Err(_) => "broken file",
    }
}

fn print(
    args: &InstallArgs,
    client: &Client,
    global: &Global,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let entry = entry::entry(client, &reach(args, global)?, None)?;
    match client.syntax {
        Syntax::Json => {
            let (section, name) = (client.section, args.name.as_str());
            printer.line(&pretty(&json!({ section: { name: entry } })))?;
        }
        Syntax::Toml => {
            let text = document::edit(client.syntax, "", client.section, &args.name, Some(&entry));
            printer.line(text.map_err(Failure::usage)?.trim_end())?;
        }
    }
    if let Ok(file) = target(args, client) {
        printer.say(&format!("it belongs into {}", file.display()))?;
    }
    Ok(Exit::Ok)
}

/// The file to change.
fn target(args: &InstallArgs, client: &Client) -> Result<PathBuf, Failure> {
    if let Some(path) = &args.path {
        return Ok(path.clone());
    }
    if args.project {
        return client.project.map(PathBuf::from).ok_or_else(|| {
            Failure::usage(format!("{} has no file of a project", client.title))
                .hint("leave --project out")
        });
    }
    user_file(client).ok_or_else(|| {
        Failure::usage("HOME is not set, so the file of the client is not known")
            .hint("name it with --path")
    })
}

fn user_file(client: &Client) -> Option<PathBuf> {
    client.user_file(System::current(), &|name| env::var(name).ok())
}

fn change(
    args: &InstallArgs,
    client: &Client,
    global: &Global,
    target: &Path,
    old: String,
) -> Result<Change, Failure> {
    let broken = |problem: String| {
        Failure::usage(format!("{} cannot be changed: {problem}", target.display()))
            .hint("nothing was changed; mend the file, or put in by hand what --print shows")
    };
    let Client {
        syntax, section, ..
    } = *client;
    let name = args.name.as_str();
    let before = document::entry(syntax, &old, section, name).map_err(broken)?;
    if let Some(before) = &before
        && entry::is_foreign(name, before)
        && !args.force
    {
        return Err(Failure::usage(format!(
            "{} has another server named {name}",
            target.display()
        ))
        .hint("nothing was changed; choose a --name, or replace it with --force"));
    }
    let after = if args.uninstall {
        None
    } else {
        let reach = reach(args, global)?;
        Some(entry::entry(client, &reach, before.as_ref())?)
    };
    let action = match (&before, &after) {
        (None, None) => "absent",
        (Some(_), None) => "removed",
        (None, Some(_)) => "installed",
        (Some(before), Some(after)) if before == after => "unchanged",
        (Some(_), Some(_)) => "updated",
    };
    let new = match action {
        "absent" | "unchanged" => old.clone(),
        _ => document::edit(syntax, &old, section, name, after.as_ref()).map_err(broken)?,
    };
    // What is written must be read again as it was meant.
    let read = document::entry(syntax, &new, section, name).map_err(broken)?;
    if read != after {
        return Err(broken("it would not hold what was put in".to_owned()));
    }
    Ok(Change { action, old, new })
}

/// How the client gets to the server.
fn reach(args: &InstallArgs, global: &Global) -> Result<Reach, Failure> {
    if let Some(url) = &args.http {
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(Failure::usage(format!("{url:?} is no http or https URL")));
        }
        let headers = args.headers.iter().map(|header| header_of(header));
        return Ok(Reach::Http {
            url: url.clone(),
            headers: headers.collect::<Result<_, _>>()?,
        });
    }
    let program = env::current_exe()
        .map_err(|error| Failure::usage(format!("where this program is is not known: {error}")))?;
    let mut serve = vec!["serve".to_owned()];
    if let Some(found) = config::find(global.config.as_deref())? {
        // The client starts it in a directory of its own.
        let file = fs::canonicalize(&found.file).unwrap_or(found.file);
        serve.extend(["--config".to_owned(), file.display().to_string()]);
    }
    serve.extend(args.serve.iter().cloned());
    let env = args.env.iter().map(|variable| variable_of(variable));
    Ok(Reach::Command {
        program: program.display().to_string(),
        args: serve,
        env: env.collect::<Result<_, _>>()?,
    })
}

fn header_of(header: &str) -> Result<(String, String), Failure> {
    match header.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        // The text may be a secret.
        _ => Err(Failure::usage("--header takes `NAME: VALUE`")),
    }
}

fn variable_of(variable: &str) -> Result<(String, String), Failure> {
    if let Some((name, value)) = variable.split_once('=') {
        return Ok((name.to_owned(), value.to_owned()));
    }
    match env::var(variable) {
        Ok(value) => Ok((variable.to_owned(), value)),
        Err(_) => Err(Failure::usage(format!("{variable} is not set here"))
            .hint(format!("give the value: --env {variable}=VALUE"))),
    }
}

fn check_name(name: &str) -> Result<(), Failure> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
        return Err(Failure::usage(format!("{name:?} is no name for a server"))
            .hint("letters, digits, _ and -, at most 64"));
    }
    Ok(())
}

/// Writes the file; makes its directory when the client has not.
fn write(target: &Path, text: &str) -> Result<(), Failure> {
    if let Some(dir) = target.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir).map_err(|error| {
            Failure::usage(format!("{} cannot be made: {error}", dir.display()))
        })?;
    }
    file::replace(target, text)
}

fn report(
    args: &InstallArgs,
    client: &Client,
    target: &Path,
    change: &Change,
    backup: Option<&Path>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let is_changed = change.new != change.old;
    let shown = target.display().to_string();
    let diff = TextDiff::from_lines(&change.old, &change.new)
        .unified_diff()
        .header(&shown, &shown)
        .to_string();
    if printer.format() != Format::Human {
        printer.document(&json!({
            "client": word(client),
            "file": target,
            "action": change.action,
            "written": is_changed && !args.dry_run,
            "backup": backup,
            "diff": diff,
        }))?;
        return Ok(());
    }
    if args.dry_run && is_changed {
        printer.line(diff.trim_end())?;
    }
    let what = match (change.action, args.dry_run) {
        ("absent", _) => format!("{} has no server named {}", client.title, args.name),
        ("unchanged", _) => format!("{} has it already", client.title),
        (action, false) => format!("{action}: {} in {shown}", args.name),
        (action, true) => format!("would be {action}: {} in {shown}", args.name),
    };
    printer.say(&what)?;
    if let Some(backup) = backup {
        printer.say(&format!("the old file is {}", backup.display()))?;
    }
    if is_changed && !args.dry_run {
        printer.say(&format!("next: {}", client.next))?;
    }
    Ok(())
}

/// The client as the command line has it.
fn word(client: &Client) -> String {
    let value = clap::ValueEnum::to_possible_value(&client.name);
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}
