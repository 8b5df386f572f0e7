//! Control groups: where they may be made, one per guest, and the removal of what is left.

mod setting;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::label::Label;
pub(crate) use setting::{Setting, basics, caps};

/// How long dropping the last group waits for the kernel to let go of those that ended.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long to wait before a group is tried again that is still in use.
const AGAIN: Duration = Duration::from_millis(2);

/// What a control group controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controller {
    Memory,
    Pids,
    Cpu,
}

/// The two kinds of control groups there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// Where control groups may be made: a directory for each controller, which in version 2 is the
/// same for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) version: Version,
    pub(crate) parents: Vec<(Controller, PathBuf)>,
}

/// The control groups of this host. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Cgroups {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tree: Tree,
    label: Label,
    // Directories of guests that ended, which the kernel may not have let go of yet.
    ended: Mutex<Vec<PathBuf>>,
}

/// The control group of a guest. Dropping it removes it; the guest must be dead then.
#[derive(Debug)]
pub(crate) struct Group {
    dirs: Vec<(Controller, PathBuf)>,
    cgroups: Cgroups,
}

const CONTROLLERS: [Controller; 3] = [Controller::Memory, Controller::Pids, Controller::Cpu];

impl Controller {
    fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        }
    }
}

impl Tree {
    /// Where this process may make control groups, if anywhere.
    pub(crate) fn find() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let first = Self::version_1(&mounts, &own).and_then(Self::usable);
        first.or_else(|| {
            let (mount, own) = version_2(&mounts, &own)?;
            // Its own group holds this process, so that only one further up can have controllers.
            own.ancestors()
                .take_while(|dir| dir.starts_with(&mount))
                .find_map(|dir| delegated(dir, dir == mount))
        })
    }

    /// The parents in version 1, from `/proc/self/mountinfo` and `/proc/self/cgroup`.
    fn version_1(mounts: &str, own: &str) -> Option<Self> {
        let parent = |controller: Controller| {
            let name = controller.as_str();
            let has = |names: &str| names.split(',').any(|one| one == name);
            let own = own.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                has(fields.next()?).then(|| fields.next()).flatten()
            })?;
            let mount = mounts
                .lines()
                .filter_map(Mount::parse)
                .find(|mount| mount.kind == "cgroup" && has(mount.options))?;
            Some((controller, mount.place_of(own)))
        };
        let parents: Vec<_> = CONTROLLERS.into_iter().filter_map(parent).collect();
        (!parents.is_empty()).then_some(Self {
            version: Version::V1,
            parents,
        })
    }

    /// Only the controllers under which a group can be made.
    fn usable(mut self) -> Option<Self> {
        self.parents.retain(|(_, parent)| may_make(parent));
        (!self.parents.is_empty()).then_some(self)
    }
}

/// Where the trees of control groups are mounted, of both versions.
pub(crate) fn mount_points() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = mounts.lines().filter_map(Mount::parse);
    mounts
        .filter(|mount| matches!(mount.kind, "cgroup" | "cgroup2"))
        .map(|mount| mount.point.into())
        .collect()
}

/// The mount point of version 2, and the directory of this process in it.
fn version_2(mounts: &str, own: &str) -> Option<(PathBuf, PathBuf)> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mut mounts = mounts.lines().filter_map(Mount::parse);
    let mount = mounts.find(|mount| mount.kind == "cgroup2")?;
    Some((mount.point.into(), mount.place_of(own)))
}

/// A directory of version 2 in which groups can be made that have controllers.
fn delegated(dir: &Path, is_top: bool) -> Option<Tree> {
    let words = |file: &str| fs::read_to_string(dir.join(file)).unwrap_or_default();
    let has = |text: &str, name: &str| text.split_whitespace().any(|word| word == name);
    let there = words("cgroup.controllers");
    // Enabling a controller changes the directory for everybody in it; only at the top, where
    // root is at home, is that ours to do.
    if is_top {
        for controller in CONTROLLERS {
            let enable = format!("+{}", controller.as_str());
            let _ = fs::write(dir.join("cgroup.subtree_control"), enable);
        }
    }
    let enabled = words("cgroup.subtree_control");
    let parents: Vec<_> = CONTROLLERS
        .into_iter()
        .filter(|one| has(&there, one.as_str()) || is_top)
        .filter(|one| has(&enabled, one.as_str()))
        .map(|one| (one, dir.to_owned()))
        .collect();
    // Processes may be moved only by whoever may write where both groups hang.
    let may_move = fs::OpenOptions::new()
        .write(true)
        .open(dir.join("cgroup.procs"));
    (!parents.is_empty() && may_move.is_ok() && may_make(dir)).then_some(Tree {
        version: Version::V2,
        parents,
    })
}

fn may_make(parent: &Path) -> bool {
    let trial = parent.join(format!("toolexec-trial-{}", std::process::id()));
    let made = fs::create_dir(&trial).is_ok();
    if made {
        let _ = fs::remove_dir(&trial);
    }
    made
}

/// A line of `/proc/self/mountinfo`.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let mut after = after.split(' ');
        Some(Self {
            root: before.next()?,
            point: before.next()?,
            kind: after.next()?,
            options: after.nth(1)?,
        })
    }

    /// Where a group is in this mount, which may show a part of the tree only.
    fn place_of(&self, group: &str) -> PathBuf {
        let below = group.strip_prefix(self.root.trim_end_matches('/'));
        Path::new(self.point).join(below.unwrap_or(group).trim_start_matches('/'))
    }
}

impl Cgroups {
    /// Groups of this host below `tree`. Removes what hosts left that are gone.
    pub(crate) fn new(tree: Tree, label: Label) -> Self {
        for (_, parent) in &tree.parents {
            sweep(parent, &label);
        }
        Self {
            shared: Arc::new(Shared {
                tree,
                label,
                ended: Mutex::default(),
            }),
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.shared.tree.version
    }

    /// What its groups control.
    pub(crate) fn controllers(&self) -> Vec<Controller> {
        let parents = self.shared.tree.parents.iter();
        parents.map(|(controller, _)| *controller).collect()
    }

    /// Makes the group of a guest.
    pub(crate) fn make(&self, guest: u64, settings: &[Setting]) -> io::Result<Group> {
        self.shared.bury();
        let name = self.shared.label.of(guest);
        let mut group = Group {
            dirs: Vec::new(),
            cgroups: self.clone(),
        };
        for (controller, parent) in &self.shared.tree.parents {
            let dir = parent.join(&name);
            match fs::create_dir(&dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => group.dirs.push((*controller, dir)),
            }
        }
        group.set(settings)?;
        Ok(group)
    }
}

impl Group {
    pub(crate) fn version(&self) -> Version {
        self.cgroups.version()
    }

    /// Its directories, each once.
    pub(crate) fn dirs(&self) -> Vec<PathBuf> {
        let mut dirs: Vec<PathBuf> = self.dirs.iter().map(|(_, dir)| dir.clone()).collect();
        dirs.dedup();
        dirs
    }

    /// Writes settings whose controller is there.
    pub(crate) fn set(&self, settings: &[Setting]) -> io::Result<()> {
        for setting in settings {
            let Some(dir) = self.dir(setting.controller) else {
                continue;
            };
            match fs::write(dir.join(setting.file), &setting.value) {
                Err(error) if !setting.is_optional => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// How much memory it has now, in bytes.
    pub(crate) fn memory(&self) -> Option<u64> {
        let file = match self.cgroups.version() {
            Version::V1 => "memory.usage_in_bytes",
            Version::V2 => "memory.current",
        };
        let text = fs::read_to_string(self.dir(Controller::Memory)?.join(file)).ok()?;
        text.trim().parse().ok()
    }

    /// Whether the kernel has ended something in it for want of memory.
    pub(crate) fn is_starved(&self) -> bool {
        let file = match self.cgroups.version() {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let text = self
            .dir(Controller::Memory)
            .and_then(|dir| fs::read_to_string(dir.join(file)).ok());
        text.is_some_and(|text| {
            let mut counts = text
                .lines()
                .filter_map(|line| line.strip_prefix("oom_kill "));
            counts.any(|count| count.trim() != "0")
        })
    }

    fn dir(&self, controller: Controller) -> Option<&Path> {
        let found = self.dirs.iter().find(|(own, _)| *own == controller);
        found.map(|(_, dir)| dir.as_path())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let shared = &self.cgroups.shared;
        shared.ended().extend(self.dirs());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let weak = Arc::downgrade(shared);
        runtime.spawn(async move {
            while let Some(shared) = weak.upgrade()
                && !shared.bury()
            {
                drop(shared);
                tokio::time::sleep(AGAIN).await;
            }
        });
    }
}

impl Shared {
    /// Removes the groups of guests that ended; whether none is left.
    fn bury(&self) -> bool {
        let mut ended = self.ended();
        ended.retain(|dir| fs::remove_dir(dir).is_err() && dir.exists());
        ended.is_empty()
    }

    fn ended(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let until = std::time::Instant::now() + PATIENCE;
        while !self.bury() && std::time::Instant::now() < until {
            std::thread::sleep(AGAIN);
        }
    }
}

/// Ends and removes what hosts left behind that are gone.
pub(crate) fn sweep(parent: &Path, label: &Label) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !name.to_str().is_some_and(|name| label.is_orphan(name)) {
            continue;
        }
        let dir = entry.path();
        let members = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        for pid in members.lines().filter_map(|pid| pid.parse().ok()) {
            // What is in a group with our label is a guest of ours.
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        for _ in 0..50 {
            if fs::remove_dir(&dir).is_ok() || !dir.exists() {
                break;
            }
            std::thread::sleep(AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
24 23 0:22 / /proc rw,relatime - proc proc rw
30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
32 30 0:28 /docker/abc /sys/fs/cgroup/memory rw,relatime shared:4 - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn the_parents_of_version_1_are_where_this_process_is() {
        let own = "9:name=systemd:/\n8:pids:/\n4:memory:/docker/abc/d\n1:cpu,cpuacct:/e\n0::/\n";
        let found = Tree::version_1(MOUNTS, own);
        let parents = vec![
            (Controller::Memory, "/sys/fs/cgroup/memory/d".into()),
            (Controller::Cpu, "/sys/fs/cgroup/cpu/e".into()),
        ];
        let expected = Tree {
            version: Version::V1,
            parents,
        };
        assert_eq!(found, Some(expected));
        assert_eq!(Tree::version_1(MOUNTS, "0::/a\n"), None);
    }

    #[test]
    fn version_2_is_found_beside_version_1() {
        let found = version_2(MOUNTS, "8:pids:/\n0::/user.slice/x\n");
        let point = PathBuf::from("/sys/fs/cgroup/unified");
        let place = point.join("user.slice/x");
        assert_eq!(found, Some((point, place)));
        assert_eq!(version_2("", "0::/\n"), None);
    }
}
