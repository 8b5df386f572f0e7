//! `toolexec serve`: an MCP server in front of all tools.

use toolexec::mcp::server::auth::Auth;
use toolexec::mcp::server::http::{HttpServer, TlsFiles};
use toolexec::mcp::server::results::JqProgram;
use toolexec::mcp::server::{Mode, Server};

use crate::args::{JQ_WORKER, ServeArgs};
use crate::code_args::BoundsArgs;
use crate::commands::code;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session::Session;
use crate::signals::interruptible;

pub(crate) async fn run(
    args: &ServeArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let bounds = BoundsArgs::default();
    let configured = session.config.sections.serve.mode.map(Mode::from);
    let mode = args.mode.or(configured).unwrap_or_default();
    let mut builder = session
        .executor
        .mcp_server()
        .mode(mode)
        .code(code::executor(&bounds, session));
    if let Some(mut options) = session.config.result_options() {
        options.jq = jq();
        builder = builder.results(options);
    }
    for upstream in session.connected.servers() {
        builder = builder.upstream(upstream.clone());
    }
    let server = builder.build();
    let Some(address) = args.http else {
        return Box::pin(stdio(&server, session)).await;
    };
    let mut options = session.config.http_options(address)?;
    if args.no_auth {
        options.auth = Auth::None;
    }
    options.allowed_hosts.extend(args.allowed_hosts.clone());
    options.allowed_origins.extend(args.allowed_origins.clone());
    if let (Some(certificates), Some(key)) = (&args.tls_cert, &args.tls_key) {
        options.tls = Some(TlsFiles {
            certificates: certificates.clone(),
            key: key.clone(),
        });
    }
    let http = server.http(options).await?;
    printer.say(&format!("serving MCP at {} ({mode} mode)", http.url()))?;
    let mut serving = Box::pin(listen(http, session));
    if mode == Mode::Auto {
        // Asks every source, which clients need not wait for.
        let decision = tokio::select! {
            exit = &mut serving => return exit,
            decision = server.decide() => decision,
        };
        printer.say(&format!("{} mode: {}", decision.mode, decision.reason))?;
    }
    serving.await
}

/// This program, as the one that applies jq filters.
fn jq() -> Option<JqProgram> {
    let program = std::env::current_exe().ok()?;
    let mut jq = JqProgram::new(program);
    jq.args.push(JQ_WORKER.into());
    Some(jq)
}

/// One client; standard output is the protocol's alone.
async fn stdio(server: &Server, session: &Session) -> Result<Exit, Failure> {
    let stop = session.interrupt();
    let serve = async {
        server.stdio(stop.clone()).await?;
        Ok(Exit::Ok)
    };
    Box::pin(interruptible(stop, serve, |_, signal| signal)).await
}

async fn listen(http: HttpServer, session: &Session) -> Result<Exit, Failure> {
    let stop = session.interrupt();
    let serve = async {
        http.run(stop.clone()).await?;
        Ok(Exit::Ok)
    };
    interruptible(stop, serve, |_, signal| signal).await
}
