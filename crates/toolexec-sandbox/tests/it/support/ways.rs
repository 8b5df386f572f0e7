//! The ways to run guests: one row per sandbox. Every suite runs in each of them.
//!
//! A new sandbox is a function here that returns its row, and its name in [`walls!`]. Where it is
//! behind a feature, what makes it is two functions, one for each case:
//!
//! ```ignore
//! #[cfg(not(feature = "docker"))]
//! fn make_docker(_: Guests) -> Made {
//!     Err(Missing::feature("docker"))
//! }
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use toolexec_core::DocStore;
use toolexec_core::code::CodeExecutor;
use toolexec_core::sandbox::{Language, Profile, Sandbox, Sandboxes};
#[cfg(all(feature = "containerd", target_os = "linux"))]
use toolexec_sandbox::containerd::ContainerdSandbox;
#[cfg(all(feature = "docker", target_os = "linux"))]
use toolexec_sandbox::docker::DockerSandbox;
#[cfg(all(feature = "gvisor", target_os = "linux"))]
use toolexec_sandbox::gvisor::GvisorSandbox;
use toolexec_sandbox::host::HostSandbox;
#[cfg(all(feature = "linux-guest", target_os = "linux"))]
use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_sandbox::process::ProcessSandbox;
#[cfg(all(feature = "runc", target_os = "linux"))]
use toolexec_sandbox::runc::RuncSandbox;
use toolexec_sandbox::wasm::WasmSandbox;
use toolexec_testkit::{Missing, daemons, require, require_named};

use super::{LANGUAGES, Tools};

/// Adds the sandboxes that hold native code to what a macro is given. A new one goes here.
macro_rules! walls {
    ($then:ident!($($given:tt)*)) => {
        $then! { $($given)* process runc gvisor containerd docker qemu }
    };
}

/// Makes a test per sandbox of each suite: a function that takes a [`Way`]. What is not there is
/// loud.
macro_rules! in_every_sandbox {
    ($($suite:ident),+ $(,)?) => {$(
        mod $suite {
            walls! { tests!($suite wasm host) }
        }
    )+};
}

/// The same, only where native code may do its worst.
macro_rules! behind_every_wall {
    ($($suite:ident),+ $(,)?) => {$(
        mod $suite {
            walls! { tests!($suite) }
        }
    )+};
}

macro_rules! tests {
    ($suite:ident $($way:ident)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $way() {
            if let Some(way) = $crate::support::ways::$way().found().await {
                super::$suite(way).await;
            }
        }
    )+};
}

/// What a sandbox is made with.
type Made = Result<Arc<dyn Sandbox>, Missing>;

/// A way to run guests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// The name of the sandbox; `TOOLEXEC_REQUIRE` takes it too.
    pub(crate) name: &'static str,
    /// The profile that it serves.
    pub(crate) profile: Profile,
    /// How many programs run at once where a suite runs many.
    pub(crate) at_once: usize,
    /// Of the recorded programs, every so many-th runs: starting a guest takes its time.
    pub(crate) every: usize,
    /// How many programs run one after the other where the host is measured: as many as there is
    /// time for.
    pub(crate) programs: usize,
    /// How many hosts are killed while they have guests.
    pub(crate) kills: usize,
    /// Makes it, or says what is missing. Starts nothing yet.
    pub(crate) make: fn(Guests) -> Made,
}

/// The guests that a sandbox starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guests {
    pub(crate) program: Program,
    /// How many are started ahead.
    pub(crate) warm: usize,
}

/// Which program is the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Real,
    /// The real one as this crate carries it: built for speed, of the sources as they were then.
    Carried,
    /// One that was taken over.
    Hostile,
}

/// The guest as a WebAssembly module in this process.
pub(crate) fn wasm() -> Way {
    Way {
        name: "wasm",
        profile: Profile::Standard,
        at_once: 200,
        every: 1,
        programs: 10_000,
        kills: 0,
        make: |_| Ok(Arc::new(one_wasm())),
    }
}

/// The guest as a child process that the kernel locks in.
pub(crate) fn process() -> Way {
    Way {
        name: "process",
        profile: Profile::Standard,
        at_once: 50,
        every: 8,
        programs: 10_000,
        kills: 100,
        make: |guests| {
            Ok(Arc::new(ProcessSandbox::with_warm(
                guests.native(),
                guests.warm,
            )))
        },
    }
}

/// The guest in a container of a Docker daemon.
pub(crate) fn docker() -> Way {
    Way {
        name: "docker",
        profile: Profile::Standard,
        at_once: 50,
        every: 40,
        programs: 300,
        kills: 10,
        make: make_docker,
    }
}

#[cfg(all(feature = "docker", target_os = "linux"))]
fn make_docker(guests: Guests) -> Made {
    let socket = daemons::docker()?;
    let sandbox = DockerSandbox::builder(guests.linux()).host(socket.to_string_lossy());
    Ok(Arc::new(sandbox.warm(guests.warm).build().unwrap()))
}

#[cfg(not(all(feature = "docker", target_os = "linux")))]
fn make_docker(_: Guests) -> Made {
    Err(Missing::feature("docker"))
}

/// The guest as a child process without isolation.
pub(crate) fn host() -> Way {
    Way {
        name: "host",
        profile: Profile::Dev,
        at_once: 50,
        every: 8,
        programs: 500,
        kills: 100,
        make: |guests| {
            Ok(Arc::new(HostSandbox::with_warm(
                guests.native(),
                guests.warm,
            )))
        },
    }
}

/// The guest in a container that runc starts.
pub(crate) fn runc() -> Way {
    Way {
        name: "runc",
        profile: Profile::Standard,
        at_once: 50,
        every: 16,
        programs: 400,
        kills: 10,
        make: make_runc,
    }
}

#[cfg(all(feature = "runc", target_os = "linux"))]
fn make_runc(guests: Guests) -> Made {
    let program = daemons::runc()?;
    let sandbox = RuncSandbox::builder(guests.linux());
    let sandbox = sandbox.program(program).warm(guests.warm);
    Ok(Arc::new(sandbox.build()))
}

#[cfg(not(all(feature = "runc", target_os = "linux")))]
fn make_runc(_: Guests) -> Made {
    Err(Missing::feature("runc"))
}

/// The guest on gVisor.
pub(crate) fn gvisor() -> Way {
    Way {
        name: "gvisor",
        profile: Profile::Hardened,
        at_once: 50,
        every: 64,
        programs: 120,
        kills: 10,
        make: make_gvisor,
    }
}

#[cfg(all(feature = "gvisor", target_os = "linux"))]
fn make_gvisor(guests: Guests) -> Made {
    let program = daemons::runsc()?;
    let sandbox = GvisorSandbox::builder(guests.linux());
    let sandbox = sandbox.program(program).warm(guests.warm);
    Ok(Arc::new(sandbox.build()))
}

#[cfg(not(all(feature = "gvisor", target_os = "linux")))]
fn make_gvisor(_: Guests) -> Made {
    Err(Missing::feature("gvisor"))
}

/// The guest in a container of containerd.
pub(crate) fn containerd() -> Way {
    Way {
        name: "containerd",
        profile: Profile::Standard,
        at_once: 50,
        every: 64,
        programs: 300,
        kills: 10,
        make: make_containerd,
    }
}

#[cfg(all(feature = "containerd", target_os = "linux"))]
fn make_containerd(guests: Guests) -> Made {
    let socket = daemons::containerd()?;
    let sandbox = ContainerdSandbox::builder(guests.linux());
    let sandbox = sandbox.socket(socket).warm(guests.warm);
    Ok(Arc::new(sandbox.build()))
}

#[cfg(not(all(feature = "containerd", target_os = "linux")))]
fn make_containerd(_: Guests) -> Made {
    Err(Missing::feature("containerd"))
}

/// The guest in a virtual machine.
pub(crate) fn qemu() -> Way {
    Way {
        name: "qemu",
        profile: Profile::Hardened,
        at_once: 25,
        every: 64,
        programs: 120,
        kills: 10,
        make: make_qemu,
    }
}

#[cfg(all(feature = "qemu", target_os = "linux"))]
fn make_qemu(guests: Guests) -> Made {
    Ok(Arc::new(machines(guests)?.build()))
}

/// Machines of one image for all tests: those of a kind are saved once, and restored from then on.
#[cfg(all(feature = "qemu", target_os = "linux"))]
pub(crate) fn machines(guests: Guests) -> Result<toolexec_sandbox::qemu::Builder, Missing> {
    use toolexec_sandbox::qemu::QemuSandbox;
    use toolexec_sandbox::vm::Images;
    static IMAGES: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
    let kernel = daemons::qemu()?;
    let images = Images::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("vm-images"));
    let guest = guests.linux();
    // Looking at all of an image takes a moment.
    let image = IMAGES[usize::from(guests.program == Program::Hostile)].get_or_init(|| {
        let image = images.build(&kernel, &guest).unwrap();
        image.directory().to_owned()
    });
    let builder = QemuSandbox::builder(guest, images);
    Ok(builder.image(image).warm(guests.warm))
}

#[cfg(not(all(feature = "qemu", target_os = "linux")))]
fn make_qemu(_: Guests) -> Made {
    Err(Missing::feature("qemu"))
}

/// The guest in a virtual machine of Firecracker, where there is one. Nothing installs it, so that
/// it runs its own suites, and may be missing unless it is asked for by its name.
#[cfg(feature = "firecracker")]
pub(crate) fn firecracker() -> Way {
    Way {
        name: "firecracker",
        profile: Profile::Hardened,
        at_once: 4,
        every: 100,
        programs: 20,
        kills: 2,
        make: |guests| {
            use toolexec_sandbox::firecracker::FirecrackerSandbox;
            use toolexec_sandbox::vm::Images;
            let (program, kernel) = toolexec_testkit::daemons::firecracker()?;
            let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
            let guest = guests.linux();
            let images = Images::new(cache.join("vm-images"));
            images.build(&kernel, &guest).unwrap();
            let state = cache.join("firecracker");
            let builder = FirecrackerSandbox::builder(guest, images, state).program(program);
            let builder = builder.patience(std::time::Duration::from_mins(1));
            Ok(Arc::new(builder.warm(guests.warm).build()))
        },
    }
}

/// One module in memory for all tests of a process: compiling it takes seconds.
fn one_wasm() -> WasmSandbox {
    static SANDBOX: OnceLock<WasmSandbox> = OnceLock::new();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasm-cache");
    SANDBOX
        .get_or_init(|| WasmSandbox::builder().cache(cache).build())
        .clone()
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! list {
    ($($way:ident)+) => {
        &[$($way),+]
    };
}

impl Way {
    /// The way with a name.
    pub(crate) fn named(name: &str) -> Self {
        let all: &[fn() -> Self] = walls! { list!(wasm host) };
        let mut all = all.iter().map(|way| way());
        all.find(|way| way.name == name).unwrap()
    }

    /// What it is one of: `wasm`, `processes`, `containers` or `machines`.
    pub(crate) fn kind(self) -> &'static str {
        match self.name {
            "wasm" => "wasm",
            "process" | "host" => "processes",
            "qemu" | "firecracker" => "machines",
            _ => "containers",
        }
    }

    /// Whether it is there: absence is loud, and what is there must work.
    pub(crate) async fn found(self) -> Option<Self> {
        let made = (self.make)(Guests::REAL);
        let sandbox = match self.name {
            "firecracker" => require_named(made),
            _ => require(made),
        }?;
        let probe = sandbox.probe().await;
        assert_eq!(probe.map_err(|error| error.report()), Ok(()));
        if self.name == "wasm" {
            // No test has the time to compile a guest.
            one_wasm().warm_up().await.unwrap();
        }
        Some(self)
    }

    /// A sandbox of its own.
    pub(crate) fn sandbox(self, guests: Guests) -> Arc<dyn Sandbox> {
        (self.make)(guests).unwrap()
    }

    /// An executor over tools, with no guest started ahead.
    pub(crate) fn executor(self, tools: &Tools) -> CodeExecutor {
        self.executor_of(Guests::REAL, tools)
    }

    pub(crate) fn executor_of(self, guests: Guests, tools: &Tools) -> CodeExecutor {
        let sandboxes = Sandboxes::new()
            .allow_unsafe(self.profile == Profile::Dev)
            .candidates(self.profile, [self.name])
            .with(self.sandbox(guests));
        let docs = Arc::new(DocStore::default());
        CodeExecutor::builder(tools.runner.clone(), docs, sandboxes)
            .profile(self.profile)
            .build()
    }

    /// The languages that are there to be tested.
    pub(crate) fn languages(self) -> Vec<Language> {
        let described = self.sandbox(Guests::REAL).describe().languages;
        let is_there = |language: &Language| {
            let remedy = "build the guests: cargo xtask guest";
            let name = format!("{}-{language:?}", self.name).to_lowercase();
            let missing = Missing::new(name, "this guest is not built in", remedy);
            let found = described.contains(language).then_some(());
            require(found.ok_or(missing)).is_some()
        };
        LANGUAGES.into_iter().filter(is_there).collect()
    }

    /// The languages that are there to be tested, each with an executor and its tools.
    pub(crate) fn each(self) -> Vec<(Language, CodeExecutor, Tools)> {
        let one = |language| {
            let tools = Tools::new();
            (language, self.executor(&tools), tools)
        };
        self.languages().into_iter().map(one).collect()
    }
}

impl Guests {
    pub(crate) const REAL: Self = Self {
        program: Program::Real,
        warm: 0,
    };
    pub(crate) const HOSTILE: Self = Self {
        program: Program::Hostile,
        warm: 0,
    };

    /// The guest as a program of this machine.
    fn native(self) -> PathBuf {
        match self.program {
            Program::Real => toolexec_testkit::build::guest(),
            #[cfg(feature = "linux-guest")]
            Program::Carried => self.linux().program().unwrap(),
            #[cfg(not(feature = "linux-guest"))]
            Program::Carried => toolexec_testkit::build::guest(),
            Program::Hostile => toolexec_testkit::build::hostile(),
        }
    }

    /// The guest as a static program, which containers and machines run.
    #[cfg(all(feature = "linux-guest", target_os = "linux"))]
    fn linux(self) -> LinuxGuest {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linux-guest");
        match self.program {
            Program::Real | Program::Carried => LinuxGuest::built_in(Some(cache)),
            Program::Hostile => LinuxGuest::at(toolexec_testkit::build::hostile(), Some(cache)),
        }
    }
}
