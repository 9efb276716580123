//! The local runner with a real Spark, above all with names that Spark does not bear. Needs Java, and Spark's folder in
//! `TOURMALINE_TEST_SPARK_HOME`: `deploy/spark/install DIR` makes one.
#![allow(clippy::unwrap_used)]
#[path = "local_runner/application.rs"]
mod application;

use application::python;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tourmaline::{
    cluster::{
        DriverState,
        local::{Local, Surroundings},
    },
    config::Config,
    domain::{
        clock::Clock,
        job::Exit,
        names::{ObjectName, StreamName},
    },
    manifest::{SparkApplication, spark_application::ApplicationType},
};

const PATIENCE: Duration = Duration::from_mins(4);
const ODD: [&str; 7] = [
    "plain.txt",
    "two words é.txt",
    "p%20q 100%.txt",
    "s [1].txt",
    "c{a,b}.txt",
    "comma, too.txt",
    "star *?.txt",
];

fn spark_home() -> PathBuf {
    std::env::var_os("TOURMALINE_TEST_SPARK_HOME")
        .expect("set TOURMALINE_TEST_SPARK_HOME to a Spark's folder: `deploy/spark/install target/spark` makes one and prints it")
        .into()
}

struct Machine {
    local: Local,
    data: PathBuf,
    /// Where a project's files would be.
    files: PathBuf,
}

impl Machine {
    /// Spark is found in the data folder, and so by a path as odd as that is.
    fn new(data: PathBuf) -> Self {
        let files = data.join("store/projects/p [1]");
        fs::create_dir_all(&files).unwrap();
        std::os::unix::fs::symlink(spark_home(), data.join("spark")).unwrap();
        let surroundings = Surroundings {
            spark_home: None,
            ..Surroundings::of_this_process()
        };
        let supervisor = env!("CARGO_BIN_EXE_tourmaline").into();
        let config = Config::default();
        Self {
            local: Local::with(&config, &data, Clock::system(), supervisor, surroundings),
            data,
            files,
        }
    }

    /// As the portal writes an address into an object: unescaped.
    fn address(&self, name: &str) -> String {
        format!("file://{}/{name}", self.files.display())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.files.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self.address(name)
    }

    /// A zip or jar with one file in it.
    fn write_zip(&self, name: &str, file: &str, text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(file), text).unwrap();
        self.write(name, "");
        let done = std::process::Command::new("python3")
            .args(["-m", "zipfile", "-c"])
            .args([self.files.join(name), folder.path().join(file)])
            .status();
        assert!(done.unwrap().success());
        self.address(name)
    }

    async fn run(&self, app: &SparkApplication) -> (Exit, String) {
        self.local.create(app).await.unwrap();
        let object = ObjectName::parse(&app.metadata.name).unwrap();
        let exit = self.exit(&object).await;
        (exit, self.log(&object).await)
    }

    async fn exit(&self, object: &ObjectName) -> Exit {
        let end = Instant::now() + PATIENCE;
        loop {
            if let DriverState::Gone(exit) = self.local.observe(object).await.unwrap().state {
                return exit;
            }
            let log = self.log(object).await;
            assert!(Instant::now() < end, "{object} has not ended:\n{log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn log(&self, object: &ObjectName) -> String {
        let stream = StreamName::driver();
        let piece = self.local.read_log(object, &stream, 0, 1 << 24).await;
        String::from_utf8_lossy(&piece.unwrap().bytes).into_owned()
    }
}

/// All files below, by their names.
fn names(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(names(&path));
        }
        all.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    all
}

const WALK: &str = r#"
import sys
from pyspark.sql import SparkSession
import naïve, zipped

spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
print("LIBRARIES", naïve.NAME, zipped.NAME)
print("ON WORKERS", sc.parallelize([1], 1).map(lambda _: __import__("naïve").NAME).collect())
loader = spark._jvm.java.lang.Thread.currentThread().getContextClassLoader()
print("JAR", loader.getResource("marker.txt") is not None)
print("MASTER", sc.master, sc.getConf().get("spark.driver.memory"), sc.getConf().get("spark.study"))
*inputs, output, again, stars = sys.argv[1:]
for address in inputs:
    print("READ", spark.read.text(address).first()[0])
for address in (output, again):
    spark.createDataFrame([("new",)], ["word"]).write.mode("overwrite").csv(address)
print("STARS", spark.read.text(stars).count())
spark.sql("create table kept using parquet as select 1 as n")
print("TABLE", spark.table("kept").count())
stream = spark.readStream.format("rate").load().writeStream.format("parquet")
stream = stream.option("checkpointLocation", output + " checkpoint").option("path", output + " stream")
stream.trigger(availableNow=True).start().awaitTermination()
"#;

#[tokio::test]
async fn odd_names_work_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(folder.path().join("dàta %20 [x] {y}, z"));
    let main = machine.write("code/my main, 100% [a] {b} é.py", WALK);
    let mut arguments: Vec<String> = ODD
        .iter()
        .map(|name| machine.write(&format!("in, [1]/{name}"), name))
        .collect();
    machine.write("old {1}/part-0.csv", "old");
    arguments.extend([
        machine.address("out [1] %20 é"),
        machine.address("old {1}"),
        machine.address("in, [1]/s*.txt"),
    ]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut app = python("odd", &main, &arguments);
    app.spec.deps.py_files = vec![
        machine.write("code/naïve.py", "NAME = 'naïve'"),
        machine.write_zip("code/my lib, [1] %20.zip", "zipped.py", "NAME = 'zipped'"),
    ];
    app.spec.deps.jars = vec![machine.write_zip("code/my jar, [1] %20.jar", "marker.txt", "")];
    app.spec.spark_conf = [
        ("spark.study", "a b, [c] é \"d\""),
        ("spark.kubernetes.namespace", "dropped"),
    ]
    .map(|(key, value)| (key.into(), value.into()))
    .into();
    app.metadata.annotations.insert(
        tourmaline::manifest::ANNOTATION_TITLE.into(),
        "A title, with \"odd\" [things] é".into(),
    );
    let (exit, log) = machine.run(&app).await;
    assert_eq!(exit, Exit::Code { code: 0 }, "{log}");
    let has = |line: &str| assert!(log.lines().any(|l| l == line), "no {line:?} in:\n{log}");
    has("LIBRARIES naïve zipped");
    has("ON WORKERS ['naïve']");
    has("JAR True");
    has("MASTER local[2] 1024m a b, [c] é \"d\"");
    for name in ODD {
        has(&format!("READ {name}"));
    }
    has("STARS 2");
    has("TABLE 1");
    for written in ["out [1] %20 é", "old {1}"] {
        let parts = names(&machine.files.join(written));
        let csv: Vec<_> = parts.iter().filter(|n| n.contains(".csv")).collect();
        assert!(
            !csv.is_empty() && !parts.contains(&"part-0.csv".into()),
            "{written}: {parts:?}"
        );
    }
    assert!(
        machine
            .files
            .join("out [1] %20 é checkpoint/commits/0")
            .exists()
    );
    let all = names(&machine.data.join("store"));
    let litter: Vec<_> = all
        .iter()
        .filter(|name| name.contains(".crc") || *name == "__pycache__")
        .collect();
    assert!(litter.is_empty(), "{litter:?}");
    let object = ObjectName::parse("odd").unwrap();
    machine.local.delete(&object).await.unwrap();
    assert_eq!(fs::read_dir(machine.data.join("runs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_jar_with_an_odd_name_and_how_long_the_least_job_takes() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(folder.path().join("my data"));
    let jars = fs::read_dir(spark_home().join("jars")).unwrap();
    let hadoop = jars
        .map(|jar| jar.unwrap().path())
        .find(|jar| jar.to_str().unwrap().contains("hadoop-client-api"))
        .unwrap();
    let main = machine.write("code/my jar, [1].jar", "");
    fs::copy(hadoop, machine.files.join("code/my jar, [1].jar")).unwrap();
    let mut app = python("jar", &main, &[]);
    app.spec.application_type = ApplicationType::Java;
    app.spec.main_class = Some("org.apache.hadoop.util.VersionInfo".into());
    let (exit, log) = machine.run(&app).await;
    assert_eq!(exit, Exit::Code { code: 0 }, "{log}");
    assert!(
        log.contains("Hadoop 3") && !log.contains("does not exist"),
        "{log}"
    );

    let least = "from pyspark.sql import SparkSession\nprint(SparkSession.builder.getOrCreate().range(10).count())\n";
    let main = machine.write("code/least.py", least);
    let begun = Instant::now();
    let (exit, log) = machine.run(&python("least", &main, &[])).await;
    assert_eq!(exit, Exit::Code { code: 0 }, "{log}");
    println!("the least job took {:.1} s", begun.elapsed().as_secs_f64());
}

#[tokio::test]
async fn a_real_job_is_ended_with_its_python_workers() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(folder.path().join("data"));
    let code = r#"
from pyspark.sql import SparkSession
import pathlib, time
def work(n):
    pathlib.Path(f"working-{n}").touch()
    time.sleep(1000)
SparkSession.builder.getOrCreate().sparkContext.parallelize([0, 1], 2).foreach(work)
"#;
    let main = machine.write("code/main.py", code);
    let app = python("ended", &main, &[]);
    machine.local.create(&app).await.unwrap();
    let object = ObjectName::parse("ended").unwrap();
    let work = machine.data.join("runs/ended/work");
    let end = Instant::now() + PATIENCE;
    while !(work.join("working-0").exists() && work.join("working-1").exists()) {
        assert!(Instant::now() < end, "{}", machine.log(&object).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The JVM, Python's daemon and its two workers, and the program.
    assert!(bearing(folder.path()).len() >= 5);
    machine.local.stop(&object).await.unwrap();
    assert_eq!(machine.exit(&object).await, Exit::Cancelled);
    assert_eq!(bearing(folder.path()), Vec::<String>::new());
}

/// What runs with a path in its environment, as all processes of a job do; Linux only.
fn bearing(path: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("this test needs /proc");
    processes
        .map(|entry| entry.unwrap().path())
        .filter(|process| {
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(path.to_str().unwrap())
        })
        .map(|process| fs::read_to_string(process.join("cmdline")).unwrap_or_default())
        .collect()
}
