//! The sandboxes that are built in.

use std::path::PathBuf;

use toolexec_core::sandbox::Sandboxes;

/// What the sandboxes that are built in need to know of this machine.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Setup {
    guest_program: Option<PathBuf>,
    cache: Option<PathBuf>,
    warm: usize,
}

/// Sandboxes that configurations may name and that this version does not have.
const NOT_YET: [&str; 6] = [
    "docker",
    "containerd",
    "gvisor",
    "kata",
    "firecracker",
    "qemu",
];

#[cfg(any(feature = "host", feature = "process"))]
const NO_GUEST: &str = "the guest program is not there: build toolexec-guest and say where it is";

impl Setup {
    /// Nothing known: no guest program, no cache, no guests started ahead.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says where the native guest program is, for the `host` and `process` sandboxes.
    pub fn guest_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.guest_program = Some(program.into());
        self
    }

    /// Says where compiled guests are kept, for the `wasm` sandbox. Only the user may write there.
    pub fn cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache = Some(directory.into());
        self
    }

    /// Says how many child processes are started ahead, for the `host` and `process` sandboxes.
    pub fn warm(mut self, guests: usize) -> Self {
        self.warm = guests;
        self
    }

    /// The sandboxes that are built in; of the others, why they are not there.
    pub fn sandboxes(&self) -> Sandboxes {
        let mut all = Sandboxes::new();
        for name in NOT_YET {
            all = all.without(name, "this version does not have it");
        }
        let all = self.with_wasm(all);
        let all = self.with_process(all);
        self.with_host(all)
    }

    #[cfg(all(feature = "process", target_os = "linux"))]
    fn with_process(&self, all: Sandboxes) -> Sandboxes {
        match &self.guest_program {
            Some(program) => {
                let process = crate::process::ProcessSandbox::with_warm(program, self.warm);
                all.with(std::sync::Arc::new(process))
            }
            None => all.without("process", NO_GUEST),
        }
    }

    #[cfg(not(all(feature = "process", target_os = "linux")))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn with_process(&self, all: Sandboxes) -> Sandboxes {
        let reason = if cfg!(target_os = "linux") {
            "it is not built in: the feature `process` is off"
        } else {
            "it needs Linux"
        };
        all.without("process", reason)
    }

    #[cfg(feature = "wasm")]
    fn with_wasm(&self, all: Sandboxes) -> Sandboxes {
        let mut builder = crate::wasm::WasmSandbox::builder();
        if let Some(cache) = &self.cache {
            builder = builder.cache(cache);
        }
        all.with(std::sync::Arc::new(builder.build()))
    }

    #[cfg(not(feature = "wasm"))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn with_wasm(&self, all: Sandboxes) -> Sandboxes {
        all.without("wasm", "it is not built in: the feature `wasm` is off")
    }

    #[cfg(feature = "host")]
    fn with_host(&self, all: Sandboxes) -> Sandboxes {
        match &self.guest_program {
            Some(program) => {
                let host = crate::host::HostSandbox::with_warm(program, self.warm);
                all.with(std::sync::Arc::new(host))
            }
            None => all.without("host", NO_GUEST),
        }
    }

    #[cfg(not(feature = "host"))]
    #[expect(clippy::unused_self, reason = "the other build needs it")]
    fn with_host(&self, all: Sandboxes) -> Sandboxes {
        all.without("host", "it is not built in: the feature `host` is off")
    }
}
