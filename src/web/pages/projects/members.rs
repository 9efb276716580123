//! Who is in a project, and what each may do.
use crate::{
    domain::{
        access::{Action, Actor},
        ids::{ProjectId, UserId},
        names::UserName,
        project::{Member, Role, Visibility},
        violation::Violations,
    },
    services::{Error, projects},
    web::{
        App, Right, Route,
        error::Result,
        extract::{Form, Path, Query, Who},
        pages::project_frame::{ProjectFrame, Tab},
        view::{View, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;

const SEE: Right = Right::Project(Action::See);
const MANAGE: Right = Right::Project(Action::Manage);
// Everybody may end their own membership; the service tells the two apart.
const LEAVE: Right = Right::Project(Action::Leave);

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/projects/{project}/members", SEE, list),
        Route::action("/projects/{project}/members", MANAGE, put),
        Route::page(
            "/projects/{project}/members/{user}/delete",
            LEAVE,
            ask_delete,
        ),
        Route::action("/projects/{project}/members/{user}/delete", LEAVE, delete),
    ]
}

#[derive(Template)]
#[template(path = "projects/members.html")]
struct ListPage {
    view: View,
    frame: ProjectFrame,
    rows: Vec<Member>,
    first: String,
    next: String,
    me: UserId,
    form: MemberForm,
    errors: Violations,
}

impl ListPage {
    fn is_public(&self) -> bool {
        self.frame.project().visibility == Visibility::Public
    }

    fn roles() -> [(&'static str, &'static str); 3] {
        [
            ("observer", "observer: looks"),
            ("editor", "editor: also files and jobs"),
            ("administrator", "administrator: also members and settings"),
        ]
    }

    fn plain_roles() -> [&'static str; 3] {
        [Role::Observer, Role::Editor, Role::Administrator].map(Role::as_str)
    }

    fn is_me(&self, member: &Member) -> bool {
        member.user == self.me
    }

    fn delete_url(&self, member: &Member) -> String {
        self.frame.at(&format!("/members/{}/delete", member.user))
    }
}

#[derive(Template)]
#[template(path = "projects/member_delete.html")]
struct DeletePage {
    view: View,
    frame: ProjectFrame,
    member: Member,
    is_me: bool,
}

impl DeletePage {
    fn action(&self) -> String {
        self.frame
            .at(&format!("/members/{}/delete", self.member.user))
    }

    fn verb(&self) -> &'static str {
        if self.is_me {
            "Leave project"
        } else {
            "Remove member"
        }
    }

    fn stay(&self) -> &'static str {
        if self.is_me { "Stay" } else { "Keep them" }
    }

    fn title(&self) -> String {
        if self.is_me {
            format!("Leave {}?", self.frame.name())
        } else {
            format!("Remove {}?", self.member.name)
        }
    }
}

/// Rows of one page.
const PAGE: u32 = 100;

#[derive(Deserialize, Default)]
#[serde(default)]
struct After {
    after: Option<UserName>,
}

#[derive(Deserialize)]
struct MemberForm {
    #[serde(rename = "/user", default)]
    user: String,
    #[serde(rename = "/role", default)]
    role: String,
}

async fn page(
    app: &App,
    view: View,
    actor: &Actor,
    id: ProjectId,
    after: Option<UserName>,
) -> Result<ListPage> {
    let frame = ProjectFrame::open(&app.portal, actor, id, Tab::Members).await?;
    let mut rows = projects::list_members(&app.portal, actor, id, after.as_ref(), PAGE + 1).await?;
    let more = rows.len() > PAGE as usize;
    rows.truncate(PAGE as usize);
    let last = rows.last().filter(|_| more);
    Ok(ListPage {
        view,
        first: after.map_or_else(String::new, |_| frame.at("/members")),
        next: last.map_or_else(String::new, |member| {
            frame.at(&format!("/members?after={}", member.name))
        }),
        frame,
        rows,
        me: actor.user.id,
        form: MemberForm {
            user: String::new(),
            role: "editor".into(),
        },
        errors: Violations::default(),
    })
}

async fn list(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Query(query): Query<After>,
) -> Result<Html<String>> {
    let page = page(&app, view, &actor, id, query.after).await?;
    Ok(Html(page.render()?))
}

async fn put(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Form(form): Form<MemberForm>,
) -> Result<Response> {
    match projects::put_member(&app.portal, &actor, id, &form.user, &form.role).await {
        Ok(()) => Ok(redirect_with_notice(
            &format!("/projects/{id}/members"),
            &format!("{} is {} now.", form.user.trim(), form.role),
        )),
        Err(Error::Invalid(errors)) => {
            let page = ListPage {
                form,
                errors,
                ..page(&app, view, &actor, id, None).await?
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

async fn ask_delete(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path((id, user)): Path<(ProjectId, UserId)>,
) -> Result<Html<String>> {
    let is_me = user == actor.user.id;
    let action = if is_me { Action::Leave } else { Action::Manage };
    let (membership, _) = app.portal.open_project(&actor, id, action).await?;
    let page = DeletePage {
        view,
        frame: ProjectFrame::of(&app.portal, &actor, membership, Tab::Members),
        member: projects::find_member(&app.portal, &actor, id, &user.to_string()).await?,
        is_me,
    };
    Ok(Html(page.render()?))
}

async fn delete(
    State(app): State<App>,
    Who(actor): Who,
    Path((id, user)): Path<(ProjectId, UserId)>,
) -> Result<Response> {
    projects::delete_member(&app.portal, &actor, id, user).await?;
    // Who left a private project would not find its page any more.
    if user == actor.user.id {
        return Ok(redirect_with_notice("/projects", "You left the project."));
    }
    Ok(redirect_with_notice(
        &format!("/projects/{id}/members"),
        "They are no member any more.",
    ))
}
