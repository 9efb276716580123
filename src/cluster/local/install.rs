//! Which Spark, Java and Python this machine has, where they were looked for, and what to install when one is missing. Java is
//! looked for here because what `spark-submit` itself says without one leads astray.
use super::command::Owner;
use crate::{
    cluster::{Finding, FindingState},
    config,
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(10);

/// Where to look: the portal's own environment, or a test's.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pub path: OsString,
    pub java_home: Option<PathBuf>,
    pub spark_home: Option<PathBuf>,
}

/// What jobs are run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    pub spark_home: PathBuf,
    /// Major and minor, such as `3.5`.
    pub spark_version: Option<String>,
    pub java_home: Option<String>,
    pub python: String,
    pub path: String,
    pub owner: Option<Owner>,
}

impl Surroundings {
    pub fn of_this_process() -> Self {
        let path_of = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            path: path_of("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()),
            java_home: path_of("JAVA_HOME").map(PathBuf::from),
            spark_home: path_of("SPARK_HOME").map(PathBuf::from),
        }
    }

    fn which(&self, program: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(program))
            .find(|file| is_executable(file))
    }
}

/// Looks for everything; the error is the sentence that says what to do.
pub async fn look(
    config: &config::Local,
    data: &Path,
    around: &Surroundings,
) -> (Result<Install, String>, Vec<Finding>) {
    let mut findings = Vec::new();
    let spark = find_spark(config, data, around).await;
    let java = find_java(around, spark.as_ref().ok()).await;
    let python = find_python(around, spark.as_ref().ok()).await;
    let owner = find_owner(config, around).await;
    let mut report = |what, outcome: Result<(FindingState, String), String>| {
        let (state, text) = outcome.unwrap_or_else(|text| (FindingState::Failed, text));
        findings.push(Finding { what, state, text });
    };
    report(
        "Spark",
        spark.as_ref().map(Spark::finding).map_err(Clone::clone),
    );
    report("Java", java.clone());
    report(
        "Python",
        Ok(python
            .clone()
            .unwrap_or_else(|text| (FindingState::Warning, text))),
    );
    if let Some(name) = &config.run_as {
        let state = (FindingState::Fine, format!("jobs run as {name}"));
        report("User", owner.clone().map(|_| state));
    }
    let install = spark.and_then(|spark| {
        java?;
        Ok(Install {
            python: spark.python(around),
            spark_version: spark.version.as_deref().map(major_minor),
            spark_home: spark.home,
            java_home: utf8(around.java_home.as_deref())?,
            path: utf8(Some(Path::new(&around.path)))?.unwrap_or_default(),
            owner: owner?,
        })
    });
    (install, findings)
}

#[derive(Debug)]
struct Spark {
    home: PathBuf,
    version: Option<String>,
    /// In words.
    found_by: &'static str,
}

impl Spark {
    /// A Spark at `path`: its own folder, a virtual environment with pyspark, or a `spark-submit` in either.
    fn at(path: &Path, found_by: &'static str) -> Option<Self> {
        let home = [path.to_owned()]
            .into_iter()
            .chain(site_packages(path).map(|packages| packages.join("pyspark")))
            .find(|home| {
                is_executable(&home.join("bin/spark-submit")) && home.join("jars").is_dir()
            })?;
        Some(Self {
            version: version_of(&home),
            home,
            found_by,
        })
    }

    fn finding(&self) -> (FindingState, String) {
        let place = format!("at {}, found by {}", self.home.display(), self.found_by);
        match &self.version {
            Some(version) => (FindingState::Fine, format!("Spark {version} {place}")),
            None => (
                FindingState::Warning,
                format!(
                    "a Spark {place}, without a jars/spark-core file that tells its version: it is offered to no job"
                ),
            ),
        }
    }

    /// The interpreter of the virtual environment that it lies in, else `python3`.
    fn python(&self, around: &Surroundings) -> String {
        let environment = self.home.ancestors().nth(4);
        let own = environment.filter(|root| root.join("pyvenv.cfg").exists());
        own.map(|root| root.join("bin/python3"))
            .filter(|python| is_executable(python))
            .or_else(|| around.which("python3"))
            .and_then(|python| python.to_str().map(str::to_owned))
            .unwrap_or_else(|| "python3".into())
    }
}

fn named(home: &Path) -> Result<Spark, String> {
    Spark::at(home, "local.spark_home").ok_or_else(|| {
        format!(
            "local.spark_home is {}, where there is no Spark: it must be a folder with bin/spark-submit and jars, or a virtual environment with pyspark",
            home.display()
        )
    })
}

/// Whether there is a Spark where the settings name one.
pub fn check(config: &config::Local) -> anyhow::Result<()> {
    if let Some(home) = config.spark_home.as_ref().filter(|_| config.enabled) {
        named(home).map_err(anyhow::Error::msg)?;
    }
    Ok(())
}

async fn find_spark(
    config: &config::Local,
    data: &Path,
    around: &Surroundings,
) -> Result<Spark, String> {
    if let Some(home) = &config.spark_home {
        return named(home);
    }
    if let Some(home) = &around.spark_home
        && let Some(spark) = Spark::at(home, "SPARK_HOME")
    {
        return Ok(spark);
    }
    let own = data.join("spark");
    if let Some(spark) = Spark::at(&own, "looking in the data folder") {
        return Ok(spark);
    }
    if let Some(submit) = around.which("spark-submit") {
        // The name on the path is often a link into Spark's own folder.
        let real = submit.canonicalize().unwrap_or_else(|_| submit.clone());
        for place in [&real, &submit] {
            let root = place.ancestors().nth(2);
            if let Some(spark) = root.and_then(|root| Spark::at(root, "spark-submit on the PATH")) {
                return Ok(spark);
            }
        }
    }
    if let Some(python) = around.which("python3") {
        let code = "import importlib.util as u; print(next(iter(u.find_spec('pyspark').submodule_search_locations)))";
        if let Ok(output) = run(Command::new(python).args(["-c", code]), around).await
            && let Some(spark) = Spark::at(Path::new(output.trim()), "python3's pyspark")
        {
            return Ok(spark);
        }
    }
    let own = own.display();
    Err(format!(
        "Spark is not installed. Install it into the data folder: `python3 -m venv '{own}' && '{own}/bin/pip' install 'pyspark==3.5.*'`; or name one in local.spark_home. Looked in local.spark_home (not set), SPARK_HOME ({}), {own}, spark-submit on the PATH, python3's pyspark",
        around
            .spark_home
            .as_ref()
            .map_or("not set".into(), |home| format!(
                "{}: none there",
                home.display()
            )),
    ))
}

async fn find_java(
    around: &Surroundings,
    spark: Option<&Spark>,
) -> Result<(FindingState, String), String> {
    const HINT: &str = "Install Java 17: on Debian and Ubuntu `apt install openjdk-17-jre-headless`, on macOS `brew install openjdk@17`";
    let java = match &around.java_home {
        Some(home) => {
            let java = home.join("bin/java");
            if !is_executable(&java) {
                return Err(format!(
                    "JAVA_HOME is {}, where there is no bin/java: correct it or take it away. {HINT}",
                    home.display()
                ));
            }
            java
        }
        None => around.which("java").ok_or_else(|| {
            format!("Java is not installed. {HINT}. Looked in JAVA_HOME (not set) and on the PATH")
        })?,
    };
    let text = run(Command::new(&java).arg("-version"), around)
        .await
        .map_err(|why| format!("`{} -version` does not work: {why}. {HINT}", java.display()))?;
    let version = text.split('"').nth(1).unwrap_or("of unknown version");
    let place = format!("Java {version} at {}", java.display());
    let major: Option<u32> = version
        .trim_start_matches("1.")
        .split(['.', '-', '+'])
        .next()
        .and_then(|number| number.parse().ok());
    let (least, most) = match spark.and_then(|spark| spark.version.as_deref()) {
        Some(version) if version.starts_with("3.") => (8, 17),
        _ => (17, 21),
    };
    match major {
        Some(major) if major < least => Err(format!(
            "{place} is too old for this Spark, which needs at least {least}. {HINT}"
        )),
        Some(major) if major > most => Ok((
            FindingState::Warning,
            format!(
                "{place} is newer than this Spark was made for (at most {most}): jobs may fail"
            ),
        )),
        Some(_) => Ok((FindingState::Fine, place)),
        None => Ok((FindingState::Warning, place)),
    }
}

async fn find_python(
    around: &Surroundings,
    spark: Option<&Spark>,
) -> Result<(FindingState, String), String> {
    let python = spark
        .map(|spark| spark.python(around))
        .or_else(|| Some(around.which("python3")?.to_string_lossy().into_owned()))
        .ok_or("python3 is not on the PATH: Python jobs cannot run")?;
    let version = run(Command::new(&python).arg("--version"), around)
        .await
        .map_err(|why| {
            format!("`{python} --version` does not work: {why}; Python jobs cannot run")
        })?;
    Ok((
        FindingState::Fine,
        format!("{} at {python}", version.trim()),
    ))
}

/// `local.run_as` as numbers.
async fn find_owner(
    config: &config::Local,
    around: &Surroundings,
) -> Result<Option<Owner>, String> {
    let Some(name) = &config.run_as else {
        return Ok(None);
    };
    if !rustix::process::geteuid().is_root() {
        return Err(format!(
            "local.run_as is {name:?}, which needs a portal that runs as root; this one does not"
        ));
    }
    let id = async |which: &str| {
        let said = run(Command::new("id").args([which, "--", name]), around).await;
        said.ok()?.trim().parse().ok()
    };
    match (id("-u").await, id("-g").await) {
        (Some(user), Some(group)) => Ok(Some(Owner { user, group })),
        _ => Err(format!(
            "local.run_as is {name:?}, which is no user of this machine"
        )),
    }
}

/// What a program prints, on whichever stream.
async fn run(command: &mut Command, around: &Surroundings) -> Result<String, String> {
    command
        .env_clear()
        .env("PATH", &around.path)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?
        .map_err(|error| error.to_string())?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let first = text.lines().next().unwrap_or_default();
    Err(format!("{}: {first}", output.status))
}

/// The `site-packages` of a virtual environment.
fn site_packages(environment: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(environment.join("lib")).ok()?;
    entries
        .flatten()
        .map(|entry| entry.path().join("site-packages"))
        .find(|packages| packages.join("pyspark").is_dir())
}

/// By the name of its core jar, which each way to install Spark has.
fn version_of(home: &Path) -> Option<String> {
    let jars = std::fs::read_dir(home.join("jars")).ok()?;
    jars.flatten().find_map(|jar| {
        let name = jar.file_name();
        let rest = name.to_str()?.strip_prefix("spark-core_")?;
        let (_, version) = rest.strip_suffix(".jar")?.split_once('-')?;
        Some(version.to_owned())
    })
}

fn major_minor(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

fn utf8(path: Option<&Path>) -> Result<Option<String>, String> {
    path.map(|path| {
        path.to_str().map(str::to_owned).ok_or_else(|| {
            format!(
                "JAVA_HOME and PATH must be UTF-8, and {} is not",
                path.display()
            )
        })
    })
    .transpose()
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
