//! Many submit at once: together or each for himself, and who went away.
use crate::{
    house::{Portal, User},
    store::{find, insert_project},
};
use futures::future::{join, join_all};
use serde_json::json;
use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};
use tourmaline::{
    domain::{
        access::Permitted,
        ids::{JobId, ProjectId},
        project::Visibility,
    },
    services::{
        self, Error,
        jobs::{self, Acceptor},
    },
    storage::keys,
    store::{JobFilter, Tx},
    validate::Draft,
};

/// A project with a program in it.
async fn project(portal: &Portal, maker: &User<'_>, name: &str) -> ProjectId {
    let project = insert_project(portal, maker, name).await;
    let key = keys::project_file(project, &"main.py".to_owned().try_into().unwrap());
    let storage = &portal.services.storage;
    storage.put_bytes(&key, "print(1)".into()).await.unwrap();
    project
}

async fn submit(
    portal: &Portal,
    user: &User<'_>,
    project: ProjectId,
    name: &str,
) -> services::Result<JobId> {
    let body = json!({"name": name, "type": "python", "main_file": "main.py",
        "executor": {"instances": 1, "memory": "512m"}});
    let draft = Draft::from_json(&body);
    let accepted = jobs::submit(&portal.services, &user.actor(), project, &draft, None).await?;
    Ok(accepted.id)
}

async fn names(portal: &Portal, project: ProjectId) -> Vec<String> {
    let all = JobFilter::default();
    let found = portal
        .services
        .store
        .list_jobs(&[project], &all, None, 20)
        .await;
    let mut names: Vec<_> = found
        .unwrap()
        .iter()
        .map(|p| p.job.spec.name.to_string())
        .collect();
    names.sort();
    names
}

/// Keeps whoever writes to this project waiting, and on `SQLite` whoever writes at all. It ends up archived or as it was.
async fn hold(portal: &Portal, tx: &mut Tx, project: ProjectId, archived: bool) {
    let permit = Permitted::by_system(project, "tests");
    let name = "Held".to_owned().try_into().unwrap();
    let at = archived.then(|| portal.now());
    tx.update_project(&permit, 1, &name, "", Visibility::Private, at)
        .await
        .unwrap();
}

/// Until so many wait for the next commit.
async fn until_waiting(portal: &Portal, count: usize) {
    let patience = tokio::time::timeout(Duration::from_secs(30), async {
        while portal.services.acceptor.waiting() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    patience.await.expect("so many never came");
}

/// Until the first one's commit waits for what is held; answers how many are still counted as waiting by then.
async fn until_one_is_at_it(portal: &Portal) -> usize {
    if portal.services.store.is_postgres() {
        #[cfg(feature = "postgres")]
        portal.until_a_statement_waits().await;
        0
    } else {
        until_waiting(portal, 1).await;
        1
    }
}

on_both! {
    async fn those_who_come_together_are_accepted_together_and_one_that_fails_fails_alone(portal: Portal) {
        let ada = portal.user("ada").await;
        let (open, closed) = (project(&portal, &ada, "Open").await, project(&portal, &ada, "Closed").await);
        let mut held = portal.services.store.begin().await.unwrap();
        hold(&portal, &mut held, open, false).await;
        hold(&portal, &mut held, closed, true).await;
        let others = async {
            let under_way = until_one_is_at_it(&portal).await;
            let all = [(open, "b"), (open, "c"), (closed, "d"), (open, "e")];
            let all = all.map(|(project, name)| submit(&portal, &ada, project, name));
            let release = async {
                until_waiting(&portal, under_way + 4).await;
                held.commit().await.unwrap();
            };
            join(join_all(all), release).await.0
        };
        let (first, others) = join(submit(&portal, &ada, open, "a"), others).await;
        let first = first.unwrap();
        assert_eq!(names(&portal, open).await, ["a", "b", "c", "e"]);
        assert!(names(&portal, closed).await.is_empty());
        assert!(matches!(&others[2], Err(Error::Conflict(_))), "{:?}", others[2]);
        let mut numbers = vec![find(&portal.services.store, first).await.number];
        for id in others.into_iter().flatten() {
            let job = find(&portal.services.store, id).await;
            let events = portal.services.store.list_events(id, 0, 10).await.unwrap();
            assert_eq!(events.len(), 1, "each has its own first event");
            numbers.push(job.number);
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 4);
    }

    async fn who_went_away_before_his_turn_has_no_job(portal: Portal) {
        let ada = portal.user("ada").await;
        let open = project(&portal, &ada, "Open").await;
        let mut held = portal.services.store.begin().await.unwrap();
        hold(&portal, &mut held, open, false).await;
        let mut first = Box::pin(submit(&portal, &ada, open, "first"));
        let under_way = tokio::select! {
            early = &mut first => panic!("{early:?}"),
            under_way = until_one_is_at_it(&portal) => under_way,
        };
        let mut gone = Box::pin(submit(&portal, &ada, open, "gone"));
        tokio::select! {
            early = &mut gone => panic!("{early:?}"),
            () = until_waiting(&portal, under_way + 1) => {}
        }
        drop(gone);
        held.commit().await.unwrap();
        first.await.unwrap();
        submit(&portal, &ada, open, "later").await.unwrap();
        assert_eq!(names(&portal, open).await, ["first", "later"]);
    }

    async fn a_name_that_is_taken_is_drawn_again(portal: Portal) {
        let mut portal = portal;
        portal.services.acceptor = Acceptor::drawing(|| {
            static DRAWN: AtomicU8 = AtomicU8::new(0);
            // Each twice, to whichever database.
            Ok([DRAWN.fetch_add(1, Ordering::Relaxed) / 2; 6])
        });
        let ada = portal.user("ada").await;
        let open = project(&portal, &ada, "Open").await;
        let mut slugs = Vec::new();
        for _ in 0..3 {
            let id = submit(&portal, &ada, open, "same").await.unwrap();
            slugs.push(find(&portal.services.store, id).await.slug);
        }
        slugs.sort();
        slugs.dedup();
        assert_eq!(slugs.len(), 3);
    }
}
