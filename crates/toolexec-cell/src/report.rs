//! What a host and a launcher say to each other on the socket between them.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::sys;

/// The longest word of a launcher.
const LONGEST: usize = 16 * 1024;
/// The largest spec.
const LARGEST: usize = 16 << 20;

/// A program that runs.
#[derive(Debug)]
pub struct Started {
    /// The first process of its namespaces, as the host sees it.
    pub pid: u32,
    /// Where it connects to, with [`Spec::listen`].
    pub listener: Option<TcpListener>,
}

/// Why a program does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GiveError {
    /// A step of locking it in failed.
    #[error("{step} failed: {reason}")]
    Step {
        /// What was being done.
        step: String,
        /// Why it failed.
        reason: String,
        /// The number of the system's error.
        errno: Option<i32>,
    },
    /// The launcher ended, or is none.
    #[error("the launcher does not answer")]
    Silent(#[source] io::Error),
    /// The spec cannot be passed on.
    #[error("this cannot be told to a launcher: {0}")]
    Spec(#[from] serde_json::Error),
}

/// A word of a launcher.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// The first process is there.
    Pid(u32),
    /// The listener comes with this word.
    Listener,
    /// The program runs.
    Started,
    /// It does not.
    Failed {
        step: String,
        reason: String,
        errno: Option<i32>,
    },
}

/// Tells a launcher what to do, and waits until the program runs. It blocks; give the socket a
/// timeout.
///
/// # Errors
/// [`GiveError`]; nothing runs then.
pub fn give(socket: &UnixStream, spec: &Spec) -> Result<Started, GiveError> {
    let text = serde_json::to_vec(spec)?;
    let length = u32::try_from(text.len()).map_err(|error| silent(io::Error::other(error)))?;
    let mut writer = socket;
    writer.write_all(&length.to_le_bytes()).map_err(silent)?;
    writer.write_all(&text).map_err(silent)?;
    let mut started = Started {
        pid: 0,
        listener: None,
    };
    loop {
        match hear(socket).map_err(silent)? {
            (Word::Pid(pid), _) => started.pid = pid,
            (Word::Listener, listener) => started.listener = listener.map(TcpListener::from),
            (Word::Started, _) => return Ok(started),
            (
                Word::Failed {
                    step,
                    reason,
                    errno,
                },
                _,
            ) => {
                return Err(GiveError::Step {
                    step,
                    reason,
                    errno,
                });
            }
        }
    }
}

fn silent(error: io::Error) -> GiveError {
    GiveError::Silent(error)
}

/// The spec that a host gives.
pub(crate) fn take(mut socket: &UnixStream) -> io::Result<Spec> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LARGEST {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    let mut text = vec![0; length];
    socket.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Says a word to the host, with a descriptor or without.
pub(crate) fn say(socket: &UnixStream, word: &Word, with: Option<&OwnedFd>) -> io::Result<()> {
    let mut text = serde_json::to_vec(word)?;
    text.truncate(LONGEST);
    text.push(b'\n');
    sys::send(socket, &text, with)
}

/// One word; a byte at a time, for what follows may come with a descriptor.
fn hear(socket: &UnixStream) -> io::Result<(Word, Option<OwnedFd>)> {
    let (mut text, mut with) = (Vec::new(), None);
    loop {
        let mut byte = [0];
        let (count, fd) = sys::receive(socket, &mut byte)?;
        with = with.or(fd);
        match (count, byte[0]) {
            (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
            (_, b'\n') => return Ok((serde_json::from_slice(&text)?, with)),
            _ if text.len() > LONGEST => return Err(io::ErrorKind::InvalidData.into()),
            (_, byte) => text.push(byte),
        }
    }
}
