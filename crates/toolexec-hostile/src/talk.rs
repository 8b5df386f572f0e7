//! The conversation of a guest that was taken over.
#![expect(unsafe_code, reason = "asks the kernel what is open")]

use serde_json::{Value, json};
use toolexec_hostile::calls::{CALLS, Class, resolve};
use toolexec_hostile::tricks::EVERY_CALL;
use toolexec_wire::{FrameReader, MAX_FRAME, Start, Stream, ToGuest, ToHost};

use crate::sys::{self, call as system};
use crate::wire::{done, hello, receive, send};
use crate::{die, exhaust, forge, reach};

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

fn act(start: &Start, reader: &mut FrameReader) -> Value {
    let name = start.source.as_str();
    let attempted = exhaust::attempt(name);
    let attempted = attempted.or_else(|| reach::attempt(name, &reach::Host(&start.inputs)));
    if let Some(said) = attempted {
        return said.into();
    }
    if let Some((.., number, arguments)) = CALLS.iter().find(|call| call.0 == name) {
        return system_call(*number, arguments.map(resolve));
    }
    if let Some(said) = die::attempt(name, reader) {
        return said;
    }
    match name {
        "behaving" => json!("fine"),
        EVERY_CALL => every_call(),
        "looking for descriptors" => descriptors(),
        "looking for an environment" => {
            let names = std::env::vars_os().map(|one| one.0.to_string_lossy().into_owned());
            names.collect::<Value>()
        }
        "looking for its rights" => rights(),
        "looking for who it is" => identity(),
        "a signal to the first process" => {
            // It is the first process itself, which the kernel spares.
            system_call(libc::SYS_tgkill, [1, 1, 9, 0, 0, 0])
        }
        "a signal to another process" => system_call(libc::SYS_tgkill, [2, 2, 9, 0, 0, 0]),
        "stopping itself" => system_call(libc::SYS_tgkill, [1, 1, 19, 0, 0, 0]),
        name if forge::attempt(name, reader) => Value::Null,
        _ => json!(format!("{name:?}? nobody taught me that")),
    }
}

/// Every call of the table that does not end this, one after the other, with what the kernel said.
fn every_call() -> Value {
    let one = |(name, _, number, arguments): &(&str, _, _, [_; 6])| {
        // Where a call ends this program, the last line says which one it was.
        send(&ToHost::Print {
            stream: Stream::Stdout,
            text: format!("{name}\n"),
        });
        (
            name.to_string(),
            system_call(*number, arguments.map(resolve)),
        )
    };
    let calls = CALLS.iter().filter(|call| call.1 != Class::Ending);
    Value::Object(calls.map(one).collect())
}

fn system_call(number: libc::c_long, arguments: [libc::c_long; 6]) -> Value {
    match system(number, arguments) {
        Ok(_) => json!("allowed"),
        Err(error) => sys::name(error).into(),
    }
}

fn descriptors() -> Value {
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
    open.into()
}

/// What the kernel says it is and may do; a question that is refused has no answer.
fn rights() -> Value {
    let ask = |number, arguments| system(number, arguments).ok();
    json!({
        "is root": ask(libc::SYS_getuid, [0; 6]) == Some(0),
        "becomes root": ask(libc::SYS_setuid, [0; 6]).is_some(),
        "may gain rights": ask(libc::SYS_prctl, [39, 0, 0, 0, 0, 0]) == Some(0),
        "is on the host's list": std::process::id() >= 300,
    })
}

/// By what it is told from others: those that were restored from one state must differ in all.
fn identity() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut random = [0_u8; 16];
    let _ = system(
        libc::SYS_getrandom,
        [random.as_mut_ptr() as i64, 16, 0, 0, 0, 0],
    );
    let seconds = std::time::SystemTime::UNIX_EPOCH.elapsed();
    json!({
        "boot": read("/proc/sys/kernel/random/boot_id").trim(),
        "name": read("/proc/sys/kernel/hostname").trim(),
        "random": random,
        "seconds": seconds.unwrap_or_default().as_secs_f64(),
    })
}
