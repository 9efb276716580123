//! Projects and members.
use super::{
    Error, Portal, Result,
    error::denied,
    idempotency::{self, Claim, Key, Made},
    tasks::Work,
};
use crate::{
    domain::{
        access::{Action, Actor, Permitted},
        ids::{ProjectId, TaskId, UserId},
        names::{Title, UserName, is_one_line},
        project::{Member, Project, Role, Visibility},
        quantity::human_bytes,
        user::{Scope, User},
        violation::Violations,
    },
    storage::{self, keys},
    store::{self, Membership},
};

/// What somebody types about a project.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    pub name: String,
    pub description: String,
    /// `private` or `public`; empty is private.
    pub visibility: String,
}

struct Checked {
    name: Title,
    description: String,
    visibility: Visibility,
}

impl Draft {
    /// Everything that is wrong with it.
    pub fn problems(&self) -> Violations {
        match self.check() {
            Err(Error::Invalid(wrong)) => wrong,
            _ => Violations::default(),
        }
    }

    fn check(&self) -> Result<Checked> {
        let mut wrong = Violations::default();
        let name = Title::parse(&self.name);
        if let Err(why) = &name {
            wrong.add("/name", format!("The name {why}."), Some(&self.name));
        }
        let description = self.description.trim().replace("\r\n", "\n");
        let count = description.chars().count();
        if count > 2000 {
            wrong.add(
                "/description",
                format!("The description has {count} characters; at most 2,000 are taken."),
                None,
            );
        }
        if !description.split(['\n', '\t']).all(is_one_line) {
            wrong.add(
                "/description",
                "The description has control characters; lines and tabs are taken, others are not.",
                None,
            );
        }
        let visibility = match self.visibility.as_str() {
            "" => Visibility::Private,
            text => text.parse().unwrap_or_else(|why| {
                wrong.add("/visibility", format!("The visibility {why}."), Some(text));
                Visibility::Private
            }),
        };
        match name {
            Ok(name) if wrong.is_empty() => Ok(Checked {
                name,
                description,
                visibility,
            }),
            _ => Err(Error::Invalid(wrong)),
        }
    }
}

/// Leave to make a project.
pub fn may_create(actor: &Actor) -> Result<Permitted<UserId>> {
    actor.own_account(Scope::Write).map_err(denied("account"))
}

/// A new project, which the caller administers.
pub async fn create(
    portal: &Portal,
    actor: &Actor,
    draft: &Draft,
    key: Option<&Key>,
) -> Result<Made<ProjectId>> {
    insert(portal, actor, draft, None, key).await
}

/// `like` is the project whose members the new one gets besides.
async fn insert(
    portal: &Portal,
    actor: &Actor,
    draft: &Draft,
    like: Option<ProjectId>,
    key: Option<&Key>,
) -> Result<Made<ProjectId>> {
    let maker = may_create(actor)?;
    let checked = draft.check()?;
    let (id, now) = (ProjectId::new(), portal.clock.now());
    let tx = portal.store.begin().await?;
    let mut tx = match idempotency::claim(key, portal, tx, actor, &id.to_string()).await? {
        Claim::Free(tx) => tx,
        Claim::Before(first) => return Ok(Made::Again(first)),
    };
    let project = Project {
        id,
        name: checked.name,
        description: checked.description,
        visibility: checked.visibility,
        created_at: now,
        archived_at: None,
        deleting_at: None,
        version: 1,
    };
    tx.insert_project(&project, &maker).await?;
    if let Some(like) = like {
        let permit = Permitted::by_system(id, "members of a cloned project");
        tx.copy_members(&permit, like, now).await?;
    }
    tx.add_audit(
        maker.by(),
        "project.create",
        &id.to_string(),
        project.name.as_str(),
        now,
    )
    .await?;
    tx.commit().await?;
    Ok(Made::New(id))
}

/// A new project with the settings and members of another; the caller administers it. Its files and jobs are its own.
pub async fn clone(
    portal: &Portal,
    actor: &Actor,
    from: ProjectId,
    name: &str,
    key: Option<&Key>,
) -> Result<Made<ProjectId>> {
    let draft = draft_like(portal, actor, from, name).await?;
    insert(portal, actor, &draft, Some(from), key).await
}

/// What a clone of this name would be.
pub async fn draft_like(
    portal: &Portal,
    actor: &Actor,
    from: ProjectId,
    name: &str,
) -> Result<Draft> {
    let (membership, _) = portal.open_project(actor, from, Action::See).await?;
    Ok(Draft {
        name: name.to_owned(),
        description: membership.project.description,
        visibility: membership.project.visibility.to_string(),
    })
}

/// Changes name, description, visibility and whether it is archived. `version` is what the caller read.
pub async fn update(
    portal: &Portal,
    actor: &Actor,
    id: ProjectId,
    version: i64,
    draft: &Draft,
    archived: bool,
) -> Result<()> {
    let (membership, permit) = portal.open_project(actor, id, Action::Manage).await?;
    let checked = draft.check()?;
    let now = portal.clock.now();
    let archived_at = archived.then(|| membership.project.archived_at.unwrap_or(now));
    let mut tx = portal.store.begin().await?;
    tx.update_project(&permit, version, &checked.name, &checked.description, checked.visibility, archived_at)
        .await
        .map_err(|error| match error {
            store::Error::Stale(_) => Error::Outdated(
                "Somebody changed this project since you read it. Load it again; your change was not made.".into(),
            ),
            other => other.into(),
        })?;
    tx.add_audit(
        permit.by(),
        "project.update",
        &id.to_string(),
        checked.name.as_str(),
        now,
    )
    .await?;
    Ok(tx.commit().await?)
}

/// What goes with a project, as far as it was counted.
#[derive(Debug, Clone)]
pub struct Extent {
    pub jobs: i64,
    pub live_jobs: i64,
    pub members: i64,
    files: usize,
    bytes: u64,
    /// There are more files than were looked at.
    more: bool,
}

impl Extent {
    pub fn files_in_words(&self) -> String {
        let size = human_bytes(self.bytes);
        match (self.files, self.more) {
            (count, true) => format!("more than {count} files (more than {size})"),
            (0, false) => "no files".into(),
            (1, false) => format!("1 file ({size})"),
            (count, false) => format!("{count} files ({size})"),
        }
    }
}

/// What deleting the project would take with it; a question must not walk through a million files.
pub async fn extent(portal: &Portal, actor: &Actor, id: ProjectId) -> Result<Extent> {
    portal.open_project(actor, id, Action::Manage).await?;
    let mut extent = Extent {
        jobs: portal.store.count_jobs(id).await?,
        live_jobs: portal.store.count_live_jobs(id).await?,
        members: portal.store.count_members(id).await?,
        files: 0,
        bytes: 0,
        more: false,
    };
    let prefix = keys::files_prefix(id, None);
    let mut after: Option<String> = None;
    for _ in 0..10 {
        let page = portal
            .storage
            .list_all(&prefix, after.as_deref(), storage::PAGE)
            .await?;
        let files = page
            .entries
            .iter()
            .filter(|e| e.kind == storage::Kind::File);
        extent.files += files.clone().count();
        extent.bytes += files.map(|e| e.size).sum::<u64>();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    extent.more = after.is_some();
    Ok(extent)
}

/// Hides the project and leaves a task that deletes its files, logs, jobs and itself.
pub async fn delete(portal: &Portal, actor: &Actor, id: ProjectId) -> Result<TaskId> {
    let (membership, permit) = portal.open_project(actor, id, Action::Manage).await?;
    let now = portal.clock.now();
    let live = portal.store.count_live_jobs(id).await?;
    let busy = |live: i64| {
        Error::Conflict(format!(
            "{live} of its jobs have not ended. Cancel them or wait for their end, then delete the project."
        ))
    };
    if live > 0 {
        return Err(busy(live));
    }
    let title = format!("Delete the project “{}”", membership.project.name);
    let task = Work::DeleteProject.task(portal, actor, id, title)?;
    let mut tx = portal.store.begin().await?;
    tx.begin_deleting_project(&permit, now)
        .await
        .map_err(|error| match error {
            store::Error::Stale(_) => busy(1),
            other => other.into(),
        })?;
    tx.insert_task(&task).await?;
    tx.add_audit(
        permit.by(),
        "project.delete",
        &id.to_string(),
        membership.project.name.as_str(),
        now,
    )
    .await?;
    tx.commit().await?;
    Ok(task.id)
}

/// The caller's own projects.
pub async fn list_mine(portal: &Portal, actor: &Actor) -> Result<Vec<Membership>> {
    Ok(portal.store.list_projects_of(actor.user.id).await?)
}

/// All projects that the caller may see, newest first.
pub async fn list(
    portal: &Portal,
    actor: &Actor,
    after: Option<ProjectId>,
    limit: u32,
) -> Result<Vec<Membership>> {
    let all = actor.is_elevated(portal.clock.now());
    Ok(portal
        .store
        .list_projects(actor.user.id, all, after, limit)
        .await?)
}

/// The members after a name, in order of names.
pub async fn list_members(
    portal: &Portal,
    actor: &Actor,
    id: ProjectId,
    after: Option<&UserName>,
    limit: u32,
) -> Result<Vec<Member>> {
    portal.open_project(actor, id, Action::See).await?;
    let after = after.map_or("", UserName::as_str);
    Ok(portal.store.list_members(id, after, limit).await?)
}

/// Gives a user a role, as a new member or instead of the old one.
pub async fn put_member(
    portal: &Portal,
    actor: &Actor,
    id: ProjectId,
    user: &str,
    role: &str,
) -> Result<()> {
    let (_, permit) = portal.open_project(actor, id, Action::Manage).await?;
    let mut wrong = Violations::default();
    let role = role
        .parse::<Role>()
        .map_err(|why| wrong.add("/role", format!("The role {why}."), Some(role)));
    let found = find_user(portal, user.trim()).await?;
    if found.is_none() {
        wrong.add(
            "/user",
            "There is no user of this name here. They must have signed in once.",
            Some(user),
        );
    }
    let (Some(user), Ok(role)) = (found, role) else {
        return Err(Error::Invalid(wrong));
    };
    not_by_rule(portal, id, user.id).await?;
    let now = portal.clock.now();
    let mut tx = portal.store.begin().await?;
    tx.put_member(&permit, user.id, role, now).await?;
    keep_an_administrator(&mut tx, &permit).await?;
    tx.add_audit(
        permit.by(),
        "member.put",
        &id.to_string(),
        &format!("{} {role}", user.name),
        now,
    )
    .await?;
    Ok(tx.commit().await?)
}

/// What a rule gave is not changed by hand: the rule would give it again.
async fn not_by_rule(portal: &Portal, id: ProjectId, user: UserId) -> Result<()> {
    let member = portal.store.find_member(id, user).await?;
    if member.is_some_and(|member| member.by_rule) {
        return Err(Error::Conflict(
            "This membership comes from a group at the identity provider, by a rule of this portal's. It changes with the group, or with the rule.".into(),
        ));
    }
    Ok(())
}

/// A user by id or by name; a name may look like an id.
async fn find_user(portal: &Portal, who: &str) -> Result<Option<User>> {
    if let Ok(id) = who.parse()
        && let Some(user) = portal.store.find_user(id).await?
    {
        return Ok(Some(user));
    }
    match UserName::parse(who) {
        Ok(name) => Ok(portal.store.find_user_by_name(&name).await?),
        Err(_) => Ok(None),
    }
}

/// A member by the user's id or name.
pub async fn find_member(
    portal: &Portal,
    actor: &Actor,
    id: ProjectId,
    who: &str,
) -> Result<Member> {
    portal.open_project(actor, id, Action::See).await?;
    let member = match find_user(portal, who).await? {
        Some(user) => portal.store.find_member(id, user.id).await?,
        None => None,
    };
    member.ok_or(Error::NotFound("member"))
}

/// Ends a membership: an administrator anybody's, everybody their own.
pub async fn delete_member(
    portal: &Portal,
    actor: &Actor,
    id: ProjectId,
    user: UserId,
) -> Result<()> {
    let action = if user == actor.user.id {
        Action::Leave
    } else {
        Action::Manage
    };
    let (_, permit) = portal.open_project(actor, id, action).await?;
    not_by_rule(portal, id, user).await?;
    let now = portal.clock.now();
    let mut tx = portal.store.begin().await?;
    if !tx.delete_member(&permit, user).await? {
        return Err(Error::NotFound("member"));
    }
    keep_an_administrator(&mut tx, &permit).await?;
    tx.add_audit(
        permit.by(),
        "member.delete",
        &id.to_string(),
        &user.to_string(),
        now,
    )
    .await?;
    Ok(tx.commit().await?)
}

async fn keep_an_administrator(tx: &mut store::Tx, project: &Permitted<ProjectId>) -> Result<()> {
    if tx.count_administrators(project).await? > 0 {
        return Ok(());
    }
    Err(Error::Conflict(
        "A project needs an administrator. Make another member administrator first, or delete the project.".into(),
    ))
}
