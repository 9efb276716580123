//! Jobs: accepted, found by each filter, moved, deleted; their events.
use super::{find, insert_job, insert_project, move_job, new_job, of_job, of_project};
use crate::house::{HOUR, MINUTE, Portal, word_count};
use tourmaline::{
    domain::{
        event::{Change, EventKind},
        ids::{JobId, ProjectId},
        job::{Card, Cause, CodePath, JobSpec, Language, Phase},
        names::{QueueName, Title},
    },
    store::{Error, JobFilter, PhaseChange, Store, Turn},
};

fn named(name: &str) -> JobSpec {
    JobSpec {
        name: Title::parse(name).unwrap(),
        ..word_count()
    }
}

async fn move_to(portal: &Portal, job: JobId, from: Phase, to: Phase) -> Result<(), Error> {
    let mut tx = portal.services.store.begin().await?;
    tx.move_job(&of_job(job), from, to, &PhaseChange::at(portal.now()))
        .await
}

async fn list(store: &Store, projects: &[ProjectId], filter: JobFilter) -> Vec<String> {
    let found = store.list_jobs(projects, &filter, None, 100).await.unwrap();
    found.iter().map(|p| p.job.spec.name.to_string()).collect()
}

on_both! {
    async fn an_accepted_job_reads_back_as_it_was(portal: Portal) {
        let ada = portal.user("ada").await;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let spec = JobSpec { labels: [("study".into(), "b12".into())].into(), ..word_count() };
        let mut heard = portal.services.store.changes().subscribe();
        let id = insert_job(&portal, &ada, project, spec.clone()).await;
        assert_eq!(heard.try_recv().unwrap(), Change::Job(project, id));
        let place = portal.services.store.find_job(id).await.unwrap().unwrap();
        assert_eq!((place.user_name.as_str(), place.project_name.as_str()), ("ada", "Genomes"));
        let job = place.job;
        assert_eq!(job.spec, spec);
        assert_eq!((job.phase, job.attempts, job.last_event), (Phase::Queued, 0, 1));
        assert_eq!((job.created_at, job.phase_since), (portal.now(), portal.now()));
        let events = portal.services.store.list_events(id, 0, 10).await.unwrap();
        assert_eq!((events.len(), events[0].id, events[0].kind), (1, 1, EventKind::Accepted));
        assert_eq!(events[0].actor.as_deref(), Some("ada"));
        assert!(portal.services.store.find_job(JobId::new()).await.unwrap().is_none());
    }

    async fn the_list_by_each_filter(portal: Portal) {
        let (ada, bob) = (portal.user("ada").await, portal.user("bob").await);
        let store = &portal.services.store;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let other = insert_project(&portal, &ada, "Plankton").await;
        let first = insert_job(&portal, &ada, project, named("first")).await;
        portal.advance(HOUR);
        let jar = JobSpec {
            language: Language::Scala,
            main_file: CodePath::parse("lib/100%_Sorting.jar").unwrap(),
            ..named("second")
        };
        insert_job(&portal, &bob, project, jar).await;
        portal.advance(HOUR);
        let night = JobSpec { queue: QueueName::parse("night").unwrap(), ..named("third") };
        insert_job(&portal, &ada, project, night).await;
        insert_job(&portal, &ada, other, named("elsewhere")).await;
        move_job(&portal, first, Phase::Queued, Phase::Starting).await;
        let all = JobFilter::default;
        let here = [project];
        assert_eq!(list(store, &here, all()).await, ["third", "second", "first"]);
        assert_eq!(list(store, &[project, other], all()).await, ["elsewhere", "third", "second", "first"]);
        assert_eq!(list(store, &[], all()).await, Vec::<String>::new());
        for (filter, found) in [
            (JobFilter { phases: vec![Phase::Starting], ..all() }, vec!["first"]),
            (JobFilter { phases: vec![Phase::Starting, Phase::Queued], ..all() }, vec!["third", "second", "first"]),
            (JobFilter { user: Some(bob.account.id), ..all() }, vec!["second"]),
            (JobFilter { queue: Some("night".into()), ..all() }, vec!["third"]),
            (JobFilter { name: Some("second".into()), ..all() }, vec!["second"]),
            (JobFilter { language: Some(Language::Scala), ..all() }, vec!["second"]),
            (JobFilter { created_after: Some(portal.now() - HOUR), ..all() }, vec!["third", "second"]),
            (JobFilter { created_before: Some(portal.now() - HOUR), ..all() }, vec!["first"]),
            (JobFilter { text: Some("SORT".into()), ..all() }, vec!["second"]),
            (JobFilter { text: Some("100%_s".into()), ..all() }, vec!["second"]),
            (JobFilter { text: Some("10__".into()), ..all() }, vec![]),
            (JobFilter { text: Some("count".into()), ..all() }, vec!["third", "first"]),
            (JobFilter { text: Some("o\" OR \"".into()), ..all() }, vec![]),
            (JobFilter { text: Some("elsewhere".into()), ..all() }, vec![]),
            (JobFilter { text: Some("count".into()), phases: vec![Phase::Starting], ..all() }, vec!["first"]),
            (JobFilter { queue: Some("none".into()), ..all() }, vec![]),
        ] {
            assert_eq!(list(store, &here, filter.clone()).await, found, "{filter:?}");
        }
    }

    async fn the_list_page_by_page(portal: Portal) {
        let ada = portal.user("ada").await;
        let store = &portal.services.store;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let other = insert_project(&portal, &ada, "Plankton").await;
        for n in 0..7 {
            let here = if n % 2 == 0 { project } else { other };
            insert_job(&portal, &ada, here, named(&format!("job {n}"))).await;
        }
        for text in [None, Some("job".to_owned())] {
            let filter = JobFilter { text, ..JobFilter::default() };
            let (mut before, mut names) = (None, Vec::new());
            loop {
                let page = store.list_jobs(&[project, other], &filter, before, 3).await.unwrap();
                let Some(last) = page.last() else { break };
                before = Some(last.job.number);
                names.extend(page.iter().map(|p| p.job.spec.name.to_string()));
            }
            let expected: Vec<_> = (0..7).rev().map(|n| format!("job {n}")).collect();
            assert_eq!(names, expected);
        }
    }

    async fn the_list_over_very_many_projects(portal: Portal) {
        let ada = portal.user("ada").await;
        let store = &portal.services.store;
        let mut projects: Vec<_> = (0..1200).map(|_| ProjectId::new()).collect();
        projects[3] = insert_project(&portal, &ada, "Genomes").await;
        projects[1100] = insert_project(&portal, &ada, "Plankton").await;
        for (at, name) in [(1100, "old"), (3, "middle"), (1100, "new")] {
            insert_job(&portal, &ada, projects[at], named(name)).await;
        }
        for text in [None, Some("count".to_owned())] {
            let filter = JobFilter { text, ..JobFilter::default() };
            assert_eq!(list(store, &projects, filter.clone()).await, ["new", "middle", "old"]);
            let newest = store.list_jobs(&projects, &filter, None, 1).await.unwrap();
            assert_eq!(newest.len(), 1);
        }
    }

    async fn what_somebody_waits_for_and_what_ended(portal: Portal) {
        let (ada, bob) = (portal.user("ada").await, portal.user("bob").await);
        let store = &portal.services.store;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let foreign = insert_project(&portal, &bob, "Plankton").await;
        let failed = insert_job(&portal, &ada, project, named("ended")).await;
        move_job(&portal, failed, Phase::Queued, Phase::Failed).await;
        let named_ended = || JobFilter { name: Some("ended".into()), ..JobFilter::default() };
        assert_eq!(list(store, &[project], named_ended()).await, ["ended"]);
        for (user, project, name) in [(&ada, project, "one"), (&bob, project, "bob's"), (&ada, foreign, "left"), (&ada, project, "two")] {
            insert_job(&portal, user, project, named(name)).await;
        }
        let mine = async |limit| {
            let found = store.list_live_jobs_of(ada.account.id, limit).await.unwrap();
            found.iter().map(|p| p.job.spec.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(mine(10).await, ["two", "one"], "none where they are no member");
        assert_eq!(mine(1).await, ["two"]);
        let ended = async || {
            let found = store.list_ended_jobs_of(ada.account.id, 10).await.unwrap();
            found.iter().map(|p| p.job.id).collect::<Vec<_>>()
        };
        assert_eq!(ended().await, [failed]);
        let mut tx = store.begin().await.unwrap();
        tx.begin_deleting_job(&of_job(failed), project, portal.now()).await.unwrap();
        let again = tx.begin_deleting_job(&of_job(failed), project, portal.now()).await;
        assert!(matches!(again, Err(Error::Stale(_))), "{again:?}");
        tx.commit().await.unwrap();
        assert!(ended().await.is_empty(), "none that is being deleted");
        assert!(store.find_job(failed).await.unwrap().is_none());
        assert!(list(store, &[project], named_ended()).await.is_empty());
        assert_eq!(store.list_doomed_jobs(project, 1).await.unwrap()[0].0, failed);
    }

    async fn a_job_moves_by_compare_and_set(portal: Portal) {
        let ada = portal.user("ada").await;
        let store = &portal.services.store;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let id = insert_job(&portal, &ada, project, word_count()).await;
        portal.advance(MINUTE);
        move_job(&portal, id, Phase::Queued, Phase::Starting).await;
        portal.advance(MINUTE);
        move_job(&portal, id, Phase::Starting, Phase::Running).await;
        let begun = portal.now();
        let job = find(store, id).await;
        assert_eq!((job.phase, job.phase_since, job.started_at), (Phase::Running, begun, Some(begun)));

        let mut tx = store.begin().await.unwrap();
        for (from, to) in [(Phase::Starting, Phase::Running), (Phase::Succeeded, Phase::Queued)] {
            let stale = tx.move_job(&of_job(id), from, to, &PhaseChange::at(begun)).await;
            assert!(matches!(stale, Err(Error::Stale(_))), "{stale:?}");
        }
        drop(tx);
        portal.advance(MINUTE);
        let card = Card {
            title: "An executor ran out of memory".into(),
            what: "…".into(),
            proof: vec!["exit 137".into()],
            remedy: "more".into(),
        };
        let change = PhaseChange {
            reason: Some("waits for its second attempt".into()),
            cause: Some(Cause::Infrastructure),
            card: Some(card.clone()),
            not_before: Some(portal.now() + HOUR),
            ..PhaseChange::at(portal.now())
        };
        let mut tx = store.begin().await.unwrap();
        tx.move_job(&of_job(id), Phase::Running, Phase::Queued, &change).await.unwrap();
        tx.commit().await.unwrap();
        let job = find(store, id).await;
        assert_eq!(job.reason.as_deref(), Some("waits for its second attempt"));
        assert_eq!((job.cause, job.card), (Some(Cause::Infrastructure), Some(card)));
        assert_eq!((job.not_before, job.ended_at), (change.not_before, None));
        move_job(&portal, id, Phase::Queued, Phase::Failed).await;
        let job = find(store, id).await;
        assert_eq!((job.started_at, job.ended_at, job.cause), (Some(begun), Some(portal.now()), None));
    }

    async fn the_order_of_a_queue(portal: Portal) {
        let ada = portal.user("ada").await;
        let store = &portal.services.store;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let urgent = JobSpec { priority: 5, ..named("urgent") };
        let first = insert_job(&portal, &ada, project, named("first")).await;
        let second = insert_job(&portal, &ada, project, named("second")).await;
        let urgent = insert_job(&portal, &ada, project, urgent).await;
        let queue = QueueName::default_queue();
        let after = async |turn, limit| {
            let found = store.list_placeable(&queue, portal.now(), turn, limit).await.unwrap();
            found.iter().map(|job| job.id).collect::<Vec<_>>()
        };
        let waiting = async |limit| after(None, limit).await;
        assert_eq!(waiting(10).await, [urgent, first, second]);
        assert_eq!(waiting(1).await, [urgent]);
        let turn = async |job| Some(Turn::of(&find(store, job).await));
        assert_eq!(after(turn(urgent).await, 10).await, [first, second]);
        assert_eq!(after(turn(first).await, 10).await, [second]);
        assert!(after(turn(second).await, 10).await.is_empty());
        for (job, ahead) in [(urgent, 0), (first, 1), (second, 2)] {
            assert_eq!(store.count_ahead(&find(store, job).await).await.unwrap(), ahead);
        }
        let mut tx = store.begin().await.unwrap();
        assert!(tx.request_cancel(&of_job(first), ada.account.id, portal.now()).await.unwrap());
        assert!(!tx.request_cancel(&of_job(first), ada.account.id, portal.now()).await.unwrap());
        tx.commit().await.unwrap();
        let unwanted = move_to(&portal, first, Phase::Queued, Phase::Starting).await;
        assert!(matches!(unwanted, Err(Error::Stale(_))), "none that is to be cancelled starts: {unwanted:?}");
        let wish = find(store, first).await.cancel_requested.unwrap();
        assert_eq!((wish.by, wish.at), (ada.account.id, portal.now()));
        let later = PhaseChange { not_before: Some(portal.now() + HOUR), ..PhaseChange::at(portal.now()) };
        let mut tx = store.begin().await.unwrap();
        tx.move_job(&of_job(second), Phase::Queued, Phase::Starting, &PhaseChange::at(portal.now())).await.unwrap();
        tx.move_job(&of_job(second), Phase::Starting, Phase::Queued, &later).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(waiting(10).await, [urgent, first], "none before its time");
        portal.advance(HOUR);
        assert_eq!(waiting(10).await, [urgent, first, second]);
        let mut tx = store.begin().await.unwrap();
        tx.put_off_job(&of_job(second), project, "No disk.", portal.now() + HOUR).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(waiting(10).await, [urgent, first], "nor one that was put off");
        assert_eq!(find(store, second).await.reason.as_deref(), Some("No disk."));
    }

    async fn why_a_job_waits_is_written_when_it_changes(portal: Portal) {
        let ada = portal.user("ada").await;
        let store = &portal.services.store;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let id = insert_job(&portal, &ada, project, word_count()).await;
        let mut heard = store.changes().subscribe();
        let mut tx = store.begin().await.unwrap();
        assert!(tx.set_job_reason(&of_job(id), project, Some("No cores are free.")).await.unwrap());
        assert!(!tx.set_job_reason(&of_job(id), project, Some("No cores are free.")).await.unwrap());
        tx.set_code_copy(&of_job(id), 7).await.unwrap();
        assert!(heard.try_recv().is_err(), "not before the commit");
        tx.commit().await.unwrap();
        assert_eq!(heard.try_recv().unwrap(), Change::Job(project, id));
        let job = find(store, id).await;
        assert_eq!((job.reason.as_deref(), job.code_copy), (Some("No cores are free."), Some(7)));
    }

    async fn events_are_counted_by_their_job(portal: Portal) {
        let ada = portal.user("ada").await;
        let store = &portal.services.store;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let (one, other) = (
            insert_job(&portal, &ada, project, word_count()).await,
            insert_job(&portal, &ada, project, word_count()).await,
        );
        let mut tx = store.begin().await.unwrap();
        for (job, id) in [(one, 2), (one, 3), (other, 2)] {
            let given = tx.add_event(job, EventKind::Started, "It runs.", None, Some(1), portal.now()).await;
            assert_eq!(given.unwrap(), id);
        }
        let none = tx.add_event(JobId::new(), EventKind::Started, "It runs.", None, None, portal.now()).await;
        assert!(matches!(none, Err(Error::Stale(_))), "{none:?}");
        tx.commit().await.unwrap();
        let events = store.list_events(one, 1, 10).await.unwrap();
        assert_eq!(events.iter().map(|e| (e.id, e.attempt)).collect::<Vec<_>>(), [(2, Some(1)), (3, Some(1))]);
        assert_eq!(store.list_events(one, 1, 1).await.unwrap().len(), 1);
        assert_eq!(find(store, one).await.last_event, 3);
    }

    async fn an_ended_job_is_deleted_with_all_that_is_its_own(portal: Portal) {
        let ada = portal.user("ada").await;
        let store = &portal.services.store;
        let project = insert_project(&portal, &ada, "Genomes").await;
        let id = insert_job(&portal, &ada, project, word_count()).await;
        let number = find(store, id).await.number;
        let mut tx = store.begin().await.unwrap();
        let lives = tx.delete_job(&of_job(id), number).await;
        assert!(matches!(lives, Err(Error::Stale(_))), "{lives:?}");
        drop(tx);
        let text = || JobFilter { text: Some("count".into()), ..JobFilter::default() };
        assert_eq!(list(store, &[project], text()).await.len(), 1, "still found by its text");
        move_job(&portal, id, Phase::Queued, Phase::Cancelled).await;
        let mut tx = store.begin().await.unwrap();
        tx.delete_job(&of_job(id), number).await.unwrap();
        tx.commit().await.unwrap();
        assert!(store.find_job(id).await.unwrap().is_none());
        assert!(store.list_events(id, 0, 10).await.unwrap().is_empty());
        assert!(list(store, &[project], text()).await.is_empty());
    }

    async fn the_same_job_is_accepted_once(portal: Portal) {
        let ada = portal.user("ada").await;
        let project = of_project(insert_project(&portal, &ada, "Genomes").await);
        let job = new_job(&portal, &ada, word_count());
        let mut tx = portal.services.store.begin().await.unwrap();
        tx.insert_job(&project, &job, "ada").await.unwrap();
        let again = tx.insert_job(&project, &job, "ada").await;
        assert!(matches!(again, Err(Error::Duplicate(_))), "{again:?}");
    }
}
