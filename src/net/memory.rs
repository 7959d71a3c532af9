//! The memory that this process may use.
//!
//! What cannot be found out limits nothing.

use rustix::process::{Resource, getrlimit};
use std::fs;

/// The memory of the machine.
const MACHINE: &str = "/proc/meminfo";
/// The control group of this process, in each hierarchy.
const GROUPS: &str = "/proc/self/cgroup";
/// Where hierarchies of control groups are mounted, and the file of each group with its limit:
/// version 2 and version 1.
const MOUNTED: [(&str, &str); 2] = [
    ("/sys/fs/cgroup", "memory.max"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
];

/// The state of this process, with its size.
const PROCESS: &str = "/proc/self/status";

/// The limit of the address space of this process in bytes (`ulimit -v`), if there is one.
pub(crate) fn address_space_limit() -> Option<usize> {
    let limit = getrlimit(Resource::As).current?;
    usize::try_from(limit).ok()
}

/// Bytes of the address space that are taken, by whatever it is.
pub(crate) fn address_space_taken() -> Option<usize> {
    let status = fs::read_to_string(PROCESS).ok()?;
    usize::try_from(kibibytes(&status, "VmSize:")?).ok()
}

/// Resident memory of this process in bytes.
pub(crate) fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string(PROCESS).ok()?;
    kibibytes(&status, "VmRSS:")
}

/// Has all threads allocate from one heap, if the address space is limited. By default the C
/// library reserves 64 MiB of it for each of several threads, which are then missing elsewhere: an
/// allocation fails, and ends the process, while most of what is taken is unused. To be called
/// before there are other threads.
#[allow(unsafe_code, reason = "mallopt has no safe wrapper")]
pub(crate) fn share_heap() {
    #[cfg(target_env = "gnu")]
    if address_space_limit().is_some() {
        // SAFETY: it takes two numbers, and locks what it changes.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}

/// The least of the memory of the machine, the limits of the control group and of those around it,
/// and the limit of the address space, in bytes.
pub(crate) fn available_memory() -> usize {
    let address_space = getrlimit(Resource::As).current;
    let meminfo = fs::read_to_string(MACHINE).unwrap_or_default();
    let groups = fs::read_to_string(GROUPS).unwrap_or_default();
    let limits = group_limits(&groups, |path| fs::read_to_string(path).ok());
    let known = [address_space, kibibytes(&meminfo, "MemTotal:")];
    let least = known.into_iter().flatten().chain(limits).min();
    least.map_or(usize::MAX, |bytes| {
        usize::try_from(bytes).unwrap_or(usize::MAX)
    })
}

/// The bytes that a line of `/proc` called `name` tells in KiB.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|it| it.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The limits of the groups that `/proc/self/cgroup` names, and of the groups around them. A group
/// without a limit says `max`. In a container the path may be that outside of it, and lead nowhere:
/// the root of the hierarchy is then the group.
fn group_limits(groups: &str, read: impl Fn(&str) -> Option<String>) -> Vec<u64> {
    let mut limits = Vec::new();
    for path in groups.lines().filter_map(|line| line.rsplit_once(':')) {
        let (_, mut path) = path;
        loop {
            for (root, file) in MOUNTED {
                let path = path.trim_end_matches('/');
                let text = read(&format!("{root}{path}/{file}"));
                limits.extend(text.and_then(|text| text.trim().parse::<u64>().ok()));
            }
            match path.trim_end_matches('/').rsplit_once('/') {
                Some((outer, _)) => path = outer,
                None => break,
            }
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_how_much_it_has() {
        let meminfo = "MemTotal:       16374540 kB\nMemFree: 1 kB\n";
        assert_eq!(kibibytes(meminfo, "MemTotal:"), Some(16_374_540 * 1024));
        assert_eq!(kibibytes("MemTotal: much\n", "MemTotal:"), None);
        assert!(available_memory() > 0);
        assert!(address_space_taken() > Some(1 << 20));
    }

    #[test]
    fn limits_of_all_groups_around_count() {
        let files = |path: &str| {
            let text = match path {
                "/sys/fs/cgroup/a/b/memory.max" => "max\n",
                "/sys/fs/cgroup/a/memory.max" => "1000\n",
                "/sys/fs/cgroup/memory/x/memory.limit_in_bytes" => "500\n",
                "/sys/fs/cgroup/memory.max" => "2000\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        assert_eq!(group_limits("0::/a/b\n", files), [1000, 2000]);
        assert_eq!(
            group_limits("4:memory:/x\n0::/\n", files),
            [500, 2000, 2000]
        );
        assert_eq!(group_limits("0::/\n", files), [2000]);
        assert_eq!(group_limits("", files), Vec::<u64>::new());
    }
}
