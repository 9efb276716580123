//! `/api/v1/admin/…` for site administrators, and the queues for everybody.
use super::{
    List,
    dry_run::{DRY_RUN, DryRun, fits},
    idempotency,
    input::{Fields, PAGING, Paging},
    openapi::doc,
};
use crate::{
    auth::passwords,
    cluster::FindingState,
    domain::{names::UserName, user},
    services::{accounts, site},
    store,
    web::{
        App, Right, Route,
        answer::Answer,
        error::Result,
        extract::{Path, Query, Structured, Who},
    },
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method};
use serde::Serialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::api(
            Method::GET,
            "/api/v1/queues",
            Right::User,
            list_queues,
            doc("The queues, by name").json::<List<Queue>>(200, "All of them"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/admin/users",
            Right::SiteAdmin,
            list_users,
            doc("All users, by name")
                .query(PAGING)
                .json::<List<User>>(200, "A page of users"),
        ),
        Route::api(
            Method::POST,
            "/api/v1/admin/users",
            Right::SiteAdmin,
            create_user,
            doc("Adds a user with a local account")
                .query(DRY_RUN)
                .structured::<NewUser>()
                .json::<User>(201, "The user")
                .json::<User>(200, "It was made by this Idempotency-Key before"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/admin/users/{user}",
            Right::SiteAdmin,
            show_user,
            doc("One user, by name").json::<User>(200, "The user"),
        ),
        Route::api(
            Method::POST,
            "/api/v1/admin/users/{user}/suspend",
            Right::SiteAdmin,
            suspend_user,
            doc("Suspends a user: sessions and tokens do not count; again is no error")
                .json::<User>(200, "The user"),
        ),
        Route::api(
            Method::POST,
            "/api/v1/admin/users/{user}/restore",
            Right::SiteAdmin,
            restore_user,
            doc("Takes a suspension back; again is no error").json::<User>(200, "The user"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/admin/clusters",
            Right::SiteAdmin,
            list_clusters,
            doc("The clusters and how they do").json::<List<Cluster>>(200, "All of them"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/admin/audit",
            Right::SiteAdmin,
            list_audit,
            doc("Who did what, newest first")
                .query(PAGING)
                .json::<List<AuditEntry>>(200, "A page of entries"),
        ),
    ]
}

/// A queue.
#[derive(Serialize, utoipa::ToSchema)]
struct Queue {
    name: String,
    description: String,
    /// `open`, `hold` or `drain`.
    state: String,
    /// Jobs of it that wait.
    waiting: i64,
}

async fn list_queues(State(app): State<App>, _: Who) -> Result<Answer<List<Queue>>> {
    let queues = site::list_queues(&app.portal).await?;
    let items = queues.into_iter().map(|queue| Queue {
        name: queue.name.to_string(),
        description: queue.description,
        state: queue.state.to_string(),
        waiting: queue.waiting,
    });
    Ok(Answer(List {
        items: items.collect(),
        next: None,
    }))
}

/// A user as administrators see it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = AdminUser)]
struct User {
    id: String,
    name: String,
    display_name: String,
    site_admin: bool,
    created_at: String,
    /// Null: not suspended.
    suspended_at: Option<String>,
}

impl From<user::User> for User {
    fn from(user: user::User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name.to_string(),
            display_name: user.display_name,
            site_admin: user.site_admin,
            created_at: user.created_at.to_string(),
            suspended_at: user.suspended_at.map(|at| at.to_string()),
        }
    }
}

/// What is sent to add a user.
#[derive(Serialize, utoipa::ToSchema)]
struct NewUser {
    /// To sign in with; it stays.
    name: String,
    display_name: Option<String>,
    /// At least 10 characters.
    password: String,
    site_admin: Option<bool>,
}

async fn list_users(
    State(app): State<App>,
    Who(actor): Who,
    Query(paging): Query<Paging>,
) -> Result<Answer<List<User>>> {
    let limit = paging.limit()?;
    let after = paging.after::<String>()?.unwrap_or_default();
    let users = site::list_users(&app.portal, &actor, &after, limit + 1).await?;
    let users = users.into_iter().map(User::from).collect();
    Ok(Answer(List::of_one_more(users, limit, |user: &User| {
        user.name.clone()
    })))
}

async fn create_user(
    State(app): State<App>,
    Who(actor): Who,
    Query(query): Query<DryRun>,
    headers: HeaderMap,
    Structured(body): Structured,
) -> Result<Response> {
    // Of the body a plain hash is kept with the key; the password must not be in it.
    let mut known = body.clone();
    if let Some(map) = known.as_object_mut() {
        map.remove("password");
    }
    let key = idempotency::key(&headers, "POST /admin/users", &known)?;
    let mut fields = Fields::of(body);
    let draft = accounts::Draft {
        name: fields.text("name"),
        display_name: fields.text("display_name"),
        site_admin: fields.flag_if("site_admin").unwrap_or(false),
    };
    let password = fields.secret("password");
    fields.also(&passwords::problems(&draft, &password));
    fields.finish()?;
    if query.dry_run {
        accounts::try_create(&app.portal, &actor, &draft).await?;
        return Ok(fits().into_response());
    }
    let made = app
        .auth
        .create_user(&app.portal, &actor, &draft, password, key.as_ref())
        .await?;
    let user = User::from(made.clone().into_inner());
    let location = format!("/api/v1/admin/users/{}", user.name);
    Ok(idempotency::answer(&made, location, Answer(user)))
}

async fn show_user(
    State(app): State<App>,
    Who(actor): Who,
    Path(name): Path<UserName>,
) -> Result<Answer<User>> {
    let user = site::find_user(&app.portal, &actor, name.as_str()).await?;
    Ok(Answer(user.into()))
}

async fn suspend_user(
    State(app): State<App>,
    who: Who,
    Path(name): Path<UserName>,
) -> Result<Answer<User>> {
    let permit = site::permit(&who.0)?;
    accounts::set_suspended(&app.portal, &permit, name.as_str(), true).await?;
    show_user(State(app), who, Path(name)).await
}

async fn restore_user(
    State(app): State<App>,
    who: Who,
    Path(name): Path<UserName>,
) -> Result<Answer<User>> {
    let permit = site::permit(&who.0)?;
    accounts::set_suspended(&app.portal, &permit, name.as_str(), false).await?;
    show_user(State(app), who, Path(name)).await
}

/// A cluster and how it does.
#[derive(Serialize, utoipa::ToSchema)]
struct Cluster {
    name: String,
    healthy: bool,
    /// What is wrong and what to do; null where it is healthy.
    problem: Option<String>,
    findings: Vec<Finding>,
}

/// One thing that a check-up looked at.
#[derive(Serialize, utoipa::ToSchema)]
struct Finding {
    what: &'static str,
    /// `fine`, `warning` or `failed`.
    state: &'static str,
    text: String,
}

async fn list_clusters(State(app): State<App>, Who(actor): Who) -> Result<Answer<List<Cluster>>> {
    let clusters = site::list_clusters(&app.portal, &actor).await?;
    let items = clusters.into_iter().map(|cluster| Cluster {
        name: cluster.name.to_string(),
        healthy: cluster.check_up.healthy.is_ok(),
        problem: cluster.check_up.healthy.err(),
        findings: cluster
            .check_up
            .findings
            .into_iter()
            .map(|finding| Finding {
                what: finding.what,
                state: match finding.state {
                    FindingState::Fine => "fine",
                    FindingState::Warning => "warning",
                    FindingState::Failed => "failed",
                },
                text: finding.text,
            })
            .collect(),
    });
    Ok(Answer(List {
        items: items.collect(),
        next: None,
    }))
}

/// An entry of the audit log.
#[derive(Serialize, utoipa::ToSchema)]
struct AuditEntry {
    id: String,
    at: String,
    /// Null: the portal itself, or the command line.
    user: Option<String>,
    /// Such as `user.create`.
    action: String,
    target: String,
    detail: String,
}

impl From<store::AuditEntry> for AuditEntry {
    fn from(entry: store::AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            at: entry.at.to_string(),
            user: entry.user_name,
            action: entry.action,
            target: entry.target,
            detail: entry.detail,
        }
    }
}

async fn list_audit(
    State(app): State<App>,
    Who(actor): Who,
    Query(paging): Query<Paging>,
) -> Result<Answer<List<AuditEntry>>> {
    let limit = paging.limit()?;
    let entries = site::list_audit(&app.portal, &actor, paging.after()?, limit + 1).await?;
    let entries = entries.into_iter().map(AuditEntry::from).collect();
    Ok(Answer(List::of_one_more(
        entries,
        limit,
        |e: &AuditEntry| e.id.clone(),
    )))
}
