//! Attempts and their logs.
use super::{find, insert_project, of_job, started};
use crate::house::{HOUR, MINUTE, word_count};
use tourmaline::{
    domain::{
        event::Change,
        job::{AttemptPhase, Card, Cause, Exit},
        names::{ClusterName, StreamName},
    },
    store::{Error, Load, LogPart},
};

fn is_stale<T: std::fmt::Debug>(result: &Result<T, Error>) {
    assert!(matches!(result, Err(Error::Stale(_))), "{result:?}");
}

on_both! {
    async fn an_attempt_from_its_row_to_its_end(portal: Portal) {
        let ada = portal.user("ada").await;
        let store = &portal.services.store;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let (id, new) = started(&portal, &ada, project).await;
        let job = of_job(id);
        let local = ClusterName::parse("local").unwrap();
        let made = store.find_attempt(id, 1).await.unwrap().unwrap();
        assert_eq!((made.phase, made.created_at, made.seen_at), (AttemptPhase::Starting, portal.now(), None));
        assert_eq!((&made.object, &made.cluster, &*made.namespace), (&new.object, &local, "local"));
        assert!(store.find_attempt(id, 2).await.unwrap().is_none());
        assert_eq!(find(store, id).await.attempts, 1);
        assert_eq!(store.find_manifest(id, 1).await.unwrap().as_deref(), Some(&*new.manifest));
        assert_eq!(store.find_manifest(id, 2).await.unwrap(), None);
        let resources = word_count().resources();
        assert_eq!(store.find_load(&local).await.unwrap(), Load { attempts: 1, resources });
        let elsewhere = ClusterName::parse("elsewhere").unwrap();
        assert_eq!(store.find_load(&elsewhere).await.unwrap(), Load::default());

        let mut tx = store.begin().await.unwrap();
        let again = tx.insert_attempt(&job, &new, portal.now()).await;
        assert!(matches!(again, Err(Error::Duplicate(_))), "{again:?}");
        drop(tx);
        let seen = portal.now();
        let mut tx = store.begin().await.unwrap();
        tx.attempt_heard(&job, 1, true, Some("spark-1"), seen).await.unwrap();
        tx.attempt_heard(&job, 1, false, None, seen + MINUTE).await.unwrap();
        tx.attempt_heard(&job, 1, true, None, seen + HOUR).await.unwrap();
        tx.attempt_running(&job, 1, seen + MINUTE).await.unwrap();
        is_stale(&tx.attempt_running(&job, 1, seen).await);
        tx.commit().await.unwrap();
        let runs = store.find_attempt(id, 1).await.unwrap().unwrap();
        assert_eq!((runs.phase, runs.started_at), (AttemptPhase::Running, Some(seen + MINUTE)));
        assert_eq!((runs.seen_at, runs.heard_at), (Some(seen), Some(seen + HOUR)));
        assert_eq!(runs.spark_app_id.as_deref(), Some("spark-1"));
        assert_eq!(store.list_live_attempts(&local).await.unwrap().len(), 1);
        assert!(store.list_live_attempts(&elsewhere).await.unwrap().is_empty());

        let exit = Exit::Signal { signal: 9 };
        let card = Card { title: "t".into(), what: "w".into(), proof: vec![], remedy: "r".into() };
        let end = seen + HOUR;
        let mut tx = store.begin().await.unwrap();
        is_stale(&tx.attempt_ended(&job, 1, None, None).await);
        is_stale(&tx.attempt_ending(&job, 1, AttemptPhase::Starting, &exit, end).await);
        tx.attempt_ending(&job, 1, AttemptPhase::Running, &exit, end).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.list_live_attempts(&local).await.unwrap()[0].phase, AttemptPhase::Ending);
        let mut tx = store.begin().await.unwrap();
        tx.attempt_ended(&job, 1, Some(Cause::Program), Some(&card)).await.unwrap();
        is_stale(&tx.attempt_ended(&job, 1, None, None).await);
        tx.commit().await.unwrap();
        let ended = &store.list_attempts(id).await.unwrap()[0];
        assert_eq!((ended.phase, ended.ended_at, &ended.exit), (AttemptPhase::Ended, Some(end), &Some(exit)));
        assert_eq!((ended.cause, &ended.card), (Some(Cause::Program), &Some(card)));
        assert_eq!(store.find_load(&local).await.unwrap(), Load::default());
        assert!(store.list_live_attempts(&local).await.unwrap().is_empty());

        assert_eq!(store.list_objects_of(id).await.unwrap().len(), 1);
        assert!(store.is_object_known(&new.object).await.unwrap());
        assert!(!store.is_object_known(&new.object.attempt(2)).await.unwrap());
        assert!(store.list_left_objects(end, 10).await.unwrap().is_empty());
        assert_eq!(store.list_left_objects(end + MINUTE, 10).await.unwrap().len(), 1);
        let mut tx = store.begin().await.unwrap();
        tx.object_deleted(&job, 1, end).await.unwrap();
        tx.commit().await.unwrap();
        assert!(store.list_left_objects(end + MINUTE, 10).await.unwrap().is_empty());
        assert!(store.list_objects_of(id).await.unwrap().is_empty());
    }

    async fn an_attempt_ends_without_a_cause_or_a_card(portal: Portal) {
        let ada = portal.user("ada").await;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let (id, _) = started(&portal, &ada, project).await;
        let mut tx = portal.services.store.begin().await.unwrap();
        let exit = Exit::Code { code: 0 };
        tx.attempt_ending(&of_job(id), 1, AttemptPhase::Starting, &exit, portal.now()).await.unwrap();
        tx.attempt_ended(&of_job(id), 1, None, None).await.unwrap();
        tx.commit().await.unwrap();
        let ended = portal.services.store.find_attempt(id, 1).await.unwrap().unwrap();
        assert_eq!((ended.cause, ended.card, ended.exit), (None, None, Some(exit)));
    }

    async fn a_log_grows_by_compare_and_set(portal: Portal) {
        let ada = portal.user("ada").await;
        let store = &portal.services.store;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let (id, _) = started(&portal, &ada, project).await;
        let (job, driver) = (of_job(id), StreamName::driver());
        assert!(store.find_log_stream(id, 1, &driver).await.unwrap().is_none());
        let part = |start, length| LogPart { start, length, key: format!("part-{start}") };
        let mut heard = store.changes().subscribe();
        let mut tx = store.begin().await.unwrap();
        tx.open_log_stream(&job, 1, &driver, portal.now()).await.unwrap();
        tx.open_log_stream(&job, 1, &driver, portal.now() + HOUR).await.unwrap();
        tx.add_log_part(&job, 1, &driver, &part(0, 10), None, portal.now()).await.unwrap();
        tx.add_log_part(&job, 1, &driver, &part(10, 5), None, portal.now() + MINUTE).await.unwrap();
        is_stale(&tx.add_log_part(&job, 1, &driver, &part(10, 5), None, portal.now()).await);
        is_stale(&tx.add_log_part(&job, 1, &driver, &part(16, 5), None, portal.now()).await);
        is_stale(&tx.complete_log_stream(&job, 1, &driver, 10).await);
        is_stale(&tx.set_log_archive(&job, 1, &driver, "a", "i", "s").await);
        tx.commit().await.unwrap();
        assert_eq!(heard.try_recv().unwrap(), Change::Log(id));
        assert!(heard.try_recv().is_err(), "told once");
        let stream = store.find_log_stream(id, 1, &driver).await.unwrap().unwrap();
        assert_eq!((stream.size, stream.complete, stream.kept_at), (15, false, portal.now() + MINUTE));
        let parts = async |from, limit| store.list_log_parts(id, 1, &driver, from, limit).await.unwrap();
        assert_eq!(parts(0, 10).await, [part(0, 10), part(10, 5)]);
        assert_eq!(parts(0, 1).await, [part(0, 10)]);
        assert_eq!(parts(9, 10).await, [part(0, 10), part(10, 5)]);
        assert_eq!(parts(10, 10).await, [part(10, 5)]);
        assert_eq!(parts(15, 10).await, []);

        let mut tx = store.begin().await.unwrap();
        tx.follow_log_stream(id, 1, &driver, portal.now() + HOUR).await.unwrap();
        tx.follow_log_stream(id, 1, &driver, portal.now() + MINUTE).await.unwrap();
        tx.commit().await.unwrap();
        let stream = store.list_log_streams(id, 1).await.unwrap().remove(0);
        assert_eq!(stream.followed_until, portal.now() + HOUR, "the longest of those who follow");

        assert!(store.list_unmerged_streams(10).await.unwrap().is_empty());
        let mut tx = store.begin().await.unwrap();
        tx.complete_log_stream(&job, 1, &driver, 15).await.unwrap();
        is_stale(&tx.add_log_part(&job, 1, &driver, &part(15, 1), None, portal.now()).await);
        tx.commit().await.unwrap();
        assert_eq!(store.list_unmerged_streams(10).await.unwrap()[0].stream, driver);
        let mut tx = store.begin().await.unwrap();
        tx.set_log_archive(&job, 1, &driver, "archive", "index", "sum").await.unwrap();
        is_stale(&tx.set_log_archive(&job, 1, &driver, "other", "index", "sum").await);
        tx.commit().await.unwrap();
        let kept = store.find_log_stream(id, 1, &driver).await.unwrap().unwrap();
        assert_eq!((kept.archive_key.as_deref(), kept.index_key.as_deref()), (Some("archive"), Some("index")));
        assert_eq!((kept.sha256.as_deref(), kept.complete), (Some("sum"), true));
        assert!(kept.parts_left);
        assert_eq!(store.list_unmerged_streams(10).await.unwrap().len(), 1, "until the parts' objects are gone");
        let mut tx = store.begin().await.unwrap();
        tx.log_parts_gone(&job, 1, &driver).await.unwrap();
        tx.commit().await.unwrap();
        assert!(store.list_unmerged_streams(10).await.unwrap().is_empty());
        assert_eq!(parts(0, 10).await, []);
    }
}
