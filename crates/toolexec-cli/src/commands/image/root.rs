//! Roots with toolchains, for containers.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use toolexec::sandbox::docker;
use toolexec::sandbox::roots::{Recipe, Root, Roots};
use toolexec::{Error, ErrorKind};

use crate::commands::code::docker_host;
use crate::diagnostics::Failure;
use crate::image_args::BuildArgs;
use crate::live::Live;
use crate::printer::Printer;
use crate::session::Session;

/// Makes a root, and an image of the Docker daemon if that was asked for.
pub(super) async fn build(
    roots: &Roots,
    args: BuildArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Root, Failure> {
    let own = args.root;
    let usual = Recipe::new(args.with);
    let recipe = Recipe {
        suite: own.suite.unwrap_or(usual.suite),
        mirror: own.mirror.unwrap_or(usual.mirror),
        packages: own.package.into_iter().collect(),
        pip: own.pip.into_iter().collect(),
        npm: own.npm.into_iter().collect(),
        ..usual
    };
    let live = Live::start(printer, "making a root; this takes a few minutes");
    let built = session
        .within(roots.build(&recipe, own.name.as_deref()))
        .await;
    drop(live);
    let root = built?;
    if own.docker {
        let host = docker_host(&session.config);
        let live = Live::start(printer, "giving the root to Docker");
        let imported = session.within(docker::import(&host, &root)).await;
        drop(live);
        imported?;
        printer.say(&format!("Docker has it as the image {}", root.name()))?;
    }
    Ok(root)
}

/// Writes a root as an archive.
pub(super) fn export(
    roots: &Roots,
    name: &str,
    output: Option<PathBuf>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let root = roots.find(name).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("there is no root {name}"))
            .with_hint("`toolexec image ls` shows those that are there")
    })?;
    let Some(output) = output else {
        let Some(out) = printer.bytes() else {
            let message = "an archive is not written to a terminal";
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .with_hint("name a file with --output, or pipe it: | docker import - NAME")
                .into());
        };
        root.export(BufWriter::new(out))?;
        return Ok(());
    };
    root.export(BufWriter::new(File::create(&output)?))?;
    printer.say(&format!("wrote {}", output.display()))?;
    Ok(())
}
