//! Whole objects against snapshots, and what must survive YAML.
#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::domain::{
    job::{CodePath, DriverSize, DynamicAllocation, EnvValue, ExecutorSize, JobSpec, Language},
    names::{ClusterName, ObjectName, QueueName, Title},
    quantity::Memory,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn spec(language: Language, main: &str) -> JobSpec {
    JobSpec {
        name: Title::parse("Word count: déjà vu").unwrap(),
        language,
        spark_version: "3.5".into(),
        main_file: CodePath::parse(main).unwrap(),
        main_class: None,
        arguments: vec!["{project}/data/words.txt".into(), "{output}/counts".into()],
        queue: QueueName::default_queue(),
        cluster: None,
        priority: 0,
        driver: DriverSize {
            cores: 1,
            memory: Memory::parse("1g").unwrap(),
            memory_overhead: None,
        },
        executor: ExecutorSize {
            cores: 1,
            memory: Memory::parse("1g").unwrap(),
            memory_overhead: None,
            instances: 2,
        },
        dynamic_allocation: None,
        spark_conf: BTreeMap::new(),
        env: BTreeMap::new(),
        py_files: vec![],
        jars: vec![],
        packages: vec![],
        image: None,
        max_run_seconds: 3600,
        max_attempts: 3,
        labels: BTreeMap::new(),
    }
}

fn placement() -> Placement {
    Placement {
        job: "01900000-0000-7000-8000-000000000001".parse().unwrap(),
        project: "01900000-0000-7000-8000-000000000002".parse().unwrap(),
        attempt: 1,
        object: ObjectName::parse("word-count-abcdef-1").unwrap(),
        cluster: ClusterName::parse("north").unwrap(),
        namespace: "jobs".into(),
        installation: "a1b2c3d4".into(),
        image: Some("apache/spark:3.5.9".into()),
        user: "ada".into(),
    }
}

fn addresses() -> Addresses {
    Addresses {
        project: "s3a://bucket/projects/p1".into(),
        output: "s3a://bucket/projects/p1/jobs/word-count-abcdef/1".into(),
        code: "s3a://bucket/code/word-count-abcdef".into(),
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn yaml(spec: &JobSpec) -> String {
    let site = SiteConf {
        service_account: Some("spark".into()),
        ..SiteConf::default()
    };
    populate(spec, &placement(), &addresses(), &site)
        .to_yaml()
        .unwrap()
}

#[test]
fn python() {
    let mut job = spec(Language::Python, "code/wordcount.py");
    job.py_files = vec![
        CodePath::parse("code/lib.zip").unwrap(),
        CodePath::parse("local:///opt/lib.py").unwrap(),
    ];
    insta::assert_snapshot!(yaml(&job));
}

#[test]
fn java() {
    let mut job = spec(Language::Java, "code/count.jar");
    job.main_class = Some("org.example.Count".into());
    job.packages = vec!["org.apache.spark:spark-avro_2.12:3.5.0".into()];
    insta::assert_snapshot!(yaml(&job));
}

#[test]
fn scala_with_every_option() {
    let mut job = spec(Language::Scala, "local:///opt/spark/examples/count.jar");
    job.main_class = Some("org.example.Count".into());
    job.jars = vec![CodePath::parse("lib/über [1].jar").unwrap()];
    job.image = Some("registry.example.org/lab/spark:7".into());
    job.driver = DriverSize {
        cores: 2,
        memory: Memory::parse("2GB").unwrap(),
        memory_overhead: Some(Memory::parse("512mb").unwrap()),
    };
    job.executor.memory = Memory::parse("1073741824b").unwrap();
    job.executor.memory_overhead = Some(Memory::parse("1p").unwrap());
    job.dynamic_allocation = Some(DynamicAllocation {
        min_executors: 1,
        max_executors: 8,
        initial_executors: Some(2),
    });
    job.spark_conf = map(&[("spark.sql.warehouse.dir", "{output}/warehouse")]);
    job.env = BTreeMap::from([
        ("MODE".into(), EnvValue::Text("on".into())),
        (
            "DB_PASSWORD".into(),
            EnvValue::Secret {
                secret: "db".into(),
            },
        ),
    ]);
    job.labels = map(&[("study", "b12"), (LABEL_JOB, "not mine")]);
    insta::assert_snapshot!(yaml(&job));
}

#[test]
fn r() {
    insta::assert_snapshot!(yaml(&spec(Language::R, "code/count.R")));
}

#[test]
fn the_later_layer_of_conf_wins_and_is_named() {
    let mut job = spec(Language::Python, "a.py");
    job.spark_conf = map(&[("c", "job"), ("d", "job"), ("j", "{output}")]);
    let site = SiteConf {
        defaults: map(&[("a", "site"), ("b", "site"), ("c", "site"), ("d", "site")]),
        cluster: map(&[("b", "cluster"), ("c", "cluster"), ("d", "cluster")]),
        fixed: map(&[("d", "fixed")]),
        ..SiteConf::default()
    };
    let populated = populate(&job, &placement(), &addresses(), &site);
    assert_eq!(
        populated.app.spec.spark_conf,
        map(&[
            ("a", "site"),
            ("b", "cluster"),
            ("c", "job"),
            ("d", "fixed"),
            ("j", &addresses().output)
        ])
    );
    let origins: Vec<_> = populated.origins.into_iter().collect();
    assert_eq!(
        origins,
        [
            ("a".into(), Origin::SiteDefault),
            ("b".into(), Origin::Cluster),
            ("c".into(), Origin::Job),
            ("d".into(), Origin::Fixed),
            ("j".into(), Origin::Job)
        ]
    );
}

/// A strict YAML 1.1 reader, such as kubectl's, takes bare `yes`, `1e3` or `012` for something other than text.
#[test]
fn texts_that_look_like_something_else_are_quoted() {
    for text in [
        "1",
        "08",
        "012",
        "1.5",
        "1e3",
        ".5",
        "0x1f",
        "0o7",
        "1_000",
        "true",
        "True",
        "no",
        "NO",
        "yes",
        "on",
        "off",
        "y",
        "n",
        "null",
        "Null",
        "~",
        "",
        " ",
        "- a",
        "a: b",
        "#x",
        "a #b",
        "{a}",
        "[a]",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "'",
        "\"",
        "2024-01-01",
        "12:30:45",
        "190:20:30",
        ".inf",
        ".NaN",
        "=",
        "<<",
        "a\nb",
        "a\n",
        "\t",
        "\u{85}",
        "\u{feff}x",
    ] {
        let mut job = spec(Language::Python, "a.py");
        job.arguments = vec![text.into()];
        job.env.insert("X".into(), EnvValue::Text(text.into()));
        let yaml = yaml(&job);
        let plain = format!("  - {text}\n");
        let looks_odd =
            !text.trim().is_empty() && !text.contains(['\n', '\'', '"', '\u{85}', '\u{feff}']);
        assert!(
            !looks_odd || !yaml.contains(&plain),
            "{text:?} is bare in\n{yaml}"
        );
        let back: SparkApplication = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(back.spec.arguments, [text], "{yaml}");
        assert_eq!(back.spec.driver.env[0].value.as_deref(), Some(text));
    }
}

proptest! {
    #[test]
    fn yaml_and_json_give_the_same_object_back(
        arguments in prop::collection::vec("\\PC{0,20}|[0-9+.eE:_-]{0,8}|[\\x20-\\x7e\\n\\t]{0,20}", 0..5),
        conf in prop::collection::btree_map("spark\\.[a-z.]{1,10}", "\\PC{0,20}|[0-9a-z{}\\[\\]#:, '\"]{0,10}", 0..5),
    ) {
        let mut job = spec(Language::Python, "a.py");
        job.arguments = arguments;
        job.spark_conf = conf;
        let populated = populate(&job, &placement(), &addresses(), &SiteConf::default());
        let yaml = populated.to_yaml().unwrap();
        let back: SparkApplication = serde_saphyr::from_str(&yaml).unwrap();
        prop_assert_eq!(&back, &populated.app, "{}", yaml);
        let back: SparkApplication = serde_json::from_str(&populated.to_json().unwrap()).unwrap();
        prop_assert_eq!(&back, &populated.app);
    }
}
