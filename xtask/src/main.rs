//! The tasks of this workspace: `cargo xtask TASK`.

mod peers;
mod shell;

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
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Peers(options) => peers::run(&options),
    }
}
