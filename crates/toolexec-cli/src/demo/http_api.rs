//! A to-do list over HTTP on a loopback port, with its OpenAPI document.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The key that the API wants.
pub(crate) const KEY: &str = "quickstart";

const MAX_HEADER: u64 = 16 << 10;
const MAX_BODY: usize = 64 << 10;

/// A running API; it ends when dropped.
#[derive(Debug)]
pub(crate) struct HttpApi {
    address: SocketAddr,
    task: JoinHandle<()>,
}

struct Request {
    method: String,
    path: String,
    has_key: bool,
    body: Vec<u8>,
}

struct Response {
    status: u16,
    media_type: &'static str,
    body: Value,
}

type Todos = Arc<Mutex<Vec<String>>>;

impl HttpApi {
    /// Serves on a free loopback port.
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let todos = Todos::default();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let todos = todos.clone();
                tokio::spawn(async move {
                    // A client that leaves early is no fault of ours.
                    let _ = serve(stream, &todos).await;
                });
            }
        });
        Ok(Self { address, task })
    }

    /// Its OpenAPI document.
    pub(crate) fn document(&self) -> Value {
        let todo = json!({
            "type": "object",
            "required": ["id", "what"],
            "properties": { "id": { "type": "integer" }, "what": { "type": "string" } },
        });
        let answer = |schema: &Value| {
            json!({
                "description": "ok",
                "content": { "application/json": { "schema": schema } },
            })
        };
        json!({
            "openapi": "3.1.0",
            "info": { "title": "To-dos", "version": "1" },
            "servers": [{ "url": format!("http://{}", self.address) }],
            "security": [{ "key": [] }],
            "components": { "securitySchemes": {
                "key": { "type": "apiKey", "in": "header", "name": "X-Api-Key" },
            } },
            "paths": {
                "/todos": {
                    "get": {
                        "operationId": "list_todos",
                        "summary": "Lists everything that is to do.",
                        "responses": { "200": answer(&json!({ "type": "array", "items": todo })) },
                    },
                    "post": {
                        "operationId": "add_todo",
                        "summary": "Adds something to do.",
                        "requestBody": { "required": true, "content": { "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["what"],
                                "properties": {
                                    "what": { "type": "string", "description": "What is to do." },
                                },
                            },
                        } } },
                        "responses": { "201": answer(&todo) },
                    },
                },
                "/todos/{id}": { "get": {
                    "operationId": "get_todo",
                    "summary": "Tells one thing to do.",
                    "parameters": [{
                        "name": "id", "in": "path", "required": true,
                        "schema": { "type": "integer" },
                    }],
                    "responses": { "200": answer(&todo) },
                } },
            },
        })
    }
}

impl Drop for HttpApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, todos: &Todos) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    // One request per connection keeps the server small.
    let Some(request) = read(&mut stream).await? else {
        return Ok(());
    };
    let Response {
        status,
        media_type,
        body,
    } = answer(&request, todos);
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} -\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut head = stream.take(MAX_HEADER);
    let mut line = String::new();
    head.read_line(&mut line).await?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        has_key: false,
        body: Vec::new(),
    };
    let mut length = 0;
    loop {
        let mut line = String::new();
        head.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "x-api-key" => request.has_key = value.trim() == KEY,
            _ => {}
        }
    }
    request.body = vec![0; length.min(MAX_BODY)];
    stream.read_exact(&mut request.body).await?;
    Ok(Some(request))
}

fn answer(request: &Request, todos: &Todos) -> Response {
    if !request.has_key {
        return problem(401, "the X-Api-Key header is missing or wrong");
    }
    let mut todos = todos.lock().unwrap_or_else(PoisonError::into_inner);
    let one = |id: usize, what: &str| json!({ "id": id, "what": what });
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/todos") => {
            let all = (1..).zip(todos.iter()).map(|(id, what)| one(id, what));
            success(200, all.collect())
        }
        ("POST", "/todos") => match serde_json::from_slice::<Value>(&request.body) {
            Ok(body) if body["what"].is_string() => {
                let what = body["what"].as_str().unwrap_or_default();
                todos.push(what.to_owned());
                success(201, one(todos.len(), what))
            }
            _ => problem(422, "`what` is missing"),
        },
        ("GET", path) => {
            let id = path
                .strip_prefix("/todos/")
                .and_then(|id| id.parse::<usize>().ok());
            let found = id.and_then(|id| Some((id, todos.get(id.checked_sub(1)?)?)));
            match found {
                Some((id, what)) => success(200, one(id, what)),
                None => problem(404, "there is no such to-do"),
            }
        }
        _ => problem(405, "this is not supported"),
    }
}

fn success(status: u16, body: Value) -> Response {
    Response {
        status,
        media_type: "application/json",
        body,
    }
}

/// RFC 9457.
fn problem(status: u16, detail: &str) -> Response {
    Response {
        status,
        media_type: "application/problem+json",
        body: json!({ "status": status, "title": "failed", "detail": detail }),
    }
}
