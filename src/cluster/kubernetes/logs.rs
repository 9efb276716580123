//! Logs of containers by position. A node keeps the end of a log only and knows no offsets, so a position is told by times:
//! each line comes with its own, to the nanosecond, and the log is asked for from a whole second on. What was read of it already
//! is counted off, or, where the node has begun a new file since, told by its time.
use super::Kubernetes;
use crate::{
    cluster::{Error, LogPiece, LogPosition, Object},
    domain::names::StreamName,
};
use anyhow::Context;
use bytes::Bytes;
use futures::AsyncReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, api::LogParams};

mod lines;

use lines::{Cursor, Lines};

/// An executor's number, by its pod.
pub fn executor(pod: &Pod) -> Option<u32> {
    pod.labels().get(super::LABEL_EXECUTOR)?.parse().ok()
}

pub fn stream_of(executor: u32) -> Option<StreamName> {
    StreamName::parse(&format!("executor-{executor}")).ok()
}

/// A container that is gone says nothing more.
pub fn nothing_more(from: &LogPosition) -> LogPiece {
    LogPiece {
        bytes: Bytes::new(),
        cursor: from.cursor.clone(),
        end: true,
    }
}

/// Spark's own container; what stands beside it is not a job's log.
fn container(pod: &Pod) -> Option<&str> {
    const OWN: [&str; 3] = [
        "spark-kubernetes-driver",
        "spark-kubernetes-executor",
        "executor",
    ];
    let all = &pod.spec.as_ref()?.containers;
    let own = all.iter().find(|one| OWN.contains(&one.name.as_str()));
    Some(own.or(all.first())?.name.as_str())
}

/// Whether the container will never print again.
fn is_over(pod: &Pod, container: &str) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return true;
    }
    let mut all = status.container_statuses.iter().flatten();
    all.find(|one| one.name == container)
        .and_then(|one| one.state.as_ref())
        .is_some_and(|state| state.terminated.is_some())
}

impl Kubernetes {
    /// Of a pod as it was seen before: whatever is printed after that is not called the end.
    pub(super) async fn read_pod(
        &self,
        object: &Object,
        pod: &Pod,
        from: &LogPosition,
        max: usize,
    ) -> Result<LogPiece, Error> {
        let Some(container) = container(pod) else {
            return Ok(nothing_more(from));
        };
        let over = is_over(pod, container);
        let cursor = Cursor::parse(from.cursor.as_deref());
        let parameters = LogParams {
            container: Some(container.to_owned()),
            timestamps: true,
            since_time: cursor.as_ref().and_then(Cursor::since),
            ..LogParams::default()
        };
        let mut lines = Lines::new(cursor, from.offset, max);
        let pods = self.pods(&object.namespace).await?;
        let name = pod.name_any();
        let read = async {
            let mut log = match pods.log_stream(&name, &parameters).await {
                Ok(log) => log,
                Err(error) => return Ok(Err(error)),
            };
            let mut some = vec![0; 16 << 10];
            while !lines.is_full() {
                let read = log.read(&mut some).await?;
                if read == 0 {
                    break;
                }
                lines.take(&some[..read]);
            }
            Ok::<_, std::io::Error>(Ok(()))
        };
        match self.within(read).await?.context("reading a pod's log") {
            Ok(Ok(())) => {}
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => {
                return Ok(nothing_more(from));
            }
            // It has not begun to print, or never did.
            Ok(Err(kube::Error::Api(status))) if status.code == 400 => {
                return Ok(LogPiece {
                    end: over,
                    ..nothing_more(from)
                });
            }
            Ok(Err(error)) => return Err(self.failed(error)),
            Err(error) => {
                let why = format!("{}: the log of {object} broke off ({error:#})", self.0.name);
                return Err(Error::Unavailable(why));
            }
        }
        let full = lines.is_full();
        let (bytes, cursor) = lines.done();
        Ok(LogPiece {
            bytes,
            cursor,
            end: over && !full,
        })
    }
}
