//! Tourmaline: a web portal and an API through which scientists run Spark jobs on clusters that they never have to see.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`domain`] | the words of the portal as types; no I/O |
//! | [`manifest`] | a job and its placement into the object that a cluster is given |
pub mod domain;
pub mod manifest;
