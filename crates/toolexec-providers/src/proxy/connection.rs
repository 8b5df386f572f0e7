//! One connection of a client: plain requests, and what `CONNECT` opens.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::server::Acceptor;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use url::Url;

use super::Proxy;
use super::forward::{AnswerBody, forward};
use super::refusal::Refusal;
use super::tunnel;
use crate::web::rules::Way;

/// The first byte of a TLS connection.
const HANDSHAKE: u8 = 0x16;

/// What a connection becomes once its `CONNECT` was answered.
enum Next {
    /// Requests to this host, which are judged.
    Inspect(Url),
    /// Bytes that are passed on.
    Tunnel(TcpStream),
}

type Opened = Arc<Mutex<Option<(OnUpgrade, Next)>>>;

/// Serves one connection to its end.
pub(super) async fn serve<S>(proxy: &Arc<Proxy>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opened = Opened::default();
    let service = service_fn(|request| {
        let (proxy, opened) = (proxy.clone(), opened.clone());
        async move { Ok::<_, Infallible>(told(&proxy, ask(&proxy, request, &opened).await)) }
    });
    // What goes wrong with a connection ends it, and nothing else.
    let served = builder(proxy)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if served.await.is_err() {
        return;
    }
    let next = opened.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((upgrade, next)) = next else {
        return;
    };
    let Ok(upgraded) = upgrade.await else {
        return;
    };
    let upgraded = TokioIo::new(upgraded);
    match next {
        Next::Tunnel(host) => {
            let idle = proxy.limits.idle;
            if let Err(error) = tunnel::pass(upgraded, host, &proxy.meter, idle).await {
                tracing::debug!(target: "toolexec::proxy", %error, "a tunnel ended early");
            }
        }
        Next::Inspect(place) => inspect(proxy, upgraded, place).await,
    }
}

fn builder(proxy: &Proxy) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(proxy.limits.idle)
        // Less is not taken.
        .max_buf_size(proxy.limits.max_head.max(8 << 10));
    builder
}

/// A refusal is answered too, once the host was told.
fn told(proxy: &Proxy, answered: Result<Response<AnswerBody>, Refusal>) -> Response<AnswerBody> {
    answered.unwrap_or_else(|refusal| {
        proxy.note(&refusal);
        refusal.into_response()
    })
}

/// A request to the proxy itself: to open a connection, or for an `http` address.
async fn ask(
    proxy: &Arc<Proxy>,
    mut request: Request<Incoming>,
    opened: &Opened,
) -> Result<Response<AnswerBody>, Refusal> {
    let password = request.headers().get(PROXY_AUTHORIZATION);
    if !proxy.knows(password.map(HeaderValue::as_bytes)) {
        return Err(Refusal::unknown());
    }
    if request.method() == Method::CONNECT {
        let next = open(proxy, request.uri()).await?;
        let upgrade = hyper::upgrade::on(&mut request);
        *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some((upgrade, next));
        return Ok(Response::new(AnswerBody::default()));
    }
    let url = Url::parse(&request.uri().to_string()).ok();
    let Some(url) = url.filter(|url| url.scheme() == "http" && url.has_host()) else {
        let line = "this is a proxy: it takes addresses of http, and CONNECT";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, line));
    };
    forward(proxy, url, request).await
}

/// Decides what becomes of a connection.
async fn open(proxy: &Proxy, target: &Uri) -> Result<Next, Refusal> {
    let place = target
        .authority()
        .filter(|authority| !authority.as_str().contains('@'))
        .and_then(|authority| Url::parse(&format!("https://{authority}/")).ok());
    let Some(place) = place else {
        let line = "CONNECT needs a host and a port";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, line));
    };
    if proxy.meter.is_spent() {
        return Err(Refusal::spent());
    }
    let host = place.host_str().unwrap_or_default();
    let port = place.port_or_known_default().unwrap_or_default();
    match proxy.rules.way(host, port) {
        None => Err(Refusal::no_host(&proxy.rules, &place)),
        Some(Way::Inspect) => Ok(Next::Inspect(place)),
        Some(Way::Tunnel(rule)) => tunnel::connect(proxy, rule, &place).await.map(Next::Tunnel),
    }
}

/// Serves the requests of a connection that was opened to a host.
async fn inspect<S>(proxy: &Arc<Proxy>, stream: S, place: Url)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stream = BufReader::new(stream);
    let first = tokio::time::timeout(proxy.limits.idle, stream.fill_buf()).await;
    let is_tls = match first {
        Ok(Ok([first, ..])) => *first == HANDSHAKE,
        _ => return,
    };
    if !is_tls {
        // Some clients open connections for plain requests too.
        let mut plain = place;
        let port = plain.port_or_known_default();
        if plain.set_scheme("http").is_ok() && plain.set_port(port).is_ok() {
            requests(proxy, stream, &plain).await;
        }
        return;
    }
    let handshake = tokio::time::timeout(proxy.limits.idle, secure(proxy, stream, &place)).await;
    if let Ok(Some(stream)) = handshake {
        requests(proxy, stream, &place).await;
    }
}

/// Ends TLS here.
async fn secure<S>(
    proxy: &Proxy,
    stream: S,
    place: &Url,
) -> Option<tokio_rustls::server::TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let host = place.host_str().unwrap_or_default();
    let started = LazyConfigAcceptor::new(Acceptor::default(), stream)
        .await
        .ok()?;
    let named = started.client_hello().server_name().map(str::to_owned);
    if let Some(named) = named
        && !named.eq_ignore_ascii_case(host.trim_end_matches('.'))
    {
        let line = format!("a connection to {host} was used for {named}");
        proxy.note(&Refusal::new(StatusCode::MISDIRECTED_REQUEST, line));
        return None;
    }
    let config = proxy.authority.server(host).inspect_err(|error| {
        tracing::error!(target: "toolexec::proxy", %error, "no certificate");
    });
    let accepted = started.into_stream(config.ok()?).await;
    let failed = |error: &std::io::Error| {
        // Most often: the client does not trust the authority.
        tracing::warn!(target: "toolexec::proxy", %error, "no TLS with a client for {host}");
    };
    accepted.inspect_err(failed).ok()
}

async fn requests<S>(proxy: &Arc<Proxy>, stream: S, place: &Url)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let service = service_fn(|request: Request<Incoming>| {
        let (proxy, place) = (proxy.clone(), place.clone());
        async move {
            let answered = match within(&place, &request) {
                Ok(url) => forward(&proxy, url, request).await,
                Err(refusal) => Err(refusal),
            };
            Ok::<_, Infallible>(told(&proxy, answered))
        }
    });
    let served = builder(proxy).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(target: "toolexec::proxy", %error, "a connection ended early");
    }
}

/// The address of a request on a connection that was opened to a host.
fn within(place: &Url, request: &Request<Incoming>) -> Result<Url, Refusal> {
    let named = request.uri().authority().map(ToString::to_string);
    let said = request.headers().get(HOST);
    let said = said.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    for other in named.into_iter().chain(said) {
        let scheme = place.scheme();
        let other = Url::parse(&format!("{scheme}://{other}/"));
        if other.is_ok_and(|other| other.origin() == place.origin()) {
            continue;
        }
        let host = place.host_str().unwrap_or_default();
        let line = format!("a connection to {host} carries requests for no other host");
        return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, line));
    }
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let joined = path.starts_with('/').then(|| {
        let base = place.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).ok()
    });
    joined.flatten().ok_or_else(|| {
        let line = "the request has no path";
        Refusal::new(StatusCode::BAD_REQUEST, line)
    })
}
