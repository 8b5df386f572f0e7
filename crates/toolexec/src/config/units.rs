//! Durations and sizes as people write them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

/// A duration such as `30s`, `1m30s` or `250ms`; `none` means as long as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Option<Duration>);

/// A number of bytes such as `10MiB`, `64k` or `4096`. All units are powers of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub usize);

/// A share of processors such as `0.5`, as a number or a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

const SHARE: &str = "a share of processors such as 0.5 or \"0.5\"";
const TIME: &str = "a duration such as \"30s\", \"1m30s\" or \"250ms\", or \"none\"";
const SIZE: &str = "a size such as \"10MiB\", \"64k\" or 4096";

/// Reads a duration; the error says what was expected.
pub fn parse_time(text: &str) -> Result<Option<Duration>, String> {
    if text == "none" {
        return Ok(None);
    }
    let wrong = || format!("{text:?} is not {TIME}");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return Err(wrong()),
        };
        rest = rest[letters..].trim_start();
        let part = Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())?;
        total = total.checked_add(part).ok_or_else(wrong)?;
    }
    Ok(Some(total))
}

/// Reads a size; the error says what was expected.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let wrong = || format!("{text:?} is not {SIZE}");
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: usize = text[..digits].parse().map_err(|_| wrong())?;
    let shift = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(TIME)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
                parse_time(text).map(Time).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SIZE)
            }
            fn visit_i64<E: serde::de::Error>(self, bytes: i64) -> Result<Size, E> {
                usize::try_from(bytes)
                    .map(Size)
                    .map_err(|_| E::custom(format!("{bytes} is not {SIZE}")))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Size, E> {
                parse_size(text).map(Size).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Share;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SHARE)
            }
            fn visit_i64<E: serde::de::Error>(self, share: i64) -> Result<Share, E> {
                self.visit_f64(share as f64)
            }
            fn visit_f64<E: serde::de::Error>(self, share: f64) -> Result<Share, E> {
                if share.is_finite() && share > 0.0 {
                    return Ok(Share(share));
                }
                Err(E::custom(format!("{share} is not {SHARE}")))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Share, E> {
                let wrong = |_| E::custom(format!("{text:?} is not {SHARE}"));
                text.trim()
                    .parse()
                    .map_err(wrong)
                    .and_then(|share| self.visit_f64(share))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "description": "A share of processors such as `0.5`.",
            "exclusiveMinimum": 0,
            "pattern": "^[0-9]*[.]?[0-9]+$",
        })
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A duration such as `30s`, `1m30s` or `250ms`; `none`: no limit.",
            "pattern": r"^(none|([0-9]+(\.[0-9]+)?(ms|s|m|min|h|d) *)+)$",
        })
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "description": "A number of bytes such as `10MiB`, `64k` or `4096`.",
            "minimum": 0,
            "pattern": "^[0-9]+ *([kKmMgG]([iI]?[bB])?|[bB])?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let millis = |text| parse_time(text).map(|time| time.map(|time| time.as_millis()));
        assert_eq!(millis("30s"), Ok(Some(30_000)));
        assert_eq!(millis("1m30s"), Ok(Some(90_000)));
        assert_eq!(millis("1.5h"), Ok(Some(5_400_000)));
        assert_eq!(millis("250ms"), Ok(Some(250)));
        assert_eq!(millis("none"), Ok(None));
        for wrong in [
            "",
            "30",
            "s",
            "-1s",
            "1x",
            "1e400d",
            "99999999999999999999d",
        ] {
            assert_eq!(millis(wrong), Err(format!("{wrong:?} is not {TIME}")));
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("64k"), Ok(65_536));
        assert_eq!(parse_size("10 MiB"), Ok(10 << 20));
        assert_eq!(parse_size("1GB"), Ok(1 << 30));
        for wrong in ["", "MiB", "-1", "1.5M", "1T", "99999999999g"] {
            assert_eq!(parse_size(wrong), Err(format!("{wrong:?} is not {SIZE}")));
        }
    }
}
