//! The way out for a program on a kernel that shares no network with the host: what it connects to
//! at a port of its loopback address leads to a socket of the host.
//!
//! The program takes the place of this one. Its connections are led by a child that nobody waits
//! for, and that ends with the program's container.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::event::epoll;
use rustix::net::{Shutdown, shutdown};

use crate::failed;

/// The first argument of what becomes the program: `SOCKET PORT PROGRAM [ARGUMENT...]` follow.
pub(crate) const BEFORE: &str = "relay";
/// The first argument of the child that leads connections: `SOCKET` follows, and its standard
/// input listens.
pub(crate) const LEADER: &str = "relay-connections";
/// Connections at once; further ones wait.
const PAIRS: usize = 64;
/// Bytes on their way in one direction of a connection.
const ROOM: usize = 16 << 10;
const ITSELF: &str = "/proc/self/exe";
/// The event of a new connection; those of the others have their own numbers.
const NEW: u64 = u64::MAX;

/// Becomes a program whose connections are led to a socket. Returns only where that fails, and
/// says why.
pub(crate) fn become_program(mut args: impl Iterator<Item = OsString>) -> String {
    let (Some(socket), Some(port), Some(program)) = (args.next(), args.next(), args.next()) else {
        return "an argument is missing".to_owned();
    };
    if let Err(why) = start_leader(&socket, &port) {
        return why;
    }
    let error = command(Path::new(&program)).args(args).exec();
    failed(&format!("starting {}", program.display()))(error)
}

fn start_leader(socket: &OsString, port: &OsString) -> Result<(), String> {
    let port = std::str::from_utf8(port.as_bytes()).ok();
    let port: Option<u16> = port.and_then(|port| port.parse().ok());
    let port = port.ok_or("the port is no number")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = listener.map_err(failed("listening for the program"))?;
    let started = command(Path::new(ITSELF))
        .arg(LEADER)
        .arg(socket)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.map_err(failed("starting the relay"))?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is run was named by the host"
)]
fn command(program: &Path) -> Command {
    Command::new(program)
}

/// Leads the connections of the listener that is the standard input. Returns only where that
/// fails, and says why.
pub(crate) fn lead_connections(mut args: impl Iterator<Item = OsString>) -> String {
    let Some(socket) = args.next() else {
        return "an argument is missing".to_owned();
    };
    let led = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map(TcpListener::from)
        .and_then(|listener| lead(&listener, || UnixStream::connect(&socket)));
    match led {
        Ok(()) => "there are no connections any more".to_owned(),
        Err(error) => failed("leading connections")(error),
    }
}

/// Leads each connection of a listener to one that `connect` opens.
fn lead(listener: &TcpListener, connect: impl Fn() -> io::Result<UnixStream>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let events = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let watch = |end: &dyn AsFd, number| {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(
            &events,
            end.as_fd(),
            epoll::EventData::new_u64(number),
            flags,
        )
    };
    watch(listener, NEW)?;
    let mut pairs: BTreeMap<u64, Pair> = BTreeMap::new();
    let mut number = 0;
    let mut happened = Vec::with_capacity(2 * PAIRS + 1);
    loop {
        match epoll::wait(&events, rustix::buffer::spare_capacity(&mut happened), None) {
            Err(rustix::io::Errno::INTR) => continue,
            waited => waited?,
        };
        for event in happened.drain(..) {
            let key = event.data.u64();
            let is_over = pairs.get_mut(&key).is_some_and(Pair::pass);
            if is_over {
                pairs.remove(&key);
            }
        }
        while pairs.len() < PAIRS
            && let Ok((program, _)) = listener.accept()
        {
            // A host that is not there now may be there for the next one.
            let Ok(pair) = connect().and_then(|host| Pair::new(program, host)) else {
                continue;
            };
            watch(&pair.program, number)?;
            watch(&pair.host, number)?;
            pairs.insert(number, pair);
            number += 1;
        }
    }
}

/// A connection of the program and the one that it leads to.
struct Pair {
    program: File,
    host: File,
    out: Half,
    back: Half,
}

/// One direction of a connection.
struct Half {
    bytes: Box<[u8]>,
    /// Those that are still to be written.
    start: usize,
    end: usize,
    /// Whether nothing more comes.
    is_over: bool,
    /// Whether the other end knows that.
    is_told: bool,
}

impl Pair {
    fn new(program: TcpStream, host: UnixStream) -> io::Result<Self> {
        program.set_nodelay(true)?;
        program.set_nonblocking(true)?;
        host.set_nonblocking(true)?;
        Ok(Self {
            program: OwnedFd::from(program).into(),
            host: OwnedFd::from(host).into(),
            out: Half::new(),
            back: Half::new(),
        })
    }

    /// Passes on all that can be passed on now. True, when nothing more will.
    fn pass(&mut self) -> bool {
        let out = self.out.pass(&self.program, &self.host);
        let back = self.back.pass(&self.host, &self.program);
        let is_broken = out.is_err() || back.is_err();
        is_broken || self.out.is_told && self.back.is_told
    }
}

impl Half {
    fn new() -> Self {
        Self {
            bytes: vec![0; ROOM].into(),
            start: 0,
            end: 0,
            is_over: false,
            is_told: false,
        }
    }

    /// Passes on until one of the ends has to be waited for.
    fn pass(&mut self, mut from: &File, mut to: &File) -> io::Result<()> {
        while !self.is_told {
            let waits = if self.start < self.end {
                let written = to.write(&self.bytes[self.start..self.end]);
                waits_or(written)?.map(|written| self.start += written)
            } else if self.is_over {
                // Who has hung up altogether need not be told.
                let _ = shutdown(to, Shutdown::Write);
                self.is_told = true;
                Some(())
            } else {
                let read = from.read(&mut self.bytes);
                waits_or(read)?.map(|read| {
                    (self.start, self.end) = (0, read);
                    self.is_over = read == 0;
                })
            };
            if waits.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Nothing, where it has to be waited.
fn waits_or(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Some(0)),
        done => done.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Where a program connects to, and what `host` makes of each connection.
    fn relayed(host: fn(UnixStream)) -> std::net::SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let connect = move || {
            let (ours, theirs) = UnixStream::pair()?;
            thread::spawn(move || host(theirs));
            Ok(ours)
        };
        thread::spawn(move || lead(&listener, connect));
        address
    }

    #[test]
    fn what_is_said_arrives_whole_both_ways() {
        let echo = |mut host: UnixStream| {
            let mut said = Vec::new();
            host.read_to_end(&mut said).unwrap();
            host.write_all(&said).unwrap();
        };
        let address = relayed(echo);
        let said: Vec<u8> = (0..3_000_000_u32)
            .map(|at| at.to_le_bytes()[at as usize % 3])
            .collect();
        let speak = || {
            let mut program = TcpStream::connect(address).unwrap();
            program.write_all(&said).unwrap();
            program.shutdown(std::net::Shutdown::Write).unwrap();
            let mut heard = Vec::new();
            program.read_to_end(&mut heard).unwrap();
            heard == said
        };
        let all = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(speak)).collect();
            threads.into_iter().all(|thread| thread.join().unwrap())
        });
        assert!(all);
    }

    #[test]
    fn more_connections_than_there_are_places_take_turns() {
        let greet = |mut host: UnixStream| {
            host.write_all(b"hello").unwrap();
            let _ = host.read_to_end(&mut Vec::new());
        };
        let address = relayed(greet);
        let hear = |mut program: &TcpStream| {
            let mut heard = [0; 5];
            program.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"hello");
        };
        let first: Vec<_> = (0..PAIRS)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        first.iter().for_each(hear);
        let mut next = TcpStream::connect(address).unwrap();
        next.set_read_timeout(Some(std::time::Duration::from_millis(50)))
            .unwrap();
        assert!(next.read(&mut [0; 5]).is_err());
        drop(first);
        next.set_read_timeout(None).unwrap();
        hear(&next);
    }

    #[test]
    fn who_hangs_up_is_hung_up_on() {
        let leave = |host: UnixStream| drop(host);
        let mut program = TcpStream::connect(relayed(leave)).unwrap();
        assert_eq!(program.read(&mut [0; 5]).unwrap(), 0);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || lead(&listener, || Err(io::ErrorKind::NotFound.into())));
        let mut nobody = TcpStream::connect(address).unwrap();
        assert_eq!(nobody.read(&mut [0; 5]).unwrap_or(0), 0);
    }
}
