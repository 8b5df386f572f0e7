//! Reading a part of a large result.

use toolexec_core::{Args, CallContext, Error, ErrorKind, Result};

use super::MetaTool;
use crate::server::Server;
use crate::server::answer::Answer;
use crate::server::results::Read;

pub(super) async fn result(server: &Server, args: Args, cx: &CallContext) -> Result<Answer> {
    let read: Read = server.meta().await.read(MetaTool::ReadResult, args)?;
    let Some(results) = server.results() else {
        let message = "this server keeps no results";
        return Err(Error::new(ErrorKind::Unsupported, message));
    };
    Ok(Answer::structured(results.read(read, cx).await?))
}
