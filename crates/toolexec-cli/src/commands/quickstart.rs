//! `toolexec quickstart`: everything at once, on this machine alone.
//!
//! The tools are real: Rust functions of this program, an MCP server that is this program once
//! more, and an HTTP API on a loopback port.

use std::sync::Arc;

use toolexec::mcp::{McpServer, ServerConfig};
use toolexec::providers::openapi::Credential;
use toolexec::providers::{ApiConfig, OpenApi};
use toolexec::{Executor, RunSettings, Source};

use super::describe::quoted;
use super::{chain, describe, run, search};
use crate::args::{ChainArgs, DescribeArgs, DetailArg, FilterArgs, RunArgs, SearchArgs, TypeLang};
use crate::builtin;
use crate::demo::http_api::{HttpApi, KEY};
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::{Printer, Tone};
use crate::session::Session;

pub(crate) async fn run(printer: &mut Printer) -> Result<Exit, Failure> {
    let api = HttpApi::start().await?;
    let session = Session::over(executor(&api)?);
    // One stream, so that calls and their answers stay in order.
    printer.merge();
    let outcome = Tour { session, printer }.walk().await;
    drop(api);
    outcome
}

fn executor(api: &HttpApi) -> Result<Executor, Failure> {
    let us = std::env::current_exe()?;
    let us = us.to_string_lossy().into_owned();
    let notes = ServerConfig::stdio(us, ["demo-mcp-server"]);
    let config = ApiConfig {
        auth: [("key".to_owned(), key())].into(),
        allow_private: true,
        ..ApiConfig::default()
    };
    let todos: Arc<dyn Source> = OpenApi::load("todos", &config, api.document())?;
    let mut builder = Executor::builder()
        .settings(RunSettings::default())
        .source(McpServer::new("notes", "notes", notes))
        .source(todos);
    for tools in builtin::all() {
        builder = builder.local(tools);
    }
    Ok(builder.build()?)
}

fn key() -> Credential {
    Credential::ApiKey {
        value: KEY.into(),
        location: None,
        name: None,
    }
}

/// The way through, one call after the other.
struct Tour<'p> {
    session: Session,
    printer: &'p mut Printer,
}

impl Tour<'_> {
    async fn walk(mut self) -> Result<Exit, Failure> {
        self.text(
            "Tools of three kinds: Rust functions (math, text, time, demo), an MCP server (notes)",
        )?;
        self.text("and an HTTP API (todos). All run here; nothing leaves this machine.")?;
        let outcome = self.steps().await;
        self.session.close().await;
        outcome?;
        self.text("")?;
        self.text("Now with your own tools:")?;
        self.text("  toolexec init                     write a toolexec.toml")?;
        self.text(
            "  toolexec import FILE              take over MCP servers or an OpenAPI document",
        )?;
        self.text("  toolexec list                     see what is there")?;
        Ok(Exit::Ok)
    }

    async fn steps(&mut self) -> Result<(), Failure> {
        self.part("Find a tool by what it does")?;
        self.search(&["add", "two", "numbers"]).await?;
        self.part("See what it takes")?;
        self.describe("math:add").await?;
        self.part("Run it: a Rust function, an MCP server, an HTTP API")?;
        self.run("math:add", &["a=5", "b=3"], false, Exit::Ok)
            .await?;
        let note = ["title=Milk", "text=Buy two bottles"];
        self.run("notes:create_note", &note, false, Exit::Ok)
            .await?;
        let todo = ["body:={\"what\":\"Water the plants\"}"];
        self.run("todos:add_todo", &todo, false, Exit::Ok).await?;
        self.part("Chain tools of all kinds: each step uses what came before")?;
        self.chain(&[
            "todos:get_todo id=1",
            "notes:create_note title=Today text={{prev.what}}",
            "text:upper text={{steps[1].text}}",
        ])
        .await?;
        self.part("Stream: see what happens as it happens")?;
        self.run("demo:count", &["to=3"], true, Exit::Ok).await?;
        self.part("Mistakes say what is wrong and what to do; nothing ran here")?;
        self.run("math:add", &["a=five"], false, Exit::InvalidInput)
            .await?;
        self.run("math:ad", &["a=5", "b=3"], false, Exit::InvalidInput)
            .await?;
        self.part("A tool's own failure is told apart")?;
        self.run("math:divide", &["a=1", "b=0"], false, Exit::ToolError)
            .await
    }

    async fn search(&mut self, words: &[&str]) -> Result<(), Failure> {
        self.typed(&format!("search {}", words.join(" ")))?;
        let args = SearchArgs {
            words: words.iter().map(|&word| word.to_owned()).collect(),
            filter: FilterArgs {
                namespace: None,
                tags: Vec::new(),
            },
            limit: Some(3),
            cursor: None,
        };
        let exit = search::run(&args, &self.session, self.printer).await?;
        expect(exit, Exit::Ok, "search")
    }

    async fn describe(&mut self, tool: &str) -> Result<(), Failure> {
        self.typed(&format!("describe {tool}"))?;
        let args = DescribeArgs {
            tool: tool.to_owned(),
            detail: DetailArg::Full,
            lang: TypeLang::default(),
        };
        let exit = describe::run(&args, &self.session, self.printer).await?;
        expect(exit, Exit::Ok, tool)
    }

    async fn run(
        &mut self,
        tool: &str,
        words: &[&str],
        stream: bool,
        wanted: Exit,
    ) -> Result<(), Failure> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let flag = if stream { " --stream" } else { "" };
        self.typed(&format!("run {tool} {}{flag}", quoted.join(" ")))?;
        let args = RunArgs {
            tool: tool.to_owned(),
            args: words,
            stream,
            backend: None,
        };
        let exit = match run::run(args, &self.session, self.printer).await {
            Ok(exit) => exit,
            Err(failure) => failure.show(self.printer),
        };
        expect(exit, wanted, tool)
    }

    async fn chain(&mut self, steps: &[&str]) -> Result<(), Failure> {
        let quoted: Vec<String> = steps.iter().map(|step| quoted(step)).collect();
        self.typed(&format!("chain {}", quoted.join(" \\\n      ")))?;
        let args = ChainArgs {
            steps: steps.iter().map(|&step| step.to_owned()).collect(),
            stream: true,
        };
        let exit = chain::run(args, &self.session, self.printer).await?;
        expect(exit, Exit::Ok, "chain")
    }

    fn part(&mut self, title: &str) -> Result<(), Failure> {
        let title = self.printer.paint_data(Tone::Name, title).into_owned();
        self.text("")?;
        self.text(&title)
    }

    fn typed(&mut self, line: &str) -> Result<(), Failure> {
        let line = format!("$ toolexec {line}");
        let line = self.printer.paint_data(Tone::Dim, &line).into_owned();
        self.text(&line)
    }

    fn text(&mut self, line: &str) -> Result<(), Failure> {
        Ok(self.printer.line(line)?)
    }
}

fn expect(exit: Exit, wanted: Exit, what: &str) -> Result<(), Failure> {
    if exit == wanted {
        return Ok(());
    }
    let message = format!("{what} ended with {exit:?} where {wanted:?} was expected");
    Err(toolexec::Error::new(toolexec::ErrorKind::Internal, message).into())
}
