//! Draft + rules → job, or every problem at once.
use super::{
    areas::Value,
    check::Check,
    checks,
    draft::Draft,
    inputs,
    rules::{Rules, denied, words},
};
use crate::domain::{
    job::{
        CodePath, DriverSize, DynamicAllocation, EnvValue, ExecutorSize, JobSpec, Language, Size,
    },
    names::{ClusterName, FilePath, QueueName, Title},
    tokens::{Piece, pieces},
    violation::Violations,
};
use std::collections::BTreeMap;

/// A draft that was checked against the rules.
#[derive(Debug)]
pub struct Checked {
    /// The job, where nothing was wrong.
    pub spec: Option<JobSpec>,
    pub parts: Parts,
    pub wrong: Violations,
}

/// What was right in it, whatever else was wrong, of the things that are still to be looked up.
#[derive(Debug, Default)]
pub struct Parts {
    pub queue: Option<QueueName>,
    pub cluster: Option<ClusterName>,
    pub size: Option<Size>,
    /// Files of the project, with the field that names each.
    pub code: Vec<(String, FilePath)>,
    pub conf: BTreeMap<String, String>,
    pub env: BTreeMap<String, EnvValue>,
    pub max_run_seconds: Option<u64>,
}

impl Checked {
    pub fn into_result(self) -> Result<JobSpec, Violations> {
        self.spec.ok_or(self.wrong)
    }
}

/// Checks a draft against the rules.
pub fn job(draft: &Draft, rules: &Rules) -> Checked {
    let mut check = Check {
        draft,
        rules,
        wrong: draft.problems.clone(),
    };
    let (spec, parts) = check.read();
    let mut wrong = check.wrong;
    sort(&mut wrong);
    Checked {
        spec: spec.filter(|_| wrong.is_empty()),
        parts,
        wrong,
    }
}

/// Puts problems that came from several places in the order of the form; unknown fields come last.
pub fn sort(violations: &mut Violations) {
    violations.sort_by_key(|violation| {
        let last = violation.field.rsplit('/').next();
        let item: usize = last.and_then(|item| item.parse().ok()).unwrap_or(0);
        (inputs::rank(&violation.field), item)
    });
}

impl Check<'_> {
    /// Everything is read before anything is given up, so that every problem is found. No job only with a violation.
    fn read(&mut self) -> (Option<JobSpec>, Parts) {
        let name = self.parsed("/name", title);
        let language = self.parsed("/type", str::parse::<Language>);
        let spark_version = self.spark_version(language);
        let main_file = self.parsed("/main_file", CodePath::parse);
        let main_file = self.with_ending(
            "/main_file",
            main_file,
            language.map_or(&[][..], program_endings),
        );
        let main_class = self.parsed("/main_class", |text| {
            checks::class_name(text).map(|()| text.to_owned())
        });
        let arguments = self.list("/arguments", argument);
        let queue = self.parsed("/queue", QueueName::parse);
        let cluster = self.parsed("/cluster", ClusterName::parse);
        let priority = self.whole("/priority");
        let driver = self.driver();
        let executor = self.executor();
        let dynamic_allocation = self.dynamic_allocation();
        let spark_conf = self.conf(spark_version.as_deref());
        let env = self.env();
        let py_files = self.items("/py_files", |text| code(text, &[".py", ".zip", ".egg"]));
        let jars = self.items("/jars", |text| code(text, &[".jar"]));
        let packages = self.list("/packages", |text| {
            checks::package(text).map(|()| text.to_owned())
        });
        let image = self.parsed("/image", |text| Ok::<_, String>(text.to_owned()));
        let max_run_seconds = self.whole("/max_run_seconds");
        let max_run_seconds = max_run_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let max_attempts = self.whole("/max_attempts");
        let labels = self.labels();
        // What was given and is wrong may have a default in its place: nothing is reckoned with that.
        let sizes = ["/type", "/driver", "/executor", "/dynamic_allocation"];
        let right = sizes.iter().all(|field| self.wrong.under(field).is_empty());
        let size = match (language, &driver, &executor) {
            (Some(language), Some(driver), Some(executor)) if right => Some(Size {
                language,
                driver: driver.clone(),
                executor: executor.clone(),
                dynamic_allocation: dynamic_allocation.clone(),
            }),
            _ => None,
        };
        let parts = Parts {
            queue: queue.clone(),
            cluster: cluster.clone(),
            size,
            code: files(main_file.as_ref(), &py_files, &jars),
            conf: spark_conf.clone(),
            env: env.clone(),
            max_run_seconds,
        };
        let spec = || {
            Some(JobSpec {
                name: name?,
                language: language?,
                spark_version: spark_version?,
                main_file: main_file?,
                main_class,
                arguments,
                queue: queue?,
                cluster,
                priority: i32::try_from(priority?).ok()?,
                driver: driver?,
                executor: executor?,
                dynamic_allocation,
                spark_conf,
                env,
                py_files: plain(py_files),
                jars: plain(jars),
                packages,
                image,
                max_run_seconds: max_run_seconds?,
                max_attempts: u32::try_from(max_attempts?).ok()?,
                labels,
            })
        };
        (spec(), parts)
    }

    fn spark_version(&mut self, language: Option<Language>) -> Option<String> {
        let text = self.given("/spark_version")?;
        let Some(version) = self.rules.spark_versions().get(&text) else {
            let offered: Vec<_> = self.rules.spark_versions().keys().collect();
            self.add(
                "/spark_version",
                format!("must be {}", words(&offered)),
                Some(&text),
            );
            return None;
        };
        if let Some(language) = language.filter(|language| !version.languages.contains(language)) {
            let message = format!(
                "is not offered with Spark {text}, which takes {}",
                words(&version.languages)
            );
            self.add("/type", message, Some(language.as_str()));
        }
        Some(text)
    }

    fn with_ending(
        &mut self,
        pointer: &str,
        path: Option<CodePath>,
        endings: &[&str],
    ) -> Option<CodePath> {
        let path = path?;
        match ending(&path, endings) {
            Ok(()) => Some(path),
            Err(message) => {
                self.add(pointer, message, Some(&path.to_string()));
                None
            }
        }
    }

    fn driver(&mut self) -> Option<DriverSize> {
        let cores = self.count("/driver/cores");
        let memory = self.memory("/driver/memory");
        let memory_overhead = self.memory("/driver/memory_overhead");
        Some(DriverSize {
            cores: cores?,
            memory: memory?,
            memory_overhead,
        })
    }

    fn executor(&mut self) -> Option<ExecutorSize> {
        let cores = self.count("/executor/cores");
        let memory = self.memory("/executor/memory");
        let memory_overhead = self.memory("/executor/memory_overhead");
        let instances = self.count("/executor/instances");
        Some(ExecutorSize {
            cores: cores?,
            memory: memory?,
            memory_overhead,
            instances: instances?,
        })
    }

    fn dynamic_allocation(&mut self) -> Option<DynamicAllocation> {
        const LEAST: &str = "/dynamic_allocation/min_executors";
        const MOST: &str = "/dynamic_allocation/max_executors";
        const INITIAL: &str = "/dynamic_allocation/initial_executors";
        let wanted = self.given("/dynamic_allocation");
        if let Some(other) = wanted.as_deref().filter(|text| *text != "true") {
            self.add(
                "/dynamic_allocation",
                "must be `true`, or absent",
                Some(other),
            );
        }
        let (least, most, initial) = (self.count(LEAST), self.count(MOST), self.count(INITIAL));
        wanted?;
        let (least, most) = (least?, most?);
        if most < least {
            self.add(
                MOST,
                format!("must be at least the fewest executors, {least}"),
                Some(&most.to_string()),
            );
        } else if let Some(initial) = initial.filter(|n| !(least..=most).contains(n)) {
            let message = format!(
                "must lie between the fewest and the most executors, from {least} to {most}"
            );
            self.add(INITIAL, message, Some(&initial.to_string()));
        }
        Some(DynamicAllocation {
            min_executors: least,
            max_executors: most,
            initial_executors: initial,
        })
    }

    fn conf(&mut self, spark_version: Option<&str>) -> BTreeMap<String, String> {
        let rules = self.rules;
        self.map("/spark_conf", |key, value| {
            let value = value.into_text();
            checks::conf_key(key)?;
            if let Some(why) = rules.conf_denied(key, spark_version) {
                return Err(why);
            }
            checks::text(&value, rules.rule("/spark_conf"))?;
            if let Some(why) = rules.conf.value_denied(key, &value) {
                return Err(why);
            }
            if value.trim() != value
                || value
                    .chars()
                    .any(|c| c.is_control() && c != '\n' && c != '\t')
            {
                return Err(
                    "must not begin or end with a blank, nor have control characters".into(),
                );
            }
            known_tokens(&value)?;
            Ok(value)
        })
    }

    fn env(&mut self) -> BTreeMap<String, EnvValue> {
        let rules = self.rules;
        self.map("/env", |name, value| {
            checks::env_name(name)?;
            if let Some(reason) = denied(&rules.env, name) {
                return Err(format!("must not be set: {reason}"));
            }
            match value {
                Value::Secret(secret) => {
                    checks::secret_name(&secret).map(|()| EnvValue::Secret { secret })
                }
                Value::Text(text) => {
                    checks::text(&text, rules.rule("/env"))?;
                    if text.contains('\0') {
                        return Err("must not have a zero byte".into());
                    }
                    Ok(EnvValue::Text(text))
                }
            }
        })
    }

    fn labels(&mut self) -> BTreeMap<String, String> {
        let rules = self.rules;
        self.map("/labels", |key, value| {
            let value = value.into_text();
            checks::label_key(key)?;
            if let Some(reason) = denied(&rules.labels, key) {
                return Err(format!("must not be set: {reason}"));
            }
            checks::text(&value, rules.rule("/labels"))?;
            checks::label_value(&value)?;
            Ok(value)
        })
    }
}

fn plain<T>(items: Vec<(usize, T)>) -> Vec<T> {
    items.into_iter().map(|(_, item)| item).collect()
}

/// The files of the project among a job's code, with the field that names each.
fn files(
    main: Option<&CodePath>,
    py_files: &[(usize, CodePath)],
    jars: &[(usize, CodePath)],
) -> Vec<(String, FilePath)> {
    let main = main.map(|path| ("/main_file".to_owned(), path));
    let py_files = py_files
        .iter()
        .map(|(at, path)| (format!("/py_files/{at}"), path));
    let jars = jars.iter().map(|(at, path)| (format!("/jars/{at}"), path));
    main.into_iter()
        .chain(py_files)
        .chain(jars)
        .filter_map(|(field, path)| match path {
            CodePath::Project(path) => Some((field, path.clone())),
            CodePath::Image(_) => None,
        })
        .collect()
}

fn title(text: &str) -> Result<Title, String> {
    let title = Title::parse(text)?;
    if title.as_str() == text {
        Ok(title)
    } else {
        Err(format!(
            "must not begin or end with a blank: write `{title}`"
        ))
    }
}

fn program_endings(language: Language) -> &'static [&'static str] {
    match language {
        Language::Python => &[".py"],
        Language::Java | Language::Scala => &[".jar"],
        Language::R => &[".R", ".r"],
    }
}

fn code(text: &str, endings: &[&str]) -> Result<CodePath, String> {
    let path = CodePath::parse(text)?;
    ending(&path, endings).map(|()| path)
}

fn ending(path: &CodePath, endings: &[&str]) -> Result<(), String> {
    let text = path.to_string();
    if endings.is_empty() || endings.iter().any(|ending| text.ends_with(ending)) {
        Ok(())
    } else {
        Err(format!("must end in {}", words(endings)))
    }
}

fn argument(text: &str) -> Result<String, String> {
    if text.contains('\0') {
        return Err("must not have a zero byte".into());
    }
    known_tokens(text)?;
    Ok(text.to_owned())
}

/// Tokens that stand for nothing here.
fn known_tokens(text: &str) -> Result<(), String> {
    for piece in pieces(text) {
        match piece {
            Piece::Dataset { .. } => {
                return Err(
                    "datasets are not offered here yet; name a file, such as `{project}/data/words.txt`"
                        .into(),
                );
            }
            Piece::Misspelt { text, meant } => {
                return Err(format!(
                    "there is no `{text}`; did you mean `{meant}`? `{{{text}` is the text itself"
                ));
            }
            Piece::Text(_) | Piece::Project | Piece::Output => {}
        }
    }
    Ok(())
}
