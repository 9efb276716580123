//! What a rules file may say, and what it is told.
use super::*;

fn with(section: &str, changed: &str) -> String {
    let text = include_str!("../../../deploy/rules.toml");
    assert!(text.contains(section), "{section}");
    text.replace(section, changed)
}

#[test]
fn every_mistake_at_once_with_its_key() {
    let text = r#"
        colour = "red"
        [inputs."/nam"]
        [inputs."/name"]
        presence = "always"
        [inputs."/type"]
        options = ["python", "perl"]
        presence = "required"
        [inputs."/driver/cores"]
        default = 9
        minimum = 4
        maximum = 2
        pattern = "x"
        [inputs."/driver/memory"]
        default = "1Gi"
        minimum = 512
        [inputs."/main_class"]
        only_if = { "/type" = ["cobol"], "/nothing" = [] }
        pattern = "("
        pattern_says = "must be odd"
        [spark_versions."three"]
        languages = ["cobol"]
        [spark_conf]
        defaults = { "spark.a" = 1, "master" = "x" }
        [[spark_conf.deny]]
        keys = []
        [[env.deny]]
        key = "A"
        reason = "because"
    "#;
    insta::assert_snapshot!(Rules::parse(text).unwrap_err().join("\n"));
    assert_eq!(Rules::parse("a = [").unwrap_err().len(), 1);
}

#[test]
fn a_site_fixes_an_input_and_conf_and_narrows_a_version() {
    let text = with(
        "default = \"default\"",
        "presence = \"fixed\"\nvalue = \"night\"",
    );
    let text = text.replace(
        "fixed = {}",
        "fixed = { \"spark.eventLog.enabled\" = \"true\" }",
    );
    let text = text.replace(
        "apache/spark:4.0.1\"",
        "apache/spark:4.0.1\"\nconf = [\"spark.sql.*\"]",
    );
    let rules = Rules::parse(&text).unwrap();
    assert_ne!(rules.version(), Rules::embedded().version());
    assert_eq!(job(&form(&[]), &rules).unwrap().queue.as_str(), "night");
    let wrong = job(
        &form(&[
            ("/queue", "day"),
            ("/spark_version", "4.0"),
            (
                "/spark_conf",
                "spark.eventLog.enabled=false\nspark.task.cpus=2\nspark.sql.a=1",
            ),
        ]),
        &rules,
    )
    .unwrap_err();
    let told: Vec<_> = wrong
        .iter()
        .map(|v| format!("{}: {}", v.field, v.message))
        .collect();
    assert_eq!(
        told,
        [
            "/queue: is fixed by the site to `night`; leave it out",
            "/spark_conf/spark.eventLog.enabled: is fixed by the site to `true`; leave it out",
            "/spark_conf/spark.task.cpus: must not be set with Spark 4.0; these may: spark.sql.*",
        ]
    );
}

#[test]
fn a_step_is_kept_to() {
    let text = with(
        "help = \"How many executors.",
        "step = 2\nhelp = \"How many executors.",
    );
    let rules = Rules::parse(&text).unwrap();
    let wrong = job(&form(&[("/executor/instances", "3")]), &rules).unwrap_err();
    assert_eq!(
        wrong.on("/executor/instances"),
        ["must be from 1 to 500, a multiple of 2"]
    );
}
