//! The least that can be run.
use tourmaline::manifest::{
    SparkApplication,
    spark_application::{
        API_VERSION, ApplicationType, Dependencies, Driver, Executor, KIND, Metadata, Mode,
        RestartPolicy, RestartPolicyType, Spec,
    },
};

pub fn python(name: &str, main: &str, arguments: &[&str]) -> SparkApplication {
    SparkApplication {
        api_version: API_VERSION.into(),
        kind: KIND.into(),
        metadata: Metadata {
            name: name.into(),
            ..Metadata::default()
        },
        spec: Spec {
            application_type: ApplicationType::Python,
            mode: Mode::Cluster,
            image: None,
            image_pull_policy: None,
            image_pull_secrets: Vec::new(),
            main_class: None,
            main_application_file: main.into(),
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            spark_version: "3.5".into(),
            spark_conf: [].into(),
            hadoop_conf: [].into(),
            deps: Dependencies::default(),
            driver: Driver {
                cores: 1,
                memory: "512m".into(),
                ..Driver::default()
            },
            executor: Executor {
                cores: 1,
                memory: "256m".into(),
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
