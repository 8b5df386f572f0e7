//! `network` of a sandbox: nobody, or the addresses that a proxy of ours lets pass.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::ConfigError;
use super::document::Document;
use super::web::{self, WebSection};

/// The network of a sandbox.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum NetworkSetting {
    /// None.
    #[default]
    None,
    /// What is allowed, through a proxy.
    Only(NetworkSection),
}

/// What a program in a sandbox may reach.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkSection {
    /// Addresses: an origin such as `https://api.example.com`, or a table with the keys of
    /// `[web.NAME]`.
    pub allow: Vec<AllowSetting>,
}

/// An address that a program may reach.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AllowSetting(pub WebSection);

const NONE: &str = "none";

impl<'de> Deserialize<'de> for NetworkSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = NetworkSetting;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"none\", or { allow = [\"https://api.example.com\"] }")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                if text == NONE {
                    return Ok(NetworkSetting::None);
                }
                Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                NetworkSection::deserialize(MapAccessDeserializer::new(map))
                    .map(NetworkSetting::Only)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for AllowSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = AllowSetting;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an origin such as \"https://api.example.com\", or a table")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(AllowSetting(WebSection {
                    origin: text.to_owned(),
                    ..WebSection::default()
                }))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                WebSection::deserialize(MapAccessDeserializer::new(map)).map(AllowSetting)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for NetworkSetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Network".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let section = generator.subschema_for::<NetworkSection>();
        schemars::json_schema!({ "anyOf": [{ "const": NONE }, section] })
    }
}

impl JsonSchema for AllowSetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Allow".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let section = generator.subschema_for::<WebSection>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, section] })
    }
}

/// Checks that every address can be read.
pub(super) fn check(
    document: &Document<'_>,
    path: &[&str],
    setting: &NetworkSetting,
) -> Result<(), ConfigError> {
    let NetworkSetting::Only(section) = setting else {
        return Ok(());
    };
    for (place, allow) in section.allow.iter().enumerate() {
        let place = place.to_string();
        let all: Vec<&str> = path.iter().copied().chain(["allow", &place]).collect();
        web::check_rule(&allow.0).map_err(|message| document.at_value(&all, message))?;
    }
    if section.allow.is_empty() {
        let all: Vec<&str> = path.iter().copied().chain(["allow"]).collect();
        return Err(document
            .at_value(&all, "this allows nothing")
            .with_hint("write network = \"none\", or leave it out"));
    }
    Ok(())
}

/// Who takes the connections of a program; without anybody it has no network.
#[cfg(feature = "sandbox")]
pub(super) fn egress(
    setting: &NetworkSetting,
) -> toolexec_core::Result<Option<std::sync::Arc<dyn crate::sandbox::tools::Egress>>> {
    let NetworkSetting::Only(section) = setting else {
        return Ok(None);
    };
    let rules = section.allow.iter().map(|allow| web::rule(&allow.0));
    let origins: Vec<&str> = section.allow.iter().map(|allow| &*allow.0.origin).collect();
    Ok(Some(std::sync::Arc::new(proxied::Proxied {
        proxy: toolexec_providers::Proxy::new(rules)?,
        origins: origins.join(" "),
    })))
}

#[cfg(feature = "sandbox")]
mod proxied {
    //! A proxy as the only way out of a sandbox.

    use std::fmt;
    use std::sync::Arc;

    use futures_util::future::BoxFuture;
    use toolexec_providers::Proxy;

    use crate::sandbox::tools::{Egress, Listener};

    pub(super) struct Proxied {
        pub(super) proxy: Arc<Proxy>,
        pub(super) origins: String,
    }

    impl Egress for Proxied {
        fn describe(&self) -> String {
            self.origins.clone()
        }

        fn environment(&self, port: u16, authority: &str) -> Vec<(String, String)> {
            self.proxy.environment(port, authority)
        }

        fn authority(&self) -> Option<String> {
            Some(self.proxy.authority_pem())
        }

        fn serve(&self, listener: Listener) -> BoxFuture<'static, ()> {
            let proxy = self.proxy.clone();
            Box::pin(async move {
                let served = match listener {
                    Listener::Tcp(listener) => proxy.serve(listener).await,
                    #[cfg(unix)]
                    Listener::Unix(listener) => proxy.serve_unix(listener).await,
                    _ => Err(std::io::ErrorKind::Unsupported.into()),
                };
                if let Err(error) = served {
                    tracing::warn!(%error, "a sandbox has lost its network");
                }
            })
        }
    }

    impl fmt::Debug for Proxied {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Proxied")
                .field("origins", &self.origins)
                .finish_non_exhaustive()
        }
    }
}
