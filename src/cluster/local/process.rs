//! Processes of this machine, by an identity that a reused pid cannot forge: pid, start time and boot. Nothing here signals a
//! process that was not verified at that moment.
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One process, for all time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: i32,
    /// When it started, as the kernel counts.
    pub start: String,
    /// Which boot of the machine that was in.
    pub boot: String,
}

/// A process as it is now.
#[derive(Debug, Clone)]
pub struct Process {
    pub identity: Identity,
    pub parent: i32,
    pub group: i32,
    pub session: i32,
}

/// What processes of one attempt bear in their environment.
#[derive(Debug, Clone)]
pub struct Mark {
    pub object: String,
    /// Random, made when the run folder was claimed.
    pub run: String,
}

pub const MARK_OBJECT: &str = "TOURMALINE_ATTEMPT";
pub const MARK_RUN: &str = "TOURMALINE_RUN";

impl Identity {
    /// The living process of this pid.
    pub fn of(pid: i32) -> Option<Self> {
        system::process(pid).map(|process| process.identity)
    }

    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Whether the machine was restarted since.
    pub fn is_of_another_boot(&self) -> bool {
        system::boot().is_some_and(|boot| boot != self.boot)
    }

    /// Sends a signal, if it is still alive.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            system::signal(pid, signal, || self.is_alive());
        }
    }
}

/// The living processes of an attempt, seen from outside: those that bear its mark, and all in the session `session` when a
/// marked member proves it ours, as a session's id is not given anew while it has one.
pub fn of_attempt(mark: &Mark, session: i32) -> Vec<Process> {
    let mut all = system::all();
    let marked = marked(&all, mark);
    let is_ours = |process: &Process| process.session == session;
    let ours = all
        .iter()
        .any(|process| marked.contains(&process.identity.pid) && is_ours(process));
    all.retain(|process| {
        let pid = process.identity.pid;
        (marked.contains(&pid) || (ours && is_ours(process))) && pid != own()
    });
    all
}

/// The same, seen by the supervisor, who leads the session and to whom everybody falls that has lost its parent: its
/// descendants too, whatever they made of their environment and session.
pub fn of_own_attempt(mark: &Mark, session: i32) -> Vec<Process> {
    let mut all = system::all();
    let marked = marked(&all, mark);
    let mut family = BTreeSet::from([own()]);
    loop {
        let before = family.len();
        for process in &all {
            if family.contains(&process.parent) {
                family.insert(process.identity.pid);
            }
        }
        if family.len() == before {
            break;
        }
    }
    all.retain(|process| {
        let pid = process.identity.pid;
        let is_ours = marked.contains(&pid) || family.contains(&pid) || process.session == session;
        is_ours && pid != own()
    });
    all
}

/// Our children that ended, those that others left to us too.
pub fn ended_children() -> Vec<Pid> {
    system::ended_children(own())
}

fn marked(all: &[Process], mark: &Mark) -> BTreeSet<i32> {
    let bearers = all.iter().filter(|process| system::bears(process, mark));
    bearers.map(|process| process.identity.pid).collect()
}

fn own() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Identity, MARK_OBJECT, MARK_RUN, Mark, Process};
    use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
    use std::fs;

    pub fn boot() -> Option<String> {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned())
    }

    pub fn process(pid: i32) -> Option<Process> {
        read(pid, boot()?)
    }

    pub fn all() -> Vec<Process> {
        let Some(boot) = boot() else {
            return Vec::new();
        };
        pids().filter_map(|pid| read(pid, boot.clone())).collect()
    }

    /// `None` also for a zombie: it runs nothing any more, and nobody may be there to reap it.
    fn read(pid: i32, boot: String) -> Option<Process> {
        read_any(pid, boot)
            .filter(|(_, ended)| !ended)
            .map(|(process, _)| process)
    }

    /// A process, and whether it has ended.
    fn read_any(pid: i32, boot: String) -> Option<(Process, bool)> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        // The command's name, in parentheses, may itself have spaces and parentheses.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let process = Process {
            identity: Identity {
                pid,
                start: (*fields.get(19)?).to_owned(),
                boot,
            },
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
        };
        Some((process, matches!(*fields.first()?, "Z" | "X")))
    }

    pub fn ended_children(parent: i32) -> Vec<Pid> {
        pids()
            .filter_map(|pid| read_any(pid, String::new()))
            .filter(|(process, ended)| *ended && process.parent == parent)
            .filter_map(|(process, _)| Pid::from_raw(process.identity.pid))
            .collect()
    }

    fn pids() -> impl Iterator<Item = i32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    }

    pub fn bears(process: &Process, mark: &Mark) -> bool {
        let Ok(environment) = fs::read(format!("/proc/{}/environ", process.identity.pid)) else {
            return false;
        };
        [(MARK_OBJECT, &mark.object), (MARK_RUN, &mark.run)]
            .iter()
            .all(|(name, value)| {
                let wanted = format!("{name}={value}");
                environment
                    .split(|byte| *byte == 0)
                    .any(|entry| entry == wanted.as_bytes())
            })
    }

    /// The file descriptor pins the process, so that what was verified is what gets the signal.
    pub fn signal(pid: Pid, signal: Signal, verified: impl Fn() -> bool) {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => {
                if verified() {
                    let _ = pidfd_send_signal(descriptor, signal);
                }
            }
            // Before Linux 5.3.
            Err(rustix::io::Errno::NOSYS) if verified() => {
                let _ = kill_process(pid, signal);
            }
            Err(_) => {}
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Identity, MARK_OBJECT, MARK_RUN, Mark, Process};
    use rustix::process::{Pid, Signal, getsid, kill_process};
    use std::process::Command;

    fn output(program: &str, arguments: &[&str]) -> Option<String> {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub fn boot() -> Option<String> {
        let text = output("sysctl", &["-n", "kern.boottime"])?;
        // `{ sec = 1700000000, usec = 0 } …`: the microseconds change with the clock's corrections.
        let seconds = text.split("sec = ").nth(1)?.split(',').next()?;
        Some(seconds.trim().to_owned())
    }

    pub fn process(pid: i32) -> Option<Process> {
        list(&["-p", &pid.to_string()]).pop()
    }

    pub fn all() -> Vec<Process> {
        list(&["-A"])
    }

    fn list(which: &[&str]) -> Vec<Process> {
        let arguments = [which, &["-o", "pid=,ppid=,pgid=,stat=,lstart="]].concat();
        let (Some(boot), Some(text)) = (boot(), output("ps", &arguments)) else {
            return Vec::new();
        };
        text.lines().filter_map(|line| read(line, &boot)).collect()
    }

    fn read(line: &str, boot: &str) -> Option<Process> {
        let mut words = line.split_whitespace();
        let pid: i32 = words.next()?.parse().ok()?;
        let parent = words.next()?.parse().ok()?;
        let group = words.next()?.parse().ok()?;
        if words.next()?.starts_with('Z') {
            return None;
        }
        Some(Process {
            identity: Identity {
                pid,
                start: words.collect::<Vec<_>>().join(" "),
                boot: boot.to_owned(),
            },
            parent,
            group,
            session: getsid(Pid::from_raw(pid)).map_or(-1, |id| id.as_raw_nonzero().get()),
        })
    }

    /// There is no subreaper here: nobody's child becomes ours.
    pub fn ended_children(_: i32) -> Vec<Pid> {
        Vec::new()
    }

    pub fn bears(process: &Process, mark: &Mark) -> bool {
        let pid = process.identity.pid.to_string();
        let Some(text) = output("ps", &["-E", "-ww", "-o", "command=", "-p", &pid]) else {
            return false;
        };
        [(MARK_OBJECT, &mark.object), (MARK_RUN, &mark.run)]
            .iter()
            .all(|(name, value)| {
                let wanted = format!("{name}={value}");
                text.split_whitespace().any(|word| word == wanted)
            })
    }

    pub fn signal(pid: Pid, signal: Signal, verified: impl Fn() -> bool) {
        if verified() {
            let _ = kill_process(pid, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;

    #[test]
    fn a_reused_pid_is_somebody_else() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let real = Identity::of(pid).unwrap();
        for other in [
            Identity {
                start: "1".into(),
                ..real.clone()
            },
            Identity {
                boot: "another".into(),
                ..real.clone()
            },
        ] {
            assert!(!other.is_alive());
            other.signal(Signal::KILL);
            assert!(child.try_wait().unwrap().is_none(), "{other:?}");
        }
        real.signal(Signal::KILL);
        child.wait().unwrap();
        assert!(!real.is_alive());
    }

    #[test]
    fn an_attempt_is_known_by_both_its_marks() {
        let mark = |run: &str| Mark {
            object: "marked".into(),
            run: run.into(),
        };
        let mut child = Command::new("sleep")
            .arg("100")
            .envs([(MARK_OBJECT, "marked"), (MARK_RUN, "one")])
            .spawn()
            .unwrap();
        // Until it has executed its program the child still shows our own environment.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let found = loop {
            let found = of_attempt(&mark("one"), -1);
            if !found.is_empty() || std::time::Instant::now() > deadline {
                break found;
            }
        };
        assert_eq!(found.len(), 1);
        assert_eq!(u32::try_from(found[0].identity.pid).unwrap(), child.id());
        assert!(of_attempt(&mark("two"), -1).is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
