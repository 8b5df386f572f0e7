//! A guest that was taken over, built by a test as a static program that any image can run. It
//! does what the first line of its input says, says how that ended, and waits for the end of its
//! input.

use std::fs;
use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn main() {
    say("ready");
    let mut line = String::new();
    let _ = io::stdin().lock().read_line(&mut line);
    match line.trim() {
        "memory" => memory(),
        "cpu" => cpu(),
        "pids" => say(&threads().to_string()),
        "disk" => say(&fill("/tmp/file").to_string()),
        "places" => say(&places().join(" ")),
        "network" => say(&network()),
        "status" => say(&status()),
        "deaf" => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        "flood" => loop {
            let _ = io::stdout().write_all(&[b'x'; 4096]);
        },
        "complain" => {
            let _ = io::stderr().write_all(&[b'e'; 100_000]);
            say("complained");
        }
        "fail" => std::process::exit(3),
        other => say(&format!("what is {other}?")),
    }
    let _ = io::stdin().read_to_end(&mut Vec::new());
}

fn say(text: &str) {
    println!("{text}");
    let _ = io::stdout().flush();
}

/// Takes memory, and uses it, until somebody stops it.
fn memory() {
    let mut all = Vec::new();
    loop {
        all.push(vec![1_u8; 1 << 20]);
    }
}

fn cpu() {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(60) {
        std::hint::spin_loop();
    }
    say("nobody stopped it");
}

/// How many threads can be started.
fn threads() -> usize {
    let mut count = 0;
    while count < 10_000 {
        let thread = std::thread::Builder::new().stack_size(64 << 10);
        if thread.spawn(|| std::thread::sleep(Duration::from_secs(60))).is_err() {
            break;
        }
        count += 1;
    }
    count
}

/// How many bytes can be written to a file.
fn fill(path: &str) -> usize {
    let Ok(mut file) = fs::File::create(path) else { return 0 };
    let mut written = 0;
    while written < 1 << 30 {
        match file.write(&[0; 4096]) {
            Ok(count) if count > 0 => written += count,
            _ => break,
        }
    }
    written
}

/// Where files can be made.
fn places() -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec!["/".to_owned()];
    while let Some(dir) = waiting.pop() {
        if fs::write(format!("{dir}/x"), "x").is_ok() {
            found.push(dir.clone());
        }
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path().to_string_lossy().replace("//", "/");
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_dir && !path.starts_with("/proc") && !path.starts_with("/sys") {
                waiting.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The network interfaces, and whether another machine can be reached.
fn network() -> String {
    let devices = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let names = devices.lines().skip(2).filter_map(|line| line.split(':').next());
    let names: Vec<&str> = names.map(str::trim).collect();
    let address = ([192, 0, 2, 1], 80).into();
    let reached = TcpStream::connect_timeout(&address, Duration::from_secs(3)).is_ok();
    format!("{} {reached}", names.join(","))
}

/// What the kernel says of this process, as far as it says it.
fn status() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let wanted = ["Uid:", "Gid:", "CapEff:", "CapBnd:", "NoNewPrivs:", "Seccomp:"];
    let lines = status.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    let words = lines.map(|line| line.split_whitespace().take(2).collect::<String>());
    words.collect::<Vec<_>>().join(" ")
}
