//! The list of jobs, newest first. Its cost must be that of a page, however many jobs there are: each project and phase is
//! asked by an index of its own, which ends in the order of the list, and the answers are merged.
use super::{COLUMNS, NAMED, NAMES, Place, PlaceRow};
use crate::{
    domain::{
        ids::{ProjectId, UserId},
        job::{Language, Phase},
    },
    store::{Result, Store, micros, on},
};
use jiff::{SignedDuration, Timestamp};

/// Which jobs of a list. Empty means all.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    pub phases: Vec<Phase>,
    pub user: Option<UserId>,
    pub queue: Option<String>,
    pub name: Option<String>,
    pub language: Option<Language>,
    pub created_after: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
    /// Text of three characters or more, found anywhere in name, slug and main file.
    pub text: Option<String>,
}

/// `SQLite` takes 500 parts in one query, and there are at most six phases.
const PROJECTS_AT_ONCE: usize = 80;

/// Numbers and times of acceptance rise together, save as far as the clocks of replicas differ and an acceptance lasts.
const SKEW: SignedDuration = SignedDuration::from_mins(10);

impl Store {
    /// The newest jobs of these projects before a number, at most `limit`.
    pub async fn list_jobs(
        &self,
        projects: &[ProjectId],
        filter: &JobFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Place>> {
        let mut found = Vec::new();
        for some in projects.chunks(PROJECTS_AT_ONCE) {
            let (sql, binds) = Query::new(self.is_postgres(), filter, before, limit).build(some);
            let rows: Vec<PlaceRow> = on!(self, |db| {
                // PostgreSQL plans it anew each time: a plan for any value scans all jobs for a value that is rare.
                let mut query =
                    sqlx::query_as(sqlx::AssertSqlSafe(sql)).persistent(!self.is_postgres());
                for bind in binds {
                    query = match bind {
                        Bind::Text(text) => query.bind(text),
                        Bind::Int(number) => query.bind(number),
                    };
                }
                query.fetch_all(db).await
            })?;
            for row in rows {
                found.push(Place::try_from(row)?);
            }
        }
        if projects.len() > PROJECTS_AT_ONCE {
            found.sort_by_key(|place| std::cmp::Reverse(place.job.number));
            found.truncate(limit as usize);
        }
        Ok(found)
    }
}

enum Bind {
    Text(String),
    Int(i64),
}

struct Query<'a> {
    postgres: bool,
    filter: &'a JobFilter,
    before: Option<i64>,
    limit: u32,
    /// In lower case, as it is in the index.
    text: Option<String>,
    binds: Vec<Bind>,
}

impl<'a> Query<'a> {
    fn new(postgres: bool, filter: &'a JobFilter, before: Option<i64>, limit: u32) -> Self {
        Self {
            postgres,
            filter,
            before,
            limit,
            text: filter.text.as_deref().map(str::to_lowercase),
            binds: Vec::new(),
        }
    }

    fn build(mut self, projects: &[ProjectId]) -> (String, Vec<Bind>) {
        let limit = self.int(i64::from(self.limit));
        let phases: Vec<Option<Phase>> = if self.filter.phases.is_empty() {
            vec![None]
        } else {
            let mut phases = self.filter.phases.clone();
            phases.sort();
            phases.dedup();
            phases.into_iter().map(Some).collect()
        };
        let mut parts = Vec::new();
        for project in projects {
            for phase in &phases {
                let part = self.part(*project, *phase);
                parts.push(format!(
                    "SELECT number FROM ({part} DESC LIMIT {limit}) AS part"
                ));
            }
        }
        let sql = format!(
            "SELECT {COLUMNS}, {NAMES} FROM ({}) AS found \
             JOIN jobs j ON j.number = found.number {NAMED} ORDER BY j.number DESC LIMIT {limit}",
            parts.join(" UNION ALL ")
        );
        (sql, self.binds)
    }

    fn place(&mut self, bind: Bind) -> String {
        self.binds.push(bind);
        format!("${}", self.binds.len())
    }

    fn int(&mut self, number: i64) -> String {
        self.place(Bind::Int(number))
    }

    fn equal(&mut self, column: &str, value: impl Into<String>) -> String {
        format!("{column} = {}", self.place(Bind::Text(value.into())))
    }

    /// The numbers of one project's jobs in one phase or in all, up to the direction of their order.
    fn part(&mut self, project: ProjectId, phase: Option<Phase>) -> String {
        let at = self.place(Bind::Text(project.to_string()));
        let mut conditions = vec![
            format!("j.project_id = {at}"),
            "j.deleting_at IS NULL".to_owned(),
        ];
        let (mut from, mut number) = ("jobs j", "j.number");
        match self.text.clone() {
            Some(text) if self.postgres => {
                let like = self.place(Bind::Text(pattern(&text)));
                conditions.push(format!("j.search LIKE {like}"));
            }
            Some(text) => {
                (from, number) = (
                    "jobs_search s CROSS JOIN jobs j ON j.number = s.rowid",
                    "s.rowid",
                );
                let text = text.replace('"', "\"\"");
                let query = format!("project : \"{}\" AND text : \"{text}\"", key(project));
                let query = self.place(Bind::Text(query));
                conditions.push(format!("s.jobs_search MATCH {query}"));
            }
            None => {}
        }
        if let Some(before) = self.before {
            let before = self.int(before);
            conditions.push(format!("{number} < {before}"));
        }
        if let Some(phase) = phase {
            conditions.push(self.equal("j.phase", phase.as_str()));
        }
        let filter = self.filter;
        if let Some(user) = filter.user {
            conditions.push(self.equal("j.user_id", user.to_string()));
        }
        if let Some(queue) = &filter.queue {
            conditions.push(self.equal("j.queue", queue));
        }
        if let Some(name) = &filter.name {
            conditions.push(self.equal("j.name", name));
        }
        if let Some(language) = filter.language {
            conditions.push(self.equal("j.type", language.as_str()));
        }
        self.times(&at, number, &mut conditions);
        format!(
            "SELECT j.number FROM {from} WHERE {} ORDER BY {number}",
            conditions.join(" AND ")
        )
    }

    /// A bound of time becomes one of numbers, by which the list is ordered; the `+` keeps the index of times out of it.
    fn times(&mut self, project: &str, number: &str, conditions: &mut Vec<String>) {
        if let Some(at) = self.filter.created_after {
            let bound = self.int(micros(at));
            let safe = self.int(micros(at.checked_sub(SKEW).unwrap_or(Timestamp::MIN)));
            conditions.push(format!(
                "+j.created_at >= {bound} AND {number} > COALESCE((SELECT o.number FROM jobs o WHERE o.project_id = {project} \
                 AND o.created_at < {safe} ORDER BY o.created_at DESC, o.number DESC LIMIT 1), 0)"
            ));
        }
        if let Some(at) = self.filter.created_before {
            let bound = self.int(micros(at));
            let safe = self.int(micros(at.checked_add(SKEW).unwrap_or(Timestamp::MAX)));
            let last = i64::MAX;
            conditions.push(format!(
                "+j.created_at < {bound} AND {number} < COALESCE((SELECT o.number FROM jobs o WHERE o.project_id = {project} \
                 AND o.created_at >= {safe} ORDER BY o.created_at, o.number LIMIT 1), {last})"
            ));
        }
    }
}

fn pattern(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("%{escaped}%")
}

/// What stands for a project in the text index of `SQLite`: three characters, so that it is one trigram and one look-up, and
/// such as nobody types. Two projects may share one: the project's id is compared as well.
pub(super) fn key(project: ProjectId) -> String {
    const FIRST: u64 = 0xE000;
    const PRIVATE: u64 = 0x1900;
    let id = project.to_string();
    let random = u64::from_str_radix(&id[id.len() - 12..], 16).unwrap_or_default();
    [random >> 32, random >> 16 & 0xffff, random & 0xffff]
        .iter()
        .filter_map(|part| char::from_u32(u32::try_from(FIRST + part % PRIVATE).ok()?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projects_key_is_three_characters_of_the_private_area() {
        for _ in 0..100 {
            let key = key(ProjectId::new());
            assert_eq!(key.chars().count(), 3);
            assert!(key.chars().all(|c| ('\u{E000}'..='\u{F8FF}').contains(&c)));
        }
    }

    #[test]
    fn what_people_type_is_no_pattern() {
        assert_eq!(pattern(r"50%_\"), r"%50\%\_\\%");
    }
}
