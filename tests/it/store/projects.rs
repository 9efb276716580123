//! Projects, members and queues.
use super::{
    HERE, find, insert_job, insert_project, move_job, new_job, new_project, of_job, of_project, own,
};
use crate::house::{User, word_count};
use tourmaline::{
    domain::{
        access::{Permitted, Site},
        ids::ProjectId,
        job::Phase,
        names::{QueueName, Title},
        project::{Role, Visibility},
    },
    services::{Error as ServiceError, projects},
    store::{Error, QueueState},
};

on_both! {
    async fn projects_are_found_with_the_role_in_them(portal: Portal) {
        let (ada, bob) = (portal.user("ada").await, portal.user("bob").await);
        let store = &portal.services.store;
        let genomes = insert_project(&portal, &ada, "Genomes").await;
        let role = async |user: &User<'_>| {
            let found = store.find_project(genomes, user.account.id).await.unwrap().unwrap();
            assert_eq!(found.project.name.as_str(), "Genomes");
            found.role
        };
        assert_eq!(role(&ada).await, Some(Role::Administrator));
        assert_eq!(role(&bob).await, None);
        assert!(store.find_project(ProjectId::new(), ada.account.id).await.unwrap().is_none());

        let permit = of_project(genomes);
        let mut tx = store.begin().await.unwrap();
        tx.put_member(&permit, bob.account.id, Role::Observer, portal.now()).await.unwrap();
        tx.put_member(&permit, bob.account.id, Role::Editor, portal.now()).await.unwrap();
        assert_eq!(tx.count_administrators(&permit).await.unwrap(), 1);
        tx.commit().await.unwrap();
        let members = store.list_members(genomes, "", 10).await.unwrap();
        let members: Vec<_> = members.iter().map(|m| (m.name.as_str(), m.role)).collect();
        assert_eq!(members, [("ada", Role::Administrator), ("bob", Role::Editor)]);
        let mut tx = store.begin().await.unwrap();
        assert!(tx.delete_member(&permit, bob.account.id).await.unwrap());
        assert!(!tx.delete_member(&permit, bob.account.id).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(role(&bob).await, None);
    }

    async fn lists_of_projects(portal: Portal) {
        let (ada, bob) = (portal.user("ada").await, portal.user("bob").await);
        let store = &portal.services.store;
        let mut ids = Vec::new();
        for name in ["beta", "Alpha", "gamma"] {
            ids.push(insert_project(&portal, &ada, name).await);
        }
        let bobs = insert_project(&portal, &bob, "Delta").await;
        let mut tx = store.begin().await.unwrap();
        let alpha = Title::parse("Alpha").unwrap();
        tx.update_project(&of_project(ids[1]), 1, &alpha, "old", Visibility::Public, Some(portal.now()))
            .await
            .unwrap();
        tx.commit().await.unwrap();

        let mine = store.list_projects_of(ada.account.id).await.unwrap();
        let names: Vec<_> = mine.iter().map(|m| m.project.name.as_str()).collect();
        assert_eq!(names, ["beta", "gamma", "Alpha"], "the archived one last");
        let page = async |user: &User<'_>, all, after, limit| {
            let found = store.list_projects(user.account.id, all, after, limit).await.unwrap();
            found.iter().map(|m| m.project.id).collect::<Vec<_>>()
        };
        assert_eq!(page(&bob, false, None, 10).await, [bobs, ids[1]], "one's own and the public ones");
        assert_eq!(page(&bob, true, None, 10).await, [bobs, ids[2], ids[1], ids[0]]);
        assert_eq!(page(&bob, true, None, 2).await, [bobs, ids[2]]);
        assert_eq!(page(&bob, true, Some(ids[2]), 2).await, [ids[1], ids[0]]);
        assert_eq!(page(&ada, false, None, 10).await, [ids[2], ids[1], ids[0]]);
    }

    async fn a_project_is_changed_by_who_read_its_latest_version(portal: Portal) {
        let ada = portal.user("ada").await;
        let store = &portal.services.store;
        let id = insert_project(&portal, &ada, "Before").await;
        let after = Title::parse("After").unwrap();
        let mut tx = store.begin().await.unwrap();
        tx.update_project(&of_project(id), 1, &after, "why", Visibility::Public, None).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let stale = tx.update_project(&of_project(id), 1, &after, "why", Visibility::Private, None).await;
        assert!(matches!(stale, Err(Error::Stale(_))), "{stale:?}");
        drop(tx);
        let project = store.find_project(id, ada.account.id).await.unwrap().unwrap().project;
        assert_eq!((project.name.as_str(), project.version), ("After", 2));
        assert_eq!((project.visibility, &*project.description), (Visibility::Public, "why"));
    }

    async fn a_project_goes_when_no_job_of_it_lives(portal: Portal) {
        let ada = portal.user("ada").await;
        let store = &portal.services.store;
        let id = insert_project(&portal, &ada, "Genomes").await;
        let job = insert_job(&portal, &ada, id, word_count()).await;
        assert_eq!(store.count_live_jobs(id).await.unwrap(), 1);
        let permit = of_project(id);
        let mut tx = store.begin().await.unwrap();
        let busy = tx.begin_deleting_project(&permit, portal.now()).await;
        assert!(matches!(busy, Err(Error::Stale(_))), "{busy:?}");
        drop(tx);
        move_job(&portal, job, Phase::Queued, Phase::Cancelled).await;
        assert_eq!((store.count_live_jobs(id).await.unwrap(), store.count_jobs(id).await.unwrap()), (0, 1));
        let mut tx = store.begin().await.unwrap();
        tx.begin_deleting_project(&permit, portal.now()).await.unwrap();
        let late = tx.insert_job(&permit, &new_job(&portal, &ada, word_count()), "ada").await;
        assert!(matches!(late, Err(Error::Stale(_))), "{late:?}");
        tx.commit().await.unwrap();
        assert!(store.list_projects_of(ada.account.id).await.unwrap().is_empty());
        let mut tx = store.begin().await.unwrap();
        tx.delete_project(&permit).await.unwrap();
        tx.commit().await.unwrap();
        assert!(store.find_project(id, ada.account.id).await.unwrap().is_none());
        assert!(store.find_job(job).await.unwrap().is_none());

        // What is made afterwards meets nothing of what was there.
        let next = insert_project(&portal, &ada, "Next").await;
        let job = insert_job(&portal, &ada, next, word_count()).await;
        move_job(&portal, job, Phase::Queued, Phase::Failed).await;
        let number = find(store, job).await.number;
        let mut tx = store.begin().await.unwrap();
        tx.delete_job(&of_job(job), number).await.unwrap();
        tx.commit().await.unwrap();
        insert_job(&portal, &ada, next, word_count()).await;
    }

    async fn two_administrators_do_not_leave_at_once(portal: Portal) {
        let (ada, bob) = (portal.user("ada").await, portal.user("bob").await);
        let id = insert_project(&portal, &ada, "Genomes").await;
        projects::put_member(&portal.services, &ada.actor(), id, "bob", "administrator").await.unwrap();
        let (a, b) = (ada.actor(), bob.actor());
        let (one, other) = tokio::join!(
            projects::delete_member(&portal.services, &a, id, a.user.id),
            projects::delete_member(&portal.services, &b, id, b.user.id),
        );
        let left: Vec<_> = [one, other].into_iter().filter_map(Result::err).collect();
        assert!(matches!(&left[..], [ServiceError::Conflict(_)]), "{left:?}");
        assert_eq!(portal.services.store.count_members(id).await.unwrap(), 1);
    }

    async fn many_members_come_at_once(portal: Portal) {
        let ada = portal.user("ada").await;
        let id = insert_project(&portal, &ada, "Genomes").await;
        let names: Vec<String> = (0..8).map(|n| format!("user{n}")).collect();
        for name in &names {
            portal.user(name).await;
        }
        let actor = ada.actor();
        let put = names.iter().map(|name| projects::put_member(&portal.services, &actor, id, name, "editor"));
        for put in futures::future::join_all(put).await {
            put.unwrap();
        }
        assert_eq!(portal.services.store.count_members(id).await.unwrap(), 9);
    }

    async fn members_are_copied_to_a_clone(portal: Portal) {
        let (ada, bob) = (portal.user("ada").await, portal.user("bob").await);
        let store = &portal.services.store;
        let (from, to) = (insert_project(&portal, &ada, "Genomes").await, insert_project(&portal, &bob, "Copy").await);
        let mut tx = store.begin().await.unwrap();
        tx.put_member(&of_project(from), bob.account.id, Role::Observer, portal.now()).await.unwrap();
        tx.copy_members(&of_project(to), from, portal.now()).await.unwrap();
        tx.commit().await.unwrap();
        let role = async |user| store.find_member(to, user).await.unwrap().map(|m| m.role);
        assert_eq!(role(ada.account.id).await, Some(Role::Administrator));
        assert_eq!(role(bob.account.id).await, Some(Role::Administrator), "its maker stays as they are");
        let after = store.list_members(to, "ada", 10).await.unwrap();
        assert_eq!(after.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["bob"]);
    }

    async fn queues_and_who_waits_in_them(portal: Portal) {
        let ada = portal.user("ada").await;
        let store = &portal.services.store;
        let id = insert_project(&portal, &ada, "Genomes").await;
        insert_job(&portal, &ada, id, word_count()).await;
        let site = Permitted::by_system(Site, HERE);
        let night = QueueName::parse("night").unwrap();
        let mut tx = store.begin().await.unwrap();
        for says in ["At night", "again is no error"] {
            tx.insert_queue(&site, &night, says, portal.now()).await.unwrap();
        }
        tx.commit().await.unwrap();
        let queues = store.list_queues().await.unwrap();
        let queues: Vec<_> = queues.iter().map(|q| (q.name.as_str(), &*q.description, q.waiting)).collect();
        assert_eq!(queues, [("default", "For everything", 1), ("night", "At night", 0)]);
        assert_eq!(store.find_queue_state(&night).await.unwrap(), Some(QueueState::Open));
        let none = QueueName::parse("none").unwrap();
        assert_eq!(store.find_queue_state(&none).await.unwrap(), None);
    }

    async fn a_project_of_the_same_id_is_refused(portal: Portal) {
        let ada = portal.user("ada").await;
        let project = new_project(&portal, "Genomes");
        let mut tx = portal.services.store.begin().await.unwrap();
        tx.insert_project(&project, &own(ada.account.id)).await.unwrap();
        let again = tx.insert_project(&project, &own(ada.account.id)).await;
        assert!(matches!(again, Err(Error::Duplicate(_))), "{again:?}");
    }
}
