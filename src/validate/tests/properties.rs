//! Whatever comes in is told of, and a job sent again is the same.
use super::*;
use crate::domain::{
    job::{CodePath, DriverSize, DynamicAllocation, ExecutorSize, Language},
    names::{ClusterName, QueueName, Title},
    quantity::Memory,
};
use proptest::{collection, option, prelude::*};

fn memory() -> impl Strategy<Value = Memory> {
    "(51[2-9]|[6-9][0-9]{2})(m|mb|M|MB)|[1-9](g|gb|G|Gb)|1[0-9]{6}k"
        .prop_map(|text| Memory::parse(&text).unwrap())
}

fn code(ending: &'static str) -> impl Strategy<Value = CodePath> {
    prop_oneof![
        "[a-z]([a-z %\\[{é/]{0,3}[a-z])?",
        "\"[a-z]{1,4}",
        "local:///[a-z]{1,6}"
    ]
    .prop_map(move |text| format!("{text}{ending}"))
    .prop_filter_map("a path", |text| CodePath::parse(&text).ok())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "[\"=\\\\ \t\r\na{}]{0,8}",
        "\\{\\{?(project|output|secret:a|dataset:a)\\}"
    ]
}

fn env() -> impl Strategy<Value = EnvValue> {
    prop_oneof![
        text().prop_map(EnvValue::Text),
        "[a-z][a-z0-9._-]{0,5}".prop_map(|secret| EnvValue::Secret { secret })
    ]
}

fn dynamic() -> impl Strategy<Value = Option<DynamicAllocation>> {
    option::of(
        (0u32..5, 1u32..5, option::of(0u32..4)).prop_map(|(least, more, initial)| {
            DynamicAllocation {
                min_executors: least,
                max_executors: least + more,
                initial_executors: initial.map(|n| least + n.min(more)),
            }
        }),
    )
}

fn sizes() -> impl Strategy<Value = (DriverSize, ExecutorSize)> {
    (
        1u32..=64,
        memory(),
        option::of(memory()),
        1u32..=64,
        memory(),
        option::of(memory()),
        1u32..=500,
    )
        .prop_map(
            |(
                driver_cores,
                driver_memory,
                driver_overhead,
                cores,
                memory,
                memory_overhead,
                instances,
            )| {
                (
                    DriverSize {
                        cores: driver_cores,
                        memory: driver_memory,
                        memory_overhead: driver_overhead,
                    },
                    ExecutorSize {
                        cores,
                        memory,
                        memory_overhead,
                        instances,
                    },
                )
            },
        )
}

fn language() -> impl Strategy<Value = (Language, CodePath, Option<String>, Vec<CodePath>)> {
    let class = "[A-Z][a-z$_]{0,5}(\\.[a-z]{1,3}){0,2}";
    prop_oneof![
        (code(".py"), collection::vec(code(".zip"), 0..3)).prop_map(|(main, files)| (
            Language::Python,
            main,
            None,
            files
        )),
        (code(".jar"), class).prop_map(|(main, class)| (Language::Java, main, Some(class), vec![])),
        (code(".jar"), class).prop_map(|(main, class)| (
            Language::Scala,
            main,
            Some(class),
            vec![]
        )),
        code(".R").prop_map(|main| (Language::R, main, None, vec![])),
    ]
}

prop_compose! {
    fn spec()(
        name in "\\PC{1,20}".prop_filter_map("a title", |text| Title::parse(&text).ok()),
        (language, main_file, main_class, py_files) in language(),
        (spark_version, priority, cluster, queue) in ("3\\.5|4\\.0", -10i32..=10, option::of("[a-z]{1,5}"), "[a-z][a-z0-9]{0,5}"),
        arguments in collection::vec(text(), 0..4),
        (driver, executor) in sizes(),
        dynamic_allocation in dynamic(),
        spark_conf in collection::btree_map("spark\\.sql\\.[a-z]{1,5}", "[a-z=]([a-z =\"\n{}]{0,6}[a-z])?", 0..4),
        env in collection::btree_map("[A-Z]_[A-Z0-9]{0,4}", env(), 0..4),
        jars in collection::vec(code(".jar"), 0..3),
        packages in collection::vec("[a-z.]{1,5}:[a-z_.0-9]{1,5}:[0-9.]{1,4}", 0..3),
        (max_run_seconds, max_attempts) in (1u64..=604_800, 1u32..=10),
        labels in collection::btree_map("x[a-z.]{0,4}y|example\\.org/z", "([a-z0-9]([a-z._-]{0,4}[A-Z])?)?", 0..3),
    ) -> JobSpec {
        JobSpec {
            name, language, spark_version, main_file, main_class, arguments,
            queue: QueueName::parse(&queue).unwrap(),
            cluster: cluster.map(|name| ClusterName::parse(&name).unwrap()),
            priority, driver, executor, dynamic_allocation, spark_conf, env, py_files, jars, packages,
            image: None, max_run_seconds, max_attempts, labels,
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let keys = "name|type|driver|executor|cores|memory|env|labels|arguments|spark_conf|dynamic_allocation|secret|max_executors|py_files|\\PC{0,4}|spark\\.[a-z]{1,3}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(?s).{0,8}".prop_map(Value::from),
        "python|java|1g|512m|true".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            collection::btree_map(keys, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_job_sent_again_is_the_same(spec in spec()) {
        let rules = Rules::embedded();
        let draft = Draft::from_spec(&spec);
        prop_assert_eq!(job(&draft, &rules), Ok(spec.clone()));
        let body = serde_json::to_value(&spec).unwrap();
        let from_json = Draft::from_json(&body);
        prop_assert_eq!(job(&from_json, &rules), Ok(spec.clone()));
        prop_assert_eq!(draft.differences(&from_json), vec![]);
        // What a browser makes of the filled form.
        let typed: Vec<_> = inputs::INPUTS.iter()
            .map(|field| (field.pointer.to_owned(), draft.value(field.pointer).replace('\n', "\r\n"))).collect();
        prop_assert_eq!(job(&Draft::from_form(&typed), &rules), Ok(spec));
    }

    #[test]
    fn any_json_is_told_of(value in any_json()) {
        let rules = Rules::embedded();
        let draft = Draft::from_json(&value);
        if let Err(wrong) = job(&draft, &rules) {
            let mut sorted = wrong.clone();
            sort(&mut sorted);
            prop_assert_eq!(wrong, sorted);
        }
    }

    #[test]
    fn any_form_is_told_of(typed in collection::vec(("/(name|type|env|labels|arguments|spark_conf|driver/cores|driver/memory|dynamic_allocation|dynamic_allocation/max_executors)|\\PC{0,6}", "(?s).{0,12}|[0-9.eE+-]{0,6}|[a-z=\" \n]{0,10}"), 0..8)) {
        let draft = Draft::from_form(&typed);
        drop(job(&draft, &Rules::embedded()));
        prop_assert_eq!(draft.differences(&draft), vec![]);
    }

    #[test]
    fn any_rules_file_is_read_or_told_of(text in "(\\[(inputs|spark_conf|env|spark_versions|labels)(\\.\"/?[a-z_0-9.]{1,6}\")?\\]\n|(minimum|default|keys|presence|options|image)=(1|\"a\"|\\[\"a\"\\]|\\{\\})\n){0,8}") {
        if let Err(wrong) = Rules::parse(&text) {
            prop_assert!(!wrong.is_empty());
        }
    }
}
