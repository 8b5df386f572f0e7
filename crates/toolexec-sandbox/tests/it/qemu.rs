//! The sandbox `qemu`: machines that really boot, and what is said where they cannot.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;
use toolexec_core::DocStore;
use toolexec_core::code::{CodeExecutor, Submission};
use toolexec_core::error::ErrorReport;
use toolexec_core::sandbox::{
    Language, LimitName, Limits, Profile, Sandbox, Sandboxes, SessionSpec,
};
use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_sandbox::qemu::{Accel, Builder, QemuSandbox};
use toolexec_sandbox::vm::{Image, Images};
use toolexec_testkit::{Missing, daemons, require};

use crate::machines;
use crate::support::{Guests, Tools, run, ways};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_program_does_to_its_machine_ends_with_it() {
    let Some(way) = ways::qemu().found().await else {
        return;
    };
    let executor = way.executor(&Tools::new());
    let limits = Limits {
        run_time: Some(Duration::from_secs(20)),
        wait_time: Some(Duration::from_mins(1)),
        memory: Some(32 << 20),
        ..Limits::default()
    };
    let programs = [
        (
            "const all = []; while (true) all.push(new Array(10000).fill(all.length))",
            LimitName::Memory,
        ),
        ("while (true) {}", LimitName::CpuTime),
        (
            "while (true) console.log('x'.repeat(100000))",
            LimitName::Output,
        ),
    ];
    let mut ends = Vec::new();
    for (source, name) in programs {
        let cpu_time = (name == LimitName::CpuTime).then_some(Duration::from_millis(500));
        let limits = Limits {
            cpu_time,
            output: Some(1 << 20),
            ..limits
        };
        let submission = Submission::new(Language::JavaScript, source).limits(limits);
        let outcome = run(&executor, submission.check(false)).await;
        let limit = outcome
            .error
            .as_ref()
            .and_then(|error| error.limit.as_ref());
        ends.push((limit.map(|limit| limit.name), Some(name)));
        assert_eq!(
            ends.last().map(|(is, must)| is == must),
            Some(true),
            "{outcome:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_of_a_machine_is_that_of_its_host() {
    let Some(way) = ways::qemu().found().await else {
        return;
    };
    let executor = way.executor(&Tools::new());
    let source = "const from = Date.now(); await tools.test.slow({ms: 2000}); return [from, Date.now() - from]";
    let before = std::time::SystemTime::now();
    let outcome = run(&executor, Submission::new(Language::JavaScript, source)).await;
    let seen = outcome.value;
    let epoch = std::time::UNIX_EPOCH;
    let from = epoch + Duration::from_millis(seen[0].as_u64().unwrap());
    assert!(
        from >= before - Duration::from_millis(100),
        "{from:?} {before:?}"
    );
    assert!(from <= std::time::SystemTime::now());
    // It neither stands nor runs away: the call took two seconds and its own way.
    let passed = seen[1].as_f64().unwrap();
    let most = outcome.usage.wait_time + outcome.usage.run_time;
    assert!(
        passed >= 1990.0 && passed <= most.as_secs_f64() * 1020.0,
        "{passed} {most:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_machine_has_a_user_of_its_own() {
    let Some(builder) = require(ways::machines(Guests::REAL)) else {
        return;
    };
    let sandbox = builder.warm(0).build();
    let spec = || SessionSpec::new(Language::JavaScript, Limits::standard());
    let started = [
        sandbox.start(spec()).await.unwrap(),
        sandbox.start(spec()).await.unwrap(),
    ];
    let own = std::process::id().to_string();
    let field = |status: &str, name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1).map(str::to_owned))
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let users: HashSet<String> = processes
        .filter_map(|process| fs::read_to_string(process.path().join("status")).ok())
        .filter(|status| status.starts_with("Name:\tqemu-system"))
        .filter(|status| field(status, "PPid:").as_ref() == Some(&own))
        .filter_map(|status| field(&status, "Uid:"))
        .collect();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    assert_eq!(users.len(), if is_root { 2 } else { 1 }, "{users:?}");
    assert!(!users.contains("0"), "{users:?}");
    drop(started);
}

/// What a guest finds of its machine by which it is told from others.
const IDENTITY: &str = "looking for who it is";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_restored_from_one_state_are_not_alike() {
    let Some(builder) = require(ways::machines(Guests::HOSTILE)) else {
        return;
    };
    let sandbox = builder.build();
    let sandboxes = Sandboxes::new()
        .candidates(Profile::Hardened, ["qemu"])
        .with(Arc::new(sandbox.clone()));
    let docs = Arc::new(DocStore::default());
    let executor = CodeExecutor::builder(Tools::new().runner, docs, sandboxes)
        .profile(Profile::Hardened)
        .build();
    let mut seen: [HashSet<String>; 3] = Default::default();
    for _ in 0..4 {
        let before = UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let outcome = run(&executor, Submission::new(Language::JavaScript, IDENTITY)).await;
        let after = UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        assert_eq!(outcome.error, None);
        let clock = outcome.value["seconds"].as_f64().unwrap();
        // The host's clock and the machine's are read in steps.
        let (from, to) = (before - 0.1, after + 0.1);
        assert!(from <= clock && clock <= to, "{from} {clock} {to}");
        for (seen, name) in seen.iter_mut().zip(["boot", "name", "random"]) {
            seen.insert(outcome.value[name].to_string());
        }
    }
    assert_eq!(seen.map(|seen| seen.len()), [4; 3]);
    // Each was restored; else this shows nothing.
    assert_eq!(sandbox.problem(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_private_used_again_and_goes_with_its_image() {
    let Some(image) = require(real_image()) else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let images = Images::new(work.path().join("images"));
    let directory = work.path().join("images").join(image.name());
    copy(image.directory(), &directory);
    let sandbox = || {
        let guest = LinuxGuest::built_in(None);
        let builder = QemuSandbox::builder(guest, images.clone()).warm(0);
        builder.image(&directory).build()
    };
    let probed = async |sandbox: QemuSandbox| {
        sandbox
            .probe()
            .await
            .map_err(|error| error.report())
            .unwrap();
        sandbox
            .problem()
            .map(|report| (report.message, report.hints))
    };
    assert_eq!(probed(sandbox()).await, None);
    let snapshot = only(&directory.join("snapshots"));
    let made = |name: &str| fs::metadata(snapshot.join(name)).unwrap();
    let mut modes = vec![fs::metadata(&snapshot).unwrap().mode()];
    modes.extend(["memory", "state", "snapshot.json"].map(|name| made(name).mode()));
    assert_eq!(modes, [0o040_700, 0o100_600, 0o100_600, 0o100_600]);
    // Another process finds it, and makes none of its own.
    let (number, time) = (made("memory").ino(), made("memory").mtime_nsec());
    assert_eq!(probed(sandbox()).await, None);
    assert_eq!(only(&directory.join("snapshots")), snapshot);
    let again = (made("memory").ino(), made("memory").mtime_nsec());
    assert_eq!(again, (number, time));
    // One of another version is not restored, whatever it is called.
    let text = fs::read_to_string(snapshot.join("snapshot.json")).unwrap();
    let other = text.replace("QEMU emulator version ", "QEMU emulator version 1");
    assert_ne!(other, text);
    fs::write(snapshot.join("snapshot.json"), other).unwrap();
    let message = "the snapshot of a virtual machine is not used: it is of another version";
    let hint = "it was removed, and is made anew: do not copy snapshots, they are made where they \
                are used";
    let wanted = (message.to_owned(), vec![hint.to_owned()]);
    assert_eq!(probed(sandbox()).await, Some(wanted));
    let anew = fs::read_to_string(snapshot.join("snapshot.json")).unwrap();
    let what = |text: &str| text.split("counter_khz").next().unwrap().to_owned();
    assert_eq!(what(&anew), what(&text));
    images.remove(&image.name()).unwrap();
    assert!(!directory.exists());
}

#[test]
fn where_the_disk_is_full_images_are_refused_and_snapshots_not_kept() {
    let Some(image) = require(real_image()) else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let place = work.path().to_owned();
    // In a view of its own of what is mounted, which ends with this thread.
    let tried = std::thread::spawn(move || {
        mount_small(&place, 24 << 20)?;
        let root = daemons::qemu().map_err(|missing| missing.to_string())?;
        let images = Images::new(place.join("images"));
        let refused = images
            .build(&root, &LinuxGuest::built_in(None))
            .unwrap_err();
        let left = fs::read_dir(place.join("images")).unwrap().count();
        // Room for the image, and for a part of a snapshot.
        let place = place.join("larger");
        fs::create_dir(&place).unwrap();
        mount_small(&place, image.size() + (8 << 20))?;
        let directory = place.join(image.name());
        copy(image.directory(), &directory);
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let problem = runtime.block_on(async {
            let builder = QemuSandbox::builder(LinuxGuest::built_in(None), images);
            let sandbox = builder.image(&directory).warm(0).build();
            sandbox
                .probe()
                .await
                .map_err(|error| error.report())
                .unwrap();
            sandbox.problem().unwrap()
        });
        let snapshots = fs::read_dir(directory.join("snapshots")).unwrap().count();
        Ok::<_, String>((refused.report(), left, problem, snapshots))
    });
    let tried = tried.join().unwrap();
    let remedy = "run the tests as root";
    let mounted = tried.map_err(|error| Missing::new("mounting", error, remedy));
    let Some((refused, left, problem, snapshots)) = require(mounted) else {
        return;
    };
    let message = "the image of the virtual machine cannot be written";
    let hint = "make room where images are kept: `toolexec image ls` shows them, and `toolexec \
                image rm` removes those that are not needed";
    assert_eq!(
        (&*refused.message, &refused.hints[..]),
        (message, &[hint.to_owned()][..])
    );
    let message = "the snapshot of a virtual machine cannot be kept: each process makes its own";
    let hint = "make room where images are kept (`toolexec image ls` says where), or set snapshots \
                to false";
    assert_eq!(
        (&*problem.message, &problem.hints[..]),
        (message, &[hint.to_owned()][..])
    );
    assert_eq!((left, snapshots), (0, 0), "halves are left");
}

/// Mounts an empty file system of so many bytes, which only this thread and what it starts see.
#[expect(
    unsafe_code,
    reason = "only this thread is to see it, and shares its files with none"
)]
fn mount_small(place: &Path, bytes: u64) -> Result<(), String> {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
    use rustix::thread::{UnshareFlags, unshare_unsafe};
    let own = UnshareFlags::FS | UnshareFlags::NEWNS;
    // SAFETY: no other thread relies on the directories of this one.
    unsafe { unshare_unsafe(own) }.map_err(|error| format!("unshare: {error}"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(|error| format!("mount: {error}"))?;
    let size = std::ffi::CString::new(format!("size={bytes}")).unwrap();
    let mounted = mount(c"small", place, c"tmpfs", MountFlags::NOSUID, Some(&*size));
    mounted.map_err(|error| format!("mount: {error}"))
}

#[test]
fn what_is_no_kernel_for_machines_is_refused_by_what_it_is() {
    let mut arm = vec![0; 4096];
    arm[56..60].copy_from_slice(b"ARM\x64");
    let mut for_other = fs::read("/proc/self/exe").unwrap();
    for_other[0x12] = 183;
    let other = "it is for another kind of processor; machines here have x86_64";
    let kernels: [(&[u8], &str); 4] = [
        (b"a text, and no kernel", "it has no header of Linux"),
        (
            &fs::read("/proc/self/exe").unwrap(),
            "it is a program that virtual machines cannot start",
        ),
        (&arm, other),
        (&for_other, other),
    ];
    for (kernel, why) in kernels {
        let work = tempfile::tempdir().unwrap();
        put(&work, "boot/vmlinuz-1", kernel);
        put(
            &work,
            "lib/modules/1/virtio_mmio.ko",
            b"\x7fELF\0depends=\0",
        );
        put(
            &work,
            "lib/modules/1/virtio_console.ko",
            b"\x7fELF\0depends=\0",
        );
        let images = Images::new(work.path().join("images"));
        let guest = LinuxGuest::built_in(None);
        let report = images.build(work.path(), &guest).unwrap_err().report();
        let hint = "`toolexec image build` downloads one where apt knows linux-image-cloud-amd64; \
                    or unpack the package of a kernel for x86_64 and name the directory: toolexec \
                    image build --kernel DIRECTORY";
        let wanted = (
            format!("the kernel cannot be used: {why}"),
            vec![hint.to_owned()],
        );
        assert_eq!((report.message, report.hints), wanted);
        assert!(!work.path().join("images").exists(), "nothing is kept");
    }
}

/// What a sandbox says that cannot be used, without the causes, which name this machine.
async fn refusal(sandbox: QemuSandbox) -> (String, Vec<String>) {
    let error = sandbox.probe().await.unwrap_err();
    let report: ErrorReport = error.report();
    assert_eq!(report.code, "sandbox_unavailable");
    (report.message, report.hints)
}

fn builder(work: &TempDir) -> Builder {
    let guest = LinuxGuest::built_in(Some(work.path().join("guest")));
    QemuSandbox::builder(guest, Images::new(work.path().join("images")))
        .accel(Accel::Tcg)
        .warm(0)
}

/// The image that the other tests use.
fn real_image() -> Result<Image, Missing> {
    let kernel = daemons::qemu()?;
    let images = Images::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("vm-images"));
    Ok(images.build(&kernel, &LinuxGuest::built_in(None)).unwrap())
}

/// An image without its snapshots.
fn copy(image: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in ["kernel", "initrd", "image.json"] {
        fs::copy(image.join(name), to.join(name)).unwrap();
    }
}

/// The one thing that is in a directory.
fn only(directory: &Path) -> PathBuf {
    let mut all: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn put(work: &TempDir, path: &str, content: &[u8]) {
    let path = work.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn image(work: &TempDir, kernel: &[u8], initrd: &[u8]) -> PathBuf {
    machines::image_of(work.path(), kernel, initrd)
}

#[tokio::test]
async fn without_qemu_it_is_said_how_to_get_it() {
    let work = tempfile::tempdir().unwrap();
    let sandbox = builder(&work).program("/nowhere/qemu").build();
    let install = "install QEMU: apt-get install qemu-system-x86".to_owned();
    let wanted = ("QEMU is not installed".to_owned(), vec![install]);
    assert_eq!(refusal(sandbox).await, wanted);
}

#[tokio::test]
async fn an_image_that_was_cut_off_is_not_started() {
    if require(daemons::qemu()).is_none() {
        return;
    }
    let hint = "make it anew: toolexec image build".to_owned();
    for (name, said) in [
        ("kernel", "4 bytes instead of 11"),
        ("initrd", "4 bytes instead of 12"),
    ] {
        let work = tempfile::tempdir().unwrap();
        let image = image(&work, b"\x7fELF kernel", b"\x7fELF archive");
        fs::write(image.join(name), b"\x7fELF").unwrap();
        let message =
            format!("the image of the virtual machine is damaged: its file {name} has {said}");
        let sandbox = builder(&work).image(image).build();
        assert_eq!(refusal(sandbox).await, (message, vec![hint.clone()]));
    }
}

const DOES_NOT_START: &str = "the virtual machine does not start";

#[tokio::test]
async fn a_kernel_that_is_none_is_told_from_one_that_hangs() {
    if require(daemons::qemu()).is_none() {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let image = image(&work, b"\x7fELF kernel", b"");
    let sandbox = builder(&work).image(&image).build();
    let (message, hints) = refusal(sandbox).await;
    assert_eq!(message, DOES_NOT_START);
    // Whether QEMU refuses it or the machine stays silent depends on QEMU's version.
    assert!(hints.concat().contains("toolexec image build"), "{hints:?}");
}

#[tokio::test]
async fn a_machine_without_a_first_process_or_a_guest_says_so() {
    let Some(real) = require(real_image()) else {
        return;
    };
    let kernel = fs::read(real.kernel()).unwrap();
    let work = tempfile::tempdir().unwrap();
    let nothing = image(&work, &kernel, EMPTY_ARCHIVE);
    let sandbox = builder(&work).image(nothing).build();
    let hint = "its kernel finds nothing to start, or cannot go on: make the image anew with \
                toolexec image build";
    let wanted = (DOES_NOT_START.to_owned(), vec![hint.to_owned()]);
    assert_eq!(refusal(sandbox).await, wanted);
    // A first process, and a guest that is none.
    put(&work, "program", b"no program");
    let guest = LinuxGuest::at(work.path().join("program"), None);
    let images = Images::new(work.path().join("images"));
    let root = daemons::qemu().unwrap();
    let image = images.build(&root, &guest).unwrap();
    let sandbox = builder(&work).image(image.directory()).build();
    let hint = "its guest does not start: make the image anew with toolexec image build";
    let wanted = (DOES_NOT_START.to_owned(), vec![hint.to_owned()]);
    assert_eq!(refusal(sandbox).await, wanted);
}

/// An archive of cpio with nothing in it.
const EMPTY_ARCHIVE: &[u8] = b"07070100000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000b00000000TRAILER!!!\0\0\0\0";

#[tokio::test]
async fn a_machine_that_never_speaks_is_given_up() {
    let work = tempfile::tempdir().unwrap();
    let image = image(&work, b"\x7fELF kernel", b"");
    let silent = script(work.path());
    let sandbox = builder(&work)
        .program(silent)
        .image(image)
        .patience(Duration::from_millis(500))
        .build();
    let hint = "it was silent for 0.5 s; an emulated machine needs some seconds of a processor: give \
                it more patience, or make the image anew with toolexec image build";
    let wanted = (DOES_NOT_START.to_owned(), vec![hint.to_owned()]);
    assert_eq!(refusal(sandbox).await, wanted);
}

/// A QEMU that says its version and then nothing.
fn script(dir: &Path) -> PathBuf {
    let path = dir.join("qemu");
    let text = "#!/bin/sh\n[ \"$1\" = --version ] && exec echo QEMU emulator version 7.2.0\nexec /bin/sleep 60\n";
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
