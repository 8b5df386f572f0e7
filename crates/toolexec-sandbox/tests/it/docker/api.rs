//! A Docker daemon as tests see it: its API, read without the client that is tested.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A Docker daemon.
#[derive(Debug, Clone)]
pub(super) struct Api(pub(super) PathBuf);

impl Api {
    /// Asks for something; the status and the answer.
    pub(super) fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let mut stream = UnixStream::connect(&self.0).unwrap();
        let length = body.len();
        // In this version of HTTP an answer is not sent in pieces.
        let head = format!(
            "{method} /v1.41{path} HTTP/1.0\r\nHost: docker\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    pub(super) fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "application/json", &[]);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The names of the containers of a host, running or not.
    pub(super) fn containers_of(&self, host: u32) -> Vec<String> {
        self.names("/containers/json?all=1", host, |one| {
            one["Names"][0].as_str()
        })
    }

    /// The names of the volumes of a host.
    pub(super) fn volumes_of(&self, host: u32) -> Vec<String> {
        let all = self.get("/volumes");
        names(all["Volumes"].as_array(), host, |one| one["Name"].as_str())
    }

    fn names(&self, path: &str, host: u32, name: fn(&Value) -> Option<&str>) -> Vec<String> {
        names(self.get(path).as_array(), host, name)
    }

    /// Makes an image of files: where, mode, contents.
    pub(super) fn import(&self, name: &str, changes: &str, files: &[(&str, u32, Vec<u8>)]) {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, mode, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_mode(*mode);
            header.set_size(bytes.len() as u64);
            if path.ends_with('/') {
                header.set_entry_type(tar::EntryType::Directory);
            }
            archive.append_data(&mut header, path, &bytes[..]).unwrap();
        }
        let archive = archive.into_inner().unwrap();
        let mut escaped = String::new();
        for byte in changes.bytes() {
            let _ = write!(escaped, "%{byte:02X}");
        }
        let path = format!("/images/create?fromSrc=-&repo={name}&changes={escaped}");
        let (status, body) = self.ask("POST", &path, "application/x-tar", &archive);
        assert_eq!(status, 200, "{body}");
    }
}

fn names(all: Option<&Vec<Value>>, host: u32, name: fn(&Value) -> Option<&str>) -> Vec<String> {
    let host = format!("-{host}-");
    let names = all.into_iter().flatten().filter_map(name);
    let names = names.filter(|name| name.contains("toolexec-") && name.contains(&host));
    names.map(str::to_owned).collect()
}

/// A static program that attacks; see `tests/static/attacker.rs`.
#[expect(clippy::disallowed_methods, reason = "a test's own tool")]
pub(super) fn attacker() -> PathBuf {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let build = || {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/static/attacker.rs");
        let name = format!("attacker-{}", std::process::id());
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let status = std::process::Command::new("rustc")
            .args([
                "--edition",
                "2024",
                "-C",
                "target-feature=+crt-static",
                "-C",
                "opt-level=1",
            ])
            .arg("-o")
            .arg(&program)
            .arg(source)
            .status();
        assert!(status.is_ok_and(|status| status.success()));
        program
    };
    BUILT.get_or_init(build).clone()
}
