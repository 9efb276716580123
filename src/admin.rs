//! `tourmaline admin …`: users and tokens from the shell.
use anyhow::Context as _;
use clap::Subcommand;
use secrecy::{ExposeSecret as _, SecretString};
use std::{io::Read as _, path::Path};
use tourmaline::{
    auth::{Auth, passwords},
    config::Config,
    domain::{
        access::{Actor, Permitted, Site},
        clock::Clock,
        names::UserName,
        user::Scope,
    },
    server,
    services::{Error, Portal, accounts},
};

#[derive(Subcommand)]
pub enum Command {
    /// Users.
    #[command(subcommand)]
    User(UserCommand),
    /// Makes an API token for a user and prints it.
    Token {
        name: String,
        /// How long it lives, in days, such as 30d; without it until it is revoked.
        #[arg(long)]
        expires: Option<String>,
        /// read, write or admin.
        #[arg(long, default_value = "read")]
        scope: String,
    },
    /// Gives up the secrets in the database whose key is lost. The next start takes another key.
    ForgetKey,
}

#[derive(Subcommand)]
pub enum UserCommand {
    /// Adds a user with a local account.
    Add {
        name: String,
        #[arg(long)]
        site_admin: bool,
        /// Reads the password from standard input.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Lists users.
    List,
    /// Suspends a user: sessions and tokens do not count until restored.
    Suspend { name: String },
    /// Takes a suspension back.
    Restore { name: String },
}

pub async fn run(config: Config, data: &Path, command: Command) -> anyhow::Result<()> {
    if let Command::ForgetKey = command {
        return server::forget_key(&config, data).await;
    }
    let portal = server::open_portal(config, data, Clock::system()).await?;
    let site = Permitted::by_system(Site, "the command line");
    match command {
        Command::User(UserCommand::Add {
            name, site_admin, ..
        }) => add(&portal, &site, name, site_admin).await,
        Command::User(UserCommand::List) => list(&portal).await,
        Command::User(UserCommand::Suspend { name }) => {
            told(accounts::set_suspended(&portal, &site, &name, true).await)
        }
        Command::User(UserCommand::Restore { name }) => {
            told(accounts::set_suspended(&portal, &site, &name, false).await)
        }
        Command::ForgetKey => Ok(()),
        Command::Token {
            name,
            expires,
            scope,
        } => token(&portal, &name, expires, &scope).await,
    }
}

/// Problems of fields in words for the shell.
fn told<T>(result: Result<T, Error>) -> anyhow::Result<T> {
    result.map_err(|error| match error {
        Error::Invalid(violations) => {
            let words: Vec<_> = violations
                .iter()
                .map(|v| format!("{}: {}", v.field.trim_start_matches('/'), v.message))
                .collect();
            anyhow::anyhow!("{}", words.join("\n"))
        }
        Error::Internal(cause) => cause,
        other => other.into(),
    })
}

async fn add(
    portal: &Portal,
    site: &Permitted<Site>,
    name: String,
    site_admin: bool,
) -> anyhow::Result<()> {
    let mut password = String::new();
    std::io::stdin().take(2000).read_to_string(&mut password)?;
    let password: SecretString = password.trim_end_matches(['\r', '\n']).to_owned().into();
    told(
        passwords::check_new("/password", &password, &name)
            .into_result(())
            .map_err(Error::from),
    )?;
    let hash = passwords::hash_now(&portal.config.sign_in, password.expose_secret())?;
    let draft = accounts::Draft {
        name,
        site_admin,
        ..accounts::Draft::default()
    };
    let user = told(accounts::create(portal, site, &draft, &hash).await)?;
    println!("{} was added.", user.name);
    Ok(())
}

async fn list(portal: &Portal) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let users = portal.store.list_users(&after, 200).await?;
        let Some(last) = users.last() else {
            return Ok(());
        };
        after = last.name.to_string();
        for user in &users {
            let mut marks = Vec::new();
            if user.site_admin {
                marks.push("site administrator");
            }
            if user.suspended_at.is_some() {
                marks.push("suspended");
            }
            println!("{}\t{}\t{}", user.name, user.display_name, marks.join(", "));
        }
    }
}

async fn token(
    portal: &Portal,
    name: &str,
    expires: Option<String>,
    scope: &str,
) -> anyhow::Result<()> {
    let name = UserName::parse(name).map_err(|why| anyhow::anyhow!("the name {why}"))?;
    let user = portal
        .store
        .find_user_by_name(&name)
        .await?
        .with_context(|| format!("there is no user {name}"))?;
    let days = match &expires {
        None => "",
        Some(text) => text
            .strip_suffix('d')
            .with_context(|| format!("--expires: `{text}` must be days, such as 30d"))?,
    };
    let actor = Actor {
        user,
        scope: Scope::Admin,
    };
    let auth = Auth::new(portal)?;
    let (_, secret) = told(
        auth.create_token(portal, &actor, "made on the command line", scope, days)
            .await,
    )?;
    println!("{}", secret.expose_secret());
    Ok(())
}
