//! A new project: empty, or with the settings and members of another.
use crate::{
    domain::{access::Action, ids::ProjectId, violation::Violations},
    services::{Error, idempotency::Key, projects},
    web::{
        App, Right, Route,
        error::Result,
        extract::{Form, Path, Who},
        pages::project_frame::{ProjectFrame, Tab},
        view::{View, opened, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/projects/new", Right::User, new),
        Route::action("/projects", Right::User, create),
        Route::page(
            "/projects/{project}/clone",
            Right::Project(Action::See),
            new_clone,
        ),
        Route::action(
            "/projects/{project}/clone",
            Right::Project(Action::See),
            clone,
        ),
    ]
}

/// What can be typed about a project.
#[derive(Deserialize, Default)]
pub(super) struct ProjectForm {
    /// What the form was opened with, so that sending it twice is once.
    #[serde(default)]
    pub opened: String,
    #[serde(rename = "/name", default)]
    pub name: String,
    #[serde(rename = "/description", default)]
    pub description: String,
    #[serde(rename = "/visibility", default)]
    pub visibility: String,
}

impl ProjectForm {
    /// Sent twice it is once; a form that was opened without a key is none.
    fn key(&self, route: &str) -> Result<Option<Key>, Error> {
        if self.opened.is_empty() {
            return Ok(None);
        }
        let typed = [&self.name, &self.description, &self.visibility];
        let body = serde_json::to_vec(&typed).map_err(anyhow::Error::from)?;
        Key::of_form(route, &self.opened, &body).map(Some)
    }

    pub fn draft(&self) -> projects::Draft {
        projects::Draft {
            name: self.name.clone(),
            description: self.description.clone(),
            visibility: self.visibility.clone(),
        }
    }
}

/// Who may look: value, words, help.
pub(super) const VISIBILITIES: [(&str, &str, &str); 2] = [
    ("private", "Its members", ""),
    (
        "public",
        "Everybody who is signed in",
        "They see jobs, logs and files, but not environment values and manifests.",
    ),
];

#[derive(Template)]
#[template(path = "projects/new.html")]
struct NewPage {
    view: View,
    form: ProjectForm,
    errors: Violations,
}

impl NewPage {
    fn visibilities() -> &'static [(&'static str, &'static str, &'static str)] {
        &VISIBILITIES
    }
}

#[derive(Template)]
#[template(path = "projects/clone.html")]
struct ClonePage {
    view: View,
    frame: ProjectFrame,
    opened: String,
    name: String,
    errors: Violations,
}

async fn new(view: View) -> Result<Html<String>> {
    let form = ProjectForm {
        opened: opened(),
        visibility: "private".into(),
        ..ProjectForm::default()
    };
    let page = NewPage {
        view,
        form,
        errors: Violations::default(),
    };
    Ok(Html(page.render()?))
}

async fn create(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Form(form): Form<ProjectForm>,
) -> Result<Response> {
    let key = form.key("POST /projects of a page")?;
    match projects::create(&app.portal, &actor, &form.draft(), key.as_ref()).await {
        Ok(made) => Ok(redirect_with_notice(
            &format!("/projects/{}/files", made.into_inner()),
            "The project is made. Upload what your first job needs, then submit it.",
        )),
        Err(Error::Invalid(errors)) => {
            let page = NewPage { view, form, errors };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

async fn new_clone(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
) -> Result<Html<String>> {
    let frame = ProjectFrame::open(&app.portal, &actor, id, Tab::Settings).await?;
    let page = ClonePage {
        view,
        opened: opened(),
        name: format!("{} (copy)", frame.name()),
        frame,
        errors: Violations::default(),
    };
    Ok(Html(page.render()?))
}

async fn clone(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Form(form): Form<ProjectForm>,
) -> Result<Response> {
    let key = form.key(&format!("POST /projects/{id}/clone of a page"))?;
    match projects::clone(&app.portal, &actor, id, &form.name, key.as_ref()).await {
        Ok(made) => Ok(redirect_with_notice(
            &format!("/projects/{}/files", made.into_inner()),
            "The project is made, with the same settings and members.",
        )),
        Err(Error::Invalid(errors)) => {
            let page = ClonePage {
                view,
                frame: ProjectFrame::open(&app.portal, &actor, id, Tab::Settings).await?,
                opened: form.opened,
                name: form.name,
                errors,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}
