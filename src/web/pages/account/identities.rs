//! By what identity providers know somebody.
use crate::{
    domain::user::Identity,
    services::accounts,
    web::{App, Right, Route, error::Result, extract::Who, view::View},
};
use askama::Template;
use axum::{extract::State, response::Html};

pub fn routes() -> Vec<Route> {
    vec![Route::page("/account/identities", Right::User, list)]
}

#[derive(Template)]
#[template(path = "account/identities.html")]
struct ListPage {
    view: View,
    rows: Vec<Identity>,
    /// What the providers of the settings are called, by their names.
    titles: Vec<(String, String)>,
}

impl ListPage {
    fn title<'a>(&'a self, row: &'a Identity) -> &'a str {
        let name = row.provider.as_str();
        let known = self.titles.iter().find(|(known, _)| known == name);
        known.map_or(name, |(_, title)| title)
    }
}

async fn list(State(app): State<App>, view: View, Who(actor): Who) -> Result<Html<String>> {
    let titles = app.auth.providers.all().iter();
    let page = ListPage {
        view,
        rows: accounts::list_identities(&app.portal, &actor).await?,
        titles: titles
            .map(|p| (p.name().to_owned(), p.title().to_owned()))
            .collect(),
    };
    Ok(Html(page.render()?))
}
