//! `toolexec serve`: an MCP server in front of all tools.

use toolexec::mcp::server::Server;
use toolexec::mcp::server::http::{HttpOptions, HttpServer};

use crate::args::ServeArgs;
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
    let server = session
        .executor
        .mcp_server()
        .mode(args.mode)
        .code(code::executor(&bounds, session))
        .build()
        .await;
    let Some(address) = args.http else {
        return stdio(&server, session).await;
    };
    let http = server.http(HttpOptions::new(address)).await?;
    printer.say(&format!(
        "serving MCP at http://{}/mcp ({} mode)",
        http.address(),
        args.mode
    ))?;
    listen(http, session).await
}

/// One client; standard output is the protocol's alone.
async fn stdio(server: &Server, session: &Session) -> Result<Exit, Failure> {
    let stop = session.interrupt();
    let serve = async {
        server.stdio(stop.clone()).await?;
        Ok(Exit::Ok)
    };
    interruptible(stop, serve, |_, signal| signal).await
}

async fn listen(http: HttpServer, session: &Session) -> Result<Exit, Failure> {
    let stop = session.interrupt();
    let serve = async {
        http.run(stop.clone()).await?;
        Ok(Exit::Ok)
    };
    interruptible(stop, serve, |_, signal| signal).await
}
