//! Reading with a cap.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Why [`read_to_limit`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There was more to read than allowed.
    #[error("more than {limit} bytes")]
    LimitExceeded {
        /// The most that was allowed.
        limit: usize,
    },
    /// Reading failed.
    #[error("reading failed")]
    Io(#[from] io::Error),
}

/// Reads to the end, or fails once more than `limit` bytes came. Never holds more than that.
///
/// # Cancel safety
/// Not safe: what was read is lost when the future is dropped.
pub async fn read_to_limit(
    reader: impl AsyncRead + Unpin,
    limit: usize,
) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    // One byte more tells "exactly the limit" from "more".
    let most = (limit as u64).saturating_add(1);
    reader.take(most).read_to_end(&mut bytes).await?;
    if bytes.len() > limit {
        return Err(ReadError::LimitExceeded { limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_limit_itself_is_allowed_and_one_byte_more_is_not() {
        assert_eq!(read_to_limit(&b"12345"[..], 5).await.unwrap(), b"12345");
        let error = read_to_limit(&b"123456"[..], 5).await.unwrap_err();
        assert_eq!(error.to_string(), "more than 5 bytes");
        let endless = tokio::io::repeat(b'x');
        assert!(matches!(
            read_to_limit(endless, 1000).await,
            Err(ReadError::LimitExceeded { limit: 1000 })
        ));
    }
}
