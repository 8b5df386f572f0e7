//! Which requests are allowed.

use std::fmt;
use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use toolexec_core::pattern::glob;
use url::Url;

use super::WebLimits;
use crate::secret::Secret;

/// What is read where a rule names no method.
const READING: [Method; 2] = [Method::GET, Method::HEAD];

/// What a rule allows that nobody looks into.
const EVERY: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// A rule: requests that are allowed, and what is added to them.
#[derive(Debug, Clone, Default)]
pub struct WebRule {
    /// Scheme, host and port: `https://api.example.com`, `http://localhost:8080`. A host that
    /// begins with `*.` stands for every host below it.
    pub origin: String,
    /// The methods; `GET` and `HEAD` when empty.
    pub methods: Vec<String>,
    /// The paths, without query, in which `*` stands for any characters; all when empty.
    pub paths: Vec<String>,
    /// Headers that are put into the request, such as credentials. The caller never sees them.
    pub headers: Vec<(String, Secret)>,
    /// Whether the host may be at a private, loopback or link-local address.
    pub allow_private: bool,
    /// Whether a proxy passes connections to this origin on without looking into them: for
    /// web sockets, and for clients that trust nobody else's certificate. Such a rule allows every
    /// request there, and names no method, path or header.
    pub tunnel: bool,
    /// What a request that this rule allows may take.
    pub limits: WebLimits,
}

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// The origin is none.
    #[error("{origin:?} is no origin: write scheme and host, such as \"https://api.example.com\"")]
    Origin {
        /// As it was written.
        origin: String,
    },
    /// A method is none.
    #[error("{method:?} is no method of HTTP (rule for {origin})")]
    Method {
        /// As it was written.
        method: String,
        /// The rule.
        origin: String,
    },
    /// A path does not begin with a slash.
    #[error("the path {path:?} must begin with \"/\" or \"*\" (rule for {origin})")]
    Path {
        /// As it was written.
        path: String,
        /// The rule.
        origin: String,
    },
    /// A rule that nobody looks into names what must be looked for.
    #[error("a tunnel is not looked into: remove methods, paths and headers (rule for {origin})")]
    Tunnel {
        /// The rule.
        origin: String,
    },
    /// A header's name or value cannot be sent.
    #[error("the header {name:?} cannot be sent (rule for {origin})")]
    Header {
        /// Its name.
        name: String,
        /// The rule.
        origin: String,
    },
}

/// Rules that were read.
#[derive(Debug, Clone)]
pub(crate) struct Rules(Arc<[Rule]>);

/// A rule that was read.
#[derive(Debug)]
pub(crate) struct Rule {
    origin: String,
    scheme: String,
    host: String,
    port: Option<u16>,
    methods: Vec<Method>,
    paths: Vec<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) allow_private: bool,
    tunnel: bool,
    pub(crate) limits: WebLimits,
}

/// What the rules lack for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gap {
    /// No rule names its origin.
    Origin,
    /// Rules for its origin allow other methods.
    Method,
    /// Rules for its origin allow other paths.
    Path,
}

/// What becomes of a connection to a host.
#[derive(Debug)]
pub(crate) enum Way<'r> {
    /// Its requests are judged, each alone.
    Inspect,
    /// It is passed on as it is.
    Tunnel(&'r Rule),
}

impl Rules {
    pub(crate) fn new(rules: impl IntoIterator<Item = WebRule>) -> Result<Self, WebError> {
        let rules: Result<Vec<Rule>, WebError> = rules.into_iter().map(Rule::new).collect();
        Ok(Self(rules?.into()))
    }

    /// The first rule that allows a request.
    pub(crate) fn find(&self, method: &Method, url: &Url) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.allows(method, url))
    }

    /// What is missing for a request that no rule allows.
    pub(crate) fn gap(&self, method: &Method, url: &Url) -> Gap {
        let there: Vec<&Rule> = self.0.iter().filter(|rule| rule.fits_origin(url)).collect();
        if there.is_empty() {
            Gap::Origin
        } else if there.iter().any(|rule| rule.methods.contains(method)) {
            Gap::Path
        } else {
            Gap::Method
        }
    }

    /// What becomes of a connection to a host, if a rule names it.
    pub(crate) fn way(&self, host: &str, port: u16) -> Option<Way<'_>> {
        let there = || self.0.iter().filter(|rule| rule.fits_place(host, port));
        if there().any(|rule| !rule.tunnel) {
            return Some(Way::Inspect);
        }
        there().next().map(Way::Tunnel)
    }

    /// Whether some connections are passed on as they are.
    pub(crate) fn have_tunnels(&self) -> bool {
        self.0.iter().any(|rule| rule.tunnel)
    }

    /// Whether no rule allows more than reading.
    pub(crate) fn only_read(&self) -> bool {
        let methods = self.0.iter().flat_map(|rule| &rule.methods);
        methods.into_iter().all(|method| READING.contains(method))
    }

    /// What is allowed, for people and models.
    pub(crate) fn summary(&self) -> String {
        if self.0.is_empty() {
            return "nothing".to_owned();
        }
        let rules: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        rules.join("; ")
    }
}

impl Rule {
    fn new(rule: WebRule) -> Result<Self, WebError> {
        let origin = rule.origin.trim_end_matches('/').to_owned();
        let wrong = || WebError::Origin {
            origin: rule.origin.clone(),
        };
        // A star is no host: it stands aside while the rest is read.
        let below = origin.replacen("://*.", "://", 1);
        let url = Url::parse(&below).map_err(|_| wrong())?;
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let is_plain = url.username().is_empty() && url.password().is_none();
        let host = url.host_str().filter(|host| !host.contains('*'));
        let (Some(host), "http" | "https") = (host, url.scheme()) else {
            return Err(wrong());
        };
        if !is_bare || !is_plain {
            return Err(wrong());
        }
        let star = if below.len() < origin.len() { "." } else { "" };
        let is_bounded =
            !(rule.methods.is_empty() && rule.paths.is_empty() && rule.headers.is_empty());
        if rule.tunnel && is_bounded {
            return Err(WebError::Tunnel { origin });
        }
        let methods = if rule.tunnel {
            EVERY.to_vec()
        } else {
            methods(&rule.methods, &origin)?
        };
        if let Some(path) = rule.paths.iter().find(|path| !path.starts_with(['/', '*'])) {
            let path = path.clone();
            return Err(WebError::Path { path, origin });
        }
        Ok(Self {
            scheme: url.scheme().to_owned(),
            host: format!("{star}{host}"),
            port: url.port_or_known_default(),
            methods,
            paths: rule.paths,
            headers: headers(&rule.headers, &origin)?,
            allow_private: rule.allow_private,
            tunnel: rule.tunnel,
            limits: rule.limits,
            origin,
        })
    }

    fn allows(&self, method: &Method, url: &Url) -> bool {
        self.fits_origin(url) && self.methods.contains(method) && self.allows_path(url.path())
    }

    fn fits_origin(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return false;
        };
        url.scheme() == self.scheme && self.fits_place(host, port)
    }

    fn fits_place(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.');
        let fits_host = if self.host.starts_with('.') {
            host.len() > self.host.len() && host.ends_with(&self.host)
        } else {
            host == self.host
        };
        fits_host && self.port == Some(port)
    }

    fn allows_path(&self, path: &str) -> bool {
        if self.paths.is_empty() {
            return true;
        }
        let lower = path.to_ascii_lowercase();
        let is_ambiguous = ["%2f", "%5c", "%00", "\\", "//"]
            .iter()
            .any(|part| lower.contains(part));
        let every = |pattern: &String| pattern == "*" || pattern == "/*";
        if is_ambiguous {
            return self.paths.iter().any(every);
        }
        self.paths.iter().any(|pattern| glob(pattern, path))
    }
}

fn methods(names: &[String], origin: &str) -> Result<Vec<Method>, WebError> {
    if names.is_empty() {
        return Ok(READING.to_vec());
    }
    let read = |name: &String| {
        let upper = name.to_ascii_uppercase();
        Method::from_bytes(upper.as_bytes()).map_err(|_| WebError::Method {
            method: name.clone(),
            origin: origin.to_owned(),
        })
    };
    names.iter().map(read).collect()
}

fn headers(pairs: &[(String, Secret)], origin: &str) -> Result<HeaderMap, WebError> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let wrong = || WebError::Header {
            name: name.clone(),
            origin: origin.to_owned(),
        };
        let key = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
        let mut value = HeaderValue::try_from(value.expose()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(headers)
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tunnel {
            return write!(f, "everything at {}", self.origin);
        }
        let methods: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        write!(f, "{} {}", methods.join(", "), self.origin)?;
        match self.paths.as_slice() {
            [] => Ok(()),
            paths => write!(f, " ({})", paths.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(origin: &str, methods: &[&str], paths: &[&str]) -> Result<Rules, WebError> {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Rules::new([WebRule {
            origin: origin.to_owned(),
            methods: owned(methods),
            paths: owned(paths),
            ..WebRule::default()
        }])
    }

    #[test]
    fn a_request_must_fit_origin_method_and_path() {
        let rules = rules("https://api.example.com", &[], &["/repos/*"]).unwrap();
        let cases = [
            ("GET", "https://api.example.com/repos/a", true),
            ("GET", "https://API.example.com.:443/repos/a?x=/", true),
            ("HEAD", "https://api.example.com/repos/", true),
            ("POST", "https://api.example.com/repos/a", false),
            ("GET", "http://api.example.com/repos/a", false),
            ("GET", "https://api.example.com:444/repos/a", false),
            ("GET", "https://evil.api.example.com/repos/a", false),
            ("GET", "https://api.example.com.evil.com/repos/a", false),
            ("GET", "https://api.example.com@evil.com/repos/a", false),
            ("GET", "https://api.example.com/users", false),
            ("GET", "https://api.example.com/repos/../users", false),
            ("GET", "https://api.example.com/repos/%2e%2e/users", false),
            ("GET", "https://api.example.com/repos/..%2fusers", false),
            ("GET", "https://api.example.com/repos/a//b", false),
        ];
        for (method, url, allowed) in cases {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = rules.find(&method, &Url::parse(url).unwrap());
            assert_eq!(found.is_some(), allowed, "{method} {url}");
        }
    }

    #[test]
    fn a_star_stands_for_hosts_below() {
        let rules = rules("http://*.example.com:8080", &["get", "DELETE"], &[]).unwrap();
        let cases = [
            ("http://a.example.com:8080/", true),
            ("http://a.b.example.com:8080/x//y%2f", true),
            ("http://example.com:8080/", false),
            ("http://aexample.com:8080/", false),
            ("http://a.example.com/", false),
        ];
        for (url, allowed) in cases {
            let url = Url::parse(url).unwrap();
            assert_eq!(
                rules.find(&Method::DELETE, &url).is_some(),
                allowed,
                "{url}"
            );
        }
        assert!(!rules.only_read());
        assert_eq!(rules.summary(), "GET, DELETE http://*.example.com:8080");
    }

    #[test]
    fn a_wrong_rule_is_named() {
        let origin = |text: &str| rules(text, &[], &[]).map(drop).unwrap_err();
        for text in [
            "",
            "api.example.com",
            "ftp://a.com",
            "https://",
            "https://a.com/path",
            "https://a.com?q",
            "https://user@a.com",
            "https://*",
            "https://a.*.com",
        ] {
            let expected = WebError::Origin {
                origin: text.to_owned(),
            };
            assert_eq!(origin(text), expected, "{text}");
        }
        let error = |methods: &[&str], paths: &[&str]| {
            rules("https://a.com", methods, paths)
                .map(drop)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error(&["GE T"], &[]),
            "\"GE T\" is no method of HTTP (rule for https://a.com)"
        );
        assert_eq!(
            error(&[], &["x"]),
            "the path \"x\" must begin with \"/\" or \"*\" (rule for https://a.com)"
        );
    }
}
