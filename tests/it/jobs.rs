//! Jobs on pages: the form, the lists, one job with its log, and what can be done to it.
use crate::house::{Browser, Page, Portal, User};
use http::Method;
use http_body_util::BodyExt as _;
use std::time::Duration;
use tokio_util::task::TaskTracker;
use tourmaline::background;

/// A project of somebody's, with a program in it.
struct Lab<'a> {
    user: &'a User<'a>,
    project: String,
}

impl<'a> Lab<'a> {
    async fn new(user: &'a User<'a>) -> Self {
        let made = user
            .post(
                "/projects",
                &[("/name", "Genomes"), ("/visibility", "public")],
            )
            .await
            .expect(303);
        let project = made.header("location").unwrap();
        let project: Vec<&str> = project.split('/').take(3).collect();
        let project = project.join("/");
        let path = format!("{project}/files/content/code/main.py");
        let request = user.request(Method::PUT, &path).body("print(1)");
        let _ = request.send().await.expect(201);
        Self { user, project }
    }

    fn at(&self, rest: &str) -> String {
        format!("{}{rest}", self.project)
    }

    /// The form as it opens, with these inputs besides.
    async fn sent(&self, inputs: &[(&str, &str)]) -> Page {
        let form = self.user.page(&self.at("/jobs/new")).await.expect(200);
        self.send(&form.value("opened"), inputs).await
    }

    async fn send(&self, opened: &str, inputs: &[(&str, &str)]) -> Page {
        let mut form = vec![("opened", opened)];
        form.extend(SMALL);
        form.retain(|(name, _)| !inputs.iter().any(|(given, _)| given == name));
        form.extend(inputs);
        self.user.post(&self.at("/jobs"), &form).await
    }

    /// The address of a new job that runs a piece of shell.
    async fn job(&self, name: &str, shell: &str) -> String {
        let sent = self.sent(&[("/name", name), ("/arguments", shell)]).await;
        sent.expect(303).header("location").unwrap().to_owned()
    }

    async fn names(&self, query: &str) -> Vec<String> {
        let list = self.user.page(&self.at(&format!("/jobs{query}"))).await;
        list.expect(200).select("#rows tbody .first")
    }
}

const SMALL: [(&str, &str); 5] = [
    ("/name", "count"),
    ("/type", "python"),
    ("/main_file", "code/main.py"),
    ("/executor/instances", "1"),
    ("/executor/memory", "512m"),
];

/// The portal's own work goes on until this is dropped.
pub struct AtWork(tokio_util::sync::CancellationToken);

impl AtWork {
    pub fn begin(portal: &Portal) -> Self {
        let stop = portal.stop.child_token();
        background::start(&portal.services, &portal.auth, &TaskTracker::new(), &stop);
        Self(stop)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The job's page once it says this.
async fn until(browser: &Browser<'_>, job: &str, words: &str) -> Page {
    let mut changes = browser.portal().services.store.changes().subscribe();
    let mut seen = String::new();
    let looked = async {
        loop {
            let page = browser.page(job).await.expect(200);
            seen = page.one("#job");
            if page.one(".phase-head .phase").contains(words) {
                return page;
            }
            let _ = tokio::time::timeout(Duration::from_millis(500), changes.recv()).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), looked).await;
    found.unwrap_or_else(|_| panic!("{job} never said {words}: {seen}"))
}

#[tokio::test]
async fn a_first_job_is_asked_for_and_every_mistake_is_told_at_once() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let lab = Lab::new(&ada).await;
    let empty = ada.page(&lab.at("/jobs")).await.expect(200);
    assert!(empty.one(".empty").contains("Submit your first job"));

    let page = lab
        .sent(&[
            ("/name", ""),
            ("/main_file", "code/mian.py"),
            (
                "/spark_conf",
                "spark.master=local\nspark.sql.shuffle.partitions=4",
            ),
        ])
        .await
        .expect(422);
    assert_eq!(page.value("/main_file"), "code/mian.py");
    assert!(page.value("/spark_conf").contains("spark.master=local"));
    assert!(page.errors_on("/name")[0].starts_with("Must be given"));
    assert!(page.errors_on("/main_file")[0].contains("Did you mean code/main.py?"));
    assert!(page.errors_on("/spark_conf")[0].starts_with("spark.master must not be set"));
    assert_eq!(page.select(".notice-bad li").len(), 3);
    // What is folded away opens where it is wrong, and nothing else does.
    assert_eq!(page.select("details.fold[open]").len(), 1);
    assert!(page.has("datalist#main-files option[value='code/main.py']"));

    let opened = page.value("opened");
    let made = lab.send(&opened, &[]).await.expect(303);
    let job = made.header("location").unwrap().to_owned();
    assert_eq!(ada.page(&job).await.expect(200).one("h1"), "count");
    assert_eq!(lab.names("").await, ["count"]);
}

#[tokio::test]
async fn a_form_that_is_sent_twice_is_one_job_and_a_changed_one_is_another() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let lab = Lab::new(&ada).await;
    let form = ada.page(&lab.at("/jobs/new")).await.expect(200);
    let opened = form.value("opened");
    let first = lab.send(&opened, &[]).await.expect(303);
    let again = lab.send(&opened, &[]).await.expect(303);
    assert_eq!(first.header("location"), again.header("location"));
    let changed = lab.send(&opened, &[("/name", "other")]).await.expect(303);
    assert_ne!(first.header("location"), changed.header("location"));
    assert_eq!(lab.names("").await, ["other", "count"]);
}

#[tokio::test]
async fn the_panel_says_what_is_asked_for_and_what_differs() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let lab = Lab::new(&ada).await;
    let preview = lab.at("/jobs/preview");
    let panel = ada.post(&preview, &SMALL[..2]).await.expect(200);
    assert!(panel.text().contains("One thing is still missing"));
    let panel = ada.post(&preview, &SMALL).await.expect(200);
    assert_eq!(panel.select("dd")[0], "2");
    assert!(panel.one("pre").contains("kind: SparkApplication"));

    let job = lab.job("count", "exit 0").await;
    let id = job.trim_start_matches("/jobs/");
    let form = ada
        .page(&lab.at(&format!("/jobs/new?from={id}")))
        .await
        .expect(200);
    assert_eq!(form.one("h1"), "Re-run count");
    assert_eq!(form.value("/arguments").trim(), "exit 0");
    assert!(form.one("#panel").contains("Nothing differs yet"));
    let mut sent = SMALL.to_vec();
    sent.extend([("from", id), ("/arguments", "exit 0"), ("/priority", "3")]);
    let panel = ada.post(&preview, &sent).await.expect(200);
    let differs = panel.one(".differences");
    assert!(differs.contains("Priority"), "{differs}");
    assert!(!differs.contains("Arguments"), "{differs}");
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let lab = Lab::new(&ada).await;
    for n in 0..52 {
        lab.job(&format!("sample-{n}"), "exit 0").await;
    }
    let page = ada.page(&lab.at("/jobs")).await.expect(200);
    assert_eq!(page.select("#rows tbody tr").len(), 50);
    let next = page.attributes("a[rel=next]", "href").remove(0);
    let page = ada.page(&next).await.expect(200);
    assert_eq!(page.select("#rows tbody .first"), ["sample-1", "sample-0"]);
    assert_eq!(lab.names("?q=ample-51").await, ["sample-51"]);
    assert_eq!(lab.names("?name=sample-7").await, ["sample-7"]);
    assert!(lab.names("?phase=failed").await.is_empty());
    assert!(lab.names("?user=nobody").await.is_empty());
    assert!(lab.names("?created_after=2026-03-02").await.is_empty());
    let wrong = ada.page(&lab.at("/jobs?q=ab")).await.expect(422);
    assert!(wrong.one("#rows").contains("at least three characters"));
    let mine = ada.page("/jobs?q=sample-40").await.expect(200);
    assert_eq!(mine.select("#rows td[data-label=in]"), ["Genomes"]);
}

#[tokio::test]
async fn a_list_is_told_of_its_own_projects_jobs() {
    let portal = Portal::new().await;
    let (ada, bob) = (portal.user("ada").await, portal.user("bob").await);
    let (lab, other) = (Lab::new(&ada).await, Lab::new(&bob).await);
    let open = async |path: &str| {
        let stream = ada.request(Method::GET, path).open().await;
        assert_eq!(stream.status(), 200);
        stream.into_body()
    };
    let mut streams = [
        open(&lab.at("/jobs/stream")).await,
        open("/jobs/stream").await,
    ];
    other.job("not hers", "exit 0").await;
    let job = lab.job("hers", "exit 0").await;
    let id = job.trim_start_matches("/jobs/");
    for stream in &mut streams {
        let frame = tokio::time::timeout(Duration::from_secs(10), stream.frame());
        let data = frame.await.unwrap().unwrap().unwrap().into_data().unwrap();
        let text = String::from_utf8_lossy(&data).into_owned();
        assert!(text.contains("event: changed"), "{text}");
        assert!(text.contains(&format!("data: {id}")), "{text}");
    }
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_then_deleted() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let lab = Lab::new(&ada).await;
    let job = lab.job("count", "exit 0").await;
    let page = ada.page(&job).await.expect(200);
    assert!(page.one(".waits").contains("the next of its queue"));
    let ask = ada.page(&format!("{job}/cancel")).await.expect(200);
    assert_eq!(ask.one("form[data-confirm] h1"), "Cancel count?");
    ada.post(&format!("{job}/cancel"), &[]).await.leads_to(&job);
    let page = ada.page(&job).await.expect(200);
    assert_eq!(page.one(".phase-head .phase"), "Cancelled");
    assert_eq!(page.one(".waits"), "Cancelled by ada.");
    assert!(!page.has("#live"), "nothing changes any more");
    assert_eq!(lab.names("?phase=cancelled").await, ["count"]);

    let ask = ada.page(&format!("{job}/delete")).await.expect(200);
    assert_eq!(ask.value("/outputs"), "keep");
    let path = format!("{job}/delete");
    let gone = ada.post(&path, &[("/outputs", "keep")]).await;
    gone.leads_to(&lab.at("/jobs"));
    let _ = ada.page(&job).await.expect(404);
}

#[tokio::test]
async fn a_reader_sees_a_public_job_without_what_is_inside() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let lab = Lab::new(&ada).await;
    let sent = lab
        .sent(&[("/env", "KEY=tops3cret"), ("/arguments", "{project}/data")])
        .await
        .expect(303);
    let job = sent.header("location").unwrap().to_owned();
    let own = ada.page(&job).await.expect(200);
    assert!(own.one(".arguments").contains("file:///"));
    let manifest = ada.page(&format!("{job}/manifest")).await.expect(200);
    assert!(manifest.text().contains("tops3cret"));
    assert!(manifest.one("pre .from:first-of-type").contains("site"));

    let bob = portal.user("bob").await;
    let page = bob.page(&job).await.expect(200);
    assert_eq!(page.one(".arguments"), "{project}/data");
    assert!(!page.text().contains("tops3cret"));
    assert!(!page.text().contains("Manifest"));
    assert!(!page.has("a[href$='/cancel']"));
    let _ = bob.page(&format!("{job}/manifest")).await.expect(403);
}

#[tokio::test]
async fn a_job_that_ran_has_its_log_and_its_outputs() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let lab = Lab::new(&ada).await;
    let _work = AtWork::begin(&portal);
    let shell = r"printf '\033[31m<b>red</b>\033[0m\nbad \377 byte\n'; for n in $(seq 9000); do echo line $n; done; d={output}; d=${d#file://}; mkdir -p $d; echo whale >$d/found.txt";
    let job = lab.job("count", shell).await;
    until(&ada, &job, "Succeeded").await;

    let log = ada.page(&format!("{job}/logs")).await.expect(200);
    let lines = log.select(".log-lines .line");
    assert_eq!(lines.last().unwrap(), "line 9000");
    assert!(!log.has("[data-stream-url]"), "nothing more will come");
    let start = log.attributes("a:not([data-log-earlier])", "href");
    let start = start.iter().find(|href| href.ends_with("&from=0")).unwrap();
    let first = ada.page(start).await.expect(200);
    let lines = first.select(".log-lines .line");
    assert_eq!(&lines[..3], ["<b>red</b>", "bad \u{fffd} byte", "line 1"]);
    // Page by page, backwards, every line is seen once.
    let (mut page, mut seen) = (log, Vec::new());
    loop {
        let mut lines = page.select(".log-lines .line");
        lines.extend(seen);
        seen = lines;
        if page.has(".log-earlier[hidden]") {
            break;
        }
        let earlier = page.attributes("[data-log-earlier]", "href").remove(0);
        page = ada.page(&earlier).await.expect(200);
    }
    assert_eq!(seen.len(), 9002);
    assert_eq!(seen[9001], "line 9000");

    let found = ada
        .page(&format!("{job}/logs?q=line+4321"))
        .await
        .expect(200);
    assert_eq!(found.select(".hits .line"), ["line 4321"]);
    let there = found.attributes(".hits .line", "href").remove(0);
    let there = ada.page(&there).await.expect(200);
    assert_eq!(there.one(".line.here"), "line 4321");
    let wrong = ada.page(&format!("{job}/logs?q=(&regex=true")).await;
    assert!(wrong.expect(422).text().contains("regular expression"));

    let whole = ada.page(&format!("{job}/logs/download")).await.expect(200);
    assert!(
        whole
            .header("content-disposition")
            .unwrap()
            .starts_with("attachment")
    );
    assert!(whole.body.starts_with(b"\x1b[31m<b>red</b>"));
    assert!(whole.body.ends_with(b"line 9000\n"));

    let outputs = ada.page(&format!("{job}/outputs")).await.expect(200);
    assert_eq!(outputs.select("tbody .first"), ["1/found.txt"]);
    let file = outputs.attributes("a[download]", "href").remove(0);
    assert_eq!(ada.page(&file).await.expect(200).text(), "whale\n");
    let events = ada.page(&format!("{job}/events")).await.expect(200);
    assert_eq!(
        events.select("tbody .first").first().unwrap(),
        "Accepted and queued."
    );
}

/// Files and folders of the data folder that are named after a job.
fn traces(portal: &Portal, of: [&str; 2]) -> Vec<String> {
    let data = portal.data();
    let (mut folders, mut found) = (vec![data.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let below = path.strip_prefix(&data).unwrap().display().to_string();
            if of.iter().any(|name| below.contains(name)) {
                found.push(below);
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn a_deleted_job_leaves_nothing_but_the_outputs_that_are_to_stay() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let lab = Lab::new(&ada).await;
    let _work = AtWork::begin(&portal);
    for outputs in ["keep", "delete"] {
        let shell = "echo seen; d={output}; d=${d#file://}; mkdir -p $d; echo whale >$d/found.txt";
        let job = lab.job(outputs, shell).await;
        until(&ada, &job, "Succeeded").await;
        let id = job.trim_start_matches("/jobs/").to_owned();
        let found = portal.services.store.find_job(id.parse().unwrap()).await;
        let slug = found.unwrap().unwrap().job.slug.to_string();
        let left = || {
            let mut left = traces(&portal, [&id, &slug]);
            left.retain(|path| {
                outputs == "delete" || !path.contains(&format!("/files/jobs/{slug}"))
            });
            left
        };
        assert!(
            left().iter().any(|path| path.contains("code")),
            "{:?}",
            left()
        );
        assert!(
            left().iter().any(|path| path.contains("logs")),
            "{:?}",
            left()
        );
        assert!(
            left().iter().any(|path| path.starts_with("runs")),
            "{:?}",
            left()
        );
        let path = format!("{job}/delete");
        let _ = ada.post(&path, &[("/outputs", outputs)]).await.expect(303);
        let _ = ada.page(&job).await.expect(404);
        let gone = async {
            while !left().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let gone = tokio::time::timeout(Duration::from_secs(60), gone).await;
        assert!(gone.is_ok(), "{:?}", left());
        let kept = lab.at(&format!("/files/view/jobs/{slug}/1/found.txt"));
        let status = if outputs == "keep" { 200 } else { 404 };
        let _ = ada.page(&kept).await.expect(status);
    }
}

#[tokio::test]
async fn a_failed_job_says_why_and_a_live_one_is_followed() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let lab = Lab::new(&ada).await;
    let _work = AtWork::begin(&portal);
    let job = lab
        .job("broken", "echo 'ValueError: no depth'; exit 1")
        .await;
    let page = until(&ada, &job, "Failed").await;
    assert!(page.one(".failure").contains("ValueError: no depth"));
    assert!(page.has(".failure a[href*='/jobs/new?from=']"));
    let error = ada.page(&format!("{job}/logs?first_error=true")).await;
    let error = error.expect(303).header("location").unwrap().to_owned();
    let there = ada.page(&error).await.expect(200);
    assert_eq!(there.one(".line.here"), "ValueError: no depth");

    let long = lab.job("long", "echo begun; sleep 60").await;
    until(&ada, &long, "Running").await;
    let log = loop {
        let log = ada.page(&format!("{long}/logs")).await.expect(200);
        if log.has("[data-stream-url]") {
            break log;
        }
        tokio::task::yield_now().await;
    };
    let url = log.attributes("#log", "data-stream-url").remove(0);
    let mut stream = ada.request(Method::GET, &url).open().await.into_body();
    ada.post(&format!("{long}/cancel"), &[])
        .await
        .leads_to(&long);
    let mut text = String::new();
    let read = async {
        while let Some(Ok(frame)) = stream.frame().await {
            text.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap()));
        }
    };
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .unwrap();
    assert!(text.contains(r#""text":"begun\n""#), "{text}");
    assert!(text.contains("event: changed"), "{text}");
    assert!(text.ends_with("event: end\ndata: end\n\n"), "{text}");
    assert_eq!(
        ada.page(&long).await.expect(200).one(".phase-head .phase"),
        "Cancelled"
    );
}
