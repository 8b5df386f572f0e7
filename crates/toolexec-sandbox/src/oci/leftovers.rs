//! What ended containers leave behind, and its removal.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cgroup;
use crate::label::Label;

/// How long dropping the last of it waits for those that ended to be gone.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long to wait before something is tried again that is still in use.
const AGAIN: Duration = Duration::from_millis(5);

/// What is left of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    Directory(PathBuf),
    ControlGroup(PathBuf),
}

/// What ended containers left behind and what is not removed yet: a container is not gone at once
/// when it is killed, and nobody has to wait for that.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    all: Mutex<Vec<Left>>,
}

impl Leftovers {
    /// Removes these at once as far as that is possible, else in the background and when this is
    /// dropped.
    pub(super) fn remove(self: &Arc<Self>, left: impl IntoIterator<Item = Left>) {
        self.all().extend(left);
        if self.try_all() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let weak = Arc::downgrade(self);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(AGAIN).await;
                let Some(leftovers) = weak.upgrade() else {
                    return;
                };
                if leftovers.try_all() {
                    return;
                }
            }
        });
    }

    /// Whether nothing is left.
    fn try_all(&self) -> bool {
        let mut all = self.all();
        all.retain(|one| !one.try_remove());
        all.is_empty()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Left>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let until = Instant::now() + PATIENCE;
        while !self.try_all() && Instant::now() < until {
            std::thread::sleep(AGAIN);
        }
    }
}

impl Left {
    fn try_remove(&self) -> bool {
        match self {
            Self::Directory(path) => fs::remove_dir_all(path).is_ok() || !path.exists(),
            Self::ControlGroup(path) => fs::remove_dir(path).is_ok() || !path.exists(),
        }
    }
}

/// Where a runtime makes the control group `name`: in every tree there is, at its top.
pub(super) fn control_groups(name: &str) -> Vec<Left> {
    let below = |mount: PathBuf| Left::ControlGroup(mount.join(name));
    cgroup::mount_points().into_iter().map(below).collect()
}

/// Ends and removes what hosts left behind that are gone.
pub(crate) fn sweep(containers: &Path, label: &Label) {
    for mount in cgroup::mount_points() {
        cgroup::sweep(&mount, label);
    }
    let orphans: Vec<PathBuf> = fs::read_dir(containers)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| label.is_orphan(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect();
    if orphans.is_empty() {
        return;
    }
    kill_those_of(&orphans);
    for orphan in orphans {
        let left = Left::Directory(orphan);
        for _ in 0..20 {
            if left.try_remove() {
                break;
            }
            std::thread::sleep(AGAIN);
        }
    }
}

/// Kills runtimes, their sandboxes and file servers: all name the directory that they were started
/// for, which is in a directory that nobody else writes to.
fn kill_those_of(orphans: &[PathBuf]) {
    use std::os::unix::ffi::OsStrExt;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().parse();
        let Some(pid) = pid.ok().and_then(rustix::process::Pid::from_raw) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let names = |orphan: &PathBuf| {
            let orphan = orphan.as_os_str().as_bytes();
            line.windows(orphan.len()).any(|part| part == orphan)
        };
        if orphans.iter().any(names) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_left_is_removed_in_the_background_and_at_the_end() {
        let place = tempfile::tempdir().unwrap();
        let [soon, late] = ["soon", "late"].map(|name| place.path().join(name));
        for path in [&soon, &late] {
            fs::create_dir_all(path.join("deeper")).unwrap();
        }
        let leftovers = Arc::new(Leftovers::default());
        leftovers.remove([Left::Directory(soon.clone())]);
        while soon.exists() {
            tokio::time::sleep(AGAIN).await;
        }
        leftovers.all().push(Left::Directory(late.clone()));
        drop(leftovers);
        assert!(!late.exists());
    }

    #[tokio::test]
    async fn only_what_belongs_to_hosts_that_are_gone_is_swept() {
        let place = tempfile::tempdir().unwrap();
        let own = Label::own();
        let mine = place.path().join(own.of(1));
        // The same host, started at another time.
        let orphan = own.of(1).rsplit_once('-').unwrap().0.to_owned() + "0-1";
        let orphan = place.path().join(orphan);
        let other = place.path().join("other");
        for path in [&mine, &orphan, &other] {
            fs::create_dir(path).unwrap();
        }
        let mut sleeper = toolexec_process::Command::new("/bin/sh")
            .args(["-c", "sleep 300"])
            .arg(&orphan)
            .env("PATH", "/usr/bin:/bin")
            .spawn()
            .unwrap();
        sweep(place.path(), &own);
        let there = [&mine, &orphan, &other].map(|path| path.exists());
        assert_eq!(there, [true, false, true]);
        assert_eq!(sleeper.wait().await.unwrap().signal, Some(9));
    }
}
