//! Every component in every state, for whoever changes one. Debug builds only.
use crate::web::{Right, Route, error::Result, view::View};
use askama::Template;
use axum::response::Html;

pub fn routes() -> Vec<Route> {
    vec![Route::page("/dev/styleguide", Right::Visitor, show)]
}

#[derive(Template)]
#[template(path = "dev/styleguide.html")]
struct ShowPage {
    view: View,
    none: Vec<String>,
    errors: Vec<String>,
    wrong: Vec<(String, String)>,
}

impl ShowPage {
    fn phases(&self) -> [&'static str; 6] {
        [
            "queued",
            "starting",
            "running",
            "succeeded",
            "failed",
            "cancelled",
        ]
    }

    fn options(&self) -> Vec<(&'static str, &'static str)> {
        vec![("a", "The first"), ("b", "The second")]
    }

    fn choices(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        vec![("a", "The first", "With help."), ("b", "The second", "")]
    }
}

async fn show(view: View) -> Result<Html<String>> {
    let message = "The memory `1.5g` is no whole number; `1536m` would be.".to_owned();
    let page = ShowPage {
        view,
        none: Vec::new(),
        errors: vec![message.clone()],
        wrong: ["/wrong", "/wrong-area"]
            .map(|field| (field.to_owned(), message.clone()))
            .into(),
    };
    Ok(Html(page.render()?))
}
