//! The words of the portal as types: no I/O, no async, no framework. Everything else may import it; it imports nothing.
pub mod access;
pub mod clock;
pub mod event;
pub mod grants;
pub mod ids;
pub mod job;
pub mod names;
pub mod project;
pub mod quantity;
pub mod tokens;
pub mod user;
pub mod violation;
