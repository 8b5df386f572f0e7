//! The files of a program: those it is given, and those it leaves.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

use toolexec::core::code::{Artifact, InputFiles, MAX_INPUT_FILES};

use crate::arguments;
use crate::code_args::CodeArgs;
use crate::diagnostics::Failure;
use crate::printer::Printer;

/// How many names are tried beside one that is taken.
const TRIED: u32 = 1000;

/// The files that a program is given; none, where nothing was said about files.
pub(super) fn given(args: &CodeArgs) -> Result<Option<InputFiles>, Failure> {
    if args.given.is_empty() && args.input_dir.is_none() && args.output_dir.is_none() {
        return Ok(None);
    }
    let mut files = InputFiles::new();
    if let Some(dir) = &args.input_dir {
        below(dir, "", &mut files)?;
    }
    for word in &args.given {
        let (name, path) = named(word)?;
        if files.contains_key(&name) {
            let message = format!("there are two files with the name {name:?}");
            return Err(Failure::usage(message).hint("name one of them: --file NAME=PATH"));
        }
        files.insert(name, arguments::read_bytes(&path)?.into());
    }
    Ok(Some(files))
}

/// `NAME=PATH`, or a path, whose last part is the name.
fn named(word: &str) -> Result<(String, PathBuf), Failure> {
    if let Some((name, path)) = word.split_once('=') {
        return Ok((name.to_owned(), path.into()));
    }
    let path = PathBuf::from(word);
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.map(str::to_owned).ok_or_else(|| {
        Failure::usage(format!("{word:?} has no name of a file")).hint("write --file NAME=PATH")
    })?;
    Ok((name, path))
}

/// Adds the files below a directory. What is neither a file nor a directory is refused.
fn below(dir: &Path, prefix: &str, files: &mut InputFiles) -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::usage(format!("{} cannot be read: {error}", dir.display()));
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            let message = format!("the name of {} is not UTF-8", path.display());
            return Err(Failure::usage(message));
        };
        let name = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            below(&path, &format!("{name}/"), files)?;
        } else if kind.is_file() {
            files.insert(name, arguments::read_bytes(&path)?.into());
        } else {
            let message = format!("{} is neither a file nor a directory", path.display());
            return Err(Failure::usage(message).hint("remove it, or give files with --file"));
        }
        if files.len() > MAX_INPUT_FILES {
            let message =
                format!("there are more than {MAX_INPUT_FILES} files below the directory");
            return Err(Failure::usage(message));
        }
    }
    Ok(())
}

/// Sees to it that the directory for what a program leaves is there, before the program runs.
pub(super) fn prepare(dir: Option<&Path>) -> Result<(), Failure> {
    let Some(dir) = dir else { return Ok(()) };
    fs::create_dir_all(dir).map_err(|error| {
        let message = format!("{} cannot be a directory: {error}", dir.display());
        Failure::usage(message).hint("choose another with --output-dir")
    })
}

/// Writes what a program left, and says where. A file that is there stays, unless `force` is set;
/// the new one then gets a name beside it.
pub(super) fn keep(
    artifacts: &[Artifact],
    dir: Option<&Path>,
    force: bool,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let Some(dir) = dir else {
        for artifact in artifacts {
            let message = format!("the file {:?} was written and is not kept", artifact.name);
            printer.warn(&message)?;
        }
        if !artifacts.is_empty() {
            printer.say("hint: --output-dir DIR keeps such files")?;
        }
        return Ok(());
    };
    for artifact in artifacts {
        let wanted = dir.join(&artifact.name);
        let failed = |error: io::Error| {
            Failure::from(toolexec::Error::new(
                toolexec::ErrorKind::Internal,
                format!("{} cannot be written: {error}", wanted.display()),
            ))
        };
        let path = write(dir, &artifact.name, &artifact.bytes, force).map_err(failed)?;
        if path != wanted {
            let message = format!("{} is there already and was kept", wanted.display());
            printer.warn(&message)?;
        }
        let (media, size) = (artifact.media_type, artifact.size);
        printer.say(&format!("{}  {media}, {size} bytes", path.display()))?;
    }
    Ok(())
}

/// Writes a file below a directory, through no link. Gives its path.
fn write(dir: &Path, name: &str, bytes: &[u8], force: bool) -> io::Result<PathBuf> {
    let mut parent = dir.to_owned();
    let parts: Vec<Component> = Path::new(name).components().collect();
    let Some((Component::Normal(last), above)) = parts.split_last() else {
        return Err(ErrorKind::InvalidInput.into());
    };
    for part in above {
        let Component::Normal(part) = part else {
            return Err(ErrorKind::InvalidInput.into());
        };
        parent.push(part);
        match fs::symlink_metadata(&parent) {
            Ok(data) if data.is_dir() => {}
            Ok(_) => return Err(ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => fs::create_dir(&parent)?,
            Err(error) => return Err(error),
        }
    }
    let mut path = parent.join(last);
    if force && fs::symlink_metadata(&path).is_ok_and(|data| data.is_file()) {
        fs::remove_file(&path)?;
    }
    for number in 1..TRIED {
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(bytes)?;
                return Ok(path);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                path = parent.join(beside(Path::new(last), number));
            }
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// `plot.png` becomes `plot.1.png`.
fn beside(name: &Path, number: u32) -> String {
    let text =
        |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let stem = text(name.file_stem()).unwrap_or_default();
    match text(name.extension()) {
        Some(end) => format!("{stem}.{number}.{end}"),
        None => format!("{stem}.{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_over_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, force| {
            let path = write(dir.path(), name, text.as_bytes(), force)?;
            Ok::<_, io::Error>(path.strip_prefix(dir.path()).unwrap().display().to_string())
        };
        assert_eq!(write("a/b.txt", "1", false).unwrap(), "a/b.txt");
        assert_eq!(write("a/b.txt", "2", false).unwrap(), "a/b.1.txt");
        assert_eq!(write("a/b.txt", "3", true).unwrap(), "a/b.txt");
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            (read("a/b.txt"), read("a/b.1.txt")),
            ("3".into(), "2".into())
        );
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("link")).unwrap();
        let target = elsewhere.path().join("target");
        std::os::unix::fs::symlink(&target, dir.path().join("file")).unwrap();
        let error = write("link/x", "", true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotADirectory);
        // Not even with force: what is there is no file.
        assert_eq!(write("file", "x", true).unwrap(), "file.1");
        assert!(!target.exists());
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
