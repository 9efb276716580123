//! What an answer of the API server means for whoever asked, and in words.
use crate::{cluster::Error, domain::names::ClusterName};
use kube::core::Status;

/// An answer that says no to the object itself is `Refused`; everything else may be otherwise later.
pub fn meaning(cluster: &ClusterName, error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => of_status(cluster, &status),
        kube::Error::SerdeError(error) => Error::Internal(
            anyhow::Error::new(error)
                .context(format!("{cluster} sent something that cannot be read")),
        ),
        error => Error::Unavailable(format!("{cluster} cannot be reached ({})", chain(&error))),
    }
}

/// An error with what caused it; many say nothing by themselves.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !said.last().is_some_and(|last| last.contains(&text)) {
            said.push(text);
        }
        next = error.source();
    }
    said.join(": ").chars().take(500).collect()
}

fn of_status(cluster: &ClusterName, status: &Status) -> Error {
    let message = &status.message;
    if let Some(why) = denied(message) {
        return Error::Refused(why.to_owned());
    }
    match status.code {
        400 | 422 => Error::Refused(by_field(status)),
        401 => Error::Unavailable(format!(
            "{cluster} does not know the portal's credentials ({message})"
        )),
        403 if message.contains("exceeded quota") => {
            Error::Unavailable(format!("the quota of {cluster} is used up ({message})"))
        }
        403 => Error::Unavailable(format!(
            "{cluster} does not let the portal do this: {message}"
        )),
        _ if message.contains("failed calling webhook") => Error::Unavailable(format!(
            "the Spark Operator's webhook on {cluster} does not answer ({message})"
        )),
        _ => Error::Unavailable(format!("{cluster} says: {message}")),
    }
}

/// What is wrong by the fields that a job has, where the cluster names those of the object.
fn by_field(status: &Status) -> String {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let told: Vec<String> = causes
        .filter(|cause| !cause.message.is_empty())
        .map(|cause| match field(&cause.field) {
            Some(field) => format!("{field}: {}", cause.message),
            None => format!("{}: {}", cause.field, cause.message),
        })
        .take(20)
        .collect();
    if told.is_empty() {
        return status.message.clone();
    }
    told.join("; ")
}

/// The field of a job from which a field of the object was made.
fn field(of_object: &str) -> Option<&'static str> {
    const FIELDS: &[(&str, &str)] = &[
        ("spec.arguments", "/arguments"),
        ("spec.deps.jars", "/jars"),
        ("spec.deps.packages", "/packages"),
        ("spec.deps.pyFiles", "/py_files"),
        ("spec.driver.cores", "/driver/cores"),
        ("spec.driver.env", "/env"),
        ("spec.driver.memory", "/driver/memory"),
        ("spec.driver.memoryOverhead", "/driver/memory_overhead"),
        ("spec.dynamicAllocation", "/dynamic_allocation"),
        ("spec.executor.cores", "/executor/cores"),
        ("spec.executor.env", "/env"),
        ("spec.executor.instances", "/executor/instances"),
        ("spec.executor.memory", "/executor/memory"),
        ("spec.executor.memoryOverhead", "/executor/memory_overhead"),
        ("spec.image", "/image"),
        ("spec.mainApplicationFile", "/main_file"),
        ("spec.mainClass", "/main_class"),
        ("spec.sparkConf", "/spark_conf"),
        ("spec.sparkVersion", "/spark_version"),
        ("spec.type", "/type"),
        ("metadata.labels", "/labels"),
    ];
    let is_within = |whole: &str| {
        of_object
            .strip_prefix(whole)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    FIELDS
        .iter()
        .find(|(object, _)| is_within(object))
        .map(|(_, job)| *job)
}

/// What an admission webhook said against it.
fn denied(message: &str) -> Option<&str> {
    const DENIED: &str = "denied the request: ";
    let at = message.find("admission webhook")?;
    let (_, why) = message[at..].split_once(DENIED)?;
    Some(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: u16, message: &str) -> (bool, String) {
        let status = Status {
            code,
            message: message.into(),
            ..Status::default()
        };
        let name = ClusterName::parse("north").expect("name");
        match meaning(&name, kube::Error::Api(Box::new(status))) {
            Error::Refused(why) => (true, why),
            error => (false, error.to_string()),
        }
    }

    #[test]
    fn fields_of_the_object_are_told_as_those_of_the_job() {
        for (object, job) in [
            (
                "spec.driver.memoryOverhead",
                Some("/driver/memory_overhead"),
            ),
            ("spec.driver.memory", Some("/driver/memory")),
            ("spec.driver.env[2].name", Some("/env")),
            ("metadata.labels", Some("/labels")),
            ("spec.driverless", None),
        ] {
            assert_eq!(field(object), job, "{object}");
        }
    }

    #[test]
    fn only_what_is_said_of_the_object_is_a_refusal() {
        assert_eq!(
            told(
                403,
                "admission webhook \"validate-x\" denied the request: no such conf"
            ),
            (true, "no such conf".into())
        );
        assert!(told(422, "spec.type: Unsupported value").0);
        for (code, message) in [
            (401, "Unauthorized"),
            (403, "pods is forbidden: User cannot list"),
            (403, "exceeded quota: jobs"),
            (404, "the server could not find the requested resource"),
            (429, "too many requests"),
            (500, "failed calling webhook \"mutate-x\": timeout"),
            (503, "shutting down"),
        ] {
            let (refused, why) = told(code, message);
            assert!(!refused && why.contains("north"), "{code} {why}");
        }
    }
}
