//! The start page, the example job, and the search for everything.
use tourmaline::services::{jobs, projects};

on_both! {
    async fn a_newcomer_is_shown_the_way_and_an_example(portal: Portal) {
        let _ = portal.visitor().page("/").await.expect(303);
        let ada = portal.user("ada").await;
        let first = ada.page("/").await.expect(200);
        assert!(first.has("form[action='/example'] button.btn-primary"));
        let made = ada.post("/example", &[]).await.expect(303);
        let job = made.header("location").unwrap().strip_prefix("/jobs/").unwrap().to_owned();

        let open = jobs::find(&portal.services, &ada.actor(), job.parse().unwrap()).await.unwrap();
        assert_eq!(open.project.name.as_str(), "Example");
        assert_eq!(open.job().spec.name.as_str(), "word-count");
        let home = ada.page("/").await.expect(200);
        assert_eq!(home.attributes("section:first-child .rows a", "href"), [format!("/jobs/{job}")]);
        assert_eq!(home.select(".rows .phase"), ["Queued"]);
        assert!(!home.has("form[action='/example']"));

        let opened = [("opened", &*first.value("opened"))];
        let one = ada.post("/example", &opened).await.expect(303);
        let again = ada.post("/example", &opened).await.expect(303);
        assert_eq!(one.header("location"), again.header("location"), "twice is once");
        let mine = projects::list_mine(&portal.services, &ada.actor()).await.unwrap();
        assert_eq!(mine.len(), 1, "its project is made once");
        let home = ada.page("/").await.expect(200);
        assert!(home.has("header a[href='/tasks']"));
        jobs::cancel(&portal.services, &ada.actor(), open.job().id).await.unwrap();
        let home = ada.page("/").await.expect(200);
        assert_eq!(home.select("section:nth-child(2) .phase"), ["Cancelled"]);
        let others = portal.user("bob").await.page("/").await.expect(200);
        assert!(!others.text().contains("word-count"), "what is somebody else's stays theirs");
    }

    async fn one_search_finds_projects_jobs_and_files(portal: Portal) {
        let ada = portal.user("ada").await;
        let _ = ada.post("/projects", &[("/name", "Wordy matters")]).await.expect(303);
        let _ = ada.post("/example", &[]).await.expect(303);
        let found = ada.page("/search?q=WORD").await.expect(200);
        assert_eq!(found.select("main h2"), ["Projects", "Jobs", "Files"]);
        let file = found.attributes("section:last-child .rows a", "href").remove(0);
        assert!(file.ends_with("/files/view/code/wordcount.py"), "{file}");
        let _ = ada.page(&file).await.expect(200);

        let short = ada.page("/search?q=wo").await.expect(200);
        assert_eq!(short.select("main h2"), ["Projects"]);
        assert!(short.text().contains("three characters"));
        let odd = ada.page("/search?q=%25_%22%27%5C").await.expect(200);
        assert!(odd.has(".empty"), "what is special elsewhere is text here");
        let _ = ada.page("/search?q=").await.expect(200);
        let theirs = portal.user("bob").await.page("/search?q=word").await.expect(200);
        assert!(theirs.has(".empty"), "{}", theirs.text());
    }
}
