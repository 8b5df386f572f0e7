//! A connection to the process of a session.

use serde_json::Value;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::sync::CancellationToken;
use toolexec::{Error, ErrorKind};

use super::place::{Place, failed};
use super::wire::{Reply, Request, Task, receive, send};
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::Printer;

/// A connection to the process of a session.
pub(super) struct Connection {
    name: String,
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Connection {
    pub(super) async fn open(place: &Place, name: &str) -> Result<Self, Failure> {
        let stream: UnixStream = place.connect(name).await?;
        let (read, write) = stream.into_split();
        Ok(Self {
            name: name.to_owned(),
            read: BufReader::new(read),
            write,
        })
    }

    /// Asks, and shows what comes until the end. When `cancel` is, the other side is told, and says
    /// how it ended.
    pub(super) async fn ask(
        &mut self,
        task: Task,
        cancel: Option<&CancellationToken>,
        printer: &mut Printer,
    ) -> Result<(Exit, Option<Value>), Failure> {
        let lost = |error| failed("the connection to the session broke", error);
        let request = Request {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            looks: printer.looks(),
            task,
        };
        send(&mut self.write, &request).await.map_err(lost)?;
        let mut value = None;
        let mut is_cancelled = false;
        loop {
            let reply = {
                // A line that came in part is not lost: only the wait for the cancel is.
                let receive = receive::<Reply>(&mut self.read);
                tokio::pin!(receive);
                let cancelled = async {
                    match cancel.filter(|_| !is_cancelled) {
                        Some(cancel) => cancel.cancelled().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    reply = &mut receive => reply,
                    () = cancelled => {
                        is_cancelled = true;
                        self.write.shutdown().await.map_err(lost)?;
                        receive.await
                    }
                }
            };
            match reply.map_err(lost)? {
                Some(Reply::Out(text)) => printer.pass_on(&text)?,
                Some(Reply::Err(text)) => printer.pass_on_talk(&text)?,
                Some(Reply::Value(given)) => value = Some(given),
                Some(Reply::Exit(code)) => return Ok((Exit::numbered(code), value)),
                None => {
                    let message = format!("the process of the session {} ended", self.name);
                    return Err(Error::new(ErrorKind::Protocol, message)
                        .with_hint("its variables are gone; start another session")
                        .into());
                }
            }
        }
    }
}
