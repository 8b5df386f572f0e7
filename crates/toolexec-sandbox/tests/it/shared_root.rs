//! The root with toolchains that all tests share.

use std::fs::File;
use std::path::PathBuf;

use toolexec_sandbox::roots::{Recipe, Root, Roots, Toolchain};
use toolexec_testkit::daemons::place;
use toolexec_testkit::{Missing, daemons, require};

/// Its name.
pub(crate) const NAME: &str = "tests";

fn place() -> Result<PathBuf, Missing> {
    place::root().ok_or_else(|| Missing::new("debootstrap", "HOME is not set", "set it"))
}

pub(crate) fn roots() -> Roots {
    Roots::new(place().unwrap().join("roots"))
}

/// The root of all tests, which is made once: it takes minutes, and stays.
pub(crate) async fn root() -> Option<Root> {
    require(daemons::debootstrap())?;
    let place = require(place())?;
    let recipe = Recipe {
        pip: ["humanize==4.9.0".to_owned()].into(),
        npm: ["left-pad@1.3.0".to_owned()].into(),
        ..Recipe::new(Toolchain::ALL)
    };
    // Each test is a process of its own; the others wait for the first.
    let lock = File::create(place.join("roots.lock")).unwrap();
    let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock));
    let _locked = locked.await.unwrap().unwrap();
    let built = roots().build(&recipe, Some(NAME)).await;
    Some(built.unwrap_or_else(|error| panic!("{:?}", error.report())))
}
