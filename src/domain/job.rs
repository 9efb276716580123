//! A job as it was accepted, its phases, and how an attempt can end.
use super::{
    ids::{JobId, ProjectId, UserId},
    names::{ClusterName, FilePath, ObjectName, QueueName, Title},
    quantity::Memory,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum $name { $(#[serde(rename = $word)] $variant),* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("must be one of {}", [$($word),*].join(", "))),
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What a job is written in.
    Language { Python = "python", Java = "java", Scala = "scala", R = "r" }
}

words! {
    /// Where a job stands: `Queued → Starting → Running → Succeeded | Failed | Cancelled`, `Queued` again between attempts.
    Phase {
        Queued = "queued",
        Starting = "starting",
        Running = "running",
        Succeeded = "succeeded",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

impl Phase {
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The phases that may follow this one.
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Queued => &[Self::Starting, Self::Failed, Self::Cancelled],
            Self::Starting => &[
                Self::Running,
                Self::Queued,
                Self::Succeeded,
                Self::Failed,
                Self::Cancelled,
            ],
            Self::Running => &[Self::Queued, Self::Succeeded, Self::Failed, Self::Cancelled],
            Self::Succeeded | Self::Failed | Self::Cancelled => &[],
        }
    }
}

words! {
    /// Whose doing an attempt's end was. The first two are tried again.
    Cause {
        Infrastructure = "infrastructure",
        Administration = "administration",
        UserInput = "user input",
        Program = "program",
    }
}

impl Cause {
    pub fn is_tried_again(self) -> bool {
        matches!(self, Self::Infrastructure | Self::Administration)
    }
}

words! {
    /// Where an attempt stands. `Ending`: its driver is gone, its log is being kept.
    AttemptPhase { Starting = "starting", Running = "running", Ending = "ending", Ended = "ended" }
}

/// A program or a library: in the project, or already in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CodePath {
    Project(FilePath),
    /// `local:///…`, a path in the image.
    Image(String),
}

impl CodePath {
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("local://") {
            if !path.starts_with('/')
                || path.contains("..")
                || path.chars().any(char::is_control)
                || path.len() > 900
            {
                return Err("must be `local:///` and an absolute path in the image".into());
            }
            return Ok(Self::Image(text.to_owned()));
        }
        if text.contains("://") {
            return Err(
                "must be a path in the project, or `local:///…` for a file in the image".into(),
            );
        }
        FilePath::parse(text).map(Self::Project)
    }
}

impl fmt::Display for CodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(path) => path.fmt(f),
            Self::Image(uri) => f.write_str(uri),
        }
    }
}

impl TryFrom<String> for CodePath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<CodePath> for String {
    fn from(path: CodePath) -> Self {
        path.to_string()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DriverSize {
    pub cores: u32,
    #[schema(value_type = String)]
    pub memory: Memory,
    #[schema(value_type = Option<String>)]
    pub memory_overhead: Option<Memory>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExecutorSize {
    pub cores: u32,
    #[schema(value_type = String)]
    pub memory: Memory,
    #[schema(value_type = Option<String>)]
    pub memory_overhead: Option<Memory>,
    pub instances: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DynamicAllocation {
    pub min_executors: u32,
    pub max_executors: u32,
    pub initial_executors: Option<u32>,
}

/// The value of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum EnvValue {
    Text(String),
    /// The name of one of the project's secrets.
    Secret {
        secret: String,
    },
}

/// A job that passed validation. Its JSON is the API's job, and what the database keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobSpec {
    #[schema(value_type = String)]
    pub name: Title,
    #[serde(rename = "type")]
    pub language: Language,
    pub spark_version: String,
    #[schema(value_type = String)]
    pub main_file: CodePath,
    pub main_class: Option<String>,
    pub arguments: Vec<String>,
    #[schema(value_type = String)]
    pub queue: QueueName,
    /// The cluster it is pinned to.
    #[schema(value_type = Option<String>)]
    pub cluster: Option<ClusterName>,
    pub priority: i32,
    pub driver: DriverSize,
    pub executor: ExecutorSize,
    pub dynamic_allocation: Option<DynamicAllocation>,
    pub spark_conf: BTreeMap<String, String>,
    pub env: BTreeMap<String, EnvValue>,
    #[schema(value_type = Vec<String>)]
    pub py_files: Vec<CodePath>,
    #[schema(value_type = Vec<String>)]
    pub jars: Vec<CodePath>,
    pub packages: Vec<String>,
    pub image: Option<String>,
    pub max_run_seconds: u64,
    pub max_attempts: u32,
    pub labels: BTreeMap<String, String>,
}

/// What a job asks for in all, its dynamic executors counted at their most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    pub cores: u64,
    /// Bytes, heap and overhead.
    pub memory: u64,
}

/// What a job's resources are reckoned from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    pub language: Language,
    pub driver: DriverSize,
    pub executor: ExecutorSize,
    pub dynamic_allocation: Option<DynamicAllocation>,
}

impl Size {
    /// The most executors it may have.
    pub fn executors(&self) -> u32 {
        self.dynamic_allocation
            .as_ref()
            .map_or(self.executor.instances, |d| d.max_executors)
    }

    pub fn resources(&self) -> Resources {
        let executors = u64::from(self.executors());
        let driver = with_overhead(
            &self.driver.memory,
            self.driver.memory_overhead.as_ref(),
            self.language,
        );
        let executor = with_overhead(
            &self.executor.memory,
            self.executor.memory_overhead.as_ref(),
            self.language,
        );
        Resources {
            cores: u64::from(self.driver.cores) + executors * u64::from(self.executor.cores),
            memory: driver.saturating_add(executor.saturating_mul(executors)),
        }
    }
}

impl JobSpec {
    pub fn size(&self) -> Size {
        Size {
            language: self.language,
            driver: self.driver.clone(),
            executor: self.executor.clone(),
            dynamic_allocation: self.dynamic_allocation.clone(),
        }
    }

    pub fn resources(&self) -> Resources {
        self.size().resources()
    }

    /// Files of the project that it runs: main file first, then `py_files` and `jars`, with the field each came from.
    pub fn code(&self) -> Vec<(String, &FilePath)> {
        let listed = |field: &'static str, list: &'_ [CodePath]| -> Vec<(String, usize)> {
            (0..list.len())
                .map(|i| (format!("/{field}/{i}"), i))
                .collect()
        };
        let mut all = vec![("/main_file".to_owned(), &self.main_file)];
        all.extend(
            listed("py_files", &self.py_files)
                .into_iter()
                .map(|(f, i)| (f, &self.py_files[i])),
        );
        all.extend(
            listed("jars", &self.jars)
                .into_iter()
                .map(|(f, i)| (f, &self.jars[i])),
        );
        all.into_iter()
            .filter_map(|(field, path)| match path {
                CodePath::Project(path) => Some((field, path)),
                CodePath::Image(_) => None,
            })
            .collect()
    }
}

/// Heap and overhead as Spark on Kubernetes reckons them: at least 384 MiB, a tenth of the heap on the JVM, else four tenths.
fn with_overhead(heap: &Memory, overhead: Option<&Memory>, language: Language) -> u64 {
    let tenths = match language {
        Language::Java | Language::Scala => 1,
        Language::Python | Language::R => 4,
    };
    let overhead = overhead.map_or_else(
        || (heap.bytes() / 10 * tenths).max(384 << 20),
        Memory::bytes,
    );
    heap.bytes().saturating_add(overhead)
}

/// What is shown on a failed job: in a sentence, with proof and a remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Card {
    /// What happened, in a few words.
    pub title: String,
    /// What happened, in a sentence that a scientist understands.
    pub what: String,
    /// What shows it: a log line, an exit code.
    pub proof: Vec<String>,
    /// What to change.
    pub remedy: String,
}

/// A job as the database has it.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: JobId,
    /// The order of acceptance.
    pub number: i64,
    pub project: ProjectId,
    pub user: UserId,
    /// The base of its objects' names and its folder under `jobs/`.
    pub slug: ObjectName,
    pub spec: JobSpec,
    pub phase: Phase,
    pub phase_since: Timestamp,
    /// Why it waits, in words.
    pub reason: Option<String>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// How many attempts there have been.
    pub attempts: u32,
    /// Not to be tried again before this moment.
    pub not_before: Option<Timestamp>,
    pub cause: Option<Cause>,
    pub card: Option<Card>,
    pub cancel_requested: Option<CancelRequest>,
    pub rules_version: String,
    /// Which copy of its code its attempts run; absent before the first, and where it was made before copies had numbers.
    pub code_copy: Option<i64>,
    /// The id of its latest event.
    pub last_event: i64,
}

/// A wish, which stands until the driver is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelRequest {
    pub by: UserId,
    pub at: Timestamp,
}

impl Job {
    /// Its folder among the project's files.
    pub fn folder(&self) -> String {
        format!("jobs/{}", self.slug)
    }
}

/// One try at running a job.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub job: JobId,
    pub number: u32,
    pub object: ObjectName,
    pub cluster: ClusterName,
    pub namespace: String,
    pub phase: AttemptPhase,
    pub created_at: Timestamp,
    /// When its object or driver was first seen; from then on it is never created again.
    pub seen_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// The last time that its cluster said anything of it.
    pub heard_at: Option<Timestamp>,
    pub exit: Option<Exit>,
    pub cause: Option<Cause>,
    pub card: Option<Card>,
    /// What Spark calls it.
    pub spark_app_id: Option<String>,
}

/// How a driver ended, as its cluster tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Exit {
    /// It ended by itself with this code.
    Code { code: i32 },
    /// A signal that the portal did not ask for, such as 9 from the kernel for want of memory.
    Signal { signal: i32 },
    /// The portal ended it because a user asked.
    Cancelled,
    /// The portal ended it at the job's maximum run time.
    TimedOut { seconds: u64 },
    /// It could not be started; another time perhaps.
    NotStarted { why: String },
    /// Its cluster will not start it, however often it is asked.
    Refused { why: String },
    /// It is gone and left no word.
    Vanished { why: String },
}
