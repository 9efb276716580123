//! Who may do what: every route × everybody who might call it.
//!
//! [`TABLE`] names each route with the right that it must have, and how to call it without harm. What each caller must get
//! follows from the right; a route that is missing here, or has another right in the portal, fails.
use crate::house::{Api, Home, Portal, Request, User, provider::Provider};
use http::Method;
use serde_json::json;
use std::fmt;
use tourmaline::{
    domain::{access::Action, ids::*, names::StreamName, project::Role},
    services::{accounts, projects},
    web::{self, Kind, Right, Route},
};

/// Method, path, right, and then what is sent: `a=b&c=d` a form, `{…}` JSON, `"…` bytes. Rights: everybody (`visitor`), who
/// is signed in (`user`), the thing's own user and nobody else (`own`), site administrators (`site`), and in a project what
/// one does: `see`, `inner`, `files`, `jobs`, `leave`, `manage`. `{projects_task}` is the project's and a member's who calls
/// nothing. `!` before the method: it changes what others would find,
/// so that each caller has a fresh world. `{me}` is the caller's own name or id, `{user}` a member's.
const TABLE: &str = r#"
  GET    /static/{hash}/{*name}                                 visitor
  GET    /login                                                 visitor
  POST   /login                                                 visitor  /name=nobody
  GET    /login/{provider}                                      visitor
  GET    /login/{provider}/callback                             visitor
  POST   /login/{provider}/logout                               visitor  logout_token=x
! POST   /logout                                                user
  GET    /first-start/{secret}                                  visitor
  POST   /first-start/{secret}                                  visitor  /name=nobody
  GET    /healthz                                               visitor
  GET    /readyz                                                visitor
  GET    /dev/styleguide                                        visitor

  GET    /                                                      user
! POST   /example                                               user
  GET    /search                                                user
  GET    /account                                               user
  POST   /account                                               user     /theme=pink
  GET    /account/password                                      user
  POST   /account/password                                      user     /password=x
  GET    /account/identities                                    user
  GET    /account/tokens                                        user
  POST   /account/tokens                                        user     /name=
  GET    /account/tokens/{token}/revoke                         own
! POST   /account/tokens/{token}/revoke                         own
  GET    /account/sessions                                      user
  GET    /account/sessions/others/end                           user
  POST   /account/sessions/others/end                           user
  GET    /account/sessions/{session}/end                        own
! POST   /account/sessions/{session}/end                        own
  GET    /account/elevation                                     site
  POST   /account/elevation                                     site     /reason=x
! POST   /account/elevation/end                                 site

  GET    /projects                                              user
  GET    /projects/new                                          user
  POST   /projects                                              user     /name=
  GET    /projects/{project}                                    see
  GET    /projects/{project}/clone                              see
  POST   /projects/{project}/clone                              see      /name=
  GET    /projects/{project}/settings                           manage
  POST   /projects/{project}/settings                           manage   /name=&version=1
! POST   /projects/{project}/archive                            manage   archived=true
  GET    /projects/{project}/members                            see
  POST   /projects/{project}/members                            manage   /user=nobody
  GET    /projects/{project}/members/{me}/delete                leave
! POST   /projects/{project}/members/{me}/delete                leave
  GET    /projects/{project}/members/{user}/delete              manage
! POST   /projects/{project}/members/{user}/delete              manage
  GET    /projects/{project}/delete                             manage
  POST   /projects/{project}/delete                             manage
  GET    /projects/{project}/files                              see
  POST   /projects/{project}/files                              files    a=b
  GET    /projects/{project}/files/view/{*path}                 see
  GET    /projects/{project}/files/content/{*path}              see
  PUT    /projects/{project}/files/content/{*path}              files    "print(2)
  GET    /projects/{project}/files/new-folder                   files    
  POST   /projects/{project}/files/new-folder                   files    folder=&/path=new
  GET    /projects/{project}/files/move?path=code/main.py       files
  POST   /projects/{project}/files/move                         files    path=code/main.py&/to=
  GET    /projects/{project}/files/delete?path=code/main.py     files
! POST   /projects/{project}/files/delete                       files    path=code/main.py
  POST   /projects/{project}/files/zip                          see      path=code/main.py
  GET    /projects/{project}/jobs                               see
  GET    /projects/{project}/jobs/stream                        see
  GET    /projects/{project}/jobs/new                           jobs
  POST   /projects/{project}/jobs                               jobs     /name=
  POST   /projects/{project}/jobs/preview                       jobs     /name=
  GET    /jobs                                                  user
  GET    /jobs/stream                                           user
  GET    /jobs/{job}                                            see
  GET    /jobs/{job}/stream                                     see
  GET    /jobs/{job}/cancel                                     jobs
! POST   /jobs/{job}/cancel                                     jobs
  GET    /jobs/{job}/delete                                     jobs
  POST   /jobs/{job}/delete                                     jobs     outputs=keep
  GET    /jobs/{job}/events                                     see
  GET    /jobs/{job}/logs                                       see
  GET    /jobs/{job}/logs/stream                                see
  GET    /jobs/{job}/logs/download                              see
  GET    /jobs/{job}/manifest                                   inner
  GET    /jobs/{job}/outputs                                    see
  GET    /tasks                                                 user
  GET    /tasks/{task}                                          own
  POST   /tasks/{task}/cancel                                   own
  GET    /tasks/{projects_task}                                 see
  POST   /tasks/{projects_task}/cancel                          manage

  GET    /admin                                                 site
  GET    /admin/users                                           site
  GET    /admin/users/new                                       site
  POST   /admin/users                                           site     /name=
  GET    /admin/users/{user}/suspend                            site
! POST   /admin/users/{user}/suspend                            site
  GET    /admin/users/{user}/restore                            site
  POST   /admin/users/{user}/restore                            site
  GET    /admin/rules                                           site
  POST   /admin/rules                                           site     /provider=none
  GET    /admin/audit                                           site

  GET    /api/v1/openapi.json                                   visitor
  GET    /api/v1/user                                           user
  PATCH  /api/v1/user                                           user     {"theme": "pink"}
  PUT    /api/v1/user/password                                  user     {"old": "x"}
  PUT    /api/v1/user/elevation                                 site     {"reason": "x"}
! DELETE /api/v1/user/elevation                                 site
! POST   /api/v1/example                                        user
  GET    /api/v1/search?q=abc                                   user
  GET    /api/v1/user/tokens                                    user
  GET    /api/v1/user/tokens/{token}                            own
  POST   /api/v1/user/tokens                                    user     {"name": ""}
! DELETE /api/v1/user/tokens/{token}                            own
  GET    /api/v1/user/identities                                user
  GET    /api/v1/user/sessions                                  user
! DELETE /api/v1/user/sessions                                  user
! DELETE /api/v1/user/sessions/{session}                        own
  GET    /api/v1/queues                                         user
  GET    /api/v1/projects                                       user
  POST   /api/v1/projects                                       user     {"name": ""}
  GET    /api/v1/projects/{project}                             see
  PATCH  /api/v1/projects/{project}                             manage   {"name": ""}
  DELETE /api/v1/projects/{project}                             manage
  POST   /api/v1/projects/{project}/clone                       see      {"name": ""}
  GET    /api/v1/projects/{project}/members                     see
  GET    /api/v1/projects/{project}/members/{user}              see
  PUT    /api/v1/projects/{project}/members/{user}              manage   {"role": "none"}
! DELETE /api/v1/projects/{project}/members/{user}              manage
! DELETE /api/v1/projects/{project}/members/{me}                leave
  GET    /api/v1/projects/{project}/files                       see
  GET    /api/v1/projects/{project}/files/{*path}               see
  PUT    /api/v1/projects/{project}/files/{*path}               files    "print(2)
! DELETE /api/v1/projects/{project}/files/{*path}               files
  POST   /api/v1/projects/{project}/folders                     files    {"path": ""}
  POST   /api/v1/projects/{project}/moves                       files    {"from": "code/main.py", "to": ""}
  GET    /api/v1/projects/{project}/zip?path=code/main.py               see
  GET    /api/v1/projects/{project}/jobs                        see
  POST   /api/v1/projects/{project}/jobs                        jobs     {"name": ""}
  GET    /api/v1/jobs                                           user
  GET    /api/v1/jobs/{job}                                     see
  DELETE /api/v1/jobs/{job}                                     jobs
! POST   /api/v1/jobs/{job}/cancel                              jobs
  POST   /api/v1/jobs/{job}/rerun                               jobs     {"name": ""}
  GET    /api/v1/jobs/{job}/attempts                            see
  GET    /api/v1/jobs/{job}/attempts/{n}                        see
  GET    /api/v1/jobs/{job}/attempts/{n}/logs                   see
  GET    /api/v1/jobs/{job}/attempts/{n}/logs/{stream}          see
  GET    /api/v1/jobs/{job}/attempts/{n}/logs/{stream}/search?q=x  see
  GET    /api/v1/jobs/{job}/events                              see
  GET    /api/v1/jobs/{job}/outputs                             see
  GET    /api/v1/jobs/{job}/manifest                            inner
  GET    /api/v1/jobs/{job}/placement                           see
  GET    /api/v1/tasks                                          user
  GET    /api/v1/tasks/{task}                                   own
  POST   /api/v1/tasks/{task}/cancel                            own
  GET    /api/v1/tasks/{projects_task}                          see
  POST   /api/v1/tasks/{projects_task}/cancel                   manage
  GET    /api/v1/admin/users                                    site
  POST   /api/v1/admin/users                                    site     {"name": ""}
  GET    /api/v1/admin/users/{user}                             site
! POST   /api/v1/admin/users/{user}/suspend                     site
  POST   /api/v1/admin/users/{user}/restore                     site
  GET    /api/v1/admin/clusters                                 site
  GET    /api/v1/admin/audit                                    site
"#;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Route(Right),
    /// Signed in, and the thing is theirs.
    Own,
}

struct Call {
    changes: bool,
    method: Method,
    path: &'static str,
    needs: Needs,
    body: &'static str,
}

impl Call {
    /// The path as the router has it.
    fn route(&self) -> String {
        let path = self.path.split('?').next().unwrap();
        path.replace("{me}", "{user}")
            .replace("{projects_task}", "{task}")
    }
}

fn parse(line: &'static str) -> Call {
    let (changes, line) = match line.strip_prefix('!') {
        Some(line) => (true, line.trim()),
        None => (false, line.trim()),
    };
    let mut words = line.split_whitespace();
    let method = words.next().unwrap().parse().unwrap();
    let path = words.next().unwrap();
    let word = words.next().unwrap_or_else(|| panic!("{path}: no right"));
    let after = line.find(path).unwrap() + path.len();
    let body = line[after..].trim().strip_prefix(word).unwrap().trim();
    let project = |action| Needs::Route(Right::Project(action));
    let needs = match word {
        "visitor" => Needs::Route(Right::Visitor),
        "user" => Needs::Route(Right::User),
        "site" => Needs::Route(Right::SiteAdmin),
        "own" => Needs::Own,
        "see" => project(Action::See),
        "inner" => project(Action::SeeJobInner),
        "files" => project(Action::EditFiles),
        "jobs" => project(Action::RunJobs),
        "leave" => project(Action::Leave),
        "manage" => project(Action::Manage),
        other => panic!("{path}: `{other}` is no right"),
    };
    Call {
        changes,
        method,
        path,
        needs,
        body,
    }
}

fn table() -> Vec<Call> {
    let lines = TABLE.lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).map(parse).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Visitor,
    /// Signed in, and no member.
    Stranger,
    Observer,
    Editor,
    /// Of the project; the task, the token and the session are theirs.
    Administrator,
    /// With a token that may only read.
    AdministratorReading,
    /// No member, and it was not switched on that they see others' projects.
    SiteAdmin,
    SiteAdminElevated,
}

impl Caller {
    const ALL: [Self; 8] = [
        Self::Visitor,
        Self::Stranger,
        Self::Observer,
        Self::Editor,
        Self::Administrator,
        Self::AdministratorReading,
        Self::SiteAdmin,
        Self::SiteAdminElevated,
    ];

    fn role(self) -> Option<Role> {
        match self {
            Self::Observer | Self::SiteAdminElevated => Some(Role::Observer),
            Self::Editor => Some(Role::Editor),
            Self::Administrator | Self::AdministratorReading => Some(Role::Administrator),
            Self::Visitor | Self::Stranger | Self::SiteAdmin => None,
        }
    }

    fn is_member(self) -> bool {
        self.role().is_some() && self != Self::SiteAdminElevated
    }

    fn is_site_admin(self) -> bool {
        matches!(self, Self::SiteAdmin | Self::SiteAdminElevated)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Allowed,
    NotSignedIn,
    NotFound,
    Forbidden,
    /// Either of the two.
    Refused,
    /// The portal broke.
    Broken,
}

impl Outcome {
    fn is(self, expected: Self) -> bool {
        match expected {
            Self::Refused => matches!(self, Self::NotFound | Self::Forbidden),
            one => self == one,
        }
    }
}

/// What a caller must get, in a private project or a public one.
fn expected(call: &Call, caller: Caller, public: bool) -> Outcome {
    let reads = matches!(call.method, Method::GET);
    let right = match call.needs {
        Needs::Route(Right::Visitor) => return Outcome::Allowed,
        _ if caller == Caller::Visitor => return Outcome::NotSignedIn,
        Needs::Own if !matches!(caller, Caller::Administrator | Caller::AdministratorReading) => {
            return Outcome::NotFound;
        }
        Needs::Own => Right::User,
        Needs::Route(right) => right,
    };
    let by_scope = if caller == Caller::AdministratorReading && !reads {
        Outcome::Forbidden
    } else {
        Outcome::Allowed
    };
    // A membership that is not there is not found, wherever that is noticed first.
    if call.path.contains("{me}") && !caller.is_member() {
        return Outcome::Refused;
    }
    match right {
        Right::SiteAdmin if !caller.is_site_admin() => Outcome::NotFound,
        Right::Project(action) => {
            let needed = match action {
                Action::See if public => return by_scope,
                Action::See | Action::SeeJobInner | Action::Leave => Role::Observer,
                Action::EditFiles | Action::RunJobs => Role::Editor,
                Action::Manage => Role::Administrator,
            };
            match caller.role() {
                None if public => Outcome::Forbidden,
                None => Outcome::NotFound,
                Some(role) if role < needed => Outcome::Forbidden,
                Some(_) => by_scope,
            }
        }
        Right::Visitor | Right::User | Right::SiteAdmin => by_scope,
    }
}

/// A portal with one project in which everything is, and all callers.
struct World<'a> {
    portal: &'a Portal,
    stranger: User<'a>,
    observer: User<'a>,
    editor: User<'a>,
    administrator: User<'a>,
    site_admin: User<'a>,
    elevated: User<'a>,
    /// A member who calls nothing.
    target: UserId,
    project: ProjectId,
    job: JobId,
    task: TaskId,
    projects_task: TaskId,
    token: TokenId,
    session: SessionId,
}

impl<'a> World<'a> {
    async fn new(portal: &'a Portal, public: bool) -> Self {
        let administrator = portal.user("administrator").await;
        let elevated = portal.site_admin("elevated").await;
        let (services, actor) = (&portal.services, administrator.actor());
        let draft = projects::Draft {
            name: "Genomes".into(),
            visibility: if public { "public" } else { "private" }.into(),
            ..projects::Draft::default()
        };
        let project = projects::create(services, &actor, &draft, None)
            .await
            .unwrap()
            .into_inner();
        let observer = portal.user("observer").await;
        let editor = portal.user("editor").await;
        let target = portal.user("target").await.account.id;
        for (name, role) in [
            ("observer", "observer"),
            ("editor", "editor"),
            ("target", "observer"),
        ] {
            let put = projects::put_member(services, &actor, project, name, role);
            put.await.unwrap();
        }
        accounts::elevate(services, &elevated.actor(), "to look at a stuck job")
            .await
            .unwrap();
        let api = administrator.api("write").await;
        let job = Self::fill(&api, project).await;
        let session = accounts::list_sessions(services, &actor, None, 1)
            .await
            .unwrap()[0]
            .id;
        let token = accounts::list_tokens(services, &actor, None, 1)
            .await
            .unwrap()[0]
            .id;
        let mut world = Self {
            stranger: portal.user("stranger").await,
            site_admin: portal.site_admin("site-admin").await,
            task: TaskId::new(),
            projects_task: TaskId::new(),
            portal,
            observer,
            editor,
            administrator,
            elevated,
            target,
            project,
            job,
            token,
            session,
        };
        let actor = world.administrator.account.id;
        start_job(portal, job).await;
        world.task = begin_task(portal, actor, None).await;
        world.projects_task = begin_task(portal, target, Some(project)).await;
        world
    }

    /// A file and a job of the project.
    async fn fill(api: &Api<'_>, project: ProjectId) -> JobId {
        let file = format!("/projects/{project}/files/code/main.py");
        let put = api.request(Method::PUT, &file).body("print(1)");
        let _ = put.send().await.expect(201);
        let job = json!({ "name": "one", "type": "python", "main_file": "code/main.py" });
        let made = api.post(&format!("/projects/{project}/jobs"), &job).await;
        made.expect(201).json()["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    fn user(&self, caller: Caller) -> Option<&User<'a>> {
        match caller {
            Caller::Visitor => None,
            Caller::Stranger => Some(&self.stranger),
            Caller::Observer => Some(&self.observer),
            Caller::Editor => Some(&self.editor),
            Caller::Administrator | Caller::AdministratorReading => Some(&self.administrator),
            Caller::SiteAdmin => Some(&self.site_admin),
            Caller::SiteAdminElevated => Some(&self.elevated),
        }
    }

    fn path(&self, call: &Call, caller: Caller) -> String {
        let me = self.user(caller).unwrap_or(&self.administrator);
        let api = call.path.starts_with("/api/");
        // Pages of members go by ids, as links do; the API and the administrators' pages by names, as people do.
        let by_id = !api && call.path.starts_with("/projects/");
        let target = self.target;
        let mut path = call.path.to_owned();
        for (name, value) in [
            ("{hash}", "0".into()),
            ("{*name}", "app.css".into()),
            ("{secret}", "none".into()),
            ("{provider}", "institute".into()),
            ("{project}", self.project.to_string()),
            ("{job}", self.job.to_string()),
            ("{n}", "1".into()),
            ("{stream}", "driver".into()),
            ("{*path}", "code/main.py".into()),
            ("{task}", self.task.to_string()),
            ("{projects_task}", self.projects_task.to_string()),
            ("{token}", self.token.to_string()),
            ("{session}", self.session.to_string()),
            (
                "{user}",
                if by_id {
                    target.to_string()
                } else {
                    "target".into()
                },
            ),
            (
                "{me}",
                if by_id {
                    me.account.id.to_string()
                } else {
                    me.account.name.to_string()
                },
            ),
        ] {
            path = path.replace(name, &value);
        }
        assert!(!path.contains('{'), "{path}: what stands for this?");
        path
    }

    async fn call(&self, call: &Call, kind: Kind, caller: Caller) -> Outcome {
        let path = self.path(call, caller);
        let visitor = self.portal.visitor();
        let request = match self.user(caller) {
            _ if kind.is_api() => {
                let request = Request::plain(self.portal, call.method.clone(), &path);
                match self.user(caller) {
                    None => request,
                    Some(user) => {
                        let scope = match caller {
                            Caller::AdministratorReading => "read",
                            _ if caller.is_site_admin() => "admin",
                            _ => "write",
                        };
                        let token = user.api(scope).await.token;
                        request.header("authorization", &format!("Bearer {token}"))
                    }
                }
            }
            None => visitor.request(call.method.clone(), &path),
            Some(user) => user.request(call.method.clone(), &path),
        };
        let request = match call.body.chars().next() {
            None if call.method == Method::POST && !kind.is_api() => request.form(&[]),
            None => request,
            Some('{') => request
                .header("content-type", "application/json")
                .body(call.body),
            Some('"') => request.body(&call.body[1..]),
            Some(_) => {
                let fields = call
                    .body
                    .split('&')
                    .map(|pair| pair.split_once('=').unwrap());
                request.form(&fields.collect::<Vec<_>>())
            }
        };
        // The body of a stream would not end.
        let answer = request.open().await;
        let location = answer.headers().get("location");
        let to_sign_in = location.is_some_and(|to| to.as_bytes().starts_with(b"/login"))
            // Signing out leads there too.
            && !answer.headers().contains_key("set-cookie");
        match answer.status().as_u16() {
            303 if to_sign_in => Outcome::NotSignedIn,
            401 => Outcome::NotSignedIn,
            403 => Outcome::Forbidden,
            404 => Outcome::NotFound,
            500.. => Outcome::Broken,
            _ => Outcome::Allowed,
        }
    }
}

/// An attempt with a log.
async fn start_job(portal: &Portal, job: JobId) {
    use crate::store::{of_job, start};
    start(portal, job).await;
    let mut tx = portal.services.store.begin().await.unwrap();
    let driver = StreamName::driver();
    tx.open_log_stream(&of_job(job), 1, &driver, portal.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn begin_task(portal: &Portal, user: UserId, project: Option<ProjectId>) -> TaskId {
    let task = tourmaline::store::NewTask {
        id: TaskId::new(),
        kind: "none",
        title: "Something long".into(),
        project,
        user,
        input: "{}".into(),
        created_at: portal.now(),
    };
    let mut tx = portal.services.store.begin().await.unwrap();
    tx.insert_task(&task).await.unwrap();
    tx.commit().await.unwrap();
    task.id
}

struct Wrong {
    call: String,
    caller: Caller,
    public: bool,
    expected: Outcome,
    got: Outcome,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.public { "public" } else { "private" };
        write!(
            f,
            "{} by {:?} ({place} project): {:?} instead of {:?}",
            self.call, self.caller, self.got, self.expected
        )
    }
}

fn find<'r>(routes: &'r [Route], call: &Call) -> Option<&'r Route> {
    routes
        .iter()
        .find(|route| route.method == call.method && route.path == call.route())
}

#[test]
fn every_route_is_in_the_table_with_its_right() {
    let (routes, table) = (web::routes(), table());
    let mut wrong = Vec::new();
    for call in &table {
        let line = format!("{} {}", call.method, call.path);
        match find(&routes, call) {
            None => wrong.push(format!("{line} is in the table and no route")),
            Some(route) => {
                let same_path =
                    |other: &&Call| other.route() == call.route() && other.method == call.method;
                let fits = table.iter().filter(same_path).any(|call| match call.needs {
                    Needs::Own => route.right == Right::User,
                    Needs::Route(right) => route.right == right,
                });
                if !fits {
                    wrong.push(format!("{line} has the right {:?}", route.right));
                }
            }
        }
    }
    for route in &routes {
        let listed = |call: &Call| route.method == call.method && route.path == call.route();
        if !table.iter().any(listed) {
            wrong.push(format!(
                "{} {} {:?} is missing from the table",
                route.method, route.path, route.right
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn walk(public: bool) {
    let (routes, table) = (web::routes(), table());
    let provider = Provider::start().await;
    let settings = provider.settings("institute");
    let portal = Portal::with(Home::Sqlite, |c| c.sign_in.providers = vec![settings]).await;
    let world = World::new(&portal, public).await;
    let mut wrong = Vec::new();
    for call in &table {
        let Some(route) = find(&routes, call) else {
            continue;
        };
        let in_project = matches!(call.needs, Needs::Route(Right::Project(_)));
        if public && !in_project {
            continue;
        }
        for caller in Caller::ALL {
            if caller == Caller::AdministratorReading && !route.kind.is_api() {
                continue;
            }
            let expected = expected(call, caller, public);
            // Whoever is refused changes nothing.
            let got = if call.changes && expected == Outcome::Allowed {
                let portal = Portal::with(Home::Sqlite, |_| ()).await;
                let world = World::new(&portal, public).await;
                world.call(call, route.kind, caller).await
            } else {
                world.call(call, route.kind, caller).await
            };
            if !got.is(expected) {
                wrong.push(Wrong {
                    call: format!("{} {}", call.method, call.path),
                    caller,
                    public,
                    expected,
                    got,
                });
            }
        }
    }
    let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[tokio::test]
async fn everybody_gets_of_a_private_project_what_is_theirs() {
    walk(false).await;
}

#[tokio::test]
async fn everybody_gets_of_a_public_project_what_is_theirs() {
    walk(true).await;
}
