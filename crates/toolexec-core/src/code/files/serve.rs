//! What guests do with the files of their programs, which are no calls of those.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use toolexec_wire::FileOp;

use super::{Files, MAX_READ};
use crate::error::{Error, ErrorKind, Result};

impl Files {
    /// Does what a guest wants.
    pub(in crate::code) fn serve(&self, op: &FileOp) -> Result<Value> {
        match op {
            FileOp::List => {
                let inputs = self.inputs.iter();
                let listed = inputs.map(|(name, bytes)| json!({"name": name, "size": bytes.len()}));
                Ok(listed.collect())
            }
            FileOp::Read {
                name,
                offset,
                length,
            } => self.with(name, |bytes| {
                let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
                let rest = bytes.get(number(*offset)..).unwrap_or_default();
                let most = rest.len().min(number(*length)).min(MAX_READ);
                Ok(STANDARD.encode(&rest[..most]).into())
            }),
            FileOp::Write {
                name,
                base64,
                append,
            } => {
                let bytes = STANDARD.decode(base64).map_err(|error| {
                    let message = "what is to be written is no base64";
                    Error::new(ErrorKind::InvalidInput, message).with_source(error)
                })?;
                self.write(name, &bytes, *append).map(Value::from)
            }
        }
    }
}
