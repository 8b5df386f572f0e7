//! Which program is meant, and what it is made of.
//!
//! A program in a place of the system needs nothing else. One that npm or pip has installed
//! elsewhere is made of the `node_modules` or the virtual environment that it is in, with the
//! interpreter that belongs to it. Any other is the one file, and what it needs besides must be
//! said.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use toolexec_process::{Command, SpawnError};

use super::view::{System, is_system};

/// How many links and interpreters are followed.
const STEPS: usize = 16;
/// How much of a file is read to see who interprets it.
const FIRST_LINE: u64 = 256;

/// A program that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Program {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it is made of outside of the system's places.
    pub(super) code: Vec<PathBuf>,
}

impl Program {
    /// Finds the program of a command, through the `PATH` of its environment.
    ///
    /// # Errors
    /// [`SpawnError::NotFound`].
    pub(super) fn find(command: &Command, system: &System) -> Result<Self, SpawnError> {
        let env = command.environment().iter().rev();
        let search = env.clone().find(|(name, _)| name == "PATH");
        let search = search.map_or("", |(_, value)| value.as_str());
        let name = command.program();
        if let System::Image(root) = system {
            return Self::of_image(root, name, search);
        }
        let path = if name.contains('/') {
            std::path::absolute(name).ok().filter(|path| path.is_file())
        } else {
            look_up(name, search)
        };
        let Some(path) = path else {
            return Err(SpawnError::missing(name, !search.is_empty()));
        };
        let mut code = Vec::new();
        follow(&path, search, STEPS, &mut code);
        Ok(Self { path, code })
    }

    /// The program of an image, which is made of nothing else. Where a path leads is not followed:
    /// links of an image lead elsewhere in it.
    fn of_image(root: &Path, name: &str, search: &str) -> Result<Self, SpawnError> {
        let is_there = |path: &Path| {
            let inside = path.strip_prefix("/").unwrap_or(path);
            fs::symlink_metadata(root.join(inside)).is_ok_and(|file| !file.is_dir())
        };
        let path = if name.contains('/') {
            // It may be mounted there.
            name.starts_with('/').then(|| PathBuf::from(name))
        } else {
            let dirs = search.split(':').filter(|dir| dir.starts_with('/'));
            dirs.map(|dir| Path::new(dir).join(name))
                .find(|path| is_there(path))
        };
        let path = path.ok_or_else(|| SpawnError::missing(name, !search.is_empty()))?;
        let code = Vec::new();
        Ok(Self { path, code })
    }
}

/// What a file is made of that a program is told to run.
pub(super) fn made_of(path: &Path) -> Vec<PathBuf> {
    let mut code = Vec::new();
    follow(path, "", STEPS, &mut code);
    code
}

fn look_up(name: &str, search: &str) -> Option<PathBuf> {
    let dirs = search.split(':').filter(|dir| dir.starts_with('/'));
    dirs.map(|dir| Path::new(dir).join(name))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Notes what a file is made of, where its links lead, and who interprets it.
fn follow(path: &Path, search: &str, steps: usize, code: &mut Vec<PathBuf>) {
    if steps == 0 || code.len() >= STEPS {
        return;
    }
    // A link in one of the directories above leads elsewhere as well.
    let real = path.parent().and_then(|dir| dir.canonicalize().ok());
    if let (Some(dir), Some(name)) = (real, path.file_name()) {
        note(&dir.join(name), code);
    }
    note(path, code);
    if let Ok(to) = fs::read_link(path) {
        let to = path.parent().unwrap_or(Path::new("/")).join(to);
        return follow(&plain(&to), search, steps - 1, code);
    }
    if let Some(interpreter) = interpreter(path, search) {
        follow(&interpreter, search, steps - 1, code);
    }
}

fn note(path: &Path, code: &mut Vec<PathBuf>) {
    let more = match place(path) {
        _ if is_system(path) => return,
        Some(Place::Modules(dir) | Place::Interpreter(dir)) => vec![dir],
        Some(Place::Environment(dir, base)) => {
            let base = base.filter(|base| !is_system(base));
            [Some(dir), base].into_iter().flatten().collect()
        }
        None => vec![path.to_owned()],
    };
    for one in more {
        if !code.iter().any(|known| one.starts_with(known)) {
            code.push(one);
        }
    }
}

/// Where packages are installed.
enum Place {
    /// The outermost `node_modules`.
    Modules(PathBuf),
    /// A virtual environment of Python, and what it was made from.
    Environment(PathBuf, Option<PathBuf>),
    /// An installation of Python.
    Interpreter(PathBuf),
}

fn place(path: &Path) -> Option<Place> {
    let parts: Vec<Component<'_>> = path.components().collect();
    let modules = parts
        .iter()
        .position(|part| part.as_os_str() == "node_modules");
    if let Some(at) = modules {
        return Some(Place::Modules(parts[..=at].iter().collect()));
    }
    let of_environment = |dir: &Path| dir.join("pyvenv.cfg").is_file();
    if let Some(dir) = path.ancestors().skip(1).find(|dir| of_environment(dir)) {
        return Some(Place::Environment(dir.to_owned(), base(dir)));
    }
    let dir = path.parent()?.parent()?;
    let is_python = path
        .file_name()?
        .to_str()
        .is_some_and(|name| name.starts_with("python"));
    (is_python && is_installation(dir)).then(|| Place::Interpreter(dir.to_owned()))
}

/// Whether Python itself is there: it looks for the same file.
fn is_installation(dir: &Path) -> bool {
    let libraries = fs::read_dir(dir.join("lib"))
        .into_iter()
        .flatten()
        .flatten();
    libraries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
        .any(|entry| entry.path().join("os.py").is_file())
}

/// What a virtual environment was made from.
fn base(environment: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(environment.join("pyvenv.cfg")).ok()?;
    let home = text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "home").then(|| PathBuf::from(value.trim()))
    })?;
    let dir = home.parent()?;
    is_installation(dir).then(|| dir.to_owned())
}

/// Who interprets a script, by its first line.
fn interpreter(path: &Path, search: &str) -> Option<PathBuf> {
    let mut first = Vec::new();
    let file = File::open(path).ok()?;
    file.take(FIRST_LINE).read_to_end(&mut first).ok()?;
    let line = first
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
    let program = words.next()?;
    if !program.ends_with("/env") {
        return Some(program.into());
    }
    let name = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
    look_up(name, search)
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}
