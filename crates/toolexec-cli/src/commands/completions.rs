//! `toolexec completions`.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::Cli;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(shell: Shell, printer: &mut Printer) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "toolexec", &mut script);
    printer.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}
