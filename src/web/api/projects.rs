//! Projects and their members.
use super::{
    List, idempotency,
    input::{Fields, PAGING, Paging},
    openapi::doc,
};
use crate::{
    domain::{
        access::Action,
        ids::ProjectId,
        project::{self, Role},
    },
    services::{Error, projects},
    store::Membership,
    web::{
        App, Right, Route,
        answer::Answer,
        conditions::{self, etag},
        error::Result,
        extract::{Path, Query, Structured, Who},
    },
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header};
use serde::{Deserialize, Serialize};

const ALL: &str = "/api/v1/projects";
const ONE: &str = "/api/v1/projects/{project}";
const MEMBERS: &str = "/api/v1/projects/{project}/members";
const MEMBER: &str = "/api/v1/projects/{project}/members/{user}";

pub fn routes() -> Vec<Route> {
    let see = Right::Project(Action::See);
    let manage = Right::Project(Action::Manage);
    vec![
        Route::api(
            Method::GET,
            ALL,
            Right::User,
            list,
            doc("The projects that I may see, the newest first")
                .query(PAGING)
                .json::<List<Project>>(200, "Projects"),
        ),
        Route::api(
            Method::POST,
            ALL,
            Right::User,
            create,
            doc("Make a project; honours Idempotency-Key")
                .structured::<NewProject>()
                .json::<Project>(201, "The new project")
                .json::<Project>(200, "It was made by this Idempotency-Key before"),
        ),
        Route::api(
            Method::GET,
            ONE,
            see,
            show,
            doc("A project").json::<Project>(200, "The project"),
        ),
        Route::api(
            Method::PATCH,
            ONE,
            manage,
            update,
            doc("Change some fields (merge patch); honours If-Match")
                .structured::<ProjectPatch>()
                .json::<Project>(200, "The project as it is now"),
        ),
        Route::api(
            Method::DELETE,
            ONE,
            manage,
            delete,
            doc("Delete a project with its files and jobs; honours If-Match")
                .empty(202, "A task deletes it; Location is the task"),
        ),
        Route::api(
            Method::GET,
            MEMBERS,
            see,
            members,
            doc("Who is in a project").json::<List<Member>>(200, "Members"),
        ),
        Route::api(
            Method::GET,
            MEMBER,
            see,
            member,
            doc("One member, by name or id").json::<Member>(200, "The member"),
        ),
        Route::api(
            Method::PUT,
            MEMBER,
            manage,
            put_member,
            doc("Give a user, by name or id, a role")
                .structured::<NewRole>()
                .json::<Member>(200, "The member"),
        ),
        Route::api(
            Method::DELETE,
            MEMBER,
            Right::Project(Action::Leave),
            delete_member,
            doc("End a membership: one's own, or as an administrator anybody's")
                .empty(204, "Ended"),
        ),
    ]
}

#[derive(Serialize, utoipa::ToSchema)]
struct Project {
    id: String,
    name: String,
    description: String,
    /// `private` or `public` (to everybody who is signed in).
    visibility: String,
    /// Read only.
    archived: bool,
    created_at: String,
    /// The caller's: `observer`, `editor`, `administrator`; null for no member.
    role: Option<String>,
}

impl From<&Membership> for Project {
    fn from(of: &Membership) -> Self {
        let project = &of.project;
        Self {
            id: project.id.to_string(),
            name: project.name.to_string(),
            description: project.description.clone(),
            visibility: project.visibility.to_string(),
            archived: project.archived_at.is_some(),
            created_at: project.created_at.to_string(),
            role: of.role.map(|role: Role| role.to_string()),
        }
    }
}

/// What makes a project.
#[derive(Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "the description's; fields are read one by one")]
struct NewProject {
    /// 1 to 100 characters.
    name: String,
    description: Option<String>,
    /// `private` (default) or `public`.
    visibility: Option<String>,
}

/// What may change; absent fields stay.
#[derive(Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "the description's; fields are read one by one")]
struct ProjectPatch {
    name: Option<String>,
    description: Option<String>,
    visibility: Option<String>,
    archived: Option<bool>,
}

/// What a member becomes.
#[derive(Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "the description's; fields are read one by one")]
struct NewRole {
    /// `observer`, `editor` or `administrator`.
    role: String,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Member {
    user: String,
    name: String,
    display_name: String,
    role: String,
    since: String,
}

impl From<project::Member> for Member {
    fn from(member: project::Member) -> Self {
        Self {
            user: member.user.to_string(),
            name: member.name.to_string(),
            display_name: member.display_name,
            role: member.role.to_string(),
            since: member.since.to_string(),
        }
    }
}

async fn list(
    State(app): State<App>,
    Who(actor): Who,
    Query(paging): Query<Paging>,
) -> Result<Answer<List<Project>>> {
    let (limit, after) = (paging.limit()?, paging.after()?);
    let found = projects::list(&app.portal, &actor, after, limit + 1).await?;
    let items = found.iter().map(Project::from).collect();
    Ok(Answer(List::of_one_more(items, limit, |project| {
        project.id.clone()
    })))
}

async fn create(
    State(app): State<App>,
    Who(actor): Who,
    headers: HeaderMap,
    Structured(body): Structured,
) -> Result<Response> {
    let key = idempotency::key(&headers, "POST /projects", &body)?;
    let mut fields = Fields::of(body);
    let draft = projects::Draft {
        name: fields.text("name"),
        description: fields.text("description"),
        visibility: fields.text("visibility"),
    };
    fields.also(&draft.problems());
    fields.finish()?;
    let made = projects::create(&app.portal, &actor, &draft, key.as_ref()).await?;
    let id = made.into_inner();
    let (membership, _) = app.portal.open_project(&actor, id, Action::See).await?;
    let body = Answer(Project::from(&membership));
    Ok(idempotency::answer(&made, format!("{ALL}/{id}"), body))
}

async fn show(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    headers: HeaderMap,
) -> Result<Response> {
    let (membership, _) = app.portal.open_project(&actor, id, Action::See).await?;
    let version = membership.project.version.to_string();
    if conditions::is_known(&headers, &version) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag(&version))]).into_response());
    }
    Ok(whole(&membership))
}

fn whole(membership: &Membership) -> Response {
    let tag = etag(&membership.project.version.to_string());
    ([(header::ETAG, tag)], Answer(Project::from(membership))).into_response()
}

async fn update(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    headers: HeaderMap,
    Structured(mut patch): Structured,
) -> Result<Response> {
    let (membership, _) = app.portal.open_project(&actor, id, Action::Manage).await?;
    let project = &membership.project;
    conditions::if_match(&headers, Some(&project.version.to_string()))?;
    // Null takes a field away: a description becomes empty, what must be there says so.
    for value in patch.as_object_mut().into_iter().flatten() {
        if value.1.is_null() {
            *value.1 = "".into();
        }
    }
    let mut fields = Fields::of(patch);
    let draft = projects::Draft {
        name: fields
            .text_if("name")
            .unwrap_or_else(|| project.name.to_string()),
        description: fields
            .text_if("description")
            .unwrap_or_else(|| project.description.clone()),
        visibility: fields
            .text_if("visibility")
            .unwrap_or_else(|| project.visibility.to_string()),
    };
    let archived = fields
        .flag_if("archived")
        .unwrap_or(project.archived_at.is_some());
    fields.also(&draft.problems());
    fields.finish()?;
    projects::update(&app.portal, &actor, id, project.version, &draft, archived).await?;
    let (membership, _) = app.portal.open_project(&actor, id, Action::See).await?;
    Ok(whole(&membership))
}

async fn delete(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    headers: HeaderMap,
) -> Result<Response> {
    let (membership, _) = app.portal.open_project(&actor, id, Action::Manage).await?;
    conditions::if_match(&headers, Some(&membership.project.version.to_string()))?;
    let task = projects::delete(&app.portal, &actor, id).await?;
    let location = [(header::LOCATION, super::tasks::address(task))];
    Ok((StatusCode::ACCEPTED, location).into_response())
}

async fn members(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
) -> Result<Answer<List<Member>>> {
    let members = projects::list_members(&app.portal, &actor, id).await?;
    Ok(Answer(List {
        items: members.into_iter().map(Member::from).collect(),
        next: None,
    }))
}

async fn member(
    State(app): State<App>,
    Who(actor): Who,
    Path((id, user)): Path<(ProjectId, String)>,
) -> Result<Answer<Member>> {
    let member = projects::find_member(&app.portal, &actor, id, &user).await?;
    Ok(Answer(member.into()))
}

async fn put_member(
    State(app): State<App>,
    Who(actor): Who,
    Path((id, user)): Path<(ProjectId, String)>,
    Structured(body): Structured,
) -> Result<Answer<Member>> {
    let mut fields = Fields::of(body);
    let role = fields.text_if("role");
    fields.finish()?;
    let role = role.ok_or_else(|| {
        Error::field(
            "/role",
            "Give a `role`: observer, editor or administrator.",
            None,
        )
    })?;
    projects::put_member(&app.portal, &actor, id, &user, &role).await?;
    let member = projects::find_member(&app.portal, &actor, id, &user).await?;
    Ok(Answer(member.into()))
}

async fn delete_member(
    State(app): State<App>,
    Who(actor): Who,
    Path((id, user)): Path<(ProjectId, String)>,
) -> Result<StatusCode> {
    let member = projects::find_member(&app.portal, &actor, id, &user).await?;
    projects::delete_member(&app.portal, &actor, id, member.user).await?;
    Ok(StatusCode::NO_CONTENT)
}
