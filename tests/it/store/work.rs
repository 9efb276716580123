//! What keeps replicas and repeated requests apart: leases, keys, tasks, and how one hears of another's changes.
use super::{insert_project, new_job, of_project};
use crate::house::{DAY, HOUR, word_count};
use std::time::{Duration, Instant};
use tourmaline::{
    domain::{
        event::Change,
        ids::{JobId, TaskId, UserId},
    },
    store::{Answered, Error, Holder, Lease, NewTask, Store, TaskState},
};

const LONG: Duration = HOUR;

/// A process that alone serves a place.
fn at(place: &str) -> Holder {
    Holder {
        place: place.into(),
        process: format!("the one at {place}"),
    }
}

/// Takes over as soon as the database's clock says that the lease has ended.
async fn take_over(store: &Store, place: &str) -> Lease {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let taken = store
            .acquire_lease("dispatcher", &at(place), LONG)
            .await
            .unwrap();
        if let Some(lease) = taken {
            return lease;
        }
        assert!(Instant::now() < patience, "the lease did not end");
        tokio::task::yield_now().await;
    }
}

on_both! {
    async fn one_replica_holds_a_lease_and_its_number_fences(portal: Portal) {
        let (here, there) = (portal.services.store.clone(), portal.replica().await);
        let first = here.acquire_lease("dispatcher", &at("here"), LONG).await.unwrap().unwrap();
        assert_eq!(there.acquire_lease("dispatcher", &at("there"), LONG).await.unwrap(), None);
        let other_work = there.acquire_lease("janitor", &at("there"), LONG).await.unwrap();
        assert!(other_work.is_some(), "each piece of work has its own");
        let renewed = here.acquire_lease("dispatcher", &at("here"), Duration::ZERO).await.unwrap().unwrap();
        assert_eq!(renewed, first);
        here.begin_under(&first).await.unwrap().commit().await.unwrap();

        let second = take_over(&there, "there").await;
        assert_eq!(second.number, first.number + 1);
        let late = here.begin_under(&first).await.err();
        assert!(matches!(late, Some(Error::Stale(_))), "{late:?}");
        assert_eq!(here.acquire_lease("dispatcher", &at("here"), LONG).await.unwrap(), None);
        here.release_lease(&first).await.unwrap();
        assert_eq!(here.acquire_lease("dispatcher", &at("here"), LONG).await.unwrap(), None, "not theirs to give back");
        there.begin_under(&second).await.unwrap().commit().await.unwrap();
        there.release_lease(&second).await.unwrap();
        let third = here.acquire_lease("dispatcher", &at("here"), LONG).await.unwrap().unwrap();
        assert_eq!(third.number, second.number + 1);
    }

    async fn a_write_under_a_lease_is_done_before_another_takes_over(portal: Portal) {
        let ada = portal.user("ada").await;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let (here, there) = (portal.services.store.clone(), portal.replica().await);
        let first = here.acquire_lease("dispatcher", &at("here"), Duration::ZERO).await.unwrap().unwrap();
        let mut tx = here.begin_under(&first).await.unwrap();
        let second = tokio::spawn(async move { (take_over(&there, "there").await, there) });
        let job = new_job(&portal, &ada, word_count());
        tx.insert_job(&of_project(project), &job, "ada").await.unwrap();
        tx.commit().await.unwrap();
        let (second, there) = second.await.unwrap();
        assert_eq!(second.number, first.number + 1);
        assert!(there.find_job(job.id).await.unwrap().is_some());
    }

    async fn a_key_is_taken_once_a_day(portal: Portal) {
        let (ada, bob) = (portal.user("ada").await, portal.user("bob").await);
        let store = &portal.services.store;
        let now = portal.now();
        let answer = |resource: &str| Answered { body_hash: "hash".into(), resource: resource.into() };
        let take = async |user: UserId, key: &str, resource: &str, now: jiff::Timestamp| {
            let mut tx = store.begin().await.unwrap();
            tx.take_key(user, "POST /jobs", key, &answer(resource), now, now - DAY).await?;
            tx.commit().await
        };
        let (a, b) = (ada.account.id, bob.account.id);
        take(a, "k", "job-1", now).await.unwrap();
        let again = take(a, "k", "job-2", now + HOUR).await;
        assert!(matches!(again, Err(Error::Duplicate(_))), "{again:?}");
        take(b, "k", "job-3", now).await.unwrap();
        take(a, "l", "job-4", now).await.unwrap();
        let found = store.find_answer(a, "POST /jobs", "k", now - DAY).await.unwrap();
        assert_eq!(found, Some(answer("job-1")));
        assert_eq!(store.find_answer(a, "POST /projects", "k", now - DAY).await.unwrap(), None);
        assert_eq!(store.find_answer(a, "POST /jobs", "k", now).await.unwrap(), None, "too old");
        take(a, "k", "job-5", now + DAY).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.delete_old_keys(now).await.unwrap(), 2);
        tx.commit().await.unwrap();
    }

    async fn two_that_take_a_key_at_once(portal: Portal) {
        let ada = portal.user("ada").await.account.id;
        let take = async |resource: &str| {
            let mut tx = portal.services.store.begin().await?;
            let answer = Answered { body_hash: "hash".into(), resource: resource.into() };
            tx.take_key(ada, "POST /jobs", "k", &answer, portal.now(), portal.now() - DAY).await?;
            tx.commit().await
        };
        let (one, other) = tokio::join!(take("job-1"), take("job-2"));
        let refused: Vec<_> = [one, other].into_iter().filter_map(Result::err).collect();
        assert!(matches!(&refused[..], [Error::Duplicate(_)]), "{refused:?}");
    }

    async fn a_task_from_its_row_to_its_outcome(portal: Portal) {
        let ada = portal.user("ada").await.account.id;
        let store = &portal.services.store;
        let mut heard = store.changes().subscribe();
        let mut ids = Vec::new();
        for n in 0..3 {
            let task = NewTask {
                id: TaskId::new(),
                kind: "delete_files",
                title: format!("Delete folder {n}"),
                project: None,
                user: ada,
                input: "{}".into(),
                created_at: portal.now() + Duration::from_secs(n),
            };
            let mut tx = store.begin().await.unwrap();
            tx.insert_task(&task).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(heard.try_recv().unwrap(), Change::Task(task.id));
            ids.push(task.id);
        }
        let mut tx = store.begin().await.unwrap();
        tx.task_progress(ids[0], 3, Some(10)).await.unwrap();
        tx.cancel_task(ids[1], portal.now()).await.unwrap();
        tx.commit().await.unwrap();
        let first = store.find_task(ids[0]).await.unwrap().unwrap();
        assert_eq!((first.state, first.done, first.total), (TaskState::Running, 3, Some(10)));
        assert_eq!((&*first.kind, &*first.title, first.user), ("delete_files", "Delete folder 0", ada));
        assert!(store.find_task(ids[1]).await.unwrap().unwrap().cancel_requested);
        let mut tx = store.begin().await.unwrap();
        tx.end_task(ids[0], TaskState::Done, "10 files were deleted.", portal.now()).await.unwrap();
        tx.end_task(ids[0], TaskState::Failed, "late", portal.now()).await.unwrap();
        tx.task_progress(ids[0], 4, None).await.unwrap();
        tx.commit().await.unwrap();
        let first = store.find_task(ids[0]).await.unwrap().unwrap();
        assert_eq!((first.state, first.outcome.as_deref()), (TaskState::Done, Some("10 files were deleted.")));
        let live = store.list_live_tasks(10).await.unwrap();
        assert_eq!(live.iter().map(|t| t.id).collect::<Vec<_>>(), ids[1..]);
        let newest = store.list_tasks(ada, None, 2).await.unwrap();
        assert_eq!(newest.iter().map(|t| t.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
        let older = store.list_tasks(ada, Some(ids[1]), 2).await.unwrap();
        assert_eq!(older.iter().map(|t| t.id).collect::<Vec<_>>(), [ids[0]]);
        assert!(store.list_tasks(UserId::new(), None, 2).await.unwrap().is_empty());
    }

    async fn listeners_are_told_after_the_commit(portal: Portal) {
        let store = &portal.services.store;
        let mut heard = store.changes().subscribe();
        let change = Change::Log(JobId::new());
        let mut tx = store.begin().await.unwrap();
        tx.announce(change);
        tx.announce(change);
        assert!(heard.try_recv().is_err());
        tx.commit().await.unwrap();
        assert_eq!(heard.try_recv().unwrap(), change);
        assert!(heard.try_recv().is_err());
        let mut tx = store.begin().await.unwrap();
        tx.announce(change);
        drop(tx);
        assert!(heard.try_recv().is_err());
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;
    use crate::{house::on_postgres, store::insert_job};

    #[tokio::test]
    async fn replicas_hear_of_each_others_changes() {
        on_postgres(|portal| async move {
            assert!(portal.services.store.is_postgres());
            let ada = portal.user("ada").await;
            let project = insert_project(&portal, &ada, "Genomes").await;
            let there = portal.replica().await;
            let mut heard = there.changes().subscribe();
            // It begins to listen at a moment of its own: told again until it hears.
            let patience = Instant::now() + Duration::from_secs(20);
            let change = loop {
                insert_job(&portal, &ada, project, word_count()).await;
                match tokio::time::timeout(Duration::from_millis(200), heard.recv()).await {
                    Ok(change) => break change.unwrap(),
                    Err(_) => assert!(Instant::now() < patience, "nothing was heard"),
                }
            };
            assert!(matches!(change, Change::Job(of, _) if of == project));
        })
        .await;
    }

    /// A deletion that begins while a job is being accepted waits, and then sees the job.
    #[tokio::test]
    async fn no_project_goes_under_a_job_that_is_being_accepted() {
        on_postgres(|portal| async move {
            let ada = portal.user("ada").await;
            let project = insert_project(&portal, &ada, "Genomes").await;
            let store = portal.services.store.clone();
            let mut accepting = store.begin().await.unwrap();
            let job = new_job(&portal, &ada, word_count());
            let permit = of_project(project);
            accepting.insert_job(&permit, &job, "ada").await.unwrap();
            let now = portal.now();
            let deletion = tokio::spawn(async move {
                let mut tx = store.begin().await.unwrap();
                tx.begin_deleting_project(&permit, now).await?;
                tx.commit().await
            });
            portal.until_a_statement_waits().await;
            accepting.commit().await.unwrap();
            let refused = deletion.await.unwrap();
            assert!(matches!(refused, Err(Error::Stale(_))), "{refused:?}");
        })
        .await;
    }
}
