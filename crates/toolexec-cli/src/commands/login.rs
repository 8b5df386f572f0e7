//! `toolexec login` and `toolexec logout`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use toolexec::config::{LoginAuth, ServerAuth};
use toolexec::mcp::auth::{Login, LoginRequest, TokenStore};
use toolexec::{Error, ErrorKind, FileTokens};

use crate::args::{LoginArgs, LogoutArgs};
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::{Format, Printer};
use crate::session::Session;

/// How long a person may take, unless `--timeout` says.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long a browser may take to read its page.
const PAGE: Duration = Duration::from_secs(2);

const DONE: &str = "toolexec is logged in. You may close this page.";
const REFUSED: &str = "The login was refused; the terminal says why. You may close this page.";

/// A server that can be logged in to.
struct Target {
    name: String,
    url: String,
    how: LoginAuth,
    tokens: FileTokens,
}

/// Where the browser comes back to.
struct Callback {
    address: String,
    queries: mpsc::Receiver<String>,
    stop: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
}

/// Logs in with a browser.
pub(crate) async fn login(
    args: &LoginArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let target = Target::find(&args.server, session)?;
    let callback = Callback::listen(args.port).await?;
    let request = LoginRequest {
        server: target.url.clone(),
        redirect_uri: callback.address.clone(),
        client_id: target.how.client_id.clone(),
        client_secret: target.how.client_secret.clone(),
        client_metadata_url: target.how.client_metadata_url.clone(),
        scopes: target.how.scopes.clone(),
        challenge: None,
    };
    let store = Arc::new(target.tokens.clone());
    let login = session
        .within(Box::pin(Login::start(request, store)))
        .await?;
    printer.say(&format!(
        "to log in to {}, open this address in a browser on this machine:\n  {}",
        target.name,
        login.url()
    ))?;
    if !args.no_browser {
        // Without a browser the address above does.
        let _ = open::that_detached(login.url());
    }
    let patience = session.timeout().unwrap_or(PATIENCE);
    session
        .within(Box::pin(callback.finish(login, patience)))
        .await?;
    report(&target, "logged in to", printer)
}

/// Forgets the tokens of a server.
pub(crate) async fn logout(
    args: &LogoutArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let target = Target::find(&args.server, session)?;
    target.tokens.clear().await.map_err(|error| {
        let failed = Error::new(ErrorKind::Internal, "the tokens cannot be removed");
        Failure::from(failed.with_source(error))
    })?;
    report(&target, "logged out of", printer)
}

fn report(target: &Target, done: &str, printer: &mut Printer) -> Result<Exit, Failure> {
    let Target { name, url, .. } = target;
    match printer.format() {
        Format::Human => printer.say(&format!("{done} {name}"))?,
        Format::Json | Format::Jsonl => printer.document(&json!({ "server": name, "url": url }))?,
    }
    Ok(Exit::Ok)
}

impl Target {
    fn find(name: &str, session: &Session) -> Result<Self, Failure> {
        let servers = &session.config.sections.servers;
        let Some(section) = servers.get(name) else {
            return Err(absent(name, session));
        };
        let Some(url) = section.url.clone() else {
            let message = format!("{name} is a program that toolexec starts; it has no login");
            return Err(Failure::usage(message).hint("set the secrets that it wants in its `env`"));
        };
        let how = match &section.auth {
            None => LoginAuth::default(),
            Some(ServerAuth::Login(how)) => how.clone(),
            Some(_) => {
                return Err(Failure::usage(format!(
                    "the configuration says that {name} takes other credentials"
                ))
                .hint("remove its `auth`, or set auth = { type = \"login\" }"));
            }
        };
        let tokens = FileTokens::of(&url).ok_or_else(|| {
            Failure::usage("there is no place to keep tokens").hint("set HOME or XDG_STATE_HOME")
        })?;
        Ok(Self {
            name: name.to_owned(),
            url,
            how,
            tokens,
        })
    }
}

/// Why there is no such server.
fn absent(name: &str, session: &Session) -> Failure {
    let faults = &session.config.faults;
    if let Some(fault) = faults.iter().find(|fault| fault.source.name == name) {
        return Failure::from(fault.error.clone());
    }
    let names: Vec<&str> = session
        .config
        .sections
        .servers
        .iter()
        .filter(|(_, section)| section.url.is_some())
        .map(|(name, _)| name.as_str())
        .collect();
    let error = Error::new(ErrorKind::NotFound, format!("there is no server {name}"));
    Failure::from(error.with_hint(if names.is_empty() {
        "the configuration has no server with a `url`".to_owned()
    } else {
        format!("servers with a `url`: {}", names.join(", "))
    }))
}

impl Callback {
    /// Listens on a loopback port.
    async fn listen(port: u16) -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .map_err(|error| {
                Failure::usage(format!("port {port} cannot be listened on: {error}"))
                    .hint("--port takes another one")
            })?;
        let address = listener.local_addr().map_err(|error| {
            Error::new(ErrorKind::Internal, "no port for the browser").with_source(error)
        })?;
        let address = format!("http://{address}/callback");
        let (seen, queries) = mpsc::channel(1);
        let page = move |RawQuery(query): RawQuery| {
            let seen = seen.clone();
            async move {
                let query = query.unwrap_or_default();
                let text = if refusal(&query).is_some() {
                    REFUSED
                } else {
                    DONE
                };
                // A second visit changes nothing.
                let _ = seen.try_send(query);
                text
            }
        };
        let pages = Router::new().route("/callback", get(page));
        let stop = CancellationToken::new();
        let served = axum::serve(listener, pages)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .into_future();
        Ok(Self {
            address,
            queries,
            stop,
            served: tokio::spawn(served),
        })
    }

    /// Waits for the browser and ends the login.
    async fn finish(mut self, login: Login, patience: Duration) -> Result<(), Error> {
        let query = tokio::time::timeout(patience, self.queries.recv()).await;
        let Ok(Some(query)) = query else {
            let message = format!("nobody logged in within {} s", patience.as_secs());
            return Err(Error::new(ErrorKind::Timeout, message));
        };
        // The browser gets its page before this program ends.
        self.stop.cancel();
        let _ = tokio::time::timeout(PAGE, &mut self.served).await;
        if let Some(reason) = refusal(&query) {
            let message = format!("the login was refused: {reason}");
            return Err(Error::new(ErrorKind::Denied, message));
        }
        login.finish(&format!("{}?{query}", self.address)).await
    }
}

/// What the authorization server says in place of a code (RFC 6749, 4.1.2.1).
fn refusal(query: &str) -> Option<String> {
    let fields = || url::form_urlencoded::parse(query.as_bytes());
    let field = |wanted: &str| fields().find(|(name, _)| name == wanted);
    let (_, error) = field("error")?;
    Some(match field("error_description") {
        Some((_, description)) => format!("{error} ({description})"),
        None => error.into_owned(),
    })
}
