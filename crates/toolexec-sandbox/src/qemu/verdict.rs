//! Whether KVM runs machines here, kept beside the image. It is found out by starting one, and a
//! KVM that does not start it takes many seconds to be told.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::Accel;
use super::place::Place;

/// How long it holds that KVM does not run machines: it may have been short of time.
const NO_HOLDS: Duration = Duration::from_hours(1);

/// Where it is kept, and for whom it holds.
pub(super) struct Verdict {
    path: PathBuf,
    /// What it depends on: this start of the machine, who asks, and the QEMU that is asked.
    about: String,
}

impl Verdict {
    pub(super) fn of(place: &Place) -> Self {
        let started = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let user = rustix::process::geteuid().as_raw();
        let about = format!("{} {user} {}", started.trim(), place.version);
        let path = place.image.directory().join("kvm");
        Self { path, about }
    }

    /// What was found out before.
    pub(super) fn kept(&self) -> Option<Accel> {
        let text = fs::read_to_string(&self.path).ok()?;
        let (verdict, about) = text.split_once(' ')?;
        if about != self.about {
            return None;
        }
        let age = fs::metadata(&self.path).ok()?.modified().ok()?.elapsed();
        match verdict {
            "yes" => Some(Accel::Kvm),
            "no" if age.is_ok_and(|age| age < NO_HOLDS) => Some(Accel::Tcg),
            _ => None,
        }
    }

    /// Keeps what was found out. Where it cannot be kept, the next process finds it out again.
    pub(super) fn keep(&self, accel: Accel) {
        let verdict = match accel {
            Accel::Kvm => "yes",
            Accel::Tcg => "no",
        };
        let kept = fs::write(&self.path, format!("{verdict} {}", self.about));
        if let Err(error) = kept {
            tracing::debug!(%error, "whether KVM runs machines is not kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_was_found_out_holds_for_the_same_and_a_no_not_for_ever() {
        let work = tempfile::tempdir().unwrap();
        let verdict = |about: &str| Verdict {
            path: work.path().join("kvm"),
            about: about.to_owned(),
        };
        assert_eq!(verdict("this").kept(), None);
        for accel in [Accel::Kvm, Accel::Tcg] {
            verdict("this").keep(accel);
            assert_eq!(verdict("this").kept(), Some(accel));
            assert_eq!(verdict("another start").kept(), None);
        }
        let file = fs::File::options()
            .write(true)
            .open(work.path().join("kvm"));
        let old = SystemTime::now() - 2 * NO_HOLDS;
        file.unwrap().set_modified(old).unwrap();
        assert_eq!(verdict("this").kept(), None);
        fs::write(work.path().join("kvm"), "no").unwrap();
        assert_eq!(verdict("this").kept(), None);
    }
}
