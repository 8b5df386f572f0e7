//! `toolexec init`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use toolexec::config::FILE_NAME;

use crate::args::InitArgs;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::Printer;

/// A configuration that works as it stands, with examples to uncomment.
pub(crate) const TEMPLATE: &str = include_str!("init.toml");

pub(crate) fn run(args: &InitArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let file = args.file.as_deref().unwrap_or(Path::new(FILE_NAME));
    let mut options = OpenOptions::new();
    options.write(true);
    if args.force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written = options
        .open(file)
        .and_then(|mut open| open.write_all(TEMPLATE.as_bytes()));
    match written {
        Ok(()) => {
            printer.say(&format!("wrote {}", file.display()))?;
            printer.say("next: `toolexec list`, then add a server or an API to the file")?;
            Ok(Exit::Ok)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Failure::usage(format!(
            "{} is there already",
            file.display()
        ))
        .hint("--force overwrites it")),
        Err(error) => Err(Failure::usage(format!(
            "{} cannot be written: {error}",
            file.display()
        ))),
    }
}
