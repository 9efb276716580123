//! A database of a test's own on the tests' PostgreSQL server, gone afterwards.
use futures::FutureExt as _;
use secrecy::SecretString;
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::panic::{AssertUnwindSafe, resume_unwind};

/// Makes a database, tells the story with its address, and drops it, however the story ended.
pub async fn with_own<F: Future>(story: impl FnOnce(SecretString) -> F) {
    let server = std::env::var("TOURMALINE_TEST_DATABASE_URL").expect(
        "TOURMALINE_TEST_DATABASE_URL must name a superuser of a PostgreSQL server: `tests/postgres cargo test …` sets it",
    );
    let name = format!("tourmaline_{}", uuid::Uuid::new_v4().simple());
    // Sorts as a dictionary does, like most databases out there: a query that counts on the order of bytes is found here.
    let sql = format!(
        "CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en'"
    );
    run(&server, &sql).await;
    let told = AssertUnwindSafe(story(address(&server, &name)));
    let told = told.catch_unwind().await;
    // Awaited, never blocked on: the server lets no database go while a connection of this runtime is signing in.
    run(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(panic) = told {
        resume_unwind(panic);
    }
}

fn address(server: &str, name: &str) -> SecretString {
    let (server, options) = match server.split_once('?') {
        Some((server, options)) => (server, format!("?{options}")),
        None => (server, String::new()),
    };
    let (server, _) = server.rsplit_once('/').unwrap();
    format!("{server}/{name}{options}").into()
}

async fn run(server: &str, sql: &str) {
    let mut connection = PgConnection::connect(server)
        .await
        .expect("the PostgreSQL server of TOURMALINE_TEST_DATABASE_URL answers");
    let statement = sqlx::AssertSqlSafe(sql.to_owned());
    connection.execute(statement).await.unwrap();
    connection.close().await.unwrap();
}
