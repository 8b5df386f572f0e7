//! Where the sockets of sessions are: a directory that only its user can enter.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use toolexec::{Error, ErrorKind};

use crate::diagnostics::Failure;

/// What others than the owner may do, of the mode of a file.
const OF_OTHERS: u32 = 0o077;
/// Logs of sessions that are gone are kept for this long.
const KEEP_LOGS: Duration = Duration::from_hours(7 * 24);
/// The longest address of a socket, with the zero at its end.
const MAX_ADDRESS: usize = 108;

/// The directory of the sockets and logs.
#[derive(Debug, Clone)]
pub(super) struct Place(PathBuf);

/// A socket that is removed with this.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    pub(super) name: String,
    path: PathBuf,
}

impl Place {
    /// The directory; made if it is not there.
    pub(super) fn open() -> Result<Self, Failure> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = set("XDG_RUNTIME_DIR").or_else(|| set("XDG_STATE_HOME"));
        let root = root.map(PathBuf::from).or_else(|| {
            let home = PathBuf::from(set("HOME")?);
            Some(home.join(".local").join("state"))
        });
        let Some(root) = root.filter(|root| root.is_absolute()) else {
            return Err(Failure::usage("there is no directory for sessions")
                .hint("set XDG_RUNTIME_DIR, XDG_STATE_HOME or HOME"));
        };
        let path = root.join("toolexec").join("sessions");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|error| failed("the directory of sessions cannot be made", error))?;
        let place = Self(path);
        place.check()?;
        Ok(place)
    }

    /// Whoever else could write there could answer in the place of a session.
    fn check(&self) -> Result<(), Failure> {
        let what = "the directory of sessions cannot be looked at";
        let meta = fs::symlink_metadata(&self.0).map_err(|error| failed(what, error))?;
        let is_own = meta.uid() == rustix::process::geteuid().as_raw();
        if meta.is_dir() && is_own && meta.mode() & OF_OTHERS == 0 {
            return Ok(());
        }
        let message = format!(
            "{} is not a directory that only its user can enter",
            self.0.display()
        );
        Err(Failure::usage(message).hint("remove it, or chmod it to 700"))
    }

    pub(super) fn socket(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.sock"))
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.log"))
    }

    /// The names of the sessions there are; what one left that is gone is removed.
    pub(super) async fn names(&self) -> Result<Vec<String>, Failure> {
        let lock = self.lock()?;
        Ok(self.names_under(&lock).await)
    }

    /// The same, under a lock: a socket that is being made would look like one that was left.
    async fn names_under(&self, _: &File) -> Vec<String> {
        let mut names = Vec::new();
        for name in self.sockets() {
            if self.is_alive(&name).await {
                names.push(name);
            } else {
                let _ = fs::remove_file(self.socket(&name));
            }
        }
        names.sort_unstable();
        names
    }

    /// A connection to a session.
    pub(super) async fn connect(&self, name: &str) -> Result<UnixStream, Failure> {
        if is_name(name)
            && let Ok(stream) = UnixStream::connect(self.socket(name)).await
        {
            return Ok(stream);
        }
        let was_there = is_name(name) && self.socket(name).exists();
        let names = self.names().await?;
        let message = if was_there {
            format!("the session {name} is gone: its process ended")
        } else {
            format!("there is no session {name:?}")
        };
        let hint = if names.is_empty() {
            "there are no sessions; `toolexec session start` starts one".to_owned()
        } else {
            format!("there are: {}", names.join(", "))
        };
        let error = Error::new(ErrorKind::NotFound, message).with_hint(hint);
        Err(if was_there && self.log(name).exists() {
            error.with_hint(format!("its log is {}", self.log(name).display()))
        } else {
            error
        }
        .into())
    }

    /// Takes a name, or finds one, and listens there.
    pub(super) async fn bind(&self, name: Option<&str>) -> Result<Socket, Failure> {
        let lock = self.lock()?;
        let taken = self.names_under(&lock).await;
        let name = match name {
            Some(name) if !is_name(name) => {
                let message = format!("{name:?} is no name of a session");
                let error = Error::new(ErrorKind::InvalidInput, message);
                return Err(error
                    .with_hint("take up to 64 letters, digits, - and _")
                    .into());
            }
            Some(name) if taken.iter().any(|known| known == name) => {
                let message = format!("there is a session {name} already");
                let error = Error::new(ErrorKind::InvalidInput, message);
                return Err(error
                    .with_hint(format!(
                        "take another name, or end it: toolexec session stop {name}"
                    ))
                    .into());
            }
            Some(name) => name.to_owned(),
            None => {
                let mut free = (1..).map(|number: u32| format!("s{number}"));
                free.find(|name| !taken.contains(name)).unwrap_or_default()
            }
        };
        let path = self.socket(&name);
        if path.as_os_str().len() >= MAX_ADDRESS {
            let message = format!("{} is too long for a socket", path.display());
            return Err(Failure::usage(message)
                .hint("set XDG_RUNTIME_DIR to a shorter one, or take a shorter name"));
        }
        let listener = UnixListener::bind(&path)
            .map_err(|error| failed("the socket of the session cannot be made", error))?;
        drop(lock);
        Ok(Socket {
            listener,
            name,
            path,
        })
    }

    /// Removes old logs.
    pub(super) fn sweep(&self) {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        for entry in entries {
            let path = entry.path();
            let is_log = path.extension().is_some_and(|end| end == "log");
            let age = entry.metadata().and_then(|meta| meta.modified());
            let age = age.ok().and_then(|at| at.elapsed().ok());
            if is_log && age > Some(KEEP_LOGS) && !path.with_extension("sock").exists() {
                // Another one may have done it.
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Whether somebody listens.
    async fn is_alive(&self, name: &str) -> bool {
        match UnixStream::connect(self.socket(name)).await {
            Ok(_) => true,
            // One that has no room for a connection is there.
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    fn sockets(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                name.strip_suffix(".sock").map(str::to_owned)
            })
            .collect()
    }

    /// Names are taken one at a time.
    fn lock(&self) -> Result<File, Failure> {
        let taken = File::create(self.0.join("lock")).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        taken.map_err(|error| failed("the directory of sessions cannot be locked", error))
    }

    /// Where the log of a session is that has no name yet.
    pub(super) fn unnamed_log(&self) -> PathBuf {
        self.log_of(std::process::id())
    }

    /// The same, for the process that it is the log of.
    pub(super) fn unnamed_log_of_parent(&self) -> PathBuf {
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        self.log_of(parent.unsigned_abs())
    }

    fn log_of(&self, starter: u32) -> PathBuf {
        self.0.join(format!("start-{starter}.log"))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// What is said when a file cannot be had.
pub(super) fn failed(what: &str, error: io::Error) -> Failure {
    Error::new(ErrorKind::Unavailable, what)
        .with_source(error)
        .into()
}

fn is_name(name: &str) -> bool {
    let may = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    (1..=64).contains(&name.len()) && name.chars().all(may)
}
