//! `cargo xtask bench-http`: calls a second over HTTP, ours beside a bare rmcp server in one run,
//! with the memory that many calls leave behind, and how soon the program is ready.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, command, quiet, run as run_loudly, say, workspace};

/// Options of `cargo xtask bench-http`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long each server is loaded, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Connections that are kept alive.
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// Rounds: the servers are loaded in turn, so that all see the same machine.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// At least this many calls of ours between two looks at its memory; 0 leaves that out.
    #[arg(long, default_value_t = 1_000_000)]
    memory_calls: u64,
    /// A release build of the program, to measure how soon it is ready.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// What is loaded: the name of the server and how its one tool is called.
const SERVERS: &[(&str, &str, &str)] = &[
    ("bare", "add", ARGS),
    ("ours-direct", "math__add", ARGS),
    (
        "ours-meta",
        "run_tool",
        r#"{"tool":"math:add","args":{"a":2,"b":3}}"#,
    ),
];
const ARGS: &str = r#"{"a":2,"b":3}"#;

/// One run of wrk.
#[derive(Debug, Clone, Default)]
struct Load {
    requests: u64,
    per_second: f64,
    p50: String,
    p99: String,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if !has_wrk() {
        bail!("wrk is missing; type: sudo apt-get install wrk");
    }
    let example = ["--release", "-p", "toolexec-mcp", "--example"];
    run_loudly(cargo().arg("build").args(example).arg("http-bench-server"))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| workspace().join("target"));
    let program = target.join("release/examples/http-bench-server");
    let scratch = std::env::temp_dir().join(format!("toolexec-bench-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let outcome = measure(options, &program, &scratch);
    fs::remove_dir_all(&scratch)?;
    outcome
}

/// wrk has no option that ends well without a URL.
fn has_wrk() -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("wrk").is_file()))
}

fn measure(options: &Options, program: &Path, scratch: &Path) -> Result<()> {
    let mut servers = Vec::new();
    for (name, tool, args) in SERVERS {
        let script = scratch.join(format!("{name}.lua"));
        fs::write(&script, lua(tool, args))?;
        servers.push((*name, Server::start(program, name)?, script));
    }
    let mut best: Vec<Load> = vec![Load::default(); servers.len()];
    for round in 0..options.rounds {
        for ((name, server, script), best) in servers.iter().zip(&mut best) {
            let load = wrk(server, script, options.connections, options.seconds)?;
            say(format!(
                "round {}: {name:<12} {:>9.0} calls/s  p50 {:>8}  p99 {:>8}",
                round + 1,
                load.per_second,
                load.p50,
                load.p99
            ));
            if load.per_second > best.per_second {
                *best = load;
            }
        }
    }
    let bare = best.first().map_or(1.0, |load| load.per_second);
    say("\nbest of all rounds\nserver         calls/s   of bare       p50       p99");
    for ((name, ..), load) in servers.iter().zip(&best) {
        say(format!(
            "{name:<12} {:>9.0}   {:>5.0} %  {:>8}  {:>8}",
            load.per_second,
            100.0 * load.per_second / bare,
            load.p50,
            load.p99
        ));
    }
    if options.memory_calls > 0 {
        let ours = servers.iter().find(|(name, ..)| *name == "ours-direct");
        let (_, server, script) = ours.context("ours is loaded")?;
        memory(server, script, options)?;
    }
    if let Some(program) = &options.program {
        ready(program, scratch)?;
    }
    Ok(())
}

/// A call of revision 2026-07-28, which needs no session.
fn lua(tool: &str, args: &str) -> String {
    let meta = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"wrk","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}"#;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{args},"_meta":{{{meta}}}}}}}"#
    );
    format!(
        "wrk.method = \"POST\"\n\
         wrk.headers[\"Content-Type\"] = \"application/json\"\n\
         wrk.headers[\"Accept\"] = \"application/json, text/event-stream\"\n\
         wrk.headers[\"MCP-Protocol-Version\"] = \"2026-07-28\"\n\
         wrk.headers[\"Mcp-Method\"] = \"tools/call\"\n\
         wrk.headers[\"Mcp-Name\"] = \"{tool}\"\n\
         wrk.body = [==[{body}]==]\n\
         local wrong = 0\n\
         function response(status, headers, body)\n\
           if wrong == 0 and not body:find('\"sum\":5', 1, true) then\n\
             wrong = 1\n\
             io.stderr:write('wrong answer: ' .. status .. ' ' .. body .. '\\n')\n\
           end\n\
         end\n"
    )
}

fn wrk(server: &Server, script: &Path, connections: u32, seconds: u32) -> Result<Load> {
    let output = quiet(
        command("wrk")
            .args(["-t", "1", "-c", &connections.to_string()])
            .args(["-d", &format!("{seconds}s"), "--latency", "-s"])
            .arg(script)
            .arg(format!("http://{}/mcp", server.address)),
    )?;
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    if !wrong.trim().is_empty() || said.contains("Non-2xx") || said.contains("Socket errors") {
        bail!("calls failed: {wrong}{said}");
    }
    let after = |mark: &str| -> Option<String> {
        let (_, rest) = said.split_once(mark)?;
        rest.split_whitespace().next().map(str::to_owned)
    };
    let before = |mark: &str| -> Option<&str> {
        let (start, _) = said.split_once(mark)?;
        start.split_whitespace().next_back()
    };
    Ok(Load {
        requests: before(" requests in ")
            .and_then(|count| count.parse().ok())
            .context("wrk counts requests")?,
        per_second: after("Requests/sec:")
            .and_then(|rate| rate.parse().ok())
            .context("wrk says how many requests a second")?,
        p50: after("50%").unwrap_or_default(),
        p99: after("99%").unwrap_or_default(),
    })
}

/// Memory before and after many calls.
fn memory(server: &Server, script: &Path, options: &Options) -> Result<()> {
    let before = server.resident()?;
    let mut calls = 0;
    while calls < options.memory_calls {
        calls += wrk(server, script, options.connections, options.seconds)?.requests;
    }
    let after = server.resident()?;
    say(format!(
        "\nmemory of ours-direct: {:.1} MiB, after {calls} more calls {:.1} MiB",
        mib(before),
        mib(after)
    ));
    Ok(())
}

/// How soon the program answers with ten servers configured, none of which is started.
fn ready(program: &Path, scratch: &Path) -> Result<()> {
    let sections =
        (0..10).map(|n| format!("[servers.s{n}]\ncommand = \"sleep\"\nargs = [\"60\"]\n"));
    let config = scratch.join("toolexec.toml");
    fs::write(&config, sections.collect::<String>())?;
    let mut times = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        let mut child = command(program)
            .args(["serve", "--http", "127.0.0.1:0", "--no-auth", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("a pipe")?;
        let said = BufReader::new(stderr)
            .lines()
            .map_while(Result::ok)
            .find(|line| line.contains("serving MCP at"));
        times.push(start.elapsed());
        child.kill()?;
        child.wait()?;
        if said.is_none() {
            bail!("{} does not serve", program.display());
        }
    }
    times.sort();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    say(format!(
        "start to ready with ten servers configured: {:.0} ms (middle of {})",
        middle.as_secs_f64() * 1e3,
        times.len()
    ));
    Ok(())
}

/// A server under load; ended when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(program: &Path, which: &str) -> Result<Self> {
        let mut child = command(program)
            .arg(which)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("a pipe")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address)?;
        Ok(Self {
            child,
            address: address.trim().to_owned(),
        })
    }

    /// Resident memory in bytes.
    fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kib.context("Linux tells the memory of a process")? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
