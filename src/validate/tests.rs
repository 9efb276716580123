//! What is taken and what is told, under the rules that are built in.
#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::domain::{
    job::{EnvValue, JobSpec},
    violation::Violations,
};
use serde_json::{Value, json};

mod properties;
mod rules_file;

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

/// The smallest form, with some inputs typed otherwise.
fn form(changes: &[(&str, &str)]) -> Draft {
    let mut draft = Draft::from_form(&pairs(&[
        ("/name", "word-count"),
        ("/type", "python"),
        ("/main_file", "code/wordcount.py"),
    ]));
    for (pointer, text) in changes {
        draft.set(pointer, text);
    }
    draft
}

fn job(draft: &Draft, rules: &Rules) -> Result<JobSpec, Violations> {
    super::job(draft, rules).into_result()
}

fn check(draft: &Draft) -> Result<JobSpec, Violations> {
    job(draft, &Rules::embedded())
}

fn told(draft: &Draft) -> Vec<String> {
    check(draft)
        .err()
        .unwrap_or_default()
        .iter()
        .map(|v| format!("{}: {}", v.field, v.message))
        .collect()
}

fn sent(value: &Value) -> Draft {
    Draft::from_json(value)
}

#[test]
fn three_fields_are_enough() {
    let job = check(&form(&[])).unwrap();
    assert_eq!(
        serde_json::to_value(&job).unwrap(),
        json!({
            "name": "word-count", "type": "python", "spark_version": "3.5",
            "main_file": "code/wordcount.py", "main_class": null, "arguments": [],
            "queue": "default", "cluster": null, "priority": 0,
            "driver": {"cores": 1, "memory": "1g", "memory_overhead": null},
            "executor": {"cores": 1, "memory": "1g", "memory_overhead": null, "instances": 2},
            "dynamic_allocation": null, "spark_conf": {}, "env": {}, "py_files": [], "jars": [],
            "packages": [], "image": null, "max_run_seconds": 3600, "max_attempts": 3, "labels": {}
        })
    );
}

#[test]
fn the_api_documents_own_example_is_taken() {
    let body = json!({
        "name": "word-count", "type": "python", "spark_version": "3.5",
        "main_file": "code/wordcount.py", "main_class": null,
        "arguments": ["{project}/data/words.txt", "{output}/counts"],
        "queue": "default", "cluster": null, "priority": 0,
        "driver":   {"cores": 1, "memory": "1g", "memory_overhead": null},
        "executor": {"cores": 1, "memory": "1g", "memory_overhead": null, "instances": 2},
        "dynamic_allocation": null,
        "spark_conf": {"spark.sql.shuffle.partitions": "8"}, "env": {},
        "py_files": [], "jars": [], "packages": [], "image": null,
        "max_run_seconds": 3600, "max_attempts": 3, "labels": {"study": "b12"}
    });
    assert_eq!(
        serde_json::to_value(check(&sent(&body)).unwrap()).unwrap(),
        body
    );
}

#[test]
fn every_problem_at_once_in_the_forms_order() {
    let body = json!({
        "labels": {"-": "x"}, "max_attempts": 0, "colour": "red", "mainFile": "a.py",
        "spark_conf": {"spark.master": "local", "x": 1}, "arguments": ["a", 2, "c", "{dataset:b@1}"],
        "executor": {"memory": "1Gi", "cores": "2", "size": 3}, "driver": [],
        "type": "python", "name": 7
    });
    assert_eq!(
        told(&sent(&body)),
        [
            "/name: must be text: write \"7\"",
            "/main_file: must be given: a path in the project, such as `code/wordcount.py`",
            "/arguments/1: must be text: write \"2\"",
            "/arguments/3: datasets are not offered here yet; name a file, such as `{project}/data/words.txt`",
            "/driver: must be an object with cores, memory, memory_overhead",
            "/executor/cores: must be a number, not text: write 2",
            "/executor/memory: Kubernetes units are not taken: write `1g` (`g` means GiB); from 512m to 256g is taken",
            "/spark_conf/x: must be text: write \"1\"",
            "/spark_conf/spark.master: must not be set: the queue and the cluster decide where a job runs",
            "/max_attempts: must be from 1 to 10",
            "/labels/-: must be 1 to 63 letters, digits, dots, dashes or underscores that begin and end with a letter or digit",
            "/colour: there is no such field; there are name, type, spark_version, main_file, main_class, arguments, queue, cluster, priority, driver, executor, dynamic_allocation, spark_conf, env, py_files, jars, packages, image, max_run_seconds, max_attempts, labels",
            "/executor/size: there is no such field; there are cores, memory, memory_overhead, instances",
            "/mainFile: there is no such field; did you mean `main_file`?",
        ]
    );
}

#[test]
fn each_mistake_says_what_is_right() {
    let number = "must be a whole number in plain digits from 1 to 64: write";
    for (field, text, expected) in [
        ("/name", " a", "/name: must not begin or end with a blank: write `a`".to_owned()),
        ("/type", "perl", "/type: must be `python`, `java`, `scala` or `r`".into()),
        ("/spark_version", "2.4", "/spark_version: must be `3.5` or `4.0`".into()),
        ("/main_file", "a.jar", "/main_file: must end in `.py`".into()),
        ("/main_file", "../a.py", "/main_file: must not have a part named `..`".into()),
        ("/main_file", "s3a://b/a.py", "/main_file: must be a path in the project, or `local:///…` for a file in the image".into()),
        ("/main_class", "org.X", "/main_class: is only for type `java` or `scala`, not `python`; leave it out".into()),
        ("/queue", "Fast", "/queue: must be 1 to 63 lower-case letters, digits or dashes, and begin and end with a letter or digit".into()),
        ("/cluster", "north_1", "/cluster: must be 1 to 63 lower-case letters, digits or dashes, and begin and end with a letter or digit".into()),
        ("/priority", "11", "/priority: must be from -10 to 10".into()),
        ("/priority", "-0", "/priority: must be a whole number in plain digits from -10 to 10: write `0`".into()),
        ("/driver/cores", "0", "/driver/cores: must be from 1 to 64".into()),
        ("/driver/cores", "99999999999999999999", "/driver/cores: must be from 1 to 64".into()),
        ("/driver/cores", "1.5", "/driver/cores: must be a whole number from 1 to 64; fractions are not taken".into()),
        ("/driver/cores", "1,5", "/driver/cores: must be a whole number from 1 to 64; fractions are not taken".into()),
        ("/driver/cores", " 2", format!("/driver/cores: {number} `2`")),
        ("/driver/cores", "2\n", format!("/driver/cores: {number} `2`")),
        ("/driver/cores", "+2", format!("/driver/cores: {number} `2`")),
        ("/driver/cores", "２", format!("/driver/cores: {number} `2`")),
        ("/driver/cores", "02", format!("/driver/cores: {number} `2`")),
        ("/driver/cores", "1e1", format!("/driver/cores: {number} `10`")),
        ("/driver/cores", "2.0", format!("/driver/cores: {number} `2`")),
        ("/driver/cores", "two", "/driver/cores: must be a whole number from 1 to 64".into()),
        ("/driver/memory", "1.5g", "/driver/memory: fractions are not taken: write it as a whole number of a smaller unit, such as `1536m` for 1.5 GiB; from 512m to 256g is taken".into()),
        ("/driver/memory", "511m", "/driver/memory: must be from 512m to 256g".into()),
        ("/driver/memory", "536870913b", "/driver/memory: must be a whole number of KiB, which is the least that a JVM takes".into()),
        ("/executor/memory", "512", "/executor/memory: give a unit: `512m` for MiB or `512g` for GiB; from 512m to 256g is taken".into()),
        ("/dynamic_allocation", "yes", "/dynamic_allocation: must be `true`, or absent".into()),
        ("/dynamic_allocation/max_executors", "4", "/dynamic_allocation/max_executors: is only for jobs with dynamic_allocation; leave it out, or give that too".into()),
        ("/spark_conf", "spark.sql.ansi.enabled", "/spark_conf: must have a name and a value on each line, such as `name=value`".into()),
        ("/spark_conf", "fs.s3a.endpoint=x", "/spark_conf/fs.s3a.endpoint: must begin with `spark.`; Hadoop's own settings are written `spark.hadoop.fs.s3a.endpoint`".into()),
        ("/spark_conf", "spark.a=1\nspark.a=2", "/spark_conf/spark.a: is given twice; give it once".into()),
        ("/spark_conf", "spark.a= 1", "/spark_conf/spark.a: must not begin or end with a blank, nor have control characters".into()),
        ("/spark_conf", "spark.a=${env:HOME}", "/spark_conf/spark.a: must not have `${env:` in it: it would be filled in where the job is submitted, not where it runs".into()),
        ("/env", "1A=x", "/env/1A: must be a name of at most 100 letters, digits and underscores that does not begin with a digit".into()),
        ("/env", "SPARK_HOME=x", "/env/SPARK_HOME: must not be set: the cluster sets it so that Spark starts".into()),
        ("/env", "A={secret:}", "/env/A: must name a secret: 1 to 63 letters, digits, dots, dashes or underscores, the first a letter or digit".into()),
        ("/py_files", "a.py\n\nb.tar", "/py_files/1: must end in `.py`, `.zip` or `.egg`".into()),
        ("/jars", "a.py", "/jars/0: must end in `.jar`".into()),
        ("/packages", "a:b", "/packages/0: must be `group:artifact:version`, such as `org.apache.spark:spark-avro_2.12:3.5.0`".into()),
        ("/image", "spark", "/image: is not offered here; leave it out".into()),
        ("/max_run_seconds", "604801", "/max_run_seconds: must be from 1 to 604800".into()),
        ("/labels", "a/b/c=x", "/labels/a~1b~1c: must be 1 to 63 letters, digits, dots, dashes or underscores that begin and end with a letter or digit".into()),
        ("/labels", "study=é", "/labels/study: must be empty, or at most 63 letters, digits, dots, dashes or underscores that begin and end with a letter or digit".into()),
        ("/labels", "tourmaline.science/job=x", "/labels/tourmaline.science~1job: must not be set: it is used by the portal and by Spark themselves".into()),
    ] {
        assert_eq!(told(&form(&[(field, text)])), [expected], "{field} {text:?}");
    }
}

#[test]
fn what_depends_on_other_inputs() {
    let java = [("/type", "java"), ("/main_file", "a.jar")];
    assert_eq!(
        told(&form(&java)),
        [
            "/main_class: must be given: the class whose main method runs, such as `org.example.WordCount`"
        ]
    );
    let with = |more: &[(&'static str, &'static str)]| form(&[&java, more].concat());
    check(&with(&[("/main_class", "org.example.Count$")])).unwrap();
    assert_eq!(
        told(&with(&[("/main_class", "C"), ("/py_files", "a.py")])),
        ["/py_files: is only for type `python`, not `java`; leave it out"]
    );
    assert_eq!(
        told(&form(&[("/type", "perl"), ("/main_class", "C")])),
        ["/type: must be `python`, `java`, `scala` or `r`"]
    );
    let dynamic =
        |more: &[(&str, &str)]| form(&[&[("/dynamic_allocation", "true")], more].concat());
    assert_eq!(
        told(&dynamic(&[])),
        ["/dynamic_allocation/max_executors: must be given: a whole number from 1 to 500"]
    );
    assert_eq!(
        told(&dynamic(&[
            ("/dynamic_allocation/min_executors", "5"),
            ("/dynamic_allocation/max_executors", "4")
        ])),
        ["/dynamic_allocation/max_executors: must be at least the fewest executors, 5"]
    );
    assert_eq!(
        told(&dynamic(&[
            ("/dynamic_allocation/max_executors", "4"),
            ("/dynamic_allocation/initial_executors", "9")
        ])),
        [
            "/dynamic_allocation/initial_executors: must lie between the fewest and the most executors, from 1 to 4"
        ]
    );
}

#[test]
fn the_way_out_by_conf_is_shut_and_the_rest_is_open() {
    let rules = Rules::embedded();
    for key in [
        "spark.master",
        "spark.remote",
        "spark.submit.deployMode",
        "spark.submit.pyFiles",
        "spark.jars",
        "spark.jars.ivy",
        "spark.jars.ivySettings",
        "spark.jars.repositories",
        "spark.jars.packages",
        "spark.files",
        "spark.archives",
        "spark.kubernetes.namespace",
        "spark.kubernetes.driver.master",
        "spark.kubernetes.context",
        "spark.kubernetes.container.image",
        "spark.kubernetes.executor.container.image",
        "spark.kubernetes.driver.podTemplateFile",
        "spark.kubernetes.executor.podTemplateFile",
        "spark.kubernetes.driver.volumes.hostPath.x.mount.path",
        "spark.kubernetes.executor.volumes.hostPath.x.options.path",
        "spark.kubernetes.authenticate.driver.serviceAccountName",
        "spark.kubernetes.authenticate.oauthTokenFile",
        "spark.kubernetes.driver.label.tourmaline.science/job",
        "spark.kubernetes.driver.secrets.other",
        "spark.kubernetes.executor.deleteOnTermination",
        "spark.kubernetes.file.upload.path",
        "spark.kubernetes.driver.pod.featureSteps",
        "spark.kubernetes.driverEnv.X",
        "spark.executorEnv.LD_PRELOAD",
        "spark.executor.memory",
        "spark.executor.instances",
        "spark.yarn.executor.memoryOverhead",
        "spark.executor.memoryOverheadFactor",
        "spark.kubernetes.memoryOverheadFactor",
        "spark.executor.pyspark.memory",
        "spark.memory.offHeap.size",
        "spark.dynamicAllocation.maxExecutors",
        "spark.dynamicallocation.enabled",
        "spark.hadoop.fs.s3a.secret.key",
        "spark.hadoop.fs.s3a.access.key",
        "spark.ssl.keyPassword",
        "spark.redaction.regex",
        "spark.driver.bindAddress",
        "spark.local.dir",
        "spark.kerberos.keytab",
        "SPARK.MASTER",
    ] {
        assert!(rules.conf_denied(key, Some("3.5")).is_some(), "{key}");
    }
    for key in [
        "spark.sql.shuffle.partitions",
        "spark.sql.extensions",
        "spark.sql.catalog.lake",
        "spark.driver.extraJavaOptions",
        "spark.executor.extraJavaOptions",
        "spark.driver.maxResultSize",
        "spark.serializer",
        "spark.task.cpus",
        "spark.default.parallelism",
        "spark.hadoop.fs.s3a.bucket.other.endpoint",
        "spark.eventLog.enabled",
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version",
        "spark.kubernetes.local.dirs.tmpfs",
        "spark.kubernetes.allocation.batch.size",
        "spark.dynamicAllocation.executorIdleTimeout",
        "spark.memory.fraction",
        "spark.ui.enabled",
        "spark.log.level",
        "spark.speculation",
        "spark.extraListeners",
    ] {
        assert_eq!(rules.conf_denied(key, Some("3.5")), None, "{key}");
    }
}

#[test]
fn java_is_not_asked_behind_the_fields() {
    let rules = Rules::embedded();
    let denied = |value| {
        rules
            .conf
            .value_denied("spark.driver.extraJavaOptions", value)
    };
    for value in [
        "-Dspark.memory.offHeap.size=64g",
        "-Dx=1 -Xmx64g",
        "-XX:MaxHeapSize=64g",
        "-XX:MaxRAMPercentage=90",
        "@/tmp/options",
        "-Dsp\"ark.x=1\"",
        "-D${env:HOME}=1",
    ] {
        assert!(denied(value).is_some(), "{value}");
    }
    for value in ["-XX:+UseG1GC", "-Duser.timezone=UTC -Xss4m", "-verbose:gc"] {
        assert_eq!(denied(value), None, "{value}");
    }
    let other = rules.conf.value_denied("spark.sql.x", "a 'quoted' @value");
    assert_eq!(other, None);
    for name in [
        "_JAVA_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "PYSPARK_PYTHON",
        "bash_env",
    ] {
        let env = json!({"env": {name: "x"}});
        assert!(
            !check(&sent(&env)).unwrap_err().under("/env").is_empty(),
            "{name}"
        );
    }
}

#[test]
fn values_of_the_environment_are_never_repeated() {
    let mut drafts = vec![
        sent(&json!({"env": "hunter2"})),
        sent(&json!({"env": {"A": ["hunter2"], "1B": "hunter2"}})),
    ];
    drafts.extend(
        [
            "1A=hunter2",
            "hunter2",
            "A=hunter2\nA=hunter2",
            "SPARK_X=hunter2",
            "B={secret:hunter2 }",
        ]
        .map(|env| form(&[("/env", env)])),
    );
    for draft in drafts {
        let wrong = check(&draft).unwrap_err();
        assert!(!wrong.under("/env").is_empty());
        let told = serde_json::to_string(&wrong).unwrap();
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_form_is_read_as_browsers_send_it() {
    let draft = Draft::from_form(&pairs(&[
        ("/name", "n"),
        ("/type", "python"),
        ("/main_file", "a.py"),
        ("/arguments", "one\r\n two \r\n\"\"\r\n"),
        ("/spark_conf", "spark.a=1\r\nspark.b 2 3\r\n"),
        ("/env", "A= x=y\r\nB={secret:db}\r\nC="),
        ("/dynamic_allocation", "on"),
        ("/dynamic_allocation/max_executors", "3"),
        ("/queue", ""),
        ("_from", "ignored"),
    ]));
    let job = check(&draft).unwrap();
    assert_eq!(job.arguments, ["one", " two ", ""]);
    assert_eq!(job.spark_conf["spark.b"], "2 3");
    assert_eq!(job.env["A"], EnvValue::Text(" x=y".into()));
    assert_eq!(
        job.env["B"],
        EnvValue::Secret {
            secret: "db".into()
        }
    );
    assert_eq!(job.env["C"], EnvValue::Text(String::new()));
    assert_eq!(job.dynamic_allocation.unwrap().max_executors, 3);
    assert_eq!(
        told(&Draft::from_form(&pairs(&[
            ("/name", "a"),
            ("/name", "b"),
            ("/type", "r"),
            ("/main_file", "a.R"),
            ("/nam", "x")
        ]))),
        [
            "/name: is given twice; give it once",
            "/nam: there is no such field"
        ]
    );
}

#[test]
fn bounds_on_lists_and_texts() {
    assert_eq!(
        told(&form(&[("/arguments", &"x\n".repeat(101))])),
        ["/arguments: has 101 lines; at most 100 are taken"]
    );
    assert_eq!(
        told(&form(&[("/arguments", &"é".repeat(4001))])),
        ["/arguments/0: has 4001 characters; at most 4000 are taken"]
    );
    let many: Vec<_> = (0..101).map(|i| format!("K{i}=x")).collect();
    assert_eq!(
        told(&form(&[("/env", &many.join("\n"))])),
        ["/env: has 101 entries; at most 100 are taken"]
    );
    let unknown: serde_json::Map<_, _> =
        (0..1000).map(|i| (format!("k{i}"), Value::Null)).collect();
    assert!(told(&sent(&Value::Object(unknown))).len() < 60);
}

#[test]
fn differences_by_field_and_by_entry() {
    let old = form(&[
        ("/spark_conf", "spark.a=1\nspark.b=2"),
        ("/arguments", "a\nb"),
    ]);
    let new = form(&[
        ("/spark_conf", "spark.b 3\nspark.a = 1"),
        ("/arguments", "a\n\nb\n"),
        ("/driver/cores", "2"),
    ]);
    let text = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        old.differences(&new),
        [
            text("/driver/cores", "", "2"),
            text("/spark_conf/spark.b", "2", "3")
        ]
    );
}

#[test]
fn what_the_form_shows_beside_an_input() {
    let rules = Rules::embedded();
    let draft = rules.empty_form();
    assert_eq!(draft.value("/executor/instances"), "2");
    assert_eq!(draft.value("/dynamic_allocation/min_executors"), "");
    let input = rules.input("/executor/cores", &draft);
    assert_eq!(
        (
            input.range.as_str(),
            input.default.as_str(),
            input.unit.as_str()
        ),
        ("1 to 64, default 1", "1", "cores")
    );
    assert_eq!(
        rules.input("/executor/memory", &draft).range,
        "512m to 256g, default 1g"
    );
    assert_eq!(
        rules.input("/spark_version", &draft).options,
        ["3.5", "4.0"]
    );
    assert_eq!(
        rules.input("/main_file", &draft).presence,
        Presence::Required
    );
    let main_class = |draft: &Draft| rules.input("/main_class", draft).presence;
    assert_eq!(
        main_class(&form(&[])),
        Presence::NotUsed("is only for type `java` or `scala`, not `python`; leave it out".into())
    );
    assert_eq!(main_class(&form(&[("/type", "java")])), Presence::Required);
    assert!(!rules.input("/image", &draft).is_used());
    assert!(
        rules
            .input("/max_run_seconds", &draft)
            .hint()
            .starts_with("1 to 604800, default 3600. ")
    );
}
