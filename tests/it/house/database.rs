//! A database of a house's own on the tests' PostgreSQL server, gone with the house.
use secrecy::SecretString;
use sqlx::{Connection as _, Executor as _, PgConnection};

pub struct Database {
    server: String,
    name: String,
}

impl Database {
    pub async fn create() -> Self {
        let server = std::env::var("TOURMALINE_TEST_DATABASE_URL").expect(
            "TOURMALINE_TEST_DATABASE_URL must name a superuser of a PostgreSQL server: `tests/postgres cargo test …` sets it",
        );
        let name = format!("tourmaline_{}", uuid::Uuid::new_v4().simple());
        run(&server, &format!("CREATE DATABASE {name}")).await;
        Self { server, name }
    }

    pub fn url(&self) -> SecretString {
        let (server, options) = match self.server.split_once('?') {
            Some((server, options)) => (server, format!("?{options}")),
            None => (self.server.as_str(), String::new()),
        };
        let (server, _) = server.rsplit_once('/').unwrap();
        format!("{server}/{}{options}", self.name).into()
    }
}

async fn run(server: &str, sql: &str) {
    let mut connection = PgConnection::connect(server)
        .await
        .expect("the PostgreSQL server of TOURMALINE_TEST_DATABASE_URL answers");
    connection
        .execute(sqlx::AssertSqlSafe(sql.to_owned()))
        .await
        .unwrap();
    connection.close().await.unwrap();
}

impl Drop for Database {
    /// Also after a test that failed, and while the portal's pool still holds connections to it.
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        let dropping = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(run(&server, &sql));
        });
        let dropped = dropping.join().is_ok();
        assert!(
            dropped || std::thread::panicking(),
            "the database {} was not dropped",
            self.name
        );
    }
}
