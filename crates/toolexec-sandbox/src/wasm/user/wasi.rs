//! WASI preview 1 for modules of users: the standard streams, clocks, random numbers, sleeping.
//!
//! There are no files, no arguments, no environment and no network: what asks for them is told
//! that the host does not have it, so that a language's runtime can go on without.

use std::time::Duration;

use toolexec_wire::{Op, Stream};
use wasmtime::{Caller, Linker, Module, Result};

use super::state::{State, memory, put, slice};
use super::stop::Stop;
use crate::wasm::imports::random;

/// The name of the module.
pub(super) const NAME: &str = "wasi_snapshot_preview1";

/// The error numbers.
mod errno {
    pub(super) const SUCCESS: i32 = 0;
    pub(super) const BADF: i32 = 8;
    pub(super) const INVAL: i32 = 28;
    pub(super) const NOSYS: i32 = 52;
    pub(super) const SPIPE: i32 = 70;
}

/// The functions that this host does not have, and says so when they are called.
const ABSENT: [&str; 27] = [
    "fd_advise",
    "fd_allocate",
    "fd_datasync",
    "fd_fdstat_set_rights",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_pwrite",
    "fd_readdir",
    "fd_renumber",
    "fd_sync",
    "fd_tell",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "proc_raise",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];
/// The functions that this host has.
const PRESENT: [&str; 19] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_filestat_get",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_read",
    "fd_seek",
    "fd_write",
    "poll_oneoff",
    "proc_exit",
    "random_get",
    "sched_yield",
];

/// The most bytes that are written at once; the module writes the rest again.
const PIECE: u32 = 64 << 10;
/// The most random bytes at once: nothing can interrupt the host.
const MAX_RANDOM: u32 = 256 << 10;
/// The most buffers of a read or write that are looked at.
const MAX_VECTORS: u32 = 1024;
/// The most subscriptions of one `poll_oneoff`.
const MAX_SUBSCRIPTIONS: u32 = 1024;

/// Whether the preview has a function of this name.
pub(super) fn has(name: &str) -> bool {
    PRESENT.contains(&name) || ABSENT.contains(&name)
}

/// Offers all functions that the preview has.
pub(super) fn link(linker: &mut Linker<State>, module: &Module) -> Result<()> {
    environment(linker)?;
    clocks(linker)?;
    streams(linker)?;
    descriptors(linker)?;
    linker.func_wrap_async(
        NAME,
        "poll_oneoff",
        |mut caller: Caller<'_, State>, (from, to, count, at): (u32, u32, u32, u32)| {
            Box::new(async move { poll(&mut caller, from, to, count, at).await })
        },
    )?;
    for import in module.imports() {
        let absent = import.module() == NAME && ABSENT.contains(&import.name());
        if let (true, Some(ty)) = (absent, import.ty().func()) {
            linker.func_new(NAME, import.name(), ty.clone(), |_, _, results| {
                for result in results {
                    *result = errno::NOSYS.into();
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// No arguments and no variables.
fn environment(linker: &mut Linker<State>) -> Result<()> {
    for name in ["args_sizes_get", "environ_sizes_get"] {
        linker.func_wrap(
            NAME,
            name,
            |mut caller: Caller<'_, State>, count: u32, size: u32| {
                put(&mut caller, count, &[0; 4], "WASI: a count")?;
                put(&mut caller, size, &[0; 4], "WASI: a size")?;
                Ok(errno::SUCCESS)
            },
        )?;
    }
    for name in ["args_get", "environ_get"] {
        linker.func_wrap(NAME, name, |_: i32, _: i32| errno::SUCCESS)?;
    }
    linker.func_wrap(NAME, "proc_exit", |status: i32| -> Result<()> {
        Err(Stop::Exit(status).into())
    })?;
    linker.func_wrap(NAME, "sched_yield", || errno::SUCCESS)?;
    Ok(())
}

/// The real time, and time since the module started; random numbers that nothing may rely on for
/// secrets.
fn clocks(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        NAME,
        "clock_time_get",
        |mut caller: Caller<'_, State>, id: u32, _precision: i64, at: u32| {
            let Some(time) = now(caller.data(), id) else {
                return Ok(errno::INVAL);
            };
            let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            put(&mut caller, at, &nanos.to_le_bytes(), "WASI: a time")?;
            Ok(errno::SUCCESS)
        },
    )?;
    linker.func_wrap(
        NAME,
        "clock_res_get",
        |mut caller: Caller<'_, State>, _id: i32, at: u32| {
            put(&mut caller, at, &1_u64.to_le_bytes(), "WASI: a time")?;
            Ok(errno::SUCCESS)
        },
    )?;
    linker.func_wrap(
        NAME,
        "random_get",
        |mut caller: Caller<'_, State>, at: u32, len: u32| {
            if len > MAX_RANDOM {
                return Ok(errno::INVAL);
            }
            let memory = memory(&mut caller)?;
            random(slice(
                memory.data_mut(&mut caller),
                at,
                len,
                "WASI: random bytes",
            )?);
            Ok(errno::SUCCESS)
        },
    )?;
    Ok(())
}

/// The standard input holds the inputs; what is written to the others is printed.
fn streams(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        NAME,
        "fd_read",
        |mut caller: Caller<'_, State>, fd: u32, vectors: u32, count: u32, at: u32| {
            if fd != 0 {
                return Ok(errno::BADF);
            }
            let (start, len) = first(&mut caller, vectors, count)?;
            let memory = memory(&mut caller)?;
            let (data, state) = memory.data_and_store_mut(&mut caller);
            let buffer = slice(data, start, len, "WASI: fd_read")?;
            let left = &state.inputs[state.inputs_read..];
            let read = left.len().min(buffer.len());
            buffer[..read].copy_from_slice(&left[..read]);
            state.inputs_read += read;
            let read = u32::try_from(read).unwrap_or_default();
            put(&mut caller, at, &read.to_le_bytes(), "WASI: fd_read")?;
            Ok(errno::SUCCESS)
        },
    )?;
    linker.func_wrap_async(
        NAME,
        "fd_write",
        |mut caller: Caller<'_, State>, (fd, vectors, count, at): (u32, u32, u32, u32)| {
            Box::new(async move {
                let stream = match fd {
                    1 => Stream::Stdout,
                    2 => Stream::Stderr,
                    _ => return Ok(errno::BADF),
                };
                let (start, len) = first(&mut caller, vectors, count)?;
                let len = len.min(PIECE);
                let memory = memory(&mut caller)?;
                let data = memory.data_mut(&mut caller);
                let text = slice(data, start, len, "WASI: fd_write")?.to_vec();
                caller.data_mut().write(stream, &text).await?;
                put(&mut caller, at, &len.to_le_bytes(), "WASI: fd_write")?;
                Ok(errno::SUCCESS)
            })
        },
    )?;
    Ok(())
}

/// What can be asked of the standard streams; there are no other descriptors.
fn descriptors(linker: &mut Linker<State>) -> Result<()> {
    let of_stream = |fd: u32, other: i32| if fd < 3 { other } else { errno::BADF };
    linker.func_wrap(NAME, "fd_close", move |fd: u32| {
        of_stream(fd, errno::SUCCESS)
    })?;
    linker.func_wrap(NAME, "fd_seek", move |fd: u32, _: i64, _: i32, _: i32| {
        of_stream(fd, errno::SPIPE)
    })?;
    linker.func_wrap(NAME, "fd_fdstat_set_flags", move |fd: u32, _: i32| {
        of_stream(fd, errno::SUCCESS)
    })?;
    linker.func_wrap(NAME, "fd_prestat_get", |_: i32, _: i32| errno::BADF)?;
    linker.func_wrap(NAME, "fd_prestat_dir_name", |_: i32, _: i32, _: i32| {
        errno::BADF
    })?;
    // A character device, so that runtimes do not seek in it; the type is at another place each.
    for (name, size, place) in [("fd_fdstat_get", 24, 0), ("fd_filestat_get", 64, 16)] {
        linker.func_wrap(
            NAME,
            name,
            move |mut caller: Caller<'_, State>, fd: u32, at: u32| {
                if fd > 2 {
                    return Ok(errno::BADF);
                }
                let mut stat = [0; 64];
                stat[place] = 2;
                if size == 24 {
                    // It may be read and written.
                    stat[8] = 0b100_0010;
                }
                put(&mut caller, at, &stat[..size], "WASI: a status")?;
                Ok(errno::SUCCESS)
            },
        )?;
    }
    Ok(())
}

/// Sleeps until the first of some times, as a call of the host. The streams never wait.
async fn poll(
    caller: &mut Caller<'_, State>,
    from: u32,
    to: u32,
    count: u32,
    at: u32,
) -> Result<i32> {
    if !(1..=MAX_SUBSCRIPTIONS).contains(&count) {
        return Ok(errno::INVAL);
    }
    let memory = memory(caller)?;
    let data = memory.data_mut(&mut *caller);
    let list = slice(data, from, count * 48, "WASI: poll_oneoff")?.to_vec();
    let (list, _) = list.as_chunks::<48>();
    let waits: Vec<Duration> = list.iter().map(|one| wait_of(caller.data(), one)).collect();
    let least = waits.iter().min().copied().unwrap_or_default();
    if !least.is_zero() {
        let ms = u64::try_from(least.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let State { link, meter, .. } = caller.data_mut();
        let handle = link.call(Ok(Op::Sleep { ms }), meter).await?;
        link.wait(&[handle], meter).await?;
        link.release(handle, meter)?;
    }
    let mut events = Vec::new();
    for (one, _) in list.iter().zip(&waits).filter(|(_, wait)| **wait <= least) {
        let mut event = [0; 32];
        event[..8].copy_from_slice(&one[..8]);
        event[10] = one[8];
        events.extend(event);
    }
    let happened = u32::try_from(events.len() / 32).unwrap_or_default();
    put(caller, to, &events, "WASI: poll_oneoff")?;
    put(caller, at, &happened.to_le_bytes(), "WASI: poll_oneoff")?;
    Ok(errno::SUCCESS)
}

/// How long a subscription waits: its clock is at 16, its time at 24, its flags at 40.
fn wait_of(state: &State, one: &[u8; 48]) -> Duration {
    if one[8] != 0 {
        return Duration::ZERO;
    }
    let number = |at: usize| {
        one[at..]
            .first_chunk()
            .map_or(0, |eight| u64::from_le_bytes(*eight))
    };
    let time = Duration::from_nanos(number(24));
    let clock = u32::try_from(number(16) & 0xffff_ffff).unwrap_or_default();
    match now(state, clock) {
        Some(now) if one[40] & 1 == 1 => time.saturating_sub(now),
        _ => time,
    }
}

fn now(state: &State, clock: u32) -> Option<Duration> {
    match clock {
        0 => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .ok(),
        1..=3 => Some(state.started.elapsed()),
        _ => None,
    }
}

/// The first buffer that has room, or text: moving less than was asked for is allowed.
fn first(caller: &mut Caller<'_, State>, vectors: u32, count: u32) -> Result<(u32, u32)> {
    let memory = memory(caller)?;
    let data = memory.data_mut(caller);
    for number in 0..count.min(MAX_VECTORS) {
        let at = number
            .checked_mul(8)
            .and_then(|past| vectors.checked_add(past));
        let entry = slice(data, at.unwrap_or(u32::MAX), 8, "WASI: a vector")?;
        let word = |at: usize| {
            entry[at..]
                .first_chunk()
                .map_or(0, |four| u32::from_le_bytes(*four))
        };
        if word(4) > 0 {
            return Ok((word(0), word(4)));
        }
    }
    Ok((0, 0))
}
