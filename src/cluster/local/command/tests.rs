//! What is made of a SparkApplication for `spark-submit`.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::manifest::spark_application::{
    API_VERSION, Dependencies, Driver, DynamicAllocation, EnvVar, EnvVarSource, Executor, KIND,
    Metadata, Mode, RestartPolicy, RestartPolicyType, SecretKeyRef,
};

fn application() -> SparkApplication {
    SparkApplication {
        api_version: API_VERSION.into(),
        kind: KIND.into(),
        metadata: Metadata {
            name: "words-1".into(),
            ..Metadata::default()
        },
        spec: ApplicationSpec {
            application_type: ApplicationType::Python,
            mode: Mode::Cluster,
            image: Some("ignored".into()),
            image_pull_policy: None,
            image_pull_secrets: Vec::new(),
            main_class: None,
            main_application_file: "file:///data/my code,/a b%.py".into(),
            arguments: vec!["--in".into(), "file:///no/such [1]/x".into()],
            spark_version: "3.5".into(),
            spark_conf: [
                ("spark.kubernetes.namespace", "jobs"),
                ("spark.master", "k8s://x"),
                ("spark.ui.enabled", "true"),
                ("spark.driver.extraJavaOptions", "-Dx=y"),
            ]
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
            hadoop_conf: [("fs.s3a.endpoint".into(), "https://s3".into())].into(),
            deps: Dependencies {
                packages: vec!["a:b:1".into(), "c:d:2".into()],
                py_files: vec!["file:///data/l, 1.zip".into(), "s3a://b/l.zip".into()],
                jars: Vec::new(),
            },
            driver: Driver {
                cores: 1,
                memory: "1g".into(),
                ..Driver::default()
            },
            executor: Executor {
                cores: 2,
                memory: "1536m".into(),
                instances: Some(2),
                ..Executor::default()
            },
            dynamic_allocation: None,
            restart_policy: RestartPolicy {
                kind: RestartPolicyType::Never,
            },
            time_to_live_seconds: None,
            suspend: None,
        },
    }
}

fn built(application: &SparkApplication, folder: &str) -> Result<Spec, String> {
    let install = Install {
        spark_home: "/opt/spark".into(),
        spark_version: Some("3.5".into()),
        java_home: None,
        python: "python3".into(),
        path: "/usr/bin:/bin".into(),
        owner: None,
    };
    let bounds = Bounds {
        stop_grace_seconds: 10,
        log_limit: 1 << 30,
    };
    build(application, Path::new(folder), &install, bounds)
}

#[test]
fn the_command_line_in_full() {
    let spec = built(&application(), "/data/runs/words-1").unwrap();
    insta::assert_yaml_snapshot!(spec);
}

#[test]
fn an_odd_run_folder_is_only_named_by_its_alias() {
    for odd in ["/my data/runs/w", "/d[1]/w", "/é/w", "/a,b/w", "/100%/w"] {
        let spec = built(&application(), odd).unwrap();
        let alias = spec.alias.clone().unwrap();
        assert!(is_plain(alias.to_str().unwrap()), "{alias:?}");
        let text = serde_json::to_string(&spec).unwrap();
        assert!(!text.contains(odd), "{text}");
    }
}

#[test]
fn dynamic_executors_count_at_their_most() {
    let mut spec = application().spec;
    assert_eq!(size(&spec), Ok((4, 1024 + 2 * 1536)));
    spec.dynamic_allocation = Some(DynamicAllocation {
        enabled: true,
        initial_executors: None,
        min_executors: Some(0),
        max_executors: Some(5),
    });
    assert_eq!(size(&spec), Ok((10, 1024 + 5 * 1536)));
    spec.executor.memory = "1Gi".into();
    assert!(
        size(&spec)
            .unwrap_err()
            .starts_with("executor.memory: \"1Gi\"")
    );
}

#[test]
fn secrets_are_refused_by_name() {
    let mut app = application();
    app.spec.driver.env = vec![EnvVar {
        name: "PASSWORD".into(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: SecretKeyRef {
                name: "tourmaline-x".into(),
                key: "password".into(),
            },
        }),
    }];
    assert!(built(&app, "/data/w").unwrap_err().contains("PASSWORD"));
}
