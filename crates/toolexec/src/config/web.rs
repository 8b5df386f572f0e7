//! The section `[web]`: which addresses the tool `web:fetch` may fetch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use toolexec_core::{Error, Source};
use toolexec_providers::Secret;
use toolexec_providers::web::{Web, WebLimits, WebRule};

use super::document::Document;
use super::units::{Size, Time};
use super::{Config, ConfigError};

/// The namespace of the tool, and the name of its source.
pub(super) const WEB: &str = "web";
/// A stand-in for "no limit" where a limit must be given.
const FOREVER: Duration = Duration::from_hours(365 * 24);

/// Addresses that may be fetched, by a name of yours.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["origin"]))]
pub struct WebSection {
    /// Scheme, host and port: `https://api.example.com`; `https://*.example.com` for every host
    /// below that one.
    pub origin: String,
    /// The methods. Default: GET, HEAD.
    pub methods: Vec<String>,
    /// The paths, without query, in which `*` stands for any characters. Default: all.
    pub paths: Vec<String>,
    /// Headers that are put into each request, such as credentials: who fetches never sees them.
    /// `${NAME}` is replaced.
    pub headers: BTreeMap<String, String>,
    /// Whether the host may be at a private, loopback or link-local address. Default: false.
    pub allow_private: Option<bool>,
    /// Whether the proxy passes connections to this origin on without looking into them, for
    /// web sockets; then there are no methods, paths or headers. Default: false.
    pub tunnel: Option<bool>,
    /// How long a request may take. Default: 60s.
    pub timeout: Option<Time>,
    /// The largest answer. Default: 10MiB.
    pub max_response: Option<Size>,
    /// The most redirects; each must be allowed as well. Default: 5.
    pub max_redirects: Option<usize>,
    /// Whether it is used. Default: true.
    pub enabled: Option<bool>,
}

impl Config {
    /// The rules of the section `[web]` by their names, as a
    /// [`Proxy`](toolexec_providers::Proxy) takes them.
    pub fn web_rules(&self) -> BTreeMap<String, WebRule> {
        let sections = self.sections.web.iter();
        sections
            .map(|(name, section)| (name.clone(), rule(section)))
            .collect()
    }
}

/// The source of the tool, if anything may be fetched.
pub(super) fn source(sections: &BTreeMap<String, WebSection>) -> Option<Arc<dyn Source>> {
    if sections.is_empty() {
        return None;
    }
    // Each was checked alone when the file was read.
    let web = Web::new(WEB, WEB, sections.values().map(rule)).ok()?;
    Some(web)
}

/// Checks that a rule can be read.
pub(super) fn check(
    document: &Document<'_>,
    name: &str,
    section: &WebSection,
) -> Result<(), ConfigError> {
    check_rule(section).map_err(|message| document.at_key(&[WEB, name], message))
}

/// Checks that a rule can be read; why not.
pub(super) fn check_rule(section: &WebSection) -> Result<(), String> {
    // What a variable holds is not known when it is not set.
    let mut alone = rule(section);
    for (_, value) in &mut alone.headers {
        *value = Secret::new("");
    }
    let checked = Web::new(WEB, WEB, [alone]).map(drop);
    checked.map_err(|error: Error| error.guest_message().to_owned())
}

/// What a proxy or the tool makes of it.
pub(super) fn rule(section: &WebSection) -> WebRule {
    let usual = WebLimits::default();
    let headers = section.headers.iter();
    WebRule {
        origin: section.origin.clone(),
        methods: section.methods.clone(),
        paths: section.paths.clone(),
        headers: headers
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect(),
        allow_private: section.allow_private.unwrap_or_default(),
        tunnel: section.tunnel.unwrap_or_default(),
        limits: WebLimits {
            timeout: section
                .timeout
                .map_or(usual.timeout, |Time(time)| time.unwrap_or(FOREVER)),
            max_response: section
                .max_response
                .map_or(usual.max_response, |Size(bytes)| bytes),
            max_redirects: section.max_redirects.unwrap_or(usual.max_redirects),
        },
    }
}
