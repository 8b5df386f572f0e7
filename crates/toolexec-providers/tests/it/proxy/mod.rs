//! The proxy against real clients and servers.

mod bounds;
mod clients;
mod raw;
mod rebinding;
mod tunnel;

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use toolexec_providers::proxy::{Names, Proxy, ProxyLimits, ProxySettings};
use toolexec_providers::web::{WebLimits, WebRule};

/// The credential that programs must not see.
const SECRET: &str = "Bearer s3cret-t0ken";

/// Every host is this machine.
#[derive(Debug)]
struct Here;

impl Names for Here {
    fn lookup<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec![Ipv4Addr::LOCALHOST.into()]) })
    }
}

/// A rule for an origin of this machine.
fn rule(origin: String) -> WebRule {
    WebRule {
        origin,
        allow_private: true,
        ..WebRule::default()
    }
}

/// A running proxy; ended when dropped.
struct Running {
    proxy: Arc<Proxy>,
    port: u16,
    task: JoinHandle<io::Result<()>>,
    directory: TempDir,
}

impl Running {
    fn start(rules: impl IntoIterator<Item = WebRule>, trusted_pem: &str) -> Self {
        Self::start_with(rules, trusted_pem, ProxyLimits::default())
    }

    fn start_with(
        rules: impl IntoIterator<Item = WebRule>,
        trusted_pem: &str,
        limits: ProxyLimits,
    ) -> Self {
        let settings = ProxySettings {
            limits,
            names: Some(Arc::new(Here)),
            trusted_pem: trusted_pem.to_owned(),
        };
        let proxy = Proxy::with(rules, settings).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = proxy.clone();
        let task = tokio::spawn(async move { serving.serve(listener).await });
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), proxy.authority_pem()).unwrap();
        Self {
            proxy,
            port,
            task,
            directory,
        }
    }

    /// The file with the certificate of its authority.
    fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The environment of a program behind it.
    fn environment(&self) -> Vec<(String, String)> {
        let authority = self.authority();
        self.proxy
            .environment(self.port, authority.to_str().unwrap())
    }

    /// `Proxy-Authorization`, as its own address has it.
    fn password(&self) -> String {
        use base64::Engine as _;
        let environment = self.environment();
        let (_, address) = &environment[0];
        let (_, rest) = address.split_once("://").unwrap();
        let (pair, _) = rest.split_once('@').unwrap();
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        format!("Basic {encoded}")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a program printed.
async fn output(program: &str, args: &[&str], environment: &[(String, String)]) -> String {
    #[expect(clippy::disallowed_methods, reason = "clients that are not ours")]
    let output = tokio::process::Command::new("timeout")
        .args(["60", program])
        .args(args)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .envs(environment.iter().cloned())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {said}{printed}");
    printed
}

/// Small answers, few redirects, little time.
fn small() -> WebLimits {
    WebLimits {
        max_response: 4096,
        ..WebLimits::default()
    }
}
