//! On a real S3, named by `TOURMALINE_TEST_S3_ENDPOINT`, `…_REGION`, `…_ACCESS_KEY` and `…_SECRET_KEY`: each test in a
//! bucket of its own that it removes.
#![allow(clippy::unwrap_used)]
use super::{
    super::{
        Error, JobSession, Storage, contract,
        contract::path,
        keys::{self, Key},
    },
    S3, SIZES, Said, Settings, Sizes, said,
};
use crate::domain::ids::{JobId, ProjectId};
use aws_sdk_s3::config::Credentials;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use std::{io, panic::AssertUnwindSafe, time::Duration};

const ORIGIN: &str = "https://portal.example";

fn variable(name: &str) -> String {
    let name = format!("TOURMALINE_TEST_S3_{name}");
    std::env::var(&name)
        .unwrap_or_else(|_| panic!("{name} must say where a real S3 is: see README.md"))
}

fn settings() -> Settings {
    Settings {
        endpoint: Some(variable("ENDPOINT")),
        bucket: Some(format!("tourmaline-test-{}", uuid::Uuid::new_v4())),
        prefix: "below/this".into(),
        region: variable("REGION"),
        access_key: Some(variable("ACCESS_KEY").into()),
        secret_key: Some(variable("SECRET_KEY").into()),
        ..Settings::default()
    }
}

/// Runs a test in a bucket of its own and removes it, also when it failed.
async fn in_a_bucket<F: Future<Output = ()>>(
    settings: Settings,
    sizes: Sizes,
    test: impl FnOnce(S3) -> F,
) {
    let s3 = S3::with_sizes(&settings, ORIGIN, sizes).unwrap();
    s3.prepare().await.unwrap();
    let ended = AssertUnwindSafe(test(s3.clone())).catch_unwind().await;
    let future = Timestamp::from_second(i64::from(u32::MAX)).unwrap();
    s3.abort_uploads(future).await.unwrap();
    while s3.remove_some("", 1000).await.unwrap() > 0 {}
    s3.quick()
        .delete_bucket()
        .bucket(s3.bucket())
        .send()
        .await
        .unwrap();
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

fn key(project: ProjectId, name: &str) -> Key {
    keys::project_file(project, &path(name))
}

/// A body of chunks of 300,000 bytes.
fn body(size: usize) -> impl futures::Stream<Item = io::Result<Bytes>> + Unpin {
    let chunks = (0..size.div_ceil(300_000)).map(move |n| {
        let length = 300_000.min(size - n * 300_000);
        Ok(Bytes::from(vec![u8::try_from(n % 251).unwrap(); length]))
    });
    stream::iter(chunks)
}

async fn uploads(s3: &S3) -> usize {
    let page = s3
        .quick()
        .list_multipart_uploads()
        .bucket(s3.bucket())
        .send()
        .await
        .unwrap();
    page.uploads().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_keeps_the_contract() {
    in_a_bucket(settings(), SIZES, |s3| {
        Box::pin(contract::contract(Storage::S3(s3)))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_come_in_parts_and_are_copied_in_parts() {
    let sizes = Sizes {
        part: 5 << 20,
        copy: 6 << 20,
    };
    in_a_bucket(settings(), sizes, |s3| async move {
        let storage = Storage::S3(s3.clone());
        let project = ProjectId::new();
        let (from, to) = (key(project, "[from] ü+.bin"), key(project, "a/to + ü"));
        // Three parts fly at once, so that a fourth waits for one of them; the last is short.
        for size in [5 << 20, (5 << 20) + 1, 23_000_000] {
            let info = storage.put(&from, body(size), None).await.unwrap();
            assert_eq!(info, storage.head(&from).await.unwrap());
            assert_eq!(info.size, size as u64);
            assert!(
                info.etag.contains('-'),
                "{} is of no upload in parts",
                info.etag
            );
        }
        assert_eq!(storage.copy(&from, &to).await.unwrap().size, 23_000_000);
        let sent: Vec<Bytes> = body(23_000_000).try_collect().await.unwrap();
        let sent = sent.concat();
        // Names that somebody could decode once more than they were encoded.
        let (odd, copied) = (key(project, "100% a%41"), key(project, "copied"));
        storage.copy(&to, &odd).await.unwrap();
        storage.copy(&odd, &copied).await.unwrap();
        for key in [&from, &to, &odd, &copied] {
            let got = storage.get(key, None).await.unwrap();
            let got: Vec<Bytes> = got.body.try_collect().await.unwrap();
            assert!(got.concat() == sent);
        }
        assert_eq!(uploads(&s3).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let sizes = Sizes {
        part: 5 << 20,
        ..SIZES
    };
    in_a_bucket(settings(), sizes, |s3| async move {
        let storage = Storage::S3(s3.clone());
        let place = key(ProjectId::new(), "x");
        let broken =
            body(12_000_000).chain(stream::iter([Err(io::ErrorKind::ConnectionReset.into())]));
        let error = storage.put(&place, broken, None).await;
        assert!(matches!(error, Err(Error::Body(_))), "{error:?}");
        let error = storage
            .put(&place, body(12_000_000), Some(11_999_999))
            .await;
        assert!(
            matches!(error, Err(Error::TooLarge { limit: 11_999_999 })),
            "{error:?}"
        );
        assert_eq!(uploads(&s3).await, 0);

        // Who sends goes away: the upload is under way when its future is dropped.
        let (reached, mut waits) = tokio::sync::mpsc::channel(1);
        let endless = body(12_000_000).chain(stream::once(async move {
            reached.send(()).await.unwrap();
            std::future::pending().await
        }));
        let mut put = Box::pin(storage.put(&place, Box::pin(endless), None));
        tokio::select! {
            _ = &mut put => panic!("it cannot end"),
            _ = waits.recv() => {}
        }
        assert_eq!(uploads(&s3).await, 1);
        drop(put);
        while uploads(&s3).await > 0 {
            tokio::task::yield_now().await;
        }
        assert!(!storage.exists(&place).await.unwrap());

        // What a killed portal leaves is taken away by age.
        let left = super::upload::Upload::begin(&s3, &s3.place(place.as_str()))
            .await
            .unwrap();
        std::mem::forget(left);
        assert_eq!(
            storage
                .tidy(Timestamp::from_second(0).unwrap())
                .await
                .unwrap(),
            0
        );
        let later = Timestamp::from_second(i64::from(u32::MAX)).unwrap();
        assert_eq!(storage.tidy(later).await.unwrap(), 1);
        assert_eq!(uploads(&s3).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_store_that_refuses_or_is_away_is_named() {
    let right = settings();
    let wrong = Settings {
        secret_key: Some("wrong".into()),
        ..right.clone()
    };
    let storage = Storage::S3(S3::new(&wrong, ORIGIN).unwrap());
    let error = storage.prepare().await.unwrap_err();
    assert!(
        matches!(&error, super::super::NotReady::Refused(why) if why.starts_with("storage.access_key")),
        "{error:?}"
    );

    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let away = Settings {
        endpoint: Some(format!("http://{nobody}")),
        ..right
    };
    let storage = Storage::S3(S3::new(&away, ORIGIN).unwrap());
    let place = key(ProjectId::new(), "x");
    for error in [
        storage.head(&place).await.map(drop),
        storage.get(&place, None).await.map(drop),
        storage.put(&place, body(1), None).await.map(drop),
        storage.delete(&place).await,
        storage.ping().await,
    ] {
        assert!(
            matches!(&error, Err(Error::Unavailable(why)) if why.contains(&nobody.to_string())),
            "{error:?}"
        );
    }
    assert!(matches!(
        storage.prepare().await,
        Err(super::super::NotReady::Down(_))
    ));
}

/// Asks the store's IAM, as the portal's user.
async fn iam(settings: &Settings, parameters: &[(&str, &str)]) {
    use aws_sigv4::{
        http_request::{SignableBody, SignableRequest, SigningSettings, sign},
        sign::v4::SigningParams,
    };
    let body: Vec<String> = [&[("Version", "2010-05-08")], parameters]
        .concat()
        .iter()
        .map(|(name, value)| {
            let value =
                percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            format!("{name}={value}")
        })
        .collect();
    let (body, url) = (
        body.join("&"),
        format!("{}/", settings.endpoint.clone().unwrap()),
    );
    let (access, secret) = settings.keys().unwrap();
    let keys = Credentials::new(
        access.expose_secret(),
        secret.expose_secret(),
        None,
        None,
        "test",
    )
    .into();
    #[expect(
        clippy::disallowed_methods,
        reason = "the store looks at the real time"
    )]
    let now = std::time::SystemTime::now();
    let parameters = SigningParams::builder()
        .identity(&keys)
        .region(&settings.region)
        .name("iam")
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let signed = SignableRequest::new(
        "POST",
        &url,
        [kind].into_iter(),
        SignableBody::Bytes(body.as_bytes()),
    );
    let (signature, _) = sign(signed.unwrap(), &parameters).unwrap().into_parts();
    let mut request = reqwest::Client::new().post(&url).header(kind.0, kind.1);
    for (name, value) in signature.headers() {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await.unwrap();
    let status = answer.status();
    assert!(
        status.is_success(),
        "{status}: {}",
        answer.text().await.unwrap()
    );
}

/// A role for jobs that may do everything in the bucket, as `docs/storage.md` has it made. Its ARN.
async fn make_role(settings: &Settings, name: &str) -> String {
    // The owner of the keys is told by who lists buckets; any user of the store may be named here, as this one alone asks.
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},"Action":["sts:AssumeRole"]}]}"#;
    let bucket = settings.bucket.as_deref().unwrap();
    let may = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"]}}]}}"#
    );
    iam(
        settings,
        &[
            ("Action", "CreateRole"),
            ("RoleName", name),
            ("MaxSessionDuration", "43200"),
            ("AssumeRolePolicyDocument", trust),
        ],
    )
    .await;
    iam(
        settings,
        &[
            ("Action", "PutRolePolicy"),
            ("RoleName", name),
            ("PolicyName", "bucket"),
            ("PolicyDocument", &may),
        ],
    )
    .await;
    format!("arn:aws:iam:::role/{name}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::too_many_lines, reason = "one story")]
async fn a_job_reaches_its_own_project_and_nothing_else() {
    let role = format!("tourmaline-test-{}", uuid::Uuid::new_v4());
    let mut settings = settings();
    settings.job_role = Some(make_role(&settings, &role).await);
    in_a_bucket(settings.clone(), SIZES, |s3| async move {
        let (project, other, job) = (ProjectId::new(), ProjectId::new(), JobId::new());
        let storage = Storage::S3(s3.clone());
        let own = keys::job_code_copy(project, job, Some(1)).file(&path("main.py"));
        let not_its_own = [
            key(other, "secret"),
            keys::job_code_copy(project, JobId::new(), Some(1)).file(&path("main.py")),
            keys::log_archive(project, job, 1, &crate::domain::names::StreamName::driver()),
        ];
        for key in not_its_own.iter().chain([&own, &key(project, "input")]) {
            storage
                .put_bytes(key, Bytes::from_static(b"x"))
                .await
                .unwrap();
        }
        let session = JobSession {
            project,
            job,
            attempt: 1,
            longest_run: Duration::from_secs(7200),
        };
        let before = crate::domain::clock::Clock::system().now();
        let made = storage.job_credentials(&session).await.unwrap().unwrap();
        let lasts = made.expires.duration_since(before).as_secs();
        assert!((10_740..=10_860).contains(&lasts), "{lasts}");

        let [(_, access), (_, secret), (_, token)] = made.env();
        let as_job = Settings {
            access_key: Some(access.clone()),
            secret_key: Some(secret.clone()),
            ..s3.settings().clone()
        };
        let as_job = job_client(&as_job, token);
        let (bucket, own) = (s3.bucket(), s3.place(own.as_str()));
        let get = async |place: &str| {
            as_job
                .get_object()
                .bucket(bucket)
                .key(place)
                .send()
                .await
                .map(drop)
                .map_err(|e| said(&e))
        };
        let put = async |place: &str| {
            as_job
                .put_object()
                .bucket(bucket)
                .key(place)
                .send()
                .await
                .map(drop)
                .map_err(|e| said(&e))
        };
        let delete = async |place: &str| {
            as_job
                .delete_object()
                .bucket(bucket)
                .key(place)
                .send()
                .await
                .map(drop)
                .map_err(|e| said(&e))
        };
        let list = async |place: &str| {
            as_job
                .list_objects_v2()
                .bucket(bucket)
                .prefix(place)
                .send()
                .await
                .map(drop)
                .map_err(|e| said(&e))
        };
        let copy = async |from: &str, to: &str| {
            let from = format!("{bucket}/{from}");
            as_job
                .copy_object()
                .copy_source(from)
                .bucket(bucket)
                .key(to)
                .send()
                .await
                .map(drop)
                .map_err(|e| said(&e))
        };
        let at = |name: &str| s3.place(key(project, name).as_str());

        // Its own files and code. A folder that is not there is missing, not refused: S3A asks that way.
        assert_eq!(get(&own).await, Ok(()));
        assert_eq!(get(&at("input")).await, Ok(()));
        assert_eq!(get(&at("not there")).await, Err(Said::Missing));
        let files = s3.place(keys::files_prefix(project, None).as_str());
        assert_eq!(list(&files).await, Ok(()));
        assert_eq!(put(&at("jobs/a/1/part-0")).await, Ok(()));
        assert_eq!(copy(&at("input"), &at("jobs/a/1/copy")).await, Ok(()));
        assert_eq!(put(&at("jobs/a/1/_temporary/0")).await, Ok(()));
        assert_eq!(delete(&at("jobs/a/1/_temporary/0")).await, Ok(()));
        let upload = as_job
            .create_multipart_upload()
            .bucket(bucket)
            .key(at("jobs/a/1/parts"))
            .send()
            .await
            .unwrap();
        let part = as_job
            .upload_part()
            .bucket(bucket)
            .key(at("jobs/a/1/parts"))
            .upload_id(upload.upload_id().unwrap());
        let part = part
            .part_number(1)
            .body(Bytes::from(vec![7; 6 << 20]).into())
            .send()
            .await
            .unwrap();
        let parts = aws_sdk_s3::types::CompletedMultipartUpload::builder()
            .parts(super::upload::completed(1, part.e_tag()))
            .build();
        let whole = as_job
            .complete_multipart_upload()
            .bucket(bucket)
            .key(at("jobs/a/1/parts"));
        whole
            .upload_id(upload.upload_id().unwrap())
            .multipart_upload(parts)
            .send()
            .await
            .unwrap();

        // Nothing else.
        assert_eq!(put(&own).await, Err(Said::Refused));
        assert_eq!(delete(&own).await, Err(Said::Refused));
        for not_its_own in &not_its_own {
            let place = s3.place(not_its_own.as_str());
            assert_eq!(get(&place).await, Err(Said::Refused), "{place}");
            assert_eq!(put(&place).await, Err(Said::Refused), "{place}");
            assert_eq!(delete(&place).await, Err(Said::Refused), "{place}");
            assert_eq!(
                copy(&place, &at("stolen")).await,
                Err(Said::Refused),
                "{place}"
            );
            assert_eq!(
                copy(&at("input"), &place).await,
                Err(Said::Refused),
                "{place}"
            );
        }
        for place in [
            "",
            "below/this/projects/",
            &s3.place(keys::project_prefix(other).as_str()),
        ] {
            assert_eq!(list(place).await, Err(Said::Refused), "{place}");
        }
        assert!(
            as_job
                .list_objects_v2()
                .bucket(bucket)
                .send()
                .await
                .is_err()
        );

        // What it wrote is the portal's: read, copied, deleted.
        for name in ["jobs/a/1/part-0", "jobs/a/1/copy", "jobs/a/1/parts"] {
            let (written, copied) = (key(project, name), key(other, name));
            storage.read(&written, 0, 9).await.unwrap();
            storage.copy(&written, &copied).await.unwrap();
            storage.delete(&written).await.unwrap();
            assert!(!storage.exists(&written).await.unwrap());
        }

        let too_long = JobSession {
            longest_run: Duration::from_secs(43_200),
            ..session
        };
        let error = storage
            .job_credentials(&too_long)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("storage.longest_session_seconds"), "{error}");
        let no_such_role = Settings {
            job_role: Some("arn:aws:iam:::role/nobody".into()),
            ..s3.settings().clone()
        };
        let error = Storage::S3(S3::new(&no_such_role, ORIGIN).unwrap())
            .job_credentials(&session)
            .await;
        assert!(
            matches!(error, Err(Error::Unavailable(_) | Error::NotFound)),
            "{error:?}"
        );
    })
    .await;
    iam(
        &settings,
        &[
            ("Action", "DeleteRolePolicy"),
            ("RoleName", &role),
            ("PolicyName", "bucket"),
        ],
    )
    .await;
    iam(&settings, &[("Action", "DeleteRole"), ("RoleName", &role)]).await;
}

/// As a job of the session sees the store.
fn job_client(settings: &Settings, token: &SecretString) -> aws_sdk_s3::Client {
    let (access, secret) = settings.keys().unwrap();
    let config = S3::new(settings, ORIGIN)
        .unwrap()
        .bulk()
        .config()
        .to_builder();
    let token = Some(token.expose_secret().to_owned());
    let keys = Credentials::new(
        access.expose_secret(),
        secret.expose_secret(),
        token,
        None,
        "job",
    );
    aws_sdk_s3::Client::from_conf(config.credentials_provider(keys).build())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_downloads_straight_from_the_store() {
    let settings = Settings {
        browser_endpoint: Some(variable("ENDPOINT")),
        ..settings()
    };
    in_a_bucket(settings, SIZES, |s3| async move {
        let storage = Storage::S3(s3.clone());
        let place = key(ProjectId::new(), "100% [ü].csv");
        storage
            .put_bytes(&place, Bytes::from_static(b"1,2\n"))
            .await
            .unwrap();
        let shown = "attachment; filename=\"x.csv\"; filename*=UTF-8''%C3%BC.csv";
        let address = storage
            .download_address(&place, shown, "application/octet-stream")
            .await;
        let address = address.unwrap().unwrap();
        let browser = reqwest::Client::new();
        let answer = browser.get(&address).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-disposition"], shown);
        assert_eq!(answer.headers()["content-type"], "application/octet-stream");
        assert_eq!(answer.bytes().await.unwrap(), "1,2\n");
        // It is for this object alone, and not to be written.
        let another = address.replace(".csv?", ".cst?");
        assert_ne!(another, address);
        assert_eq!(browser.get(another).send().await.unwrap().status(), 403);
        assert_eq!(
            browser
                .put(&address)
                .body("x")
                .send()
                .await
                .unwrap()
                .status(),
            403
        );

        // The portal's pages may talk to the store, nobody else's; rules of the operator stay.
        let asked = async |origin: &str| {
            let asked = browser
                .request(reqwest::Method::OPTIONS, &address)
                .header("origin", origin);
            let answer = asked
                .header("access-control-request-method", "PUT")
                .send()
                .await
                .unwrap();
            answer.headers().get("access-control-allow-origin").cloned()
        };
        assert_eq!(asked(ORIGIN).await.unwrap(), ORIGIN);
        assert_eq!(asked("https://evil.example").await, None);
        let mut rules = s3
            .quick()
            .get_bucket_cors()
            .bucket(s3.bucket())
            .send()
            .await
            .unwrap()
            .cors_rules
            .unwrap();
        assert_eq!(rules.len(), 1);
        rules[0].id = Some("the operator's".into());
        rules[0].allowed_origins = vec!["https://other.example".into()];
        let all = aws_sdk_s3::types::CorsConfiguration::builder()
            .set_cors_rules(Some(rules))
            .build()
            .unwrap();
        s3.quick()
            .put_bucket_cors()
            .bucket(s3.bucket())
            .cors_configuration(all)
            .send()
            .await
            .unwrap();
        for _ in 0..2 {
            s3.prepare().await.unwrap();
            for origin in [ORIGIN, "https://other.example"] {
                assert_eq!(asked(origin).await.unwrap(), origin);
            }
        }
        let rules = s3
            .quick()
            .get_bucket_cors()
            .bucket(s3.bucket())
            .send()
            .await
            .unwrap()
            .cors_rules
            .unwrap();
        assert_eq!(rules.len(), 2);
    })
    .await;
}
