//! The toolexec program, as a library so that `main` stays small.
//!
//! `args` is the command line, `commands` what each command does, `printer` where output goes,
//! `diagnostics` how errors look and `exit` how the program ends.

mod args;
mod arguments;
mod builtin;
mod code_args;
mod commands;
mod demo;
mod diagnostics;
mod exit;
#[cfg(target_os = "linux")]
mod image_args;
mod install_args;
mod live;
mod printer;
mod session;
mod session_args;
mod signals;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use toolexec::mcp::interaction::{Interaction, Relay};

use args::{Cli, Command};
use diagnostics::Failure;
use exit::Exit;
use printer::Printer;
use session::Session;

/// Runs the program.
pub fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    {
        let args: Vec<_> = std::env::args_os().collect();
        if toolexec_cell::is_asked(&args) {
            return toolexec_cell::run(args);
        }
    }
    if toolexec_guest::program::is_asked(std::env::args_os()) {
        return toolexec_guest::program::run(std::env::args_os());
    }
    // Clap ends the process itself for --help, --version and usage errors (code 2).
    let cli = Cli::parse();
    if matches!(cli.command, Command::JqWorker) {
        return toolexec::mcp::server::results::jq_worker();
    }
    let global = &cli.global;
    log_to_stderr(global.verbose);
    let mut printer = Printer::new(
        global.format,
        global.quiet,
        global.verbose > 0,
        global.no_color,
    );
    let exit = match dispatch(cli, &mut printer) {
        Ok(exit) => exit,
        Err(failure) => failure.show(&mut printer),
    };
    exit.into()
}

fn dispatch(cli: Cli, printer: &mut Printer) -> Result<Exit, Failure> {
    match cli.command {
        Command::Init(args) => return commands::init::run(&args, printer),
        Command::Import(args) => return commands::import::run(&args, &cli.global, printer),
        Command::Install(args) => return commands::install::run(&args, &cli.global, printer),
        Command::Completions { shell } => return commands::completions::run(shell, printer),
        Command::Schema => return commands::schema::run(printer),
        _ => {}
    }
    let is_host = matches!(&cli.command, Command::Session(args) if args.is_host());
    if is_host {
        commands::session::leave_terminal()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(with_session(cli, printer));
    // A blocking tool that does not end must not keep the program.
    runtime.shutdown_background();
    outcome
}

/// The commands that need tools.
async fn with_session(cli: Cli, printer: &mut Printer) -> Result<Exit, Failure> {
    match cli.command {
        Command::Quickstart => return commands::quickstart::run(printer).await,
        Command::Session(args) if !args.is_host() => {
            return commands::session::run(args.task, cli.global.timeout, printer).await;
        }
        Command::DemoMcpServer => return demo::mcp_server::serve().await,
        _ => {}
    }
    let session = match &cli.command {
        // What servers ask goes to the client that made the call.
        Command::Serve(_) => {
            let relay: Arc<dyn Interaction> = Arc::new(Relay);
            Session::open_with(&cli.global, Some(&relay), printer)?
        }
        _ => Session::open(&cli.global, printer)?,
    };
    let outcome = match cli.command {
        Command::Run(args) => commands::run::run(args, &session, printer).await,
        Command::Chain(args) => commands::chain::run(args, &session, printer).await,
        Command::Search(args) => commands::search::run(&args, &session, printer).await,
        Command::Describe(args) => commands::describe::run(&args, &session, printer).await,
        Command::Code(args) => commands::code::run(&args, &session, printer).await,
        Command::Repl(args) => Box::pin(commands::repl::run(&args, &session, printer)).await,
        Command::Session(args) => commands::session::host(args, &session, printer).await,
        Command::Types(args) => commands::types::run(&args, &session, printer).await,
        Command::List(args) => commands::list::run(&args, &session, printer).await,
        Command::Serve(args) => Box::pin(commands::serve::run(&args, &session, printer)).await,
        Command::Login(args) => Box::pin(commands::login::login(&args, &session, printer)).await,
        Command::Logout(args) => commands::login::logout(&args, &session, printer).await,
        Command::Doctor(args) => commands::doctor::run(&args, &session, printer).await,
        #[cfg(target_os = "linux")]
        Command::Image(args) => commands::image::run(args, &session, printer).await,
        _ => Ok(Exit::Internal),
    };
    session.close().await;
    outcome
}

/// `-vv` shows what the libraries log.
fn log_to_stderr(verbose: u8) {
    use tracing_subscriber::filter::LevelFilter;

    let level = match verbose {
        0 | 1 => return,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // Fails only when a subscriber is set already, and nobody else sets one.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .try_init();
}

/// The code of the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
