//! `toolexec image`: what virtual machines and containers start from.

mod root;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use toolexec::sandbox::linux_guest::LinuxGuest;
use toolexec::sandbox::roots::{Root, Roots};
use toolexec::sandbox::vm::{Image, Images};
use toolexec::{Error, ErrorKind};
use toolexec_process::{Command, Stdin, base_env};

use super::code::cache;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::image_args::{ImageArgs, ImageTask};
use crate::live::Live;
use crate::printer::{Format, Printer};
use crate::session::Session;

/// What depends on the newest kernel that Debian makes for virtual machines.
const PACKAGE: &str = "linux-image-cloud-amd64";
/// What a tool may say that is read.
const SAID: usize = 1 << 20;

/// An image, as data.
#[derive(Serialize)]
struct Row {
    name: String,
    /// The version of Linux of a virtual machine's image, or the toolchains of a root.
    #[serde(flatten)]
    what: What,
    bytes: u64,
    directory: PathBuf,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Linux(String),
    With(Vec<&'static str>),
}

pub(crate) async fn run(
    args: ImageArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let cache = cache();
    let images = Images::below(cache.as_deref());
    let roots = Roots::below(cache.as_deref());
    match args.task {
        ImageTask::Build(args) if !args.with.is_empty() => {
            let made = Box::pin(root::build(&roots, args, session, printer)).await?;
            show(&[of_root(&made)], printer)?;
        }
        ImageTask::Build(args) => {
            let live = Live::start(printer, "making an image");
            let built = build(&images, cache, args.kernel).await;
            drop(live);
            show(&[of_image(&built?)], printer)?;
        }
        ImageTask::Ls => {
            let mut all: Vec<Row> = images.list()?.iter().map(of_image).collect();
            all.extend(roots.list()?.iter().map(of_root));
            show(&all, printer)?;
            if all.is_empty() {
                printer.say("no images; `toolexec image build` makes one")?;
            }
        }
        ImageTask::Rm { names } => {
            for name in names {
                if roots.has(&name) {
                    roots.remove(&name)?;
                } else {
                    images.remove(&name)?;
                }
                printer.say(&format!("removed {name}"))?;
            }
        }
        ImageTask::Export { name, output } => root::export(&roots, &name, output, printer)?,
    }
    Ok(Exit::Ok)
}

fn of_image(image: &Image) -> Row {
    Row {
        name: image.name(),
        what: What::Linux(image.linux().to_owned()),
        bytes: image.size(),
        directory: image.directory().to_owned(),
    }
}

fn of_root(root: &Root) -> Row {
    let with = root.recipe().with.iter();
    Row {
        name: root.name(),
        what: What::With(with.map(|toolchain| toolchain.as_str()).collect()),
        bytes: root.size(),
        directory: root.directory(),
    }
}

fn show(rows: &[Row], printer: &mut Printer) -> Result<(), Failure> {
    if printer.format() != Format::Human {
        printer.items("items", rows)?;
        return Ok(());
    }
    for row in rows {
        let what = match &row.what {
            What::Linux(version) => format!("Linux {version}"),
            What::With(toolchains) => toolchains.join(","),
        };
        let (size, directory) = (row.bytes >> 20, row.directory.display());
        printer.line(&format!("{}  {what}  {size} MiB  {directory}", row.name))?;
    }
    Ok(())
}

/// Makes an image of the kernel below a directory; otherwise of the one that is installed, or of
/// Debian's package, which is unpacked and not installed.
async fn build(
    images: &Images,
    cache: Option<PathBuf>,
    kernel: Option<PathBuf>,
) -> Result<Image, Failure> {
    let guest = LinuxGuest::built_in(cache);
    if let Some(root) = kernel {
        return Ok(images.build(&root, &guest)?);
    }
    if let Ok(image) = images.build(Path::new("/"), &guest) {
        return Ok(image);
    }
    let work = tempfile::tempdir()?;
    let root = download(work.path()).await?;
    Ok(images.build(&root, &guest)?)
}

/// Downloads the package of a kernel and unpacks it.
async fn download(work: &Path) -> Result<PathBuf, Failure> {
    let depends = tool(work, "apt-cache", &["depends", PACKAGE]).await?;
    let mut names = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    let package = names
        .find(|name| name.starts_with("linux-image-"))
        .ok_or_else(|| problem(&format!("apt does not know the package {PACKAGE}")))?;
    tool(work, "apt-get", &["-q", "download", package]).await?;
    let archive = fs::read_dir(work)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|kind| kind == "deb"))
        .ok_or_else(|| problem("apt-get downloaded no package"))?;
    let root = work.join("kernel");
    let (archive, to) = (archive.to_string_lossy(), root.to_string_lossy());
    tool(work, "dpkg-deb", &["-x", &*archive, &*to]).await?;
    Ok(root)
}

/// Runs one of Debian's tools; what it says.
async fn tool(dir: &Path, program: &str, args: &[&str]) -> Result<String, Failure> {
    let command = Command::new(program)
        .args(args.iter().copied())
        .envs(base_env())
        .stdin(Stdin::Null)
        .current_dir(dir);
    let failed = |why: String| problem(&format!("{program} {} failed: {why}", args.join(" ")));
    let output = command.run(Vec::new(), SAID).await;
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.exit.is_success() {
        let said = output.stderr.last(3);
        return Err(failed(said.unwrap_or_else(|| output.exit.to_string())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn problem(what: &str) -> Failure {
    let error = Error::new(ErrorKind::SandboxUnavailable, what.to_owned()).with_hint(
        "unpack a kernel's package elsewhere and name the directory: \
         toolexec image build --kernel DIRECTORY",
    );
    Failure::from(error)
}
