//! The portal on the servers of a production home. Each file says in its head which it needs; where they are is in
//! variables, so that anybody's own will do. One that is not given fails its tests.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod browser;
mod keycloak;
mod kubernetes;
mod portal;
mod sign_in;

/// What a variable says; without it the test cannot be made.
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: it says where a server of these tests is; README.md tells which there are")
    })
}
