//! The conversation of a guest that was taken over, and what it does besides system calls.
#![expect(
    unsafe_code,
    reason = "attacks on a jail are system calls and bad memory"
)]

use std::io::{Read, Write, stdin, stdout};

use nix::libc;
use toolexec_wire::{
    FrameReader, GuestUsage, Hello, Language, MAX_FRAME, Op, PROTOCOL, Start, Stream, ToGuest,
    ToHost, encode,
};

use crate::calls::{CALLS, resolve};

/// Serves programs; the text of each names what to do.
pub(crate) fn serve() {
    let mut reader = FrameReader::new(MAX_FRAME);
    send(&hello());
    while let Some(message) = receive(&mut reader) {
        let ToGuest::Start(start) = message else {
            continue;
        };
        if start.check_only && start.source != "dying while it checks" {
            send(&ToHost::Checked {
                problems: Vec::new(),
                calls: Vec::new(),
            });
            continue;
        }
        let said = act(&start, &mut reader);
        done(&said);
    }
}

fn act(start: &Start, reader: &mut FrameReader) -> String {
    let name = start.source.as_str();
    if let Some((_, number, arguments)) = CALLS.iter().find(|call| call.0 == name) {
        return system_call(*number, arguments.map(resolve));
    }
    match name {
        "behaving" => "fine".to_owned(),
        "looking for descriptors" => descriptors(),
        "looking for an environment" => std::env::vars_os().count().to_string(),
        "looking for its rights" => rights(),
        "a signal to the first process" => {
            // It is the first process: the kernel drops what would end it.
            system_call(libc::SYS_tgkill, [1, 1, 9, 0, 0, 0])
        }
        "a signal to another process" => system_call(libc::SYS_tgkill, [2, 2, 9, 0, 0, 0]),
        "mapping more memory than there is" => map(1 << 40),
        "mapping all its memory and touching it" => touch_mapped(),
        "filling its stack" => deeper(u64::from(start.keep)).to_string(),
        "an endless loop" => endless(),
        "an endless loop without signals" => {
            deaf();
            endless()
        }
        "sleeping for ever" => loop {
            std::thread::sleep(std::time::Duration::from_hours(1));
        },
        "reading what never comes" => {
            while receive(reader).is_some() {}
            String::new()
        }
        _ => talk(name, start, reader),
    }
}

/// What is wrong with what it says, or where it dies.
fn talk(name: &str, start: &Start, reader: &mut FrameReader) -> String {
    match name {
        "dying while it checks" | "dying at the start" => end(0),
        "ending with a failure" => end(1),
        "ending as if out of memory" => end(65),
        "aborting" => std::process::abort(),
        "an access to nothing" => {
            // SAFETY: none; the process ends here, which is what is tested.
            unsafe { std::ptr::null_mut::<u8>().write_volatile(1) };
        }
        "an instruction that does not exist" => illegal(),
        "a system call for another processor" => foreign(),
        "dying in the middle of a call" => {
            call(1, 2000);
            end(0)
        }
        "dying after an answer" => {
            call(1, 1);
            receive(reader);
            end(0)
        }
        "dying in the middle of a frame" => {
            raw(&[200, 0, 0, 0, b'{']);
            end(0)
        }
        "half a frame" => {
            raw(&[200, 0, 0, 0, b'{']);
            endless();
        }
        "half a length" => {
            raw(&[200, 0]);
            endless();
        }
        "a frame without end" => raw(&u32::MAX.to_le_bytes()),
        "an empty frame" => raw(&[0; 4]),
        "noise" => raw(b"\x05\0\0\0\xff\xfe\xfd\xfc\xfb"),
        "no message" => raw(b"\x02\0\0\0[]"),
        "a message that nobody knows" => frame(b"{\"type\":\"root\"}"),
        "hello twice" => send(&hello()),
        "done twice" => {
            let mut both = Vec::new();
            for value in ["first", "second"] {
                let _ = encode(&outcome(value), MAX_FRAME, &mut both);
            }
            raw(&both);
        }
        "a check that nobody asked for" => send(&ToHost::Checked {
            problems: Vec::new(),
            calls: Vec::new(),
        }),
        "the same call twice" => {
            call(1, 2000);
            call(1, 2000);
        }
        "a flood of calls" => (0..100_000).for_each(|id| call(id, 2000)),
        "a flood of prints" => loop {
            send(&ToHost::Print {
                stream: Stream::Stdout,
                text: "x".repeat(1000),
            });
        },
        "a flood of errors" => loop {
            // SAFETY: writes bytes of a constant.
            unsafe { libc::write(2, b"x".as_ptr().cast(), 1) };
        },
        "waiting for nothing" => {
            send(&ToHost::Waiting);
            endless();
        }
        "a deep value" => {
            let deep = "[".repeat(5000) + &"]".repeat(5000);
            let text = format!("{{\"type\":\"done\",\"value\":{deep}}}");
            frame(text.as_bytes());
        }
        "a value of many parts" => {
            let text = format!(
                "{{\"type\":\"done\",\"value\":[{}1]}}",
                "1,".repeat(3_000_000)
            );
            frame(text.as_bytes());
        }
        _ => return format!("{:?}? nobody taught me that", start.source),
    }
    // What was sent is an end by itself, or the host must make one.
    endless()
}

fn system_call(number: libc::c_long, args: [libc::c_long; 6]) -> String {
    let [first, second, third, fourth, fifth, sixth] = args;
    // SAFETY: the arguments are numbers, or point to memory of this program that nothing else
    // uses.
    let result = unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) };
    if result >= 0 {
        return "allowed".to_owned();
    }
    nix::errno::Errno::last()
        .to_string()
        .split(':')
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn descriptors() -> String {
    let mut open = Vec::new();
    for fd in 0..1024 {
        let mut one = libc::pollfd {
            fd,
            events: 0,
            revents: 0,
        };
        // SAFETY: `one` is valid for the one entry that is announced.
        unsafe { libc::poll(&raw mut one, 1, 0) };
        if one.revents & libc::POLLNVAL == 0 {
            open.push(fd);
        }
    }
    format!("{open:?}")
}

/// What the kernel says it may do, asked with calls that are left.
fn rights() -> String {
    let can = |result: String| result == "allowed";
    let ids = can(system_call(libc::SYS_setuid, [0; 6]));
    let keyring = can(system_call(libc::SYS_keyctl, [0, -3, 0, 0, 0, 0]));
    format!("{ids} {keyring}")
}

fn map(bytes: usize) -> String {
    let memory = mapped(bytes);
    if memory.is_some() {
        "allowed"
    } else {
        "refused"
    }
    .to_owned()
}

fn mapped(bytes: usize) -> Option<*mut u8> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: maps new memory wherever there is room.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
    (memory != libc::MAP_FAILED).then_some(memory.cast())
}

/// Maps and touches a megabyte after the other; says how many it got.
fn touch_mapped() -> String {
    let mut count = 0;
    while let Some(memory) = mapped(1 << 20) {
        for page in 0..256 {
            // SAFETY: it was just mapped for writing.
            unsafe { memory.add(page * 4096).write_volatile(1) };
        }
        count += 1;
        if count == 4096 {
            return "never refused".to_owned();
        }
    }
    "refused".to_owned()
}

/// Recurses until something ends it.
#[expect(unconditional_recursion, reason = "this is the attack")]
fn deeper(n: u64) -> u64 {
    let room = [n; 512];
    std::hint::black_box(&room);
    deeper(n + 1) + room[usize::try_from(n % 512).unwrap_or_default()]
}

fn endless() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn deaf() {
    for signal in 1..=64 {
        // SAFETY: ignores a signal; those that cannot be ignored are refused.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

#[cfg(target_arch = "x86_64")]
fn illegal() -> ! {
    // SAFETY: none; the process ends here, which is what is tested.
    unsafe { std::arch::asm!("ud2", options(noreturn)) }
}

#[cfg(not(target_arch = "x86_64"))]
fn illegal() -> ! {
    std::process::abort()
}

/// Asks for the process id in the numbering of 32-bit programs, which a filter of numbers alone
/// would take for another call.
#[cfg(target_arch = "x86_64")]
fn foreign() {
    // SAFETY: the call takes nothing and changes nothing but the register of its result.
    unsafe { std::arch::asm!("int 0x80", inout("eax") 20 => _) };
}

#[cfg(not(target_arch = "x86_64"))]
fn foreign() {
    std::process::abort()
}

fn end(status: i32) -> ! {
    // SAFETY: ends this process.
    unsafe { libc::_exit(status) }
}

fn hello() -> ToHost {
    ToHost::Hello(Hello {
        protocol: PROTOCOL,
        version: "hostile".to_owned(),
        languages: vec![Language::JavaScript],
        max_frame: MAX_FRAME,
    })
}

fn done(value: &str) {
    send(&outcome(value));
}

fn outcome(value: &str) -> ToHost {
    ToHost::Done {
        value: value.into(),
        usage: GuestUsage::default(),
    }
}

fn call(id: u32, ms: u64) {
    send(&ToHost::Call {
        id,
        op: Op::Sleep { ms },
    });
}

fn frame(text: &[u8]) {
    let length = u32::try_from(text.len()).unwrap_or_default();
    raw(&length.to_le_bytes());
    raw(text);
}

fn send(message: &ToHost) {
    let mut bytes = Vec::new();
    if encode(message, MAX_FRAME, &mut bytes).is_ok() {
        raw(&bytes);
    }
}

fn raw(bytes: &[u8]) {
    let mut stdout = stdout();
    // The host has hung up: nothing is left to do.
    if stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .is_err()
    {
        end(0);
    }
}

fn receive(reader: &mut FrameReader) -> Option<ToGuest> {
    let mut piece = [0; 4096];
    loop {
        if let Some(message) = reader.next_message().ok()? {
            return Some(message);
        }
        match stdin().read(&mut piece) {
            Ok(read) if read > 0 => reader.push(&piece[..read]),
            _ => return None,
        }
    }
}
