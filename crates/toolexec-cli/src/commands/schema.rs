//! `toolexec schema`.

use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(printer: &mut Printer) -> Result<Exit, Failure> {
    printer.document(&toolexec::config::schema())?;
    Ok(Exit::Ok)
}
