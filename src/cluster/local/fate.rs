//! What became of an attempt, read from its run folder alone.
use super::{Local, command::Spec, process, run_folder::RunFolder, supervisor};
use crate::{
    cluster::DriverState,
    domain::{job::Exit, names::ObjectName},
};
use rustix::process::Signal;
use std::{
    io,
    sync::PoisonError,
    time::{Duration, Instant},
};

/// How long one observation waits for killed processes to go.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

impl Local {
    pub(super) fn state(&self, folder: &RunFolder, object: &ObjectName) -> io::Result<DriverState> {
        if let Some(end) = folder.end()? {
            return Ok(DriverState::Gone(end.exit));
        }
        if !folder.is_claimed() {
            return Ok(DriverState::Absent);
        }
        if !folder.is_held()? {
            // It may have ended, and so let go, just now.
            return match folder.end()? {
                Some(end) => Ok(DriverState::Gone(end.exit)),
                None => self.clear_up(folder, object),
            };
        }
        Ok(match folder.driver()? {
            Some(driver) => DriverState::Running {
                since: driver.since,
            },
            None => DriverState::Starting { reason: None },
        })
    }

    /// After a supervisor that died without a word: kills what it left, and only then writes the end.
    fn clear_up(&self, folder: &RunFolder, object: &ObjectName) -> io::Result<DriverState> {
        let _one = self
            .0
            .clearing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(end) = folder.end()? {
            return Ok(DriverState::Gone(end.exit));
        }
        // Unreadable is as good as absent: it is written whole, before anything is started.
        let supervisor = folder.supervisor().unwrap_or_default();
        let driver = folder.driver().unwrap_or_default();
        let rebooted = supervisor
            .as_ref()
            .is_some_and(|supervisor| supervisor.identity.is_of_another_boot());
        if let Some(supervisor) = &supervisor
            && !rebooted
        {
            let mark = supervisor.mark(object.as_str());
            let deadline = Instant::now() + KILL_PATIENCE;
            loop {
                let mut left = process::of_attempt(&mark, supervisor.session);
                left.retain(|process| process.identity != supervisor.identity);
                if left.is_empty() {
                    break;
                }
                for process in &left {
                    process.identity.signal(Signal::KILL);
                }
                if Instant::now() > deadline {
                    let since = driver.map_or_else(|| self.0.clock.now(), |driver| driver.since);
                    return Ok(DriverState::Running { since });
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let exit = if folder.is_stop_wished() {
            Exit::Cancelled
        } else {
            Exit::Vanished {
                why: match (&supervisor, rebooted) {
                    (_, true) => "the machine was restarted while it ran",
                    (None, _) => "its runner ended before it started anything",
                    (Some(_), false) => "its runner was killed; what was left of the job was ended",
                }
                .into(),
            }
        };
        if let Ok(Some(spec)) = folder.spec::<Spec>() {
            supervisor::tidy(folder, &spec);
        }
        folder.write_end(exit.clone(), self.0.clock.now())?;
        Ok(DriverState::Gone(exit))
    }
}
