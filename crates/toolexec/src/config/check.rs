//! What types cannot say: which keys belong together, and which source is usable.

use std::collections::BTreeMap;
use std::path::Path;

use toolexec_core::id::MAX_SEGMENT;
use toolexec_providers::command::Commands;

use super::code;
use super::confine;
use super::connect::command_tool;
use super::document::{Document, Unexpanded};
use super::sections::{ApiSection, CommandSection, Sections, ServerSection};
use super::web::{self, WEB, WebSection};
use super::{Config, ConfigError, Fault, SourceName, rules, serve};

/// The namespace of programs that name none.
pub(super) const COMMANDS: &str = "commands";

/// Checks the sections, and takes out the sources that cannot or shall not be used.
pub(super) fn checked(
    document: &Document<'_>,
    mut sections: Sections,
    unset: Vec<Unexpanded>,
) -> Result<Config, ConfigError> {
    for (name, server) in &sections.servers {
        check_server(document, name, server)?;
    }
    for (name, api) in &sections.apis {
        check_api(document, name, api)?;
    }
    for (name, command) in &sections.commands {
        check_command(document, name, command)?;
    }
    for (name, section) in &sections.web {
        web::check(document, name, section)?;
    }
    if let Some(limit @ (0 | 101..)) = sections.search.limit {
        let message = format!("a limit of {limit} is not from 1 to 100");
        return Err(document.at_value(&["search", "limit"], message));
    }
    code::check(document, &sections.code)?;
    rules::check(document, &sections)?;
    serve::check(document, &sections.serve)?;
    let disabled = take_disabled(&mut sections);
    let (serve_unset, unset) = unset.into_iter().partition(|unset: &Unexpanded| {
        unset.path.first().is_some_and(|section| section == "serve")
    });
    let serve_unset: Vec<Unexpanded> = serve_unset;
    let faults = take_faults(&mut sections, unset)?;
    Ok(Config {
        file: Some(document.file().to_owned()),
        sections,
        faults,
        disabled,
        serve_fault: serve_unset.into_iter().next().map(|unset| unset.error),
    })
}

/// Sections that are sources.
trait SourceSection {
    const SECTION: &'static str;
    fn namespace<'a>(&'a self, name: &'a str) -> &'a str;
    fn is_enabled(&self) -> bool;

    fn source_name(&self, name: &str) -> SourceName {
        SourceName {
            section: Self::SECTION,
            name: name.to_owned(),
            namespace: self.namespace(name).to_owned(),
        }
    }
}

impl SourceSection for ServerSection {
    const SECTION: &'static str = "servers";
    fn namespace<'a>(&'a self, name: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(name)
    }
    fn is_enabled(&self) -> bool {
        self.enabled != Some(false)
    }
}

impl SourceSection for ApiSection {
    const SECTION: &'static str = "apis";
    fn namespace<'a>(&'a self, name: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(name)
    }
    fn is_enabled(&self) -> bool {
        self.enabled != Some(false)
    }
}

impl SourceSection for CommandSection {
    const SECTION: &'static str = "commands";
    fn namespace<'a>(&'a self, _: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(COMMANDS)
    }
    fn is_enabled(&self) -> bool {
        self.enabled != Some(false)
    }
}

impl SourceSection for WebSection {
    const SECTION: &'static str = WEB;
    fn namespace<'a>(&'a self, _: &'a str) -> &'a str {
        WEB
    }
    fn is_enabled(&self) -> bool {
        self.enabled != Some(false)
    }
}

fn take_disabled(sections: &mut Sections) -> Vec<SourceName> {
    let mut all = disabled_of(&mut sections.servers);
    all.extend(disabled_of(&mut sections.apis));
    all.extend(disabled_of(&mut sections.commands));
    all.extend(disabled_of(&mut sections.web));
    all
}

fn disabled_of<S: SourceSection>(sources: &mut BTreeMap<String, S>) -> Vec<SourceName> {
    let off = sources.extract_if(.., |_, source| !source.is_enabled());
    off.map(|(name, source)| source.source_name(&name))
        .collect()
}

/// Takes out the sources with variables that are not set; one fault each.
fn take_faults(sections: &mut Sections, unset: Vec<Unexpanded>) -> Result<Vec<Fault>, ConfigError> {
    let mut faults = Vec::new();
    for Unexpanded { path, error } in unset {
        let [section, name, ..] = path.as_slice() else {
            return Err(error);
        };
        // Absent: disabled, or its fault is known already.
        let source = match section.as_str() {
            "servers" => remove(&mut sections.servers, name),
            "apis" => remove(&mut sections.apis, name),
            WEB => remove(&mut sections.web, name),
            _ => remove(&mut sections.commands, name),
        };
        faults.extend(source.map(|source| Fault { source, error }));
    }
    Ok(faults)
}

fn remove<S: SourceSection>(sources: &mut BTreeMap<String, S>, name: &str) -> Option<SourceName> {
    sources.remove(name).map(|source| source.source_name(name))
}

fn check_server(
    document: &Document<'_>,
    name: &str,
    server: &ServerSection,
) -> Result<(), ConfigError> {
    let at = |key: &str, message: String| document.at_key(&["servers", name, key], message);
    check_namespace(document, "servers", name, server.namespace.as_deref())?;
    if let Some(sandbox) = &server.sandbox {
        confine::check(document, &["servers", name, "sandbox"], sandbox)?;
    }
    match (&server.command, &server.url) {
        (None, None) => Err(document
            .at_key(
                &["servers", name],
                format!("server {name} has neither `command` nor `url`"),
            )
            .with_hint("give `command` (and `args`) for a server that is started")
            .with_hint("or `url` for one that is reached over HTTP")),
        (Some(_), Some(_)) => Err(at(
            "url",
            format!("server {name} has both `command` and `url`; it is one or the other"),
        )),
        (None, Some(url)) => {
            check_url(document, &["servers", name, "url"], url)?;
            let stray = [
                ("args", !server.args.is_empty()),
                ("env", !server.env.is_empty()),
                ("cwd", server.cwd.is_some()),
                ("sandbox", server.sandbox.is_some()),
            ];
            match stray.into_iter().find(|&(_, is_set)| is_set) {
                Some((key, _)) => Err(at(
                    key,
                    format!("`{key}` is for servers with a `command`; {name} has a `url`"),
                )),
                None => Ok(()),
            }
        }
        (Some(command), None) => {
            if command.trim().is_empty() {
                return Err(at(
                    "command",
                    format!("the command of server {name} is empty"),
                ));
            }
            if command.contains(char::is_whitespace) && server.args.is_empty() {
                return Err(document
                    .at_value(
                        &["servers", name, "command"],
                        format!("the command of server {name} has spaces and no `args`"),
                    )
                    .with_hint(split_hint(command)));
            }
            let stray = [
                ("headers", !server.headers.is_empty()),
                ("auth", server.auth.is_some()),
            ];
            match stray.into_iter().find(|&(_, is_set)| is_set) {
                Some((key, _)) => Err(at(
                    key,
                    format!("`{key}` is for servers with a `url`; {name} has a `command`"),
                )),
                None => Ok(()),
            }
        }
    }
}

fn split_hint(command: &str) -> String {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let args: Vec<String> = words.map(|word| format!("{word:?}")).collect();
    format!(
        "no shell splits it; write command = {program:?} and args = [{}]",
        args.join(", ")
    )
}

fn check_api(document: &Document<'_>, name: &str, api: &ApiSection) -> Result<(), ConfigError> {
    check_namespace(document, "apis", name, api.namespace.as_deref())?;
    if api.spec.as_os_str().is_empty() {
        return Err(document
            .at_key(&["apis", name], format!("API {name} has no `spec`"))
            .with_hint("give the path of its OpenAPI document: spec = \"openapi.json\""));
    }
    match &api.base_url {
        Some(url) => check_url(document, &["apis", name, "base_url"], url),
        None => Ok(()),
    }
}

fn check_command(
    document: &Document<'_>,
    name: &str,
    command: &CommandSection,
) -> Result<(), ConfigError> {
    check_segment(document, &["commands", name], "the name of a tool", name)?;
    let namespace = command.namespace.as_deref();
    check_namespace(document, "commands", COMMANDS, namespace)?;
    if command.program.trim().is_empty() {
        return Err(document
            .at_key(
                &["commands", name],
                format!("command {name} has no `program`"),
            )
            .with_hint("give the program to run: program = \"jq\""));
    }
    if let Some(sandbox) = &command.sandbox {
        confine::check(document, &["commands", name, "sandbox"], sandbox)?;
    }
    let tool = command_tool(name, command, Path::new(""));
    match Commands::new(COMMANDS, namespace.unwrap_or(COMMANDS), [tool]) {
        Ok(_) => Ok(()),
        Err(error) => {
            let place = document.at_key(&["commands", name, "args"], error.guest_message());
            let hints = error.hints().iter().cloned();
            Err(hints.fold(place, ConfigError::with_hint))
        }
    }
}

fn check_namespace(
    document: &Document<'_>,
    section: &str,
    name: &str,
    own: Option<&str>,
) -> Result<(), ConfigError> {
    match own {
        // Its tools have none.
        Some("") => Ok(()),
        Some(own) => check_segment(document, &[section, name, "namespace"], "a namespace", own),
        None => check_segment(document, &[section, name], "a namespace", name),
    }
}

fn check_segment(
    document: &Document<'_>,
    path: &[&str],
    what: &str,
    text: &str,
) -> Result<(), ConfigError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !text.is_empty() && text.len() <= MAX_SEGMENT && text.chars().all(is_allowed) {
        return Ok(());
    }
    let fixed: String = text
        .chars()
        .map(|c| if is_allowed(c) { c } else { '_' })
        .take(MAX_SEGMENT)
        .collect();
    let error = document.at_key(
        path,
        format!("{text:?} cannot be {what}: it takes 1 to {MAX_SEGMENT} of A-Z a-z 0-9 _ . -"),
    );
    Err(if fixed.is_empty() {
        error
    } else {
        error.with_hint(format!("for example: {fixed}"))
    })
}

fn check_url(document: &Document<'_>, path: &[&str], url: &str) -> Result<(), ConfigError> {
    // A variable that is not set yet is a fault of its own.
    if url.starts_with("http://") || url.starts_with("https://") || url.contains("${") {
        return Ok(());
    }
    Err(document.at_value(path, "this is no http:// or https:// URL"))
}
