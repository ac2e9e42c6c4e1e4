//! What a process has used, as `/proc` tells.

use anyhow::Context as _;

/// The unit of processor time in `/proc`: a hundredth of a second on every Linux.
const TICKS_PER_S: f64 = 100.0;

/// What a process, with the children that it has waited for, has used.
#[derive(Clone, Copy, Default)]
pub(super) struct Usage {
    /// Processor time in seconds.
    pub(super) cpu_s: f64,
    /// Memory in use, in bytes.
    pub(super) memory_bytes: u64,
    /// The most memory that was ever in use, in bytes.
    pub(super) peak_bytes: u64,
}

impl Usage {
    /// Of the process with this ID.
    pub(super) fn of(process: u32) -> anyhow::Result<Self> {
        let read = |file: &str| {
            let file = format!("/proc/{process}/{file}");
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))
        };
        let status = read("status")?;
        let (memory_bytes, peak_bytes) = (kib(&status, "VmRSS:"), kib(&status, "VmHWM:"));
        let ticks = ticks(&read("stat")?, 11..15).context("/proc/PID/stat is not as expected")?;
        Ok(Self { cpu_s: ticks as f64 / TICKS_PER_S, memory_bytes, peak_bytes })
    }

    /// Processor time of the commands that this process has run to their ends, in seconds.
    pub(super) fn of_commands_s() -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string("/proc/self/stat").context("cannot read /proc")?;
        let ticks = ticks(&stat, 13..15).context("/proc/self/stat is not as expected")?;
        Ok(ticks as f64 / TICKS_PER_S)
    }
}

/// The sum of some of the numbers behind a process's name, which may have spaces in it.
fn ticks(stat: &str, columns: std::ops::Range<usize>) -> Option<u64> {
    let (_, numbers) = stat.rsplit_once(')')?;
    let wanted = numbers.split_whitespace().skip(columns.start).take(columns.len());
    wanted.map(|number| number.parse::<u64>().ok()).sum()
}

fn kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::{kib, ticks};

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0";
        assert_eq!(ticks(stat, 11..15), Some(127));
        assert_eq!(ticks(stat, 13..15), Some(7));
        assert_eq!(kib("VmPeak:\t9 kB\nVmHWM:\t  12 kB\n", "VmHWM:"), 12 * 1024);
    }
}
