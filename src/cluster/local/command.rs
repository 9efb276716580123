//! From the object to the command line of `spark-submit`, and to names that Spark bears. Spark takes a code file's address as
//! a URI, splits lists at commas and takes `[ ] { } * ?` in an input's path for a pattern, also where a file has that very name.
//! So code, and what has such a name, is linked into the run folder, and a run folder whose own path is odd gets an alias.
use super::{
    install::Install,
    paths::{self, is_plain, local_path, odd_part, plain_name},
};
use crate::{
    domain::{job::EnvValue, quantity::Memory},
    manifest::{
        ANNOTATION_MAX_RUN_SECONDS, ANNOTATION_TITLE, SparkApplication,
        spark_application::{ApplicationType, Spec as ApplicationSpec},
    },
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

const MIB: u64 = 1 << 20;

/// What the supervisor is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub object: String,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub links: Vec<Link>,
    /// A link to the run folder, from a path without odd characters.
    pub alias: Option<PathBuf>,
    /// Whom it runs as, if not as the supervisor itself.
    pub owner: Option<Owner>,
    pub max_run_seconds: Option<u64>,
    pub stop_grace_seconds: u64,
    /// Bytes of the driver's log that anybody will read; what comes after them is cut off at times. Absent in older ones.
    #[serde(default)]
    pub log_limit: Option<u64>,
}

/// A link within the run folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub at: PathBuf,
    pub to: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub user: u32,
    pub group: u32,
}

/// What the settings say of every run.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub stop_grace_seconds: u64,
    pub log_limit: u64,
}

/// Spark conf that stands here whatever a job says.
pub const FIXED_CONF: [(&str, &str); 5] = [
    ("spark.ui.enabled", "false"),
    ("spark.driver.host", "127.0.0.1"),
    ("spark.driver.bindAddress", "127.0.0.1"),
    // Without these two each file that a job writes has a hidden `.crc` file beside it.
    (
        "spark.hadoop.fs.file.impl",
        "org.apache.hadoop.fs.RawLocalFileSystem",
    ),
    (
        "spark.hadoop.fs.AbstractFileSystem.file.impl",
        "org.apache.hadoop.fs.local.RawLocalFs",
    ),
];
const IVY: &str = "spark.jars.ivy";
const JAVA_OPTIONS: &str = "spark.driver.extraJavaOptions";
const JAVA_TEMPORARY: &str = "-Djava.io.tmpdir=";
/// Environment that is the run folder's or the machine's own.
const OWN_ENV: [&str; 8] = [
    "HOME",
    "JAVA_HOME",
    "PATH",
    "PYSPARK_PYTHON",
    "SPARK_HOME",
    "SPARK_LOCAL_DIRS",
    "SPARK_LOCAL_IP",
    "TMPDIR",
];

/// What of a job's wishes would be overridden here: the field, and the sentence that says what would be right.
pub fn overridden(
    conf: &BTreeMap<String, String>,
    env: &BTreeMap<String, EnvValue>,
) -> Vec<(String, String)> {
    let fixed: BTreeMap<&str, &str> = FIXED_CONF.into();
    let conf = conf.iter().filter_map(|(key, value)| {
        let why = match fixed.get(key.as_str()) {
            Some(fixed) if fixed == value => return None,
            Some(fixed) => format!("is `{fixed}` for every job on this machine"),
            None if key == IVY || key == "spark.local.dir" => {
                "is a folder of its own for each job on this machine".into()
            }
            None if key == JAVA_OPTIONS && value.contains(JAVA_TEMPORARY) => {
                format!("must not have `{JAVA_TEMPORARY}…`: each job on this machine has a folder of its own for that")
            }
            None => return None,
        };
        Some((format!("/spark_conf/{key}"), format!("`{key}` {why}. Leave it out.")))
    });
    let env = env.keys().filter(|name| OWN_ENV.contains(&name.as_str()));
    let env = env.map(|name| {
        let why =
            format!("`{name}` is set by the runner for every job on this machine. Leave it out.");
        (format!("/env/{name}"), why)
    });
    conf.chain(env).collect()
}

/// Folders in the run folder that belong to the job.
pub const FOLDERS: [&str; 3] = ["home", "tmp", "work"];

/// The error says why the object cannot be run here.
pub fn build(
    application: &SparkApplication,
    folder: &Path,
    install: &Install,
    bounds: Bounds,
) -> Result<Spec, String> {
    let text = folder.to_str().ok_or_else(|| {
        format!(
            "the data folder's path must be UTF-8, and {} is not",
            folder.display()
        )
    })?;
    let alias = (!is_plain(text)).then(|| {
        let temporary = std::env::temp_dir();
        let base = if temporary.to_str().is_some_and(is_plain) {
            temporary
        } else {
            PathBuf::from("/tmp")
        };
        base.join(format!("tourmaline-{:016x}", rand::random::<u64>()))
    });
    let base = alias
        .as_ref()
        .and_then(|alias| alias.to_str())
        .unwrap_or(text)
        .to_owned();
    let mut builder = Builder {
        base,
        links: Vec::new(),
    };
    let spec = &application.spec;
    let home = builder.spark_home(&install.spark_home)?;
    let arguments = builder.arguments(application)?;
    let mut env = builder.environment(spec)?;
    env.extend([
        ("SPARK_HOME".to_owned(), home.clone()),
        ("PATH".to_owned(), install.path.clone()),
        ("PYSPARK_PYTHON".to_owned(), install.python.clone()),
    ]);
    if let Some(java_home) = &install.java_home {
        env.insert("JAVA_HOME".into(), java_home.clone());
    }
    let max_run_seconds = application
        .metadata
        .annotations
        .get(ANNOTATION_MAX_RUN_SECONDS)
        .map(|text| {
            text.parse().map_err(|_| {
                format!("{ANNOTATION_MAX_RUN_SECONDS} must be a whole number of seconds, and is {text:?}")
            })
        })
        .transpose()?;
    Ok(Spec {
        object: application.metadata.name.clone(),
        program: Path::new(&home).join("bin/spark-submit"),
        arguments,
        env,
        links: builder.links,
        alias,
        owner: install.owner,
        max_run_seconds,
        stop_grace_seconds: bounds.stop_grace_seconds,
        log_limit: Some(bounds.log_limit),
    })
}

/// Cores and MiB of heap that an object takes here: all executors are one process with the driver.
pub fn size(spec: &ApplicationSpec) -> Result<(u64, u64), String> {
    let dynamic = spec.dynamic_allocation.as_ref().filter(|d| d.enabled);
    let executors = dynamic
        .and_then(|dynamic| dynamic.max_executors)
        .or(spec.executor.instances)
        .unwrap_or(1);
    let bytes = |field: &str, text: &str| {
        Memory::parse(text)
            .map(|memory| memory.bytes())
            .map_err(|error| format!("{field}: {text:?} {error}"))
    };
    let driver = bytes("driver.memory", &spec.driver.memory)?;
    let executor = bytes("executor.memory", &spec.executor.memory)?;
    let heap = driver.saturating_add(executor.saturating_mul(u64::from(executors)));
    let cores = u64::from(executors) * u64::from(spec.executor.cores);
    Ok((cores.max(1), heap.div_ceil(MIB)))
}

struct Builder {
    /// The run folder, by a path without odd characters.
    base: String,
    links: Vec<Link>,
}

impl Builder {
    fn within(&self, name: &str) -> String {
        format!("{}/{name}", self.base)
    }

    fn spark_home(&mut self, home: &Path) -> Result<String, String> {
        let text = home.to_str().ok_or_else(|| {
            format!(
                "the path of Spark must be UTF-8, and {} is not",
                home.display()
            )
        })?;
        if is_plain(text) {
            return Ok(text.to_owned());
        }
        Ok(self.link("spark", home))
    }

    fn link(&mut self, at: &str, to: &Path) -> String {
        let place = self.within(at);
        self.links.push(Link {
            at: at.into(),
            to: to.to_owned(),
        });
        place
    }

    fn arguments(&mut self, application: &SparkApplication) -> Result<Vec<String>, String> {
        let spec = &application.spec;
        let (cores, heap) = size(spec)?;
        let title = application.metadata.annotations.get(ANNOTATION_TITLE);
        let mut line: Vec<String> = vec![
            "--master".into(),
            format!("local[{cores}]"),
            "--driver-memory".into(),
            format!("{heap}m"),
            "--name".into(),
            title.unwrap_or(&application.metadata.name).clone(),
        ];
        for (key, value) in self.conf(spec) {
            line.extend(["--conf".into(), format!("{key}={value}")]);
        }
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                line.extend([name.to_owned(), value]);
            }
        };
        option("--class", spec.main_class.clone());
        option("--py-files", self.code("py", &spec.deps.py_files));
        option("--jars", self.code("jar", &spec.deps.jars));
        option("--packages", list(&spec.deps.packages));
        line.push(self.main_file(spec));
        for argument in &spec.arguments {
            line.push(self.addresses(argument));
        }
        Ok(line)
    }

    fn conf(&mut self, spec: &ApplicationSpec) -> BTreeMap<String, String> {
        let hadoop = spec
            .hadoop_conf
            .iter()
            .map(|(key, value)| (format!("spark.hadoop.{key}"), value));
        let mut conf: BTreeMap<String, String> = spec
            .spark_conf
            .iter()
            .filter(|(key, _)| !is_for_kubernetes(key))
            .map(|(key, value)| (key.clone(), value))
            .chain(hadoop)
            .map(|(key, value)| (key, self.addresses(value)))
            .collect();
        conf.entry("spark.sql.warehouse.dir".into())
            .or_insert_with(|| format!("file://{}", self.within("work/spark-warehouse")));
        let options = conf.entry(JAVA_OPTIONS.into()).or_default();
        if !options.is_empty() {
            options.push(' ');
        }
        options.push_str(JAVA_TEMPORARY);
        options.push_str(&self.base);
        options.push_str("/tmp");
        conf.extend(FIXED_CONF.map(|(key, value)| (key.to_owned(), value.to_owned())));
        conf.insert(IVY.into(), self.within("home/.ivy2"));
        conf
    }

    /// The main file keeps its place, where a Python program finds its neighbours; a jar also ends up in a list.
    fn main_file(&mut self, spec: &ApplicationSpec) -> String {
        let address = &spec.main_application_file;
        match (local_path(address), spec.application_type) {
            (None, _) => address.clone(),
            (Some(path), ApplicationType::Python | ApplicationType::R) => paths::escaped(path),
            (Some(path), ApplicationType::Java | ApplicationType::Scala) => {
                self.code_link("main", path)
            }
        }
    }

    fn code(&mut self, kind: &str, addresses: &[String]) -> Option<String> {
        let mut all = Vec::new();
        for (number, address) in addresses.iter().enumerate() {
            all.push(match local_path(address) {
                Some(path) => self.code_link(&format!("{kind}/{number}"), path),
                None => address.clone(),
            });
        }
        list(&all)
    }

    fn code_link(&mut self, at: &str, path: &str) -> String {
        let name = Path::new(path).file_name().unwrap_or_default();
        let at = format!("code/{at}/{}", plain_name(&name.to_string_lossy()));
        format!("file://{}", self.link(&at, Path::new(path)))
    }

    /// A text with the addresses in it mended: of each `file://…` the part up to the last existing file or folder whose name
    /// Spark would take for a pattern becomes a link. What follows stays, so that `folder [1]/*.csv` is still a pattern.
    fn addresses(&mut self, text: &str) -> String {
        let mut parts = text.split("file://");
        let mut mended = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            mended.push_str("file://");
            match odd_part(part) {
                Some(end) => {
                    let number = self.links.len();
                    let odd = Path::new(&part[..end]);
                    let name = odd.file_name().unwrap_or_default().to_string_lossy();
                    let at = format!("links/{number}/{}", plain_name(&name));
                    mended.push_str(&self.link(&at, odd));
                    mended.push_str(&part[end..]);
                }
                None => mended.push_str(part),
            }
        }
        mended
    }

    /// Nothing of the portal's own environment.
    fn environment(&mut self, spec: &ApplicationSpec) -> Result<BTreeMap<String, String>, String> {
        let defaults = [
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
            // Else Python leaves its `__pycache__` among the project's files.
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ];
        let mut env: BTreeMap<String, String> = defaults
            .map(|(name, value)| (name.into(), value.into()))
            .into();
        for variable in spec.executor.env.iter().chain(&spec.driver.env) {
            if variable.value_from.is_some() {
                return Err(format!(
                    "the environment variable {} takes its value from a secret, which jobs on this machine cannot: give it as text or choose another cluster",
                    variable.name
                ));
            }
            let value = variable.value.clone().unwrap_or_default();
            env.insert(variable.name.clone(), self.addresses(&value));
        }
        env.extend([
            ("HOME".into(), self.within("home")),
            ("TMPDIR".into(), self.within("tmp")),
            // As `spark.local.dir`, without Spark's warning that something might override it.
            ("SPARK_LOCAL_DIRS".into(), self.within("tmp")),
            ("SPARK_LOCAL_IP".into(), "127.0.0.1".into()),
        ]);
        Ok(env)
    }
}

/// What only a cluster knows, or what the command line says in another way.
fn is_for_kubernetes(key: &str) -> bool {
    const EXACT: [&str; 4] = [
        "spark.master",
        "spark.submit.deployMode",
        "spark.driver.memory",
        "spark.local.dir",
    ];
    EXACT.contains(&key)
        || ["spark.kubernetes.", "spark.dynamicAllocation."]
            .iter()
            .any(|prefix| key.starts_with(prefix))
}

fn list(all: &[String]) -> Option<String> {
    (!all.is_empty()).then(|| all.join(","))
}

#[cfg(test)]
mod tests;
