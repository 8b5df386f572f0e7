//! Between a program in a child process and the host: one loop that waits for all of them.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;
use toolexec_wire::{Failure, FailureKind};

use super::child::Running;
use super::link::{Link, Said};
use super::workdir::WorkDir;
use crate::host::{Host, check_depth, failure};

/// The name of the socket in a program's directory.
pub(super) const SOCKET: &str = "guest.sock";
/// How many connections a program may have; more wait to be accepted.
const MAX_LINKS: usize = 256;
/// Answers wait at the host once a program has this many bytes not read.
const HIGH_WATER: usize = 4 << 20;
/// How often a host is looked at that cannot be waited for.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How much is still read of what a program wrote before its end.
const LAST_WORDS: usize = 64;

/// How a program ended, unless its host or a limit ended it.
#[derive(Debug)]
pub(super) enum End {
    /// It said its value.
    Done(Value),
    /// It said why there is none.
    Failed(Box<Failure>),
    /// Its process ended and said neither.
    Exited(Exited),
}

/// A process that ended.
#[derive(Debug)]
pub(super) struct Exited {
    pub(super) status: Option<ExitStatus>,
    /// The last value that it named.
    pub(super) result: Option<Value>,
    /// The end of its standard error.
    pub(super) said: String,
}

/// The listening end of a program's socket.
pub(super) fn listen(dir: &WorkDir) -> Result<UnixListener, Box<Failure>> {
    let listen = || {
        let listener = UnixListener::bind(dir.join(SOCKET))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map_err(|error: io::Error| super::workdir::no_room(&error))
}

/// Serves a program until it ended; it is killed then, with everything it started. `first` is
/// what each connection is told at once.
pub(super) fn serve(
    running: Running,
    listener: UnixListener,
    first: Option<&Value>,
    host: &Host,
) -> Result<End, Box<Failure>> {
    let mut bridge = Bridge {
        host,
        watch: host.watch(),
        listener,
        running,
        first,
        links: Vec::new(),
        next_link: 0,
        calls: HashMap::new(),
        waits: false,
        result: None,
        end: None,
    };
    loop {
        bridge.answers()?;
        bridge.clock()?;
        let ready = bridge.wait();
        bridge.take(&ready)?;
        if bridge.end.is_some() {
            bridge.last_words();
        }
        if let Some(end) = bridge.end.take() {
            host.resume();
            return Ok(end);
        }
    }
}

struct Bridge<'a> {
    host: &'a Host,
    watch: Option<OwnedFd>,
    listener: UnixListener,
    running: Running,
    first: Option<&'a Value>,
    links: Vec<(u64, Link)>,
    next_link: u64,
    // By the host's number of a call: who made it, and under which number.
    calls: HashMap<u32, (u64, u64)>,
    // Whether the host knows that the program waits.
    waits: bool,
    result: Option<Value>,
    end: Option<End>,
}

/// What there is to do.
#[derive(Debug, Default)]
struct Ready {
    connection: bool,
    ended: bool,
    streams: [bool; 2],
    links: Vec<bool>,
}

impl Bridge<'_> {
    /// Hands on the answers of the host.
    fn answers(&mut self) -> Result<(), Box<Failure>> {
        while !self.is_full() {
            let Some((call, outcome)) = self.host.try_next()? else {
                break;
            };
            self.waits = false;
            let Some((from, id)) = self.calls.remove(&call) else {
                continue;
            };
            // One who hung up wants no answer.
            if let Some((_, link)) = self.links.iter_mut().find(|(link, _)| *link == from) {
                link.answer(id, &outcome);
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.links
            .iter()
            .map(|(_, link)| link.unsent())
            .sum::<usize>()
            > HIGH_WATER
    }

    /// Says whether the program waits; ends it when its time is over.
    fn clock(&mut self) -> Result<(), Box<Failure>> {
        if self.calls.is_empty() {
            self.host.resume();
        } else if !self.waits {
            self.host.pause();
            self.waits = true;
        }
        if self.host.over_time() {
            return Err(self.host.stop_reason());
        }
        Ok(())
    }

    /// Waits until there is something to do.
    fn wait(&self) -> Ready {
        let mut polled = Polled::default();
        let watch = self.watch.as_ref().filter(|_| !self.is_full());
        polled.add(watch.map(AsFd::as_fd), PollFlags::IN);
        let room = self.links.len() < MAX_LINKS;
        let connection = polled.add(room.then(|| self.listener.as_fd()), PollFlags::IN);
        let ended = polled.add(self.running.ended(), PollFlags::IN);
        let [out, err] = &self.running.streams;
        let streams = [
            polled.add(out.fd(), PollFlags::IN),
            polled.add(err.fd(), PollFlags::IN),
        ];
        let mut links = Vec::new();
        for (_, link) in &self.links {
            let writes = link.unsent() > 0;
            let flags = if writes {
                PollFlags::IN | PollFlags::OUT
            } else {
                PollFlags::IN
            };
            links.push(polled.add(Some(link.fd()), flags));
        }
        polled.wait(self.timeout());
        Ready {
            connection: polled.is(connection),
            ended: polled.is(ended),
            streams: streams.map(|at| polled.is(at)),
            links: links.into_iter().map(|at| polled.is(at)).collect(),
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let left = self.host.time_left().filter(|_| self.calls.is_empty());
        // Past the limit, not at it.
        let left = left.map(|left| left + Duration::from_millis(1));
        let look = self.watch.is_none().then_some(LOOK_EVERY);
        match (left, look) {
            (Some(left), Some(look)) => Some(left.min(look)),
            (left, look) => left.or(look),
        }
    }

    fn take(&mut self, ready: &Ready) -> Result<(), Box<Failure>> {
        for (output, is_ready) in self.running.streams.iter_mut().zip(ready.streams) {
            if is_ready && let Some(text) = output.read() {
                self.host.print(output.stream, &text);
            }
        }
        for (at, is_ready) in ready.links.iter().enumerate() {
            if *is_ready {
                self.hear(at)?;
            }
        }
        self.links.retain(|(_, link)| link.is_open());
        if ready.connection {
            self.accept();
        }
        if ready.ended && self.end.is_none() {
            self.on_exit()?;
        }
        Ok(())
    }

    fn accept(&mut self) {
        let Ok((stream, _)) = self.listener.accept() else {
            return;
        };
        let Ok(mut link) = Link::new(stream) else {
            return;
        };
        if let Some(first) = self.first {
            link.send(first);
        }
        self.links.push((self.next_link, link));
        self.next_link += 1;
    }

    fn hear(&mut self, at: usize) -> Result<(), Box<Failure>> {
        let Some((number, link)) = self.links.get_mut(at) else {
            return Ok(());
        };
        let number = *number;
        link.write();
        link.read();
        while self.end.is_none() {
            let Some((_, link)) = self.links.get_mut(at) else {
                break;
            };
            match link.next().map_err(|why| forged(&why))? {
                Some(said) => self.on(number, said)?,
                None => break,
            }
        }
        Ok(())
    }

    fn on(&mut self, link: u64, said: Said) -> Result<(), Box<Failure>> {
        match said {
            Said::Call { id, op } => {
                let call = self.host.call(op);
                self.calls.insert(call, (link, id));
                self.waits = false;
            }
            Said::Result { value } => {
                check_depth(&value).map_err(|why| forged(&why))?;
                self.result = Some(value);
            }
            Said::Log { level, data } => self.host.log(&level, data),
            Said::Progress {
                progress,
                total,
                message,
            } => self.host.progress(progress, total, message),
            Said::Done { value } => self.end = Some(End::Done(value)),
            Said::Failed { error } => self.end = Some(End::Failed(Box::new(error))),
        }
        Ok(())
    }

    /// The process ended; what it said before may still be on its way.
    fn on_exit(&mut self) -> Result<(), Box<Failure>> {
        // Connections that nobody accepted yet count too.
        for _ in 0..MAX_LINKS {
            let before = self.links.len();
            self.accept();
            if self.links.len() == before {
                break;
            }
        }
        for at in 0..self.links.len() {
            for _ in 0..LAST_WORDS {
                if self.end.is_some() || !self.links.get(at).is_some_and(|(_, link)| link.is_open())
                {
                    break;
                }
                self.hear(at)?;
            }
        }
        if self.end.is_none() {
            self.last_words();
            let [_, err] = &self.running.streams;
            let said = err.tail();
            self.end = Some(End::Exited(Exited {
                status: self.running.status(),
                result: self.result.take(),
                said,
            }));
        }
        Ok(())
    }

    /// Prints what was written before the end.
    fn last_words(&mut self) {
        for output in &mut self.running.streams {
            for _ in 0..LAST_WORDS {
                let Some(text) = output.read() else { break };
                self.host.print(output.stream, &text);
            }
        }
    }
}

/// Descriptors that are waited for together.
#[derive(Default)]
struct Polled<'fd>(Vec<PollFd<'fd>>);

impl<'fd> Polled<'fd> {
    fn add(&mut self, fd: Option<BorrowedFd<'fd>>, flags: PollFlags) -> Option<usize> {
        self.0.push(PollFd::from_borrowed_fd(fd?, flags));
        Some(self.0.len() - 1)
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        let timeout = timeout.map(|time| Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        });
        // Interrupted: nothing is ready, and it is asked again.
        let _ = poll(&mut self.0, timeout.as_ref());
    }

    fn is(&self, at: Option<usize>) -> bool {
        let polled = at.and_then(|at| self.0.get(at));
        polled.is_some_and(|polled| !polled.revents().is_empty())
    }
}

fn forged(why: &str) -> Box<Failure> {
    let mut failure = failure(
        FailureKind::Exception,
        format!("the program sent its guest {why}"),
    );
    failure.name = Some("ProtocolError".into());
    failure
}
