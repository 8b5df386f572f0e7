//! The command line of `image`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use toolexec::sandbox::roots::Toolchain;

/// Arguments of `image`.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    #[command(subcommand)]
    pub(crate) task: ImageTask,
}

/// What to do with images.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageTask {
    /// Make an image of a kernel and the guest for virtual machines, or with --with a root with
    /// toolchains for containers; takes the one that is there if it is the same.
    Build(BuildArgs),
    /// List the images.
    Ls,
    /// Remove images.
    Rm {
        /// Their names.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Write a root as a tar archive, such as `docker import -` takes.
    Export {
        /// Its name.
        name: String,
        /// The file; otherwise stdout.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// What to make an image of.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Where boot/vmlinuz-* and lib/modules are; otherwise the installed kernel, or the
    /// distribution's package, which is downloaded.
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "with")]
    pub(crate) kernel: Option<PathBuf>,
    /// Make a root with these toolchains: python, node, go, bash.
    #[arg(long, value_name = "TOOLCHAINS", value_delimiter = ',')]
    pub(crate) with: Vec<Toolchain>,
    #[command(flatten)]
    pub(crate) root: RootArgs,
}

/// What a root is made of besides its toolchains.
#[derive(Debug, Args)]
#[command(next_help_heading = "With --with")]
pub(crate) struct RootArgs {
    /// The name of the root, which configurations and --image take [default: a hash].
    #[arg(long, requires = "with")]
    pub(crate) name: Option<String>,
    /// The release of Debian [default: bookworm].
    #[arg(long, requires = "with")]
    pub(crate) suite: Option<String>,
    /// Where Debian's packages come from [default: deb.debian.org].
    #[arg(long, value_name = "URL", requires = "with")]
    pub(crate) mirror: Option<String>,
    /// More packages of Debian; may be repeated.
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',', requires = "with")]
    pub(crate) package: Vec<String>,
    /// Packages of Python, as pip names them; may be repeated.
    #[arg(long, value_name = "PACKAGE", requires = "with")]
    pub(crate) pip: Vec<String>,
    /// Packages of Node, as npm names them; may be repeated.
    #[arg(long, value_name = "PACKAGE", requires = "with")]
    pub(crate) npm: Vec<String>,
    /// Make an image of the Docker daemon of it, too.
    #[arg(long, requires = "with")]
    pub(crate) docker: bool,
}
