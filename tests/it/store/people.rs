//! Users, passwords, sessions, tokens, the audit log and the facts of an installation.
use super::own;
use crate::house::{DAY, HOUR};
use jiff::Timestamp;
use tourmaline::{
    domain::{
        access::{Permitted, Site},
        ids::{SessionId, TokenId, UserId},
        names::UserName,
        user::{Elevation, Scope, Theme},
    },
    store::{Error, NewSession, NewToken, NewUser},
};

fn site() -> Permitted<Site> {
    Permitted::by_system(Site, super::HERE)
}

on_both! {
    async fn users_are_found_listed_and_changed(portal: Portal) {
        let store = &portal.services.store;
        for name in ["carol", "ada", "bob"] {
            portal.user(name).await;
        }
        let ada = store.find_user_by_name(&UserName::parse("ada").unwrap()).await.unwrap().unwrap();
        assert_eq!(store.find_user(ada.id).await.unwrap().unwrap().name, ada.name);
        assert!(store.find_user(UserId::new()).await.unwrap().is_none());
        assert_eq!(store.count_users().await.unwrap(), 3);
        let names = async |after: &str, limit| {
            let users = store.list_users(after, limit).await.unwrap();
            users.into_iter().map(|user| user.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names("", 2).await, ["ada", "bob"]);
        assert_eq!(names("bob", 2).await, ["carol"]);

        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.count_users().await.unwrap(), 3);
        tx.set_profile(&own(ada.id), "Ada L.", Some("Europe/London"), Theme::Dark).await.unwrap();
        tx.set_suspended(&site(), ada.id, Some(portal.now())).await.unwrap();
        tx.commit().await.unwrap();
        let changed = store.find_user(ada.id).await.unwrap().unwrap();
        assert_eq!(changed.display_name, "Ada L.");
        assert_eq!(changed.time_zone.as_deref(), Some("Europe/London"));
        assert_eq!(changed.theme, Theme::Dark);
        assert_eq!(changed.suspended_at, Some(portal.now()));
    }

    async fn a_name_is_given_once(portal: Portal) {
        portal.user("ada").await;
        let mut tx = portal.services.store.begin().await.unwrap();
        let again = NewUser {
            id: UserId::new(),
            name: UserName::parse("ada").unwrap(),
            display_name: "Another".into(),
            site_admin: false,
            created_at: portal.now(),
        };
        let refused = tx.insert_user(&site(), &again).await;
        assert!(matches!(refused, Err(Error::Duplicate(_))), "{refused:?}");
        drop(tx);
        assert_eq!(portal.services.store.count_users().await.unwrap(), 1);
    }

    async fn a_password_is_replaced(portal: Portal) {
        let store = &portal.services.store;
        let ada = portal.user("ada").await.account.id;
        let before = store.find_password(ada).await.unwrap().unwrap();
        let mut tx = store.begin().await.unwrap();
        tx.set_password(&own(ada), "another hash", portal.now()).await.unwrap();
        assert_eq!(store.find_password(ada).await.unwrap().unwrap(), before, "not before the commit");
        tx.commit().await.unwrap();
        assert_eq!(store.find_password(ada).await.unwrap().unwrap(), "another hash");
    }

    async fn an_administrator_sees_more_for_a_time(portal: Portal) {
        let grace = portal.site_admin("grace").await;
        let permit = grace.actor().administers().unwrap();
        let store = &portal.services.store;
        let until = portal.now() + HOUR;
        let set = async |elevation: Option<Elevation>| {
            let mut tx = store.begin().await.unwrap();
            tx.set_elevation(&permit, elevation.as_ref()).await.unwrap();
            tx.commit().await.unwrap();
            store.find_user(grace.account.id).await.unwrap().unwrap().elevation
        };
        let elevation = Elevation { until, reason: "a stuck job".into() };
        assert_eq!(set(Some(elevation.clone())).await, Some(elevation));
        assert_eq!(set(None).await, None);
    }

    async fn sessions_end_by_rest_age_and_hand(portal: Portal) {
        let ada = portal.user("ada").await.account.id;
        let store = &portal.services.store;
        let now = portal.now();
        let begin = async |hash: &str| {
            let session = NewSession {
                id: SessionId::new(),
                secret_hash: hash.to_owned(),
                user: ada,
                created_at: now,
                agent: "Firefox".into(),
                address: "192.0.2.1".into(),
                identity: None,
                provider_sid: None,
                provider_tokens: None,
            };
            let mut tx = store.begin().await.unwrap();
            tx.insert_session(&own(ada), &session).await.unwrap();
            tx.commit().await.unwrap();
            session.id
        };
        let (first, second, third) = (begin("1").await, begin("2").await, begin("3").await);
        let find = async |hash: &str, idle: Timestamp, born: Timestamp| {
            store.find_session(hash, idle, born).await.unwrap().map(|(session, user)| {
                assert_eq!((session.user, user.id), (ada, ada));
                session.id
            })
        };
        let before = now - HOUR;
        assert_eq!(find("1", before, before).await, Some(first));
        assert_eq!(find("1", now, before).await, None, "rested too long");
        assert_eq!(find("1", before, now).await, None, "too old");
        assert_eq!(find("4", before, before).await, None);

        let mut tx = store.begin().await.unwrap();
        tx.touch_session(&own(ada), first, now + HOUR).await.unwrap();
        assert!(tx.delete_session(&own(ada), second).await.unwrap());
        assert!(!tx.delete_session(&own(ada), second).await.unwrap());
        assert!(!tx.delete_session(&own(UserId::new()), first).await.unwrap(), "another's");
        tx.commit().await.unwrap();
        let listed = store.list_sessions(ada, before, before, None, 10).await.unwrap();
        // The first is the one that `user` began.
        assert_eq!(listed.len(), 3);
        assert_eq!((listed[0].id, listed[1].id, listed[1].last_seen_at), (third, first, now + HOUR));
        assert_eq!((&*listed[0].agent, &*listed[0].address), ("Firefox", "192.0.2.1"));
        let older = store.list_sessions(ada, before, before, Some(third), 1).await.unwrap();
        assert_eq!(older.iter().map(|s| s.id).collect::<Vec<_>>(), [first]);
        assert_eq!(store.list_session_addresses(ada, before, before).await.unwrap(), ["192.0.2.1"]);
        assert!(store.list_session_addresses(ada, now + HOUR, before).await.unwrap().is_empty());
        let mine = store.find_own_session(ada, first, before, before).await.unwrap();
        assert_eq!(mine.map(|s| s.id), Some(first));
        assert!(store.find_own_session(UserId::new(), first, before, before).await.unwrap().is_none());

        let mut tx = store.begin().await.unwrap();
        tx.delete_other_sessions(&own(ada), Some(third)).await.unwrap();
        tx.commit().await.unwrap();
        let left = store.list_sessions(ada, before, before, None, 10).await.unwrap();
        assert_eq!(left.iter().map(|s| s.id).collect::<Vec<_>>(), [third]);
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.delete_ended_sessions(before, before).await.unwrap(), 0);
        assert_eq!(tx.delete_ended_sessions(now, before).await.unwrap(), 1);
        tx.delete_other_sessions(&own(ada), None).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn tokens_are_kept_used_and_revoked(portal: Portal) {
        let ada = portal.user("ada").await.account.id;
        let store = &portal.services.store;
        let now = portal.now();
        let token = NewToken {
            id: TokenId::new(),
            secret_hash: "hash".into(),
            name: "notebook".into(),
            scope: Scope::Write,
            created_at: now,
            expires_at: Some(now + DAY),
        };
        let mut tx = store.begin().await.unwrap();
        tx.insert_token(&own(ada), &token).await.unwrap();
        tx.commit().await.unwrap();
        let (found, user) = store.find_token("hash", now).await.unwrap().unwrap();
        assert_eq!((found.id, found.scope, found.last_used_at, user.id), (token.id, Scope::Write, None, ada));
        assert!(store.find_token("hash", now + DAY).await.unwrap().is_none(), "expired");
        assert!(store.find_token("other", now).await.unwrap().is_none());
        let mut tx = store.begin().await.unwrap();
        tx.touch_token(&own(ada), token.id, now + HOUR).await.unwrap();
        tx.commit().await.unwrap();
        let listed = store.list_tokens(ada, None, 10).await.unwrap();
        assert_eq!(listed[0].last_used_at, Some(now + HOUR));
        let mine = store.find_own_token(ada, token.id).await.unwrap();
        assert_eq!(mine.map(|t| t.id), Some(token.id));
        assert!(store.find_own_token(UserId::new(), token.id).await.unwrap().is_none());
        assert!(store.list_tokens(ada, Some(token.id), 10).await.unwrap().is_empty());
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.delete_expired_tokens(now + DAY).await.unwrap(), 0);
        assert_eq!(tx.delete_expired_tokens(now + 2 * DAY).await.unwrap(), 1);
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        assert!(!tx.delete_token(&own(UserId::new()), token.id).await.unwrap());
        assert!(tx.delete_token(&own(ada), token.id).await.unwrap());
        tx.commit().await.unwrap();
        assert!(store.list_tokens(ada, None, 10).await.unwrap().is_empty());
    }

    async fn the_audit_log_is_read_backwards(portal: Portal) {
        let ada = portal.user("ada").await.account.id;
        let store = &portal.services.store;
        let mut tx = store.begin().await.unwrap();
        for n in 1..=3 {
            tx.add_audit(Some(ada), "test.done", &format!("thing {n}"), "detail", portal.now()).await.unwrap();
        }
        tx.add_audit(None, "test.portal", "thing 4", "", portal.now()).await.unwrap();
        tx.commit().await.unwrap();
        let newest = store.list_audit(None, 2).await.unwrap();
        let targets = |all: &[tourmaline::store::AuditEntry]| all.iter().map(|e| e.target.clone()).collect::<Vec<_>>();
        assert_eq!(targets(&newest), ["thing 4", "thing 3"]);
        assert_eq!((&newest[0].user_name, newest[1].user_name.as_deref()), (&None, Some("ada")));
        let older = store.list_audit(Some(newest[1].id), 2).await.unwrap();
        assert_eq!(targets(&older), ["thing 2", "thing 1"]);
        assert_eq!((older[0].action.as_str(), older[0].detail.as_str()), ("test.done", "detail"));
        assert_eq!(older[0].at, portal.now());
    }

    async fn facts_are_set_kept_and_taken_once(portal: Portal) {
        let store = &portal.services.store;
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.set_fact_once(&site(), "colour", "green").await.unwrap(), "green");
        assert_eq!(tx.set_fact_once(&site(), "colour", "pink").await.unwrap(), "green");
        tx.set_fact(&site(), "colour", "pink").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.find_fact("colour").await.unwrap().as_deref(), Some("pink"));
        assert!(store.find_fact("id").await.unwrap().is_some());
        let mut tx = store.begin().await.unwrap();
        assert!(!tx.take_fact(&site(), "colour", "green").await.unwrap());
        assert!(tx.take_fact(&site(), "colour", "pink").await.unwrap());
        assert!(!tx.take_fact(&site(), "colour", "pink").await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(store.find_fact("colour").await.unwrap(), None);
        store.ping().await.unwrap();
    }

    async fn what_is_not_committed_leaves_nothing(portal: Portal) {
        let store = &portal.services.store;
        let mut tx = store.begin().await.unwrap();
        tx.set_fact(&site(), "colour", "pink").await.unwrap();
        drop(tx);
        assert_eq!(store.find_fact("colour").await.unwrap(), None);
    }
}
