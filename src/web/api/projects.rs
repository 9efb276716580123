//! Projects and their members.
use super::{
    List,
    dry_run::{DRY_RUN, DryRun, fits},
    idempotency,
    input::{Fields, PAGING, Paging},
    openapi::doc,
};
use crate::{
    domain::{
        access::{Action, Actor},
        ids::ProjectId,
        names::UserName,
        project::{self, Role},
    },
    services::{Error, idempotency::Made, projects},
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
                .query(DRY_RUN)
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
            Method::POST,
            "/api/v1/projects/{project}/clone",
            see,
            clone,
            doc(
                "Make a project with the settings and members of this one; honours Idempotency-Key",
            )
            .query(DRY_RUN)
            .structured::<NewName>()
            .json::<Project>(201, "The new project")
            .json::<Project>(200, "It was made by this Idempotency-Key before"),
        ),
        Route::api(
            Method::GET,
            MEMBERS,
            see,
            members,
            doc("Who is in a project, by name")
                .query(PAGING)
                .json::<List<Member>>(200, "Members"),
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
pub struct Project {
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

/// What a clone is called.
#[derive(Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "the description's; fields are read one by one")]
struct NewName {
    /// 1 to 100 characters.
    name: String,
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
    /// A rule gave it for what an identity provider says, and a rule takes it.
    by_rule: bool,
    since: String,
}

impl From<project::Member> for Member {
    fn from(member: project::Member) -> Self {
        Self {
            user: member.user.to_string(),
            name: member.name.to_string(),
            display_name: member.display_name,
            role: member.role.to_string(),
            by_rule: member.by_rule,
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
    Query(query): Query<DryRun>,
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
    if query.dry_run {
        projects::may_create(&actor)?;
        return Ok(fits().into_response());
    }
    let made = projects::create(&app.portal, &actor, &draft, key.as_ref()).await?;
    answer_made(&app, &actor, made).await
}

async fn answer_made(app: &App, actor: &Actor, made: Made<ProjectId>) -> Result<Response> {
    let id = made.into_inner();
    let (membership, _) = app.portal.open_project(actor, id, Action::See).await?;
    let body = Answer(Project::from(&membership));
    Ok(idempotency::answer(&made, format!("{ALL}/{id}"), body))
}

async fn clone(
    State(app): State<App>,
    Who(actor): Who,
    Path(from): Path<ProjectId>,
    Query(query): Query<DryRun>,
    headers: HeaderMap,
    Structured(body): Structured,
) -> Result<Response> {
    let key = idempotency::key(&headers, &format!("POST /projects/{from}/clone"), &body)?;
    let mut fields = Fields::of(body);
    let name = fields.text("name");
    let draft = projects::draft_like(&app.portal, &actor, from, &name).await?;
    fields.also(&draft.problems());
    fields.finish()?;
    if query.dry_run {
        projects::may_create(&actor)?;
        return Ok(fits().into_response());
    }
    let made = projects::clone(&app.portal, &actor, from, &name, key.as_ref()).await?;
    answer_made(&app, &actor, made).await
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
    Structured(patch): Structured,
) -> Result<Response> {
    let (membership, _) = app.portal.open_project(&actor, id, Action::Manage).await?;
    let project = &membership.project;
    conditions::if_match(&headers, Some(&project.version.to_string()))?;
    let mut fields = Fields::of_patch(patch);
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
    Query(paging): Query<Paging>,
) -> Result<Answer<List<Member>>> {
    let (limit, after) = (paging.limit()?, paging.after::<UserName>()?);
    let found = projects::list_members(&app.portal, &actor, id, after.as_ref(), limit + 1).await?;
    let items = found.into_iter().map(Member::from).collect();
    Ok(Answer(List::of_one_more(
        items,
        limit,
        |member: &Member| member.name.clone(),
    )))
}

async fn member(
    State(app): State<App>,
    Who(actor): Who,
    Path((id, user)): Path<(ProjectId, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let member = projects::find_member(&app.portal, &actor, id, &user).await?;
    Ok(conditions::tagged(&headers, Member::from(member))?)
}

/// Refuses a change of what the caller has not read (`If-Match`).
async fn unchanged(
    app: &App,
    actor: &Actor,
    id: ProjectId,
    user: &str,
    headers: &HeaderMap,
) -> Result<()> {
    let tag = match projects::find_member(&app.portal, actor, id, user).await {
        Ok(member) => Some(conditions::tag_of(&Member::from(member))?),
        Err(Error::NotFound(_)) => None,
        Err(other) => return Err(other.into()),
    };
    Ok(conditions::if_match(headers, tag.as_deref())?)
}

async fn put_member(
    State(app): State<App>,
    Who(actor): Who,
    Path((id, user)): Path<(ProjectId, String)>,
    headers: HeaderMap,
    Structured(body): Structured,
) -> Result<Response> {
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
    app.portal.open_project(&actor, id, Action::Manage).await?;
    unchanged(&app, &actor, id, &user, &headers).await?;
    projects::put_member(&app.portal, &actor, id, &user, &role).await?;
    let member = projects::find_member(&app.portal, &actor, id, &user).await?;
    // What was asked is no condition on what came of it.
    Ok(conditions::tagged(&HeaderMap::new(), Member::from(member))?)
}

async fn delete_member(
    State(app): State<App>,
    Who(actor): Who,
    Path((id, user)): Path<(ProjectId, String)>,
    headers: HeaderMap,
) -> Result<StatusCode> {
    let member = projects::find_member(&app.portal, &actor, id, &user).await?;
    unchanged(&app, &actor, id, &user, &headers).await?;
    projects::delete_member(&app.portal, &actor, id, member.user).await?;
    Ok(StatusCode::NO_CONTENT)
}
