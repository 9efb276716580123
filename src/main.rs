//! The command line.
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};
use tourmaline::{
    cluster::local,
    config::{self, Config},
    server, telemetry,
};

mod admin;

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Clone)]
struct Settings {
    /// A settings file (TOML); `TOURMALINE_SECTION__KEY` overrides.
    #[arg(long, env = "TOURMALINE_CONFIG")]
    config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, env = "TOURMALINE_DATA")]
    data: Option<PathBuf>,
}

impl Settings {
    fn load(&self) -> anyhow::Result<(Config, PathBuf)> {
        let config = config::load(self.config.as_deref())?;
        let data = match &self.data {
            Some(data) => data.clone(),
            None => config::default_data_folder()?,
        };
        Ok((config, std::path::absolute(data)?))
    }
}

#[derive(Subcommand)]
enum Command {
    /// Serves the portal.
    Serve {
        #[command(flatten)]
        settings: Settings,
        /// The address to listen on, such as 127.0.0.1:8080.
        #[arg(long)]
        listen: Option<std::net::SocketAddr>,
    },
    /// Brings the database's schema up to date.
    Migrate {
        #[command(flatten)]
        settings: Settings,
    },
    /// Checks the settings and the rules.
    CheckConfig {
        #[command(flatten)]
        settings: Settings,
    },
    /// Works on the database itself, whether the portal serves or not.
    Admin {
        #[command(flatten)]
        settings: Settings,
        #[command(subcommand)]
        command: admin::Command,
    },
    /// Runs one attempt of a job on this machine; the portal calls it.
    #[command(hide = true)]
    Supervise {
        /// The attempt's run folder.
        #[arg(long)]
        run: PathBuf,
    },
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tourmaline: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        // Before anything else: the supervisor is small, and has no settings.
        Command::Supervise { run } => return local::supervise(&run),
        Command::Serve { settings, listen } => {
            let (mut config, data) = settings.load()?;
            if let Some(listen) = listen {
                config.server.listen = listen;
                let wrong = config.validate();
                anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
            }
            telemetry::init(config.server.log_format);
            runtime()?.block_on(server::serve(config, &data))?;
        }
        Command::Migrate { settings } => {
            let (config, data) = settings.load()?;
            server::prepare_data(&data)?;
            runtime()?.block_on(server::open_store(&config, &data))?;
            println!("The schema is up to date.");
        }
        Command::CheckConfig { settings } => {
            let (config, data) = settings.load()?;
            let rules = server::load_rules(&config)?;
            server::check_files(&config)?;
            server::check_storage(&config)?;
            // A start goes on without: jobs wait until it is there.
            local::check(&config.local)?;
            println!(
                "The settings and the rules (version {}) fit. Data folder: {}",
                rules.version(),
                data.display()
            );
        }
        Command::Admin { settings, command } => {
            let (config, data) = settings.load()?;
            runtime()?.block_on(admin::run(config, &data, command))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")
}
