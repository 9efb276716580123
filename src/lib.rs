//! Tourmaline: a web portal and an API through which scientists run Spark jobs on clusters that they never have to see.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`domain`] | the words of the portal as types; no I/O |
pub mod domain;
