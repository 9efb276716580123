//! Attempts on a real Kubernetes with the real Spark Operator. It needs `TOURMALINE_TEST_KUBECONFIG` (somebody who may do
//! everything), `…_K8S_NAMESPACE`, which the operator watches, `…_K8S_SERVICE_ACCOUNT` for drivers there, and
//! `…_SPARK_IMAGE` with Spark's examples.
use crate::variable;
use base64::Engine as _;
use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::{Pod, ServiceAccount},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, LogParams, Patch, PatchParams,
        PostParams,
    },
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tourmaline::{
    cluster::{
        DriverState, Error, FindingState, LogPosition, Object, Observation, kubernetes::Kubernetes,
    },
    config,
    domain::{
        clock::Clock,
        ids::{JobId, ProjectId},
        job::{CodePath, DriverSize, ExecutorSize, Exit, JobSpec, Language},
        names::{ClusterName, ObjectName, QueueName, StreamName, Title},
        quantity::Memory,
    },
    manifest::{self, Addresses, LABEL_JOB, Placement, SiteConf, SparkApplication},
};

/// A machine that does everything at once submits slowly.
const PATIENCE: Duration = Duration::from_secs(900);

/// Among many portals that share the namespace, this one.
struct Bed {
    settings: config::Kubernetes,
    installation: String,
    cluster: Kubernetes,
}

impl Bed {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(configure: impl FnOnce(&mut config::Kubernetes)) -> Self {
        let request = |who: &str| {
            (
                format!("spark.kubernetes.{who}.request.cores"),
                "100m".into(),
            )
        };
        let mut settings = config::Kubernetes {
            name: "test-bed-1".into(),
            kubeconfig: Some(variable("TOURMALINE_TEST_KUBECONFIG").into()),
            namespaces: vec![variable("TOURMALINE_TEST_K8S_NAMESPACE")],
            service_account: variable("TOURMALINE_TEST_K8S_SERVICE_ACCOUNT"),
            spark_versions: [("3.5".into(), variable("TOURMALINE_TEST_SPARK_IMAGE"))].into(),
            image_pull_policy: Some("IfNotPresent".into()),
            spark_conf: [request("driver"), request("executor")].into(),
            timeout_seconds: 30,
            ..config::Kubernetes::default()
        };
        configure(&mut settings);
        let installation = format!("{:08x}", rand::random::<u32>());
        let cluster = Kubernetes::new(&settings, &installation, Clock::system()).unwrap();
        Self {
            settings,
            installation,
            cluster,
        }
    }

    /// The same portal after a restart: it remembers nothing.
    fn again(&self) -> Kubernetes {
        Kubernetes::new(&self.settings, &self.installation, Clock::system()).unwrap()
    }

    /// What the portal would give the cluster for such a job.
    fn application(&self, spec: &JobSpec) -> SparkApplication {
        let random = std::array::from_fn(|_| rand::random());
        let placement = Placement {
            job: JobId::new(),
            project: ProjectId::new(),
            attempt: 1,
            object: ObjectName::for_job(&spec.name, random).attempt(1),
            cluster: ClusterName::parse(&self.settings.name).unwrap(),
            namespace: self.settings.namespaces[0].clone(),
            installation: self.installation.clone(),
            image: self.cluster.image(&spec.spark_version).map(Into::into),
            user: "ada".into(),
        };
        let addresses = Addresses {
            project: "file:///tmp/project".into(),
            output: "file:///tmp/output".into(),
            code: "file:///tmp/code".into(),
        };
        let there = self.cluster.site();
        let site = SiteConf {
            cluster: there.conf,
            service_account: there.service_account,
            image_pull_policy: there.image_pull_policy,
            ..SiteConf::default()
        };
        manifest::populate(spec, &placement, &addresses, &site).app
    }

    async fn create(&self, application: &SparkApplication) -> Running<'_> {
        self.cluster.create(application).await.unwrap();
        self.named(application)
    }

    fn named(&self, application: &SparkApplication) -> Running<'_> {
        Running {
            bed: self,
            object: Object {
                namespace: application.metadata.namespace.clone(),
                name: ObjectName::parse(&application.metadata.name).unwrap(),
            },
        }
    }

    async fn client(&self) -> Client {
        let file = self.settings.kubeconfig.as_ref().unwrap();
        let kubeconfig = Kubeconfig::read_from(file).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        Client::try_from(config.unwrap()).unwrap()
    }

    async fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client().await, &self.settings.namespaces[0])
    }

    async fn applications(&self) -> Api<DynamicObject> {
        let kind = ApiResource {
            group: "sparkoperator.k8s.io".into(),
            version: "v1beta2".into(),
            api_version: "sparkoperator.k8s.io/v1beta2".into(),
            kind: "SparkApplication".into(),
            plural: "sparkapplications".into(),
        };
        let namespace = &self.settings.namespaces[0];
        Api::namespaced_with(self.client().await, namespace, &kind)
    }
}

/// One attempt.
struct Running<'a> {
    bed: &'a Bed,
    object: Object,
}

impl Running<'_> {
    async fn observe(&self) -> Observation {
        self.bed.cluster.observe(&self.object).await.unwrap()
    }

    async fn until(&self, what: &str, is: impl Fn(&DriverState) -> bool) -> DriverState {
        let begun = Instant::now();
        loop {
            let state = self.observe().await.state;
            if is(&state) {
                return state;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: it stays {state:?}");
            assert_ne!(state, DriverState::Absent, "{what}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn runs(&self) {
        let runs = |state: &DriverState| match state {
            DriverState::Gone(exit) => panic!("it ended: {exit:?}"),
            state => matches!(state, DriverState::Running { .. }),
        };
        self.until("it should run", runs).await;
    }

    async fn exit(&self) -> Exit {
        let gone = |state: &DriverState| matches!(state, DriverState::Gone(_));
        match self.until("it should end", gone).await {
            DriverState::Gone(exit) => exit,
            other => panic!("{other:?}"),
        }
    }

    async fn stop(&self) {
        self.bed.cluster.stop(&self.object).await.unwrap();
    }

    /// All of a log to its end, in small pieces, by a portal that was restarted before each.
    async fn log(&self, stream: &StreamName) -> String {
        let begun = Instant::now();
        let (mut bytes, mut cursor) = (Vec::new(), None);
        loop {
            let from = LogPosition {
                offset: bytes.len() as u64,
                cursor: cursor.clone(),
            };
            let cluster = self.bed.again();
            let piece = cluster.read_log(&self.object, stream, &from, 4_000).await;
            let piece = piece.unwrap();
            assert!(piece.bytes.len() <= 4_000);
            bytes.extend_from_slice(&piece.bytes);
            cursor = piece.cursor;
            if piece.end {
                return String::from_utf8(bytes).unwrap();
            }
            assert!(begun.elapsed() < PATIENCE, "the log does not end");
        }
    }

    fn driver_pod(&self) -> String {
        format!("{}-driver", self.object.name)
    }

    /// A log as the cluster itself has it, whole.
    async fn whole_log(&self, pod: &str) -> String {
        let pods = self.bed.pods().await;
        pods.logs(pod, &LogParams::default()).await.unwrap()
    }

    async fn clear(&self) {
        self.bed.cluster.delete(&self.object).await.unwrap();
        self.bed.cluster.delete(&self.object).await.unwrap();
    }
}

fn pi(arguments: &[&str]) -> JobSpec {
    let memory = Memory::parse("512m").unwrap();
    let main = "local:///opt/spark/examples/src/main/python/pi.py";
    JobSpec {
        name: Title::parse("Pi, by chance").unwrap(),
        language: Language::Python,
        spark_version: "3.5".into(),
        main_file: CodePath::parse(main).unwrap(),
        main_class: None,
        arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
        queue: QueueName::default_queue(),
        cluster: None,
        priority: 0,
        driver: DriverSize {
            cores: 1,
            memory: memory.clone(),
            memory_overhead: None,
        },
        executor: ExecutorSize {
            cores: 1,
            memory,
            memory_overhead: None,
            instances: 1,
        },
        dynamic_allocation: None,
        spark_conf: BTreeMap::new(),
        env: BTreeMap::new(),
        py_files: Vec::new(),
        jars: Vec::new(),
        packages: Vec::new(),
        image: None,
        max_run_seconds: 600,
        max_attempts: 1,
        labels: BTreeMap::new(),
    }
}

/// More parts than it ever comes to.
const FOR_EVER: &str = "1000000";

#[tokio::test]
async fn a_job_runs_to_its_end_and_its_logs_are_whole() {
    let bed = Bed::new();
    let application = bed.application(&pi(&["4"]));
    let job = bed.create(&application).await;
    // Somebody else of the same portal makes it again.
    bed.again().create(&application).await.unwrap();
    job.runs().await;
    assert!(matches!(
        bed.cluster.delete(&job.object).await,
        Err(Error::Refused(_))
    ));
    assert_eq!(job.exit().await, Exit::Code { code: 0 });
    assert!(job.observe().await.spark_app_id.is_some());

    let log = job.log(&StreamName::driver()).await;
    assert!(log.contains("Pi is roughly 3"), "{log}");
    assert_eq!(log, job.whole_log(&job.driver_pod()).await);
    let executor = StreamName::parse("executor-1").unwrap();
    let streams = bed.cluster.streams(&job.object).await.unwrap();
    assert_eq!(streams, [StreamName::driver(), executor.clone()]);
    let log = job.log(&executor).await;
    assert!(log.contains("Executor"), "{log}");

    let pod = bed.pods().await.get(&job.driver_pod()).await.unwrap();
    assert_eq!(
        pod.labels()[LABEL_JOB],
        application.metadata.labels[LABEL_JOB]
    );
    assert_eq!(
        bed.cluster.objects().await.unwrap(),
        std::slice::from_ref(&job.object)
    );
    job.clear().await;
    assert_eq!(bed.cluster.objects().await.unwrap(), []);
    // Its pods go a moment after it.
    let begun = Instant::now();
    while job.observe().await.state != DriverState::Absent {
        assert!(begun.elapsed() < PATIENCE, "its pods stay");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test]
async fn a_program_that_fails_says_so_in_its_log() {
    let bed = Bed::new();
    let job = bed.create(&bed.application(&pi(&["four"]))).await;
    assert_eq!(job.exit().await, Exit::Code { code: 1 });
    let log = job.log(&StreamName::driver()).await;
    assert!(log.contains("ValueError"), "{log}");
    job.clear().await;
}

#[tokio::test]
async fn an_image_that_is_not_there_ends_the_attempt() {
    let bed = Bed::with(|settings| settings.image_patience_seconds = 5);
    let mut spec = pi(&["4"]);
    spec.image = Some("localhost/nowhere:1".into());
    let job = bed.create(&bed.application(&spec)).await;
    let told = |state: &DriverState| matches!(state, DriverState::Starting { reason: Some(why) } if why == "The image `localhost/nowhere:1` cannot be pulled.");
    job.until("it should say why", told).await;
    match job.exit().await {
        Exit::Refused { why } => assert!(why.contains("localhost/nowhere:1"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(job.log(&StreamName::driver()).await, "");
    job.clear().await;
}

#[tokio::test]
async fn a_service_account_that_is_not_there_is_told() {
    let bed = Bed::with(|settings| settings.service_account = "nobody-here".into());
    let job = bed.create(&bed.application(&pi(&["4"]))).await;
    match job.exit().await {
        Exit::NotStarted { why } => assert!(why.contains("nobody-here"), "{why}"),
        other => panic!("{other:?}"),
    }
    job.clear().await;
}

#[tokio::test]
async fn a_cancelled_driver_ends_and_its_log_stays() {
    let bed = Bed::new();
    let job = bed.create(&bed.application(&pi(&[FOR_EVER]))).await;
    job.runs().await;
    let begun = Instant::now();
    while !job
        .whole_log(&job.driver_pod())
        .await
        .contains("Running Spark")
    {
        assert!(begun.elapsed() < PATIENCE, "it prints nothing");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    job.stop().await;
    job.stop().await;
    assert_eq!(job.exit().await, Exit::Cancelled);
    let log = job.log(&StreamName::driver()).await;
    assert!(log.contains("Running Spark"), "{log}");
    assert_eq!(log, job.whole_log(&job.driver_pod()).await);
    job.clear().await;
}

#[tokio::test]
async fn a_wish_to_cancel_reaches_what_was_not_submitted_yet() {
    let bed = Bed::new();
    let job = bed.create(&bed.application(&pi(&[FOR_EVER]))).await;
    let begun = Instant::now();
    // As the monitor passes it on, at each look.
    let exit = loop {
        job.stop().await;
        match job.observe().await.state {
            DriverState::Gone(exit) => break exit,
            state => assert!(begun.elapsed() < PATIENCE, "it stays {state:?}"),
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    assert_eq!(exit, Exit::Cancelled);
    job.clear().await;
}

#[tokio::test]
async fn the_maximum_run_time_is_kept() {
    let bed = Bed::new();
    let mut spec = pi(&[FOR_EVER]);
    spec.max_run_seconds = 5;
    let job = bed.create(&bed.application(&spec)).await;
    assert_eq!(job.exit().await, Exit::TimedOut { seconds: 5 });
    job.clear().await;
}

#[tokio::test]
async fn a_driver_s_pod_that_somebody_deletes_is_an_end() {
    let bed = Bed::new();
    let job = bed.create(&bed.application(&pi(&[FOR_EVER]))).await;
    job.runs().await;
    let pods = bed.pods().await;
    let options = DeleteParams::default();
    pods.delete(&job.driver_pod(), &options).await.unwrap();
    let exit = job.exit().await;
    assert!(
        matches!(
            exit,
            Exit::Signal { signal: 15 | 9 } | Exit::Vanished { .. }
        ),
        "{exit:?}"
    );
    job.clear().await;
}

#[tokio::test]
async fn a_name_is_barred_where_nothing_has_it() {
    let bed = Bed::new();
    let application = bed.application(&pi(&["4"]));
    let job = bed.named(&application);
    assert_eq!(job.observe().await.state, DriverState::Absent);
    job.stop().await;
    job.stop().await;
    let gone = DriverState::Gone(Exit::Cancelled);
    assert_eq!(job.observe().await.state, gone);
    // Whoever comes late with the create makes nothing.
    bed.cluster.create(&application).await.unwrap();
    assert_eq!(job.observe().await.state, gone);
    let applications = bed.applications().await;
    let there = applications.get(job.object.name.as_str()).await.unwrap();
    assert_eq!(there.data["spec"]["suspend"], true);
    let piece = bed
        .cluster
        .read_log(
            &job.object,
            &StreamName::driver(),
            &LogPosition::default(),
            100,
        )
        .await
        .unwrap();
    assert!(piece.end && piece.bytes.is_empty());
    job.clear().await;
}

#[tokio::test]
async fn what_a_stranger_made_is_left_alone() {
    let bed = Bed::new();
    let application = bed.application(&pi(&["4"]));
    let mut theirs = application.clone();
    theirs.metadata.labels.clear();
    theirs.spec.suspend = Some(true);
    bed.cluster.create(&theirs).await.unwrap();
    let job = bed.named(&application);
    match bed.cluster.create(&application).await {
        Err(Error::Refused(why)) => assert!(why.contains("not of this portal"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(job.observe().await.state, DriverState::Absent);
    job.stop().await;
    job.clear().await;
    let applications = bed.applications().await;
    applications.get(job.object.name.as_str()).await.unwrap();
    let options = DeleteParams::default();
    let name = job.object.name.as_str();
    applications.delete(name, &options).await.unwrap();
}

#[tokio::test]
async fn every_kind_of_object_is_taken_by_the_cluster_s_dry_run() {
    let bed = Bed::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manifest/snapshots");
    let mut tried = 0;
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let text = fs::read_to_string(&file).unwrap();
        let yaml = text.splitn(3, "---\n").nth(2).unwrap();
        let mut application: SparkApplication = serde_saphyr::from_str(yaml).unwrap();
        application
            .metadata
            .namespace
            .clone_from(&bed.settings.namespaces[0]);
        let taken = bed.cluster.dry_run(&application).await;
        assert!(taken.is_ok(), "{}: {taken:?}", file.display());
        tried += 1;
        application
            .spec
            .spark_conf
            .insert("spark.x".into(), "y".into());
        application.metadata.name = "1-of-them".into();
        match bed.cluster.dry_run(&application).await {
            Err(Error::Refused(why)) => assert!(why.contains("1-of-them"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(tried >= 4, "{tried}");
    assert_eq!(bed.cluster.objects().await.unwrap(), []);
}

#[tokio::test]
async fn a_check_up_finds_a_cluster_well() {
    let bed = Bed::new();
    let check_up = bed.cluster.check_up().await;
    assert_eq!(check_up.healthy, Ok(()), "{check_up:?}");
    for (what, says) in [
        ("API server", "Kubernetes v"),
        ("Rights", "All that are needed"),
        ("Webhook", "It answers"),
        ("Spark Operator", "It is alive"),
        ("Clock", "It agrees"),
    ] {
        let found = check_up.findings.iter().find(|one| one.what == what);
        let found = found.unwrap_or_else(|| panic!("{what}: {check_up:?}"));
        assert_eq!(found.state, FindingState::Fine, "{found:?}");
        assert!(found.text.contains(says), "{found:?}");
    }
    assert_eq!(
        bed.cluster.objects().await.unwrap(),
        [],
        "probes are none of them"
    );
}

#[tokio::test]
async fn a_check_up_names_what_is_wrong() {
    let away = Bed::with(|settings| settings.namespaces = vec!["nobody-made-this".into()]);
    let why = away.cluster.check_up().await.healthy.unwrap_err();
    assert!(why.contains("nobody-made-this"), "{why}");
    let nobody = Bed::with(|settings| settings.service_account = "nobody-here".into());
    let why = nobody.cluster.check_up().await.healthy.unwrap_err();
    assert!(
        why.contains("There is no service account nobody-here"),
        "{why}"
    );
    let silent = Bed::with(|settings| {
        settings.kubeconfig = None;
        settings.url = Some("https://127.0.0.1:1".into());
        settings.token_file = Some("/dev/null".into());
    });
    let why = silent.cluster.check_up().await.healthy.unwrap_err();
    assert!(why.contains("test-bed-1 cannot be reached"), "{why}");
}

/// Somebody who may do a little, by the address, certificates and token of a file each.
#[tokio::test]
async fn a_missing_right_is_named_with_the_line_to_add() {
    let bed = Bed::new();
    let (client, namespace) = (bed.client().await, &bed.settings.namespaces[0]);
    let name = format!("tourmaline-{}", bed.installation);
    let make = |kind: &str, rest: Value| {
        let mut object = json!({"metadata": {"name": name}});
        object
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        let (group, version) = match kind {
            "ServiceAccount" => ("", "v1"),
            _ => ("rbac.authorization.k8s.io", "v1"),
        };
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        async move { api.create(&PostParams::default(), &object).await.unwrap() }
    };
    make("ServiceAccount", json!({})).await;
    make("Role", json!({"rules": [
        {"apiGroups": ["sparkoperator.k8s.io"], "resources": ["sparkapplications"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "delete"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    ]})).await;
    make(
        "RoleBinding",
        json!({
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        }),
    )
    .await;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = TokenRequest::default();
    let token = accounts
        .create_token_request(&name, &PostParams::default(), &request)
        .await
        .unwrap();

    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = Kubeconfig::read_from(bed.settings.kubeconfig.as_ref().unwrap()).unwrap();
    let there = kubeconfig.clusters[0].cluster.clone().unwrap();
    let ca = base64::engine::general_purpose::STANDARD
        .decode(there.certificate_authority_data.unwrap())
        .unwrap();
    let (ca_file, token_file) = (folder.path().join("ca.pem"), folder.path().join("token"));
    fs::write(&ca_file, ca).unwrap();
    fs::write(&token_file, token.status.unwrap().token).unwrap();
    let little = Bed::with(|settings| {
        settings.kubeconfig = None;
        settings.url = there.server;
        settings.ca_file = Some(ca_file);
        settings.token_file = Some(token_file);
    });
    let why = little.cluster.check_up().await.healthy.unwrap_err();
    let line = "{apiGroups: [\"\"], resources: [\"pods\"], verbs: [\"patch\"]}";
    assert!(
        why.contains("may not patch pods") && why.contains(line),
        "{why}"
    );

    let roles: Api<Role> = Api::namespaced(client.clone(), namespace);
    let more = json!([{"op": "add", "path": "/rules/1/verbs/-", "value": "patch"}]);
    let more = Patch::<()>::Json(serde_json::from_value(more).unwrap());
    roles
        .patch(&name, &PatchParams::default(), &more)
        .await
        .unwrap();
    let well = little.again().check_up().await;
    assert_eq!(well.healthy, Ok(()), "{well:?}");
    let (bindings, options): (Api<RoleBinding>, _) =
        (Api::namespaced(client, namespace), DeleteParams::default());
    accounts.delete(&name, &options).await.unwrap();
    roles.delete(&name, &options).await.unwrap();
    bindings.delete(&name, &options).await.unwrap();
}

/// A portal as a process, which ends with the test, and a person's program before it.
struct Served {
    process: Child,
    address: String,
    token: String,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Served {
    /// With this bed as its only cluster that takes jobs.
    async fn on(bed: &Bed) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("tourmaline.toml");
        let cluster = toml::to_string(&bed.settings).unwrap();
        let cluster = cluster
            .replace("[spark_versions]", "[clusters.spark_versions]")
            .replace("[spark_conf]", "[clusters.spark_conf]");
        let text = format!("[local]\nenabled = false\n[[clusters]]\n{cluster}");
        fs::write(&config, text).unwrap();
        let tourmaline = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tourmaline"));
            let data = folder.path().join("data");
            command.args(arguments).env("TOURMALINE_DATA", data);
            command.env("TOURMALINE_CONFIG", &config);
            command
        };
        let said = |arguments: &[&str]| {
            let output = tourmaline(arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        said(&["check-config"]);
        let mut add = tourmaline(&["admin", "user", "add", "ada", "--password-stdin"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let password = b"a password of the test bed\n";
        add.stdin.take().unwrap().write_all(password).unwrap();
        assert!(add.wait().unwrap().success());
        let token = said(&["admin", "token", "ada", "--scope", "write"]);
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let process = tourmaline(&["serve", "--listen", &address])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let served = Self {
            process,
            address,
            token,
            client: reqwest::Client::new(),
            _folder: folder,
        };
        served.until_it_serves().await;
        served
    }

    async fn until_it_serves(&self) {
        let begun = Instant::now();
        let ready = format!("http://{}/readyz", self.address);
        loop {
            let answer = self.client.get(&ready).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not serve");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> String {
        let answer = request.bearer_auth(&self.token).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status} {text}");
        text
    }

    fn at(&self, path: &str) -> String {
        format!("http://{}/api/v1{path}", self.address)
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(self.at(path)).json(body);
        serde_json::from_str(&self.ask(request).await).unwrap()
    }

    async fn get(&self, path: &str) -> String {
        self.ask(self.client.get(self.at(path))).await
    }
}

/// The whole way: a person's program, the portal's process, the operator, the log from the portal's own store.
#[tokio::test]
async fn a_job_that_was_submitted_to_the_portal_runs_there() {
    let bed = Bed::new();
    let portal = Served::on(&bed).await;
    let project = portal
        .post("/projects", &json!({"name": "By chance"}))
        .await;
    let jobs = format!("/projects/{}/jobs", project["id"].as_str().unwrap());
    let job = json!({
        "name": "Pi", "type": "python", "spark_version": "3.5", "cluster": "test-bed-1",
        "main_file": "local:///opt/spark/examples/src/main/python/pi.py", "arguments": ["4"],
        "driver": {"memory": "512m"}, "executor": {"memory": "512m", "instances": 1},
    });
    let tried = portal.post(&format!("{jobs}?dry_run=true"), &job).await;
    let says = tried["cluster"].as_str().unwrap();
    // On a busy machine the cluster's word may come too late.
    let said = says.ends_with("Its dry run takes it as it is.")
        || says.ends_with("Its dry run was not asked: it did not answer within 2 s.");
    assert!(said, "{says}");
    let made = portal.post(&jobs, &job).await;
    let path = format!("/jobs/{}", made["id"].as_str().unwrap());
    let begun = Instant::now();
    let ended = loop {
        let now: Value = serde_json::from_str(&portal.get(&path).await).unwrap();
        if ["succeeded", "failed", "cancelled"].contains(&now["phase"].as_str().unwrap()) {
            break now;
        }
        assert!(begun.elapsed() < PATIENCE, "{now}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert_eq!(ended["phase"], "succeeded", "{ended}");
    let log = portal.get(&format!("{path}/attempts/1/logs/driver")).await;
    assert!(log.contains("Pi is roughly 3"), "{log}");
    let streams = portal.get(&format!("{path}/attempts/1/logs")).await;
    assert!(streams.contains("executor-1"), "{streams}");
}
