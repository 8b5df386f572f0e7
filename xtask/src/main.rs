//! The tasks of this workspace: `cargo xtask TASK`.

mod attacks;
mod bench_http;
mod ci;
mod daemons;
mod generate;
mod guest;
#[cfg(feature = "guest")]
mod image;
mod licences;
mod peers;
mod results;
mod sandboxes;
mod shell;
mod test;
mod tidy;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install the real programs that tests talk to (idempotent).
    Peers(peers::Options),
    /// Install and start Docker, containerd, runc and gVisor for the tests (idempotent, as root).
    Daemons(daemons::Options),
    /// Install what the tests talk to, then run every test and doc test.
    Test(test::Options),
    /// Check the licences and sources of all dependencies against deny.toml.
    Licences,
    /// Everything that CI checks.
    Ci,
    /// Write the generated files.
    Generate {
        /// Change nothing; fail when a file is out of date.
        #[arg(long)]
        check: bool,
        /// Only these files.
        files: Vec<String>,
    },
    /// Build the guests for wasm and for Linux and keep them beside the sandboxes that run them.
    Guest(guest::Options),
    /// Initialise and pack a guest; `guest` runs this.
    #[cfg(feature = "guest")]
    #[command(hide = true)]
    GuestImage {
        /// The module.
        module: std::path::PathBuf,
        /// Where the packed image goes.
        packed: std::path::PathBuf,
    },
    /// Run every bench once, without measuring.
    Benches,
    /// Keep the medians that the benches of sandboxes measured, for docs/sandboxes.md.
    Measured,
    /// Calls a second over HTTP beside a bare rmcp server; needs wrk.
    BenchHttp(bench_http::Options),
    /// Check the rules that no compiler checks.
    Tidy,
    /// Run tests in an emulated machine whose kernel has control groups of version 2.
    Vm(vm::Options),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Peers(options) => peers::run(&options),
        Task::Daemons(options) => daemons::run(&options),
        Task::Test(options) => test::run(&options),
        Task::Licences => licences::run(),
        Task::Ci => ci::run(),
        Task::Generate { check, files } => generate::run(check, &files),
        Task::Guest(options) => guest::run(&options),
        #[cfg(feature = "guest")]
        Task::GuestImage { module, packed } => image::run(&module, &packed),
        Task::Benches => test::benches(),
        Task::Measured => sandboxes::keep(),
        Task::BenchHttp(options) => bench_http::run(&options),
        Task::Tidy => tidy::run(),
        Task::Vm(options) => vm::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `{:?}`: a backtrace of a task helps nobody.
            shell::say(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
