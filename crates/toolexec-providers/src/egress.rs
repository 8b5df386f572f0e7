//! Where requests may go.

use std::error::Error as StdError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::{fmt, io};

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::openapi::Redirects;

/// Why a name has no address to connect to.
pub(crate) type ResolveError = Box<dyn StdError + Send + Sync>;

/// The address of a host is private, and the configuration does not allow that.
#[derive(Debug, thiserror::Error)]
#[error("the host has no public address")]
pub(crate) struct PrivateAddress;

/// Finds the addresses of hosts. The rules judge what it finds, and only that is connected to.
pub trait Names: fmt::Debug + Send + Sync {
    /// The addresses of a host.
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// Asks the resolver of the machine.
#[derive(Debug)]
pub(crate) struct SystemNames;

impl Names for SystemNames {
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Resolves names, to public addresses only unless private ones are allowed. What it answers is
/// what is connected to, so a name cannot mean one address when it is checked and another when it
/// is used.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    names: Arc<dyn Names>,
    allow_private: bool,
}

impl Resolver {
    pub(crate) fn new(names: Arc<dyn Names>, allow_private: bool) -> Self {
        Self {
            names,
            allow_private,
        }
    }

    /// Of the machine's resolver, public addresses only.
    pub(crate) fn public() -> Self {
        Self::new(Arc::new(SystemNames), false)
    }

    /// The addresses of a host that may be connected to: names are looked up once.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let mut found = match bare.parse() {
            Ok(literal) => vec![literal],
            Err(_) => self.names.lookup(host).await?,
        };
        let known = !found.is_empty();
        found.retain(|&address| self.allow_private || is_public(address));
        if found.is_empty() && known {
            return Err(PrivateAddress.into());
        }
        Ok(found)
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.addresses(name.as_str()).await?;
            let addresses = found.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Checks an address that is written in the URL itself; names are checked when they resolve.
pub(crate) fn check_literal(url: &Url) -> Result<(), PrivateAddress> {
    let is_allowed = match url.host() {
        Some(Host::Ipv4(ip)) => is_public(ip.into()),
        Some(Host::Ipv6(ip)) => is_public(ip.into()),
        _ => true,
    };
    if is_allowed {
        Ok(())
    } else {
        Err(PrivateAddress)
    }
}

/// Whether a redirect may be followed, or why not.
pub(crate) fn check_redirect(policy: Redirects, from: &Url, to: &Url) -> Result<(), &'static str> {
    if !matches!(to.scheme(), "http" | "https") {
        return Err("it is no HTTP address");
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err("it leads from https to http");
    }
    match policy {
        Redirects::None => Err("the configuration allows none (redirects = \"none\")"),
        Redirects::SameOrigin if from.origin() != to.origin() => {
            Err("it leads to another origin (allow it with redirects = \"all\")")
        }
        Redirects::SameOrigin | Redirects::All => Ok(()),
    }
}

/// Whether an address is on the public internet, as far as its number says.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    // "This network" and loopback; shared (RFC 6598), protocol assignments, benchmarks;
    // multicast and reserved.
    !(ip.is_private()
        || ip.is_link_local()
        || ip.is_documentation()
        || matches!(a, 0 | 127 | 224..)
        || a == 100 && (64..128).contains(&b)
        || a == 192 && b == 0 && c == 0
        || a == 192 && b == 88 && c == 99
        || a == 198 && matches!(b, 18 | 19))
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(ip) = embedded_v4(ip) {
        return is_public_v4(ip);
    }
    let [first, second, ..] = ip.segments();
    // Only 2000::/3 is handed out; documentation and Teredo lie in it.
    (first & 0xe000) == 0x2000
        && !(first == 0x2001 && matches!(second, 0 | 0x0db8))
        && !(first == 0x3fff && second < 0x1000)
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64 or 6to4.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known() {
        let private = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "64:ff9b:1::1",
        ];
        for address in private {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "140.82.121.3",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn literals_in_any_spelling_are_checked() {
        for url in [
            "http://127.0.0.1/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://[::1]:80/",
            "http://[::ffff:7f00:1]/",
            "http://017700000001/",
        ] {
            assert!(check_literal(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        assert!(check_literal(&Url::parse("http://example.com").unwrap()).is_ok());
    }

    #[test]
    fn redirects_by_policy() {
        let (same, port, plain) = ("https://a.com/y", "https://a.com:444/y", "http://a.com/y");
        let cases = [
            (Redirects::None, same, false),
            (Redirects::SameOrigin, same, true),
            (Redirects::SameOrigin, port, false),
            (Redirects::SameOrigin, plain, false),
            (Redirects::All, port, true),
            (Redirects::All, plain, false),
            (Redirects::All, "file:///etc/passwd", false),
        ];
        let from = Url::parse("https://a.com/x").unwrap();
        for (policy, to, allowed) in cases {
            let result = check_redirect(policy, &from, &Url::parse(to).unwrap());
            assert_eq!(result.is_ok(), allowed, "{policy:?} {to}");
        }
    }
}
