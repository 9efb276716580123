//! The command line.
use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one attempt of a job on this machine; the portal calls it.
    #[command(hide = true)]
    Supervise {
        /// The attempt's run folder.
        #[arg(long)]
        run: PathBuf,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Supervise { run } => tourmaline::cluster::local::supervise(&run),
    }
}
