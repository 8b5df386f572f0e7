//! What to start, and how.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use crate::child::{Child, Exit};
#[cfg(target_os = "linux")]
use crate::control_group;
use crate::descriptor;
use crate::error::{RunError, SpawnError};
use crate::limit::read_to_limit;
use crate::tail::Tail;
use crate::watchdog;

const DEFAULT_STDERR_TAIL: usize = 16 * 1024;

/// A program to start. Its environment is empty but for what [`Command::env`] names.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), toolexec_process::RunError> {
/// let echo = toolexec_process::Command::new("/bin/echo").arg("hello");
/// let output = echo.run(Vec::new(), 1024).await?;
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Command {
    program: String,
    args: Vec<OsString>,
    env: Vec<(String, String)>,
    dir: Option<PathBuf>,
    stdin: Stdin,
    stderr_tail: usize,
    #[cfg(target_os = "linux")]
    control_groups: Vec<PathBuf>,
    descriptors: Vec<Arc<OwnedFd>>,
}

/// What a child reads from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stdin {
    /// A pipe that we write to.
    #[default]
    Piped,
    /// Nothing: it sees the end of input at once.
    Null,
}

/// What a program did that ran to its end.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// The end of what it wrote to its standard error.
    pub stderr: Tail,
}

impl Command {
    /// A program by name, found through the `PATH` given with [`Command::env`], or by path.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            stdin: Stdin::Piped,
            stderr_tail: DEFAULT_STDERR_TAIL,
            #[cfg(target_os = "linux")]
            control_groups: Vec::new(),
            descriptors: Vec::new(),
        }
    }

    /// Adds an argument. It is passed as it is; no shell reads it.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<T: Into<OsString>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the child's environment; the last of equal names counts.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets variables of the child's environment, such as those of [`base_env`](crate::base_env).
    pub fn envs(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.env.extend(variables);
        self
    }

    /// Sets the working directory; otherwise it is ours.
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Sets what the child reads from.
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Sets how many bytes of the end of standard error are kept; 16 KiB otherwise.
    pub fn stderr_tail(mut self, bytes: usize) -> Self {
        self.stderr_tail = bytes;
        self
    }

    /// Puts the child into control groups, given by their directories, before it runs its first
    /// instruction.
    #[cfg(target_os = "linux")]
    pub fn control_groups(mut self, directories: impl IntoIterator<Item = PathBuf>) -> Self {
        self.control_groups.extend(directories);
        self
    }

    /// Leaves a descriptor open in the child, where it has the same number; may be called for
    /// several.
    pub fn descriptor(mut self, descriptor: impl Into<Arc<OwnedFd>>) -> Self {
        self.descriptors.push(descriptor.into());
        self
    }

    /// The program, as it was named.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Its arguments.
    pub fn arguments(&self) -> &[OsString] {
        &self.args
    }

    /// Its environment; the last of equal names counts.
    pub fn environment(&self) -> &[(String, String)] {
        &self.env
    }

    /// Its working directory, unless it is ours.
    pub fn directory(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// What it reads from.
    pub fn input(&self) -> Stdin {
        self.stdin
    }

    /// How many bytes of the end of its standard error are kept.
    pub fn kept_stderr(&self) -> usize {
        self.stderr_tail
    }

    /// Starts the program. The child is registered with the watchdog before it runs its first
    /// instruction.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn spawn(self) -> Result<Child, SpawnError> {
        if let Some(dir) = &self.dir
            && !dir.is_dir()
        {
            return Err(SpawnError::Directory(dir.clone()));
        }
        match self.try_spawn() {
            // The watchdog died between our look and the child's registration: the next look
            // starts it anew.
            Err(SpawnError::Io { source, .. }) if watchdog::is_gone(&source) => self.try_spawn(),
            result => result,
        }
    }

    /// Starts the program, writes `input` to it, reads at most `max_stdout` bytes of its output,
    /// and waits for its end.
    ///
    /// # Cancel safety
    /// When the future is dropped the program and its whole group are killed.
    pub async fn run(self, input: Vec<u8>, max_stdout: usize) -> Result<Output, RunError> {
        let mut child = self.spawn()?;
        let stdin = child.take_stdin();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program may end without reading its input: that is its own matter.
                let _ = stdin.write_all(&input).await;
            }
        };
        let stdout = child.take_stdout();
        let read = async {
            match stdout {
                Some(stdout) => read_to_limit(stdout, max_stdout).await,
                None => Ok(Vec::new()),
            }
        };
        // Reading must not wait for the feeding: a program may answer before it read everything,
        // and never read the rest.
        let (stdout, exit) = {
            let finish = async {
                let stdout = read.await.map_err(RunError::Output)?;
                let exit = child.wait().await.map_err(RunError::Wait)?;
                Ok::<_, RunError>((stdout, exit))
            };
            tokio::pin!(feed, finish);
            tokio::select! {
                done = &mut finish => done?,
                () = &mut feed => finish.await?,
            }
        };
        Ok(Output {
            exit,
            stdout,
            stderr: child.stderr_to_end().await,
        })
    }

    fn try_spawn(&self) -> Result<Child, SpawnError> {
        let registrar = watchdog::registrar().map_err(SpawnError::Watchdog)?;
        let mut command = self.to_tokio();
        registrar.attach(&mut command);
        for descriptor in &self.descriptors {
            descriptor::keep(descriptor, &mut command);
        }
        #[cfg(target_os = "linux")]
        control_group::attach(&self.control_groups, &mut command)
            .map_err(SpawnError::ControlGroup)?;
        let child = command
            .spawn()
            .map_err(|source| SpawnError::from_io(&self.program, self.has_path(), source))?;
        Child::new(child, &registrar, self.label(), self.stderr_tail).map_err(|source| {
            SpawnError::Io {
                program: self.program.clone(),
                source,
            }
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place that spawns for the whole workspace"
    )]
    fn to_tokio(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(match self.stdin {
                Stdin::Piped => Stdio::piped(),
                Stdin::Null => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    fn has_path(&self) -> bool {
        self.env.iter().any(|(name, _)| name == "PATH")
    }

    /// The program without its directory, for logs.
    fn label(&self) -> String {
        let name = self.program.rsplit('/').next();
        name.unwrap_or(&self.program).to_owned()
    }
}
