//! What this machine has.
use crate::domain::job::Resources;

/// All cores and bytes; 0 bytes when that cannot be found out.
pub fn resources() -> Resources {
    Resources {
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
        memory: memory().unwrap_or_default(),
    }
}

/// A container's limit counts when it is less than the machine.
#[cfg(target_os = "linux")]
fn memory() -> Option<u64> {
    let table = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = table
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10;
    let limit = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .find_map(|file| {
        std::fs::read_to_string(file)
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    });
    Some(limit.map_or(machine, |limit| limit.min(machine)))
}

#[cfg(not(target_os = "linux"))]
fn memory() -> Option<u64> {
    let output = std::process::Command::new("sysctl")
        .args(["-n", "hw.memsize"])
        .output()
        .ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}
