//! Tourmaline: a web portal and an API through which scientists run Spark jobs on clusters that they never have to see.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`domain`] | the words of the portal as types; no I/O |
//! | [`cluster`] | where jobs run: this machine, Kubernetes |
//! | [`config`] | settings, one file per section |
//! | [`store`] | the only SQL |
//! | [`storage`] | where bytes lie: files, code copies, logs |
//! | [`manifest`] | a job and its placement into the object that a cluster is given |
//! | [`validate`] | what was typed or sent into a job, or every problem at once |
pub mod cluster;
pub mod config;
pub mod domain;
pub mod manifest;
pub mod storage;
pub mod store;
pub mod validate;
