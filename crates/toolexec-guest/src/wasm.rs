//! The module for wasm: a channel over three imports, and the exports that a host calls.
//!
//! `init` builds the engine of the module and evaluates its prelude; the memory can be kept as an
//! image after it. `run` greets the host, and runs one program each time it is called after that:
//! when it returns, everything that the guest knows is in its memory, which can be copied. The
//! imports are of module `toolexec`:
//! `read(ptr, len) -> len` blocks and returns 0 at the end, `write(ptr, len)` takes all, `ready()`
//! says whether a read would not block.
#![expect(
    unsafe_code,
    reason = "imports and exports of a module are not checked by the compiler"
)]

use std::cell::RefCell;
use std::io;

use toolexec_wire::Language;

use crate::engine::{self, Engine};
use crate::host::Channel;
use crate::session::Session;

#[link(wasm_import_module = "toolexec")]
unsafe extern "C" {
    #[link_name = "read"]
    fn host_read(ptr: *mut u8, len: usize) -> i32;
    #[link_name = "write"]
    fn host_write(ptr: *const u8, len: usize);
    #[link_name = "ready"]
    safe fn host_ready() -> i32;
}

struct Imports;

impl Channel for Imports {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the host writes at most `len` bytes from `ptr` on.
        let size = unsafe { host_read(buffer.as_mut_ptr(), buffer.len()) };
        usize::try_from(size).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // SAFETY: the host only reads these bytes.
        unsafe { host_write(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    fn ready(&mut self) -> bool {
        host_ready() != 0
    }
}

thread_local! {
    static READY: RefCell<Option<(Language, Box<dyn Engine>)>> = const { RefCell::new(None) };
    static SESSION: RefCell<Option<Session>> = const { RefCell::new(None) };
}

/// What `run` answers.
mod status {
    /// The host hung up.
    pub(super) const OVER: i32 = 0;
    /// The host broke the protocol, or the stream failed.
    pub(super) const BROKEN: i32 = 1;
    /// It is to be called again.
    pub(super) const GOES_ON: i32 = 2;
}

/// Builds the engine.
#[unsafe(export_name = "init")]
extern "C" fn init() {
    let language = engine::languages().into_iter().next();
    READY.set(language.and_then(engine::warm));
}

/// Greets the host at first, then runs its next program.
#[unsafe(export_name = "run")]
extern "C" fn run() -> i32 {
    let served = match SESSION.take() {
        None => Session::greet(Imports, READY.take()).map(Some),
        Some(mut session) => session.serve_one().map(|more| more.then_some(session)),
    };
    match served {
        Ok(Some(session)) => {
            SESSION.set(Some(session));
            status::GOES_ON
        }
        Ok(None) => status::OVER,
        Err(_) => status::BROKEN,
    }
}
