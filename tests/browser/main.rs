//! The portal in a real Chromium: what people do, and how every page looks to a machine that reads it aloud.
//!
//! `TOURMALINE_TEST_CHROMEDRIVER` and `…_CHROMIUM` are the two programs, `…_AXE` is `axe.min.js` of npm's `axe-core`. Each
//! page that is looked at leaves its pictures in `target/screenshots`.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod conditions;
mod journeys;
mod looks;
mod portal;
#[path = "../pretended_spark/mod.rs"]
mod pretended_spark;
mod tab;

/// What a variable says; without it the test cannot be made.
fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set; tests/browser/main.rs says what it names"))
}
