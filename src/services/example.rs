//! A first job for a newcomer: a project, a program and a text that are in this binary, and the job that runs them.
use super::{
    Error, Portal, Result, files,
    idempotency::{Key, Made},
    jobs,
    projects::{self, Draft},
};
use crate::{
    domain::{
        access::{Action, Actor},
        ids::{JobId, ProjectId},
        names::FilePath,
    },
    validate,
};
use bytes::Bytes;
use std::convert::Infallible;

const NAME: &str = "Example";
const PROGRAM: (&str, &str) = (
    "code/wordcount.py",
    include_str!("../../deploy/examples/wordcount.py"),
);
const TEXT: (&str, &str) = (
    "data/sea.txt",
    include_str!("../../deploy/examples/sea.txt"),
);

/// Makes the example's project unless the caller has it already, puts its files there, and submits the job.
pub async fn run(portal: &Portal, actor: &Actor, key: Option<&Key>) -> Result<Made<JobId>> {
    if let Some(key) = key
        && let Some(job) = key.find(portal, actor).await?
    {
        return Ok(Made::Again(job));
    }
    let project = project(portal, actor, key).await?;
    for (path, text) in [PROGRAM, TEXT] {
        let path = FilePath::parse(path)
            .map_err(|why| Error::Internal(anyhow::anyhow!("an example's path {why}")))?;
        // What they changed there since stays.
        if files::find(portal, actor, project, &path).await?.is_some() {
            continue;
        }
        let bytes = Bytes::from_static(text.as_bytes());
        let body = futures::stream::iter([Ok::<_, Infallible>(bytes)]);
        files::put(portal, actor, project, &path, body).await?;
    }
    match jobs::submit(portal, actor, project, &draft(), key).await {
        Ok(accepted) if accepted.new.is_some() => Ok(Made::New(accepted.id)),
        Ok(accepted) => Ok(Made::Again(accepted.id)),
        Err(Error::Invalid(wrong)) => {
            let why: Vec<&str> = wrong.iter().map(|v| v.message.as_str()).collect();
            Err(Error::Conflict(format!(
                "This portal's rules do not take the example. {} Submit a job of your own instead.",
                why.join(" ")
            )))
        }
        Err(other) => Err(other),
    }
}

async fn project(portal: &Portal, actor: &Actor, key: Option<&Key>) -> Result<ProjectId> {
    let mine = projects::list_mine(portal, actor).await?;
    let usable = mine.iter().find(|of| {
        of.project.name.as_str() == NAME
            && portal.may(actor, Action::EditFiles, of)
            && portal.may(actor, Action::RunJobs, of)
    });
    if let Some(of) = usable {
        return Ok(of.project.id);
    }
    let draft = Draft {
        name: NAME.into(),
        description: "A first job: it counts the words of a text. Change it, or delete it.".into(),
        visibility: String::new(),
    };
    let key = key.map(|key| key.part("its project"));
    Ok(projects::create(portal, actor, &draft, key.as_ref())
        .await?
        .into_inner())
}

fn draft() -> validate::Draft {
    let mut draft = validate::Draft::default();
    draft.set("/name", "word-count");
    draft.set("/type", "python");
    draft.set("/main_file", PROGRAM.0);
    draft.set(
        "/arguments",
        &format!("{{project}}/{}\n{{output}}/counts", TEXT.0),
    );
    draft
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::Rules;

    #[test]
    fn the_example_is_a_job_by_the_built_in_rules() {
        let checked = validate::job(&draft(), &Rules::embedded());
        let spec = checked.into_result().expect("the example");
        assert_eq!(
            spec.arguments,
            ["{project}/data/sea.txt", "{output}/counts"]
        );
        assert!(TEXT.1.split_whitespace().count() > 100);
    }
}
