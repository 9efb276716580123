//! Tourmaline: a web portal and an API through which scientists run Spark jobs on clusters that they never have to see.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`web`] | everything HTTP: pages and the API |
//! | [`background`] | work that goes on by itself: the dispatcher, the monitor, the log archiver, the janitor |
//! | [`services`] | what the portal does |
//! | [`auth`] | proves who is calling |
//! | [`domain`] | the words of the portal as types; no I/O |
//! | [`cluster`] | where jobs run: this machine |
//! | [`config`] | settings, one file per section |
//! | [`server`] | wiring |
//! | [`telemetry`] | what the portal writes about itself |
//! | [`store`] | the only SQL |
//! | [`storage`] | where bytes lie: files, code copies, logs |
//! | [`manifest`] | a job and its placement into the object that a cluster is given |
//! | [`validate`] | what was typed or sent into a job, or every problem at once |
pub mod auth;
pub mod background;
pub mod cluster;
pub mod config;
pub mod domain;
pub mod manifest;
pub mod server;
pub mod services;
pub mod storage;
pub mod store;
pub mod telemetry;
pub mod validate;
pub mod web;
