//! Jobs for stories.
use tourmaline::domain::{
    job::{DriverSize, ExecutorSize, JobSpec, Language},
    quantity::Memory,
};

/// The word count that a newcomer begins with.
pub fn word_count() -> JobSpec {
    JobSpec {
        name: "word count".to_owned().try_into().unwrap(),
        language: Language::Python,
        spark_version: "3.5".into(),
        main_file: "code/wordcount.py".to_owned().try_into().unwrap(),
        main_class: None,
        arguments: vec!["{project}/words.txt".into(), "{output}/counts".into()],
        queue: "default".to_owned().try_into().unwrap(),
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
        spark_conf: [].into(),
        env: [].into(),
        py_files: Vec::new(),
        jars: Vec::new(),
        packages: Vec::new(),
        image: None,
        max_run_seconds: 3600,
        max_attempts: 3,
        labels: [].into(),
    }
}
