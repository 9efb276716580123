//! Files of the pages, inside the binary. Their address carries their hash, so that browsers may keep them.
use super::{Kind, Right, Route, error::Result, extract::Path};
use crate::services::Error;
use axum::response::{IntoResponse, Response};
use http::{Method, header};
use rust_embed::RustEmbed;
use std::fmt::Write as _;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

pub fn routes() -> Vec<Route> {
    vec![Route::new(
        Method::GET,
        "/static/{hash}/{*name}",
        Kind::Download,
        Right::Visitor,
        show,
    )]
}

/// The address of a file of `static/`.
pub fn url(name: &str) -> String {
    let hash = Files::get(name).map_or_else(String::new, |file| short_hash(&file));
    format!("/static/{hash}/{name}")
}

fn short_hash(file: &rust_embed::EmbeddedFile) -> String {
    file.metadata.sha256_hash()[..6]
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

async fn show(Path((hash, name)): Path<(String, String)>) -> Result<Response> {
    let file = Files::get(&name).ok_or(Error::NotFound("page"))?;
    let mime = mime_guess::from_path(&name).first_or_octet_stream();
    // Another version's address is answered, not kept.
    let cache = if hash == short_hash(&file) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    Ok((
        [
            (header::CONTENT_TYPE, mime.as_ref()),
            (header::CACHE_CONTROL, cache),
        ],
        file.data.into_owned(),
    )
        .into_response())
}
