//! What speaks like Firecracker and runs no machine: its API on a Unix socket, its virtual
//! socket, and behind that the first process of a machine with a real guest, as a child.
//!
//! What it does besides is in `script.json` beside the name that it was started by; what it is
//! asked is written to `asked.jsonl` there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// Long enough for any test.
const FOREVER: Duration = Duration::from_mins(2);
const VERSION: &str = "1.17.0-dev";

/// What it is to do.
#[derive(Clone)]
struct Double {
    beside: PathBuf,
    script: Value,
    /// The file of its drive.
    drive: Arc<Mutex<Option<String>>>,
    /// Connections whose host has not said its word.
    waiting: Arc<Mutex<Vec<UnixStream>>>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let name = PathBuf::from(args.first().map(String::as_str).unwrap_or_default());
    let beside = name.parent().unwrap_or(Path::new(".")).to_owned();
    let script = fs::read(beside.join("script.json")).unwrap_or_default();
    let script: Value = serde_json::from_slice(&script).unwrap_or_default();
    let double = Double {
        beside,
        script,
        drive: Arc::default(),
        waiting: Arc::default(),
    };
    if args.iter().any(|arg| arg == "--version") {
        print(&format!("Firecracker v{}", double.version()));
        return ExitCode::SUCCESS;
    }
    let socket = args.iter().skip_while(|arg| *arg != "--api-sock").nth(1);
    let socket = socket.cloned().unwrap_or_default();
    if double.is("no_api") {
        std::thread::sleep(FOREVER);
    }
    match double.serve(&socket) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print(&format!("the double failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

impl Double {
    fn version(&self) -> String {
        let version = self.script["version"].as_str();
        version.unwrap_or(VERSION).to_owned()
    }

    fn is(&self, what: &str) -> bool {
        self.script[what] == json!(true)
    }

    fn note(&self, what: &Value) {
        let mut file = OpenOptions::new();
        let file = file
            .create(true)
            .append(true)
            .open(self.beside.join("asked.jsonl"));
        // One write, so that lines of several processes do not mix.
        let _ = file.and_then(|mut file| file.write_all(format!("{what}\n").as_bytes()));
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<UnixStream>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The API, one connection after the other.
    fn serve(&self, socket: &str) -> io::Result<()> {
        let listener = UnixListener::bind(socket)?;
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream?);
            while let Some((method, path, body)) = request(&mut stream)? {
                self.note(&json!({ "method": method, "path": path, "body": body }));
                if self.script["dies"] == json!(path) {
                    print("Received KVM_EXIT_INTERNAL_ERROR signal");
                    std::process::exit(1);
                }
                let (status, text) = match self.answer(&path, &body) {
                    Ok(()) => ("204 No Content", String::new()),
                    Err(fault) => {
                        let fault = json!({ "fault_message": fault });
                        ("400 Bad Request", fault.to_string())
                    }
                };
                let length = text.len();
                let stream = stream.get_mut();
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\
                     Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{text}"
                )?;
            }
        }
        Ok(())
    }

    fn answer(&self, path: &str, body: &Value) -> Result<(), String> {
        if let Some(fault) = self.script["faults"][path].as_str() {
            return Err(fault.to_owned());
        }
        match path {
            "/boot-source" => has(body, &["kernel_image_path", "initrd_path"]),
            "/drives/root" => {
                let mut drive = self.drive.lock().unwrap_or_else(PoisonError::into_inner);
                *drive = body["path_on_host"].as_str().map(str::to_owned);
                has(body, &["path_on_host"])
            }
            "/actions" => self.listen(),
            "/snapshot/create" => self.save(body),
            "/snapshot/load" => self.load(body),
            _ => Ok(()),
        }
    }

    fn save(&self, body: &Value) -> Result<(), String> {
        let write = |name: &str, text: String| {
            fs::write(body[name].as_str().unwrap_or_default(), text).map_err(|why| why.to_string())
        };
        let drive = self.drive.lock().unwrap_or_else(PoisonError::into_inner);
        let drive = drive.as_ref().map(|drive| format!("\n{drive}"));
        let drive = drive.unwrap_or_default();
        write(
            "snapshot_path",
            format!("saved by {}{drive}", self.version()),
        )?;
        write("mem_file_path", "\0".repeat(1 << 20))?;
        // Connections do not survive it.
        for connection in self.waiting().drain(..) {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
        Ok(())
    }

    fn load(&self, body: &Value) -> Result<(), String> {
        let path = body["snapshot_path"].as_str().unwrap_or_default();
        let state = fs::read_to_string(path).map_err(|why| why.to_string())?;
        let (by, drive) = state.split_once('\n').unwrap_or((&state, ""));
        if by != format!("saved by {}", self.version()) {
            return Err("Load snapshot error: unsupported snapshot version".to_owned());
        }
        if !drive.is_empty() && !Path::new(drive).is_file() {
            return Err("Load snapshot error: no such drive".to_owned());
        }
        File::open(
            body["mem_backend"]["backend_path"]
                .as_str()
                .unwrap_or_default(),
        )
        .map_err(|why| why.to_string())?;
        self.listen()
    }

    /// Starts the virtual socket.
    fn listen(&self) -> Result<(), String> {
        let listener = UnixListener::bind("v.sock").map_err(|why| why.to_string())?;
        let double = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let double = double.clone();
                std::thread::spawn(move || double.connected(stream));
            }
        });
        Ok(())
    }

    /// A host asks for a port of the machine.
    fn connected(&self, mut stream: UnixStream) -> Option<()> {
        let asked = line(&mut stream)?;
        self.note(&json!({ "vsock": asked }));
        if self.is("mute") {
            std::thread::sleep(FOREVER);
        }
        if self.is("refuses") {
            return None;
        }
        let ready = self.script["ready"].as_str().unwrap_or("R");
        let hello = format!("OK 1073741824\n{ready}");
        stream.write_all(hello.as_bytes()).ok()?;
        self.waiting().push(stream.try_clone().ok()?);
        let word = line(&mut stream)?;
        self.waiting().clear();
        self.note(&json!({ "word": word }));
        if self.is("forgets") {
            std::process::exit(0);
        }
        self.guest(&stream, &word).ok()
    }

    /// Runs the guest until it ends, and ends the machine then.
    #[expect(clippy::disallowed_methods, reason = "it ends with its group")]
    fn guest(&self, stream: &UnixStream, word: &str) -> io::Result<()> {
        let args = word.split_whitespace();
        let args = args.filter_map(|field| field.strip_prefix("arg="));
        let input = OwnedFd::from(stream.try_clone()?);
        let output = OwnedFd::from(stream.try_clone()?);
        let ended = Command::new(self.script["guest"].as_str().unwrap_or_default())
            .args(args)
            .env_clear()
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(output))
            .status()?;
        print(&format!("toolexec-init: the guest ended: {}", how(ended)));
        stream.shutdown(std::net::Shutdown::Both)?;
        std::process::exit(0)
    }
}

fn how(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (_, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

fn has(body: &Value, files: &[&str]) -> Result<(), String> {
    let is_there = |name: &&str| Path::new(body[*name].as_str().unwrap_or_default()).is_file();
    match files.iter().find(|name| !is_there(name)) {
        Some(name) => Err(format!("The {name} cannot be opened")),
        None => Ok(()),
    }
}

/// A line, byte for byte: what comes after it is not for us.
fn line(stream: &mut impl Read) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte).ok()?;
        if byte[0] == b'\n' {
            return String::from_utf8(text).ok();
        }
        text.push(byte[0]);
    }
}

/// A request of HTTP with its body, or the end of the connection.
fn request(stream: &mut BufReader<UnixStream>) -> io::Result<Option<(String, String, Value)>> {
    let mut first = String::new();
    if stream.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next(), words.next());
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).map_err(io::Error::other)?;
    Ok(Some((
        method.unwrap_or_default(),
        path.unwrap_or_default(),
        body,
    )))
}

#[expect(clippy::print_stdout, reason = "the console of the machine")]
fn print(text: &str) {
    println!("{text}");
}
