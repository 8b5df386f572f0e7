//! Containers of a Docker daemon, besides what every sandbox must do: images, walls, limits, and
//! what is left.

mod api;
mod images;
mod leftovers;
mod walls;

use std::path::Path;

use toolexec_sandbox::docker::{DockerBuilder, DockerSandbox};
use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_testkit::{daemons, require};

use api::Api;

/// The runtimes that are tested: the daemon's own, and gVisor.
const RUNTIMES: [Option<&str>; 2] = [None, Some("runsc")];

/// A daemon, if there is one.
fn daemon() -> Option<Api> {
    require(daemons::docker()).map(Api)
}

fn linux_guest() -> LinuxGuest {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linux-guest");
    LinuxGuest::built_in(Some(cache))
}

/// A sandbox of it, with no guest started ahead.
fn sandbox(daemon: &Api) -> DockerBuilder {
    sandbox_of(daemon, linux_guest())
}

fn sandbox_of(daemon: &Api, guest: LinuxGuest) -> DockerBuilder {
    let host = daemon.0.to_string_lossy();
    DockerSandbox::builder(guest).host(host).warm(0)
}
