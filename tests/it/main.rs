//! The whole portal in process: stories over its real router, on SQLite and, with the feature `postgres`, on PostgreSQL.
//!
//! A story that both databases must tell alike is written with [`on_both!`]; the rest take `Portal::new()`.
#![allow(clippy::unwrap_used, reason = "a test may")]
#[cfg(feature = "postgres")]
#[path = "../own_database/mod.rs"]
mod own_database;
#[path = "../pretended_spark/mod.rs"]
mod pretended_spark;

#[macro_use]
mod house;
mod accepting;
mod access;
mod account;
mod admin;
mod api;
mod clusters;
mod files;
mod home;
mod job_api;
mod jobs;
mod limits;
mod logs;
mod problems;
mod projects;
mod provider_sessions;
mod providers;
mod secrets;
mod sign_in;
mod storage;
mod store;
mod tokens;
mod way;
