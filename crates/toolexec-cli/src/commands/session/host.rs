//! The process of a session: it holds the session and its forks, and answers whoever asks.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use toolexec::core::code::{CodeSessions, SessionOptions, SessionSettings, Submission};
use toolexec::core::sandbox::Limits;
use toolexec::{CallContext, Error, ErrorKind};

use super::place::{Place, Socket, failed};
use super::wire::{Exec, Reply, Request, Task, receive, send};
use crate::arguments;
use crate::commands::code;
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session::Session;
use crate::session_args::{SessionArgs, SessionStart, SessionTask};
use crate::signals::interruptible;

/// How long somebody may take to say what is wanted, or to read the last of an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A session that ended is noticed at least this long after it did.
const MOMENT: Duration = Duration::from_millis(50);

/// Leaves the terminal, whose end is not this process's. For before there are threads.
pub(crate) fn leave_terminal() -> Result<(), Failure> {
    rustix::process::setsid()
        .map(drop)
        .map_err(|error| failed("the terminal cannot be left", error.into()))
}

/// Starts the session, says that it is ready, and serves it until it ends.
pub(crate) async fn run(
    args: SessionArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let SessionTask::Start(args) = args.task else {
        return Ok(Exit::Internal);
    };
    let place = Place::open()?;
    let socket = place.bind(args.name.as_deref()).await?;
    let settings = settings(&args);
    let executor = code::executor(&args.bounds, session);
    let sessions = executor.sessions(settings);
    let options = options(&args, session)?;
    let start = sessions.start(Some(&socket.name), options);
    let info = session.within(Box::pin(start)).await?;
    // The log has its name from now on.
    let _ = std::fs::rename(place.unnamed_log_of_parent(), place.log(&socket.name));
    printer.talk_line(&format!("the session {} is ready", socket.name))?;
    let line = serde_json::to_string(&info).map_err(io::Error::other)?;
    // Whoever started it may be gone; the session is there all the same.
    let _ = printer.line(&line);
    let host = Arc::new(Host {
        sessions,
        place,
        open: AtomicUsize::new(0),
        active: AtomicUsize::new(0),
        ended: Notify::new(),
    });
    host.clone().listen(socket);
    let serving = async {
        tokio::select! {
            () = host.over() => {}
            () = session.interrupt().cancelled() => {}
        }
        Ok(Exit::Ok)
    };
    let exit = interruptible(session.interrupt(), serving, |exit, _| exit).await;
    for info in host.sessions.list() {
        // It may have ended meanwhile.
        let _ = host.sessions.stop(&info.id);
        let _ = std::fs::remove_file(host.place.socket(&info.id));
    }
    exit
}

/// What all connections share.
struct Host {
    sessions: CodeSessions,
    place: Place,
    // How many sockets there are.
    open: AtomicUsize,
    // How many requests are being answered.
    active: AtomicUsize,
    // One more session ended.
    ended: Notify,
}

fn settings(args: &SessionStart) -> SessionSettings {
    let mut settings = SessionSettings {
        idle: args.idle,
        ..SessionSettings::default()
    };
    settings.limits.tool_calls = args.session_tool_calls;
    settings.limits.run_time = args.session_time;
    settings
}

fn options(args: &SessionStart, session: &Session) -> Result<SessionOptions, Failure> {
    let mut options = SessionOptions::new(args.lang.language());
    options.limits = args.bounds.limits(session.timeout());
    options.profile = args.bounds.profile();
    options.image.clone_from(&args.image);
    options.inputs = arguments::assemble(arguments::read(&args.input)?, &Value::Null)?;
    Ok(options)
}

impl Host {
    /// Serves a session until it ends.
    fn listen(self: Arc<Self>, socket: Socket) {
        self.open.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            self.accept(&socket).await;
            drop(socket);
            self.open.fetch_sub(1, Ordering::SeqCst);
            self.ended.notify_waiters();
        });
    }

    async fn accept(self: &Arc<Self>, socket: &Socket) {
        let idle = self.sessions.settings().idle;
        loop {
            let ended = self.ended.notified();
            let Ok(info) = self.sessions.info(&socket.name) else {
                return;
            };
            let left = idle.saturating_sub(info.idle) + MOMENT;
            let accepted = tokio::select! {
                accepted = socket.listener.accept() => accepted,
                () = ended => continue,
                () = tokio::time::sleep(left) => continue,
            };
            match accepted {
                Ok((stream, _)) if is_own(&stream) => {
                    let (host, name) = (self.clone(), socket.name.clone());
                    host.active.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(async move {
                        host.serve(stream, &name).await;
                        host.active.fetch_sub(1, Ordering::SeqCst);
                        host.ended.notify_waiters();
                    });
                }
                Ok(_) => {}
                // Too many open files, say: it may be better in a moment.
                Err(_) => tokio::time::sleep(MOMENT).await,
            }
        }
    }

    /// Ends when every session did, and who asked was answered.
    async fn over(&self) {
        self.until(|| self.open.load(Ordering::SeqCst) == 0).await;
        let answered = self.until(|| self.active.load(Ordering::SeqCst) == 0);
        // One that does not read its answer keeps nobody.
        let _ = tokio::time::timeout(PATIENCE, answered).await;
    }

    async fn until(&self, holds: impl Fn() -> bool) {
        loop {
            let ended = self.ended.notified();
            if holds() {
                return;
            }
            ended.await;
        }
    }

    /// Answers one request.
    async fn serve(self: &Arc<Self>, stream: UnixStream, name: &str) {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        let request = tokio::time::timeout(PATIENCE, receive::<Request>(&mut read)).await;
        let Ok(Ok(Some(request))) = request else {
            // Somebody looked whether it is there.
            return;
        };
        let (replies, mut waiting) = mpsc::unbounded_channel();
        let writer = tokio::spawn(async move {
            while let Some(reply) = waiting.recv().await {
                if send(&mut write, &reply).await.is_err() {
                    return;
                }
            }
        });
        let out = Box::new(Lines(replies.clone(), Reply::Out));
        let err = Box::new(Lines(replies.clone(), Reply::Err));
        let mut printer = Printer::over(out, err, request.looks);
        let exit = match self
            .answer(request, name, &mut read, &replies, &mut printer)
            .await
        {
            Ok(exit) => exit,
            Err(failure) => failure.show(&mut printer),
        };
        let _ = replies.send(Reply::Exit(exit as u8));
        drop((replies, printer));
        let _ = writer.await;
    }

    async fn answer(
        self: &Arc<Self>,
        request: Request,
        name: &str,
        read: &mut BufReader<OwnedReadHalf>,
        replies: &mpsc::UnboundedSender<Reply>,
        printer: &mut Printer,
    ) -> Result<Exit, Failure> {
        let own = env!("CARGO_PKG_VERSION");
        if request.version != own {
            let message = format!(
                "the session {name} is of toolexec {own}, and this is toolexec {}",
                request.version
            );
            return Err(Error::new(ErrorKind::Protocol, message)
                .with_hint("use that version, or end the session's process and start another one")
                .into());
        }
        let value = match request.task {
            Task::Exec(exec) => return self.exec(exec, name, read, printer).await,
            Task::Fork { name: new } => {
                let socket = self.place.bind(new.as_deref()).await?;
                let cx = CallContext::new();
                let info = self.sessions.fork(name, Some(&socket.name), &cx).await?;
                self.clone().listen(socket);
                json!(info)
            }
            Task::Info => json!(self.sessions.info(name)?),
            Task::Stop => {
                let info = self.sessions.stop(name)?;
                self.ended.notify_waiters();
                // Its name is free once its socket is gone.
                let socket = self.place.socket(name);
                let gone = self.until(|| !socket.exists());
                let _ = tokio::time::timeout(PATIENCE, gone).await;
                json!(info)
            }
        };
        let _ = replies.send(Reply::Value(value));
        Ok(Exit::Ok)
    }

    async fn exec(
        &self,
        exec: Exec,
        name: &str,
        read: &mut BufReader<OwnedReadHalf>,
        printer: &mut Printer,
    ) -> Result<Exit, Failure> {
        let language = match exec.language {
            Some(language) => language,
            None => self.sessions.info(name)?.language,
        };
        let mut submission = Submission::new(language, exec.source.clone()).limits(Limits {
            run_time: exec.run_ms.map(Duration::from_millis),
            ..Limits::default()
        });
        submission.inputs = exec.inputs;
        let cancel = CancellationToken::new();
        let cx = CallContext::new().with_cancel(cancel.clone());
        let events = self.sessions.stream(name, submission, cx);
        let run = async {
            if exec.stream {
                let ran = code::stream::run(events, &exec.source, printer).await;
                // Such a program is given no files, so it leaves none.
                ran.map(|(exit, _)| exit)
            } else {
                code::stream::prints(events, &exec.source, printer).await
            }
        };
        tokio::pin!(run);
        // Its caller says no more: it was interrupted, or is gone.
        tokio::select! {
            exit = &mut run => return exit,
            _ = read.read_u8() => cancel.cancel(),
        }
        run.await
    }
}

/// Whether the other side is a process of the same user.
fn is_own(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own)
}

/// Hands on what is written.
struct Lines(mpsc::UnboundedSender<Reply>, fn(String) -> Reply);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        // Nobody may be left to read it.
        let _ = self.0.send(self.1(text));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
