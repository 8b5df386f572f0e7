//! `time:*`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolexec::{Annotations, Local, LocalTool};

/// Where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Where {
    /// An IANA time zone such as `Europe/Berlin`; UTC when absent.
    #[serde(default)]
    zone: Option<String>,
}

/// A moment.
#[derive(Debug, Serialize, JsonSchema)]
struct Moment {
    /// RFC 3339, with the offset of the zone.
    iso: String,
    /// Seconds since 1970.
    unix: i64,
    /// The time zone.
    zone: String,
}

/// How long.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sleep {
    /// How many seconds.
    #[schemars(range(min = 0.0, max = 3600.0))]
    seconds: f64,
}

pub(super) fn tools() -> Local {
    Local::new("time")
        .tool(
            LocalTool::typed("now", async |args: Where| now(args.zone))
                .description("Tells the current date and time.")
                .tags(["time", "clock", "date"])
                .annotations(Annotations {
                    read_only: Some(true),
                    open_world: Some(false),
                    ..Annotations::default()
                }),
        )
        .tool(
            LocalTool::typed("sleep", async |args: Sleep| {
                tokio::time::sleep(Duration::from_secs_f64(args.seconds)).await;
                Ok::<_, String>(format!("slept for {} s", args.seconds))
            })
            .description("Waits, for trying out deadlines and interrupts.")
            .tags(["time"])
            .annotations(Annotations {
                read_only: Some(true),
                idempotent: Some(true),
                open_world: Some(false),
                ..Annotations::default()
            }),
        )
}

fn now(zone: Option<String>) -> Result<Moment, String> {
    let name = zone.unwrap_or_else(|| "UTC".to_owned());
    let zone = if name == "UTC" {
        TimeZone::UTC
    } else {
        TimeZone::get(&name)
            .map_err(|_| format!("there is no time zone {name:?} on this machine"))?
    };
    let now = Timestamp::now();
    let offset = zone.to_offset(now);
    Ok(Moment {
        iso: now.display_with_offset(offset).to_string(),
        unix: now.as_second(),
        zone: name,
    })
}
