//! A pretended Spark and a pretended Java. The job of a test is a piece of shell: `spark-submit` runs its last argument.
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use tourmaline::cluster::local::Surroundings;

pub struct PretendedSpark {
    folder: PathBuf,
}

impl PretendedSpark {
    /// Installs both under a folder.
    pub fn install(folder: &Path) -> Self {
        let spark = Self {
            folder: folder.to_owned(),
        };
        fs::create_dir_all(folder.join("spark/jars")).unwrap();
        fs::write(folder.join("spark/jars/spark-core_2.12-3.5.9.jar"), "").unwrap();
        script(
            &spark.submit(),
            "#!/bin/bash\nfor last; do :; done\neval \"$last\"\n",
        );
        script(
            &folder.join("java/bin/java"),
            "#!/bin/sh\necho 'openjdk version \"17.0.1\" 2021-10-19' >&2\n",
        );
        spark
    }

    pub fn submit(&self) -> PathBuf {
        self.folder.join("spark/bin/spark-submit")
    }

    /// A machine that has both, or lacks one.
    #[allow(
        dead_code,
        reason = "for those who run the portal in their own process"
    )]
    pub fn surroundings(&self, java: bool, spark: bool) -> Surroundings {
        let path = if java {
            let java = self.folder.join("java/bin");
            format!("{}:/usr/bin:/bin", java.display())
        } else {
            let tools = self.folder.join("tools");
            fs::create_dir_all(&tools).unwrap();
            tools.to_str().unwrap().to_owned()
        };
        Surroundings {
            path: path.into(),
            java_home: None,
            spark_home: spark.then(|| self.folder.join("spark")),
        }
    }
}

pub fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
