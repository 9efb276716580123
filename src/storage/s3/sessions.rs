//! Credentials for one attempt of a job: a session of a role, cut down by a policy to what the job may touch. The store
//! itself refuses everything else, whatever the job tries.
use super::{
    super::{Error, JobCredentials, Result, jobs::JobSession, keys},
    S3,
};
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;

/// Beyond the longest run, for what comes before and after it.
const MARGIN: Duration = Duration::from_secs(3600);
/// The shortest session that a store makes.
const SHORTEST: u64 = 900;

impl S3 {
    /// How long a job may run for its credentials to last; `None` where it has none.
    pub(in super::super) fn longest_run(&self) -> Option<Duration> {
        self.0.settings.job_role.as_ref()?;
        let longest = Duration::from_secs(self.0.settings.longest_session_seconds.into());
        Some(longest.saturating_sub(MARGIN))
    }

    pub(in super::super) async fn job_credentials(
        &self,
        job: &JobSession,
    ) -> Result<JobCredentials> {
        let Some(role) = &self.0.settings.job_role else {
            return Err(Error::Unavailable(
                "there are no credentials for jobs: set storage.job_role".into(),
            ));
        };
        if self
            .longest_run()
            .is_some_and(|longest| job.longest_run > longest)
        {
            return Err(Error::Conflict(format!(
                "the store's sessions last {} s at most (storage.longest_session_seconds), which is too short for a run of {} s and an hour",
                self.0.settings.longest_session_seconds,
                job.longest_run.as_secs()
            )));
        }
        // S3A looks upwards for a folder that is there, and may not look above this one.
        self.make_folder(&keys::files_prefix(job.project, None))
            .await?;
        let seconds = (job.longest_run + MARGIN).as_secs().max(SHORTEST);
        let session = self
            .0
            .clients
            .sts
            .assume_role()
            .role_arn(role)
            .role_session_name(format!("{}-{}", job.job, job.attempt))
            .policy(self.policy(job))
            .duration_seconds(i32::try_from(seconds).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| self.failed("making credentials for a job", &error))?;
        let found = session.credentials().ok_or_else(|| {
            Error::Internal(anyhow::anyhow!(
                "the store made a session without credentials"
            ))
        })?;
        Ok(JobCredentials {
            access_key: found.access_key_id().into(),
            secret_key: found.secret_access_key().into(),
            session_token: found.session_token().into(),
            expires: Timestamp::from_second(found.expiration().secs())
                .map_err(|error| Error::Internal(error.into()))?,
        })
    }

    /// The project's files to read and write, the job's code to read. Without spaces, which Ceph does not take, and within
    /// the 2,048 characters that a store takes.
    fn policy(&self, job: &JobSession) -> String {
        let bucket = format!("arn:aws:s3:::{}", self.bucket());
        let place = |prefix: keys::Prefix| self.place(prefix.folder_path());
        let files = place(keys::files_prefix(job.project, None));
        let code = place(keys::job_code_prefix(job.project, job.job));
        // A folder is looked for without its slash, too.
        let objects = |place: &str| [format!("{bucket}/{place}"), format!("{bucket}/{place}/*")];
        let readable = [objects(&files), objects(&code)].concat();
        let listed = [&files, &code].map(|place| [place.clone(), format!("{place}/*")]);
        json!({
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": readable },
                {
                    "Effect": "Allow",
                    "Action": [
                        "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
                    ],
                    "Resource": objects(&files),
                },
                {
                    "Effect": "Allow",
                    "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"],
                    "Resource": [bucket],
                    "Condition": { "StringLike": { "s3:prefix": listed.concat() } },
                },
            ],
        })
        .to_string()
    }
}
