//! Which server an operation is sent to.

use std::collections::BTreeMap;

use serde_json::Value;
use toolexec_core::{Error, ErrorKind};
use url::Url;

use super::config::ApiConfig;

/// The server of the document's top, or the configured address.
pub(super) fn of_document(root: &Value, config: &ApiConfig) -> Result<Url, Error> {
    if let Some(text) = &config.base_url {
        return parse(text).map_err(|reason| {
            Error::new(ErrorKind::Config, format!("base_url {reason}"))
                .with_hint("write it like https://api.example.com/v1")
        });
    }
    let servers = list(root);
    let server = match &config.server {
        None => servers.first().copied(),
        Some(wanted) => Some(choose(&servers, wanted)?),
    };
    let found = match server {
        Some(server) => address(server, &config.server_variables)?,
        None => "/".to_owned(),
    };
    parse(&found).map_err(|reason| {
        Error::new(ErrorKind::Config, format!("the document's server {reason}"))
            .with_hint("set base_url to the address of the API")
    })
}

/// The server that an operation or its path names for itself.
pub(super) fn of_operation(
    item: &Value,
    operation: &Value,
    base: &Url,
    config: &ApiConfig,
) -> Result<Url, String> {
    if config.base_url.is_some() {
        return Ok(base.clone());
    }
    let own = [operation, item]
        .into_iter()
        .find_map(|owner| list(owner).first().copied());
    let Some(server) = own else {
        return Ok(base.clone());
    };
    let text = address(server, &config.server_variables).map_err(|error| error.to_string())?;
    let joined = base
        .join(&text)
        .map_err(|error| format!("its server: {error}"))?;
    parse(joined.as_str()).map_err(|reason| format!("its server {reason}"))
}

fn list(owner: &Value) -> Vec<&Value> {
    let servers = owner.get("servers").and_then(Value::as_array);
    servers.into_iter().flatten().collect()
}

fn choose<'a>(servers: &[&'a Value], wanted: &str) -> Result<&'a Value, Error> {
    let text = |server: &'a Value, key: &str| server.get(key).and_then(Value::as_str);
    let by_place = wanted.parse::<usize>().ok();
    let found = servers.iter().enumerate().find(|(place, server)| {
        by_place == Some(*place)
            || text(server, "url") == Some(wanted)
            || text(server, "description") == Some(wanted)
    });
    found.map(|(_, server)| *server).ok_or_else(|| {
        let known: Vec<&str> = servers
            .iter()
            .filter_map(|server| text(server, "url"))
            .collect();
        Error::new(
            ErrorKind::Config,
            format!(
                "the document has no server {wanted:?}; it has [{}]",
                known.join(", ")
            ),
        )
    })
}

/// The address of a server with its variables filled in.
fn address(server: &Value, values: &BTreeMap<String, String>) -> Result<String, Error> {
    let wrong = |message: String| Error::new(ErrorKind::Config, message);
    let url = server.get("url").and_then(Value::as_str);
    let mut url = url
        .ok_or_else(|| wrong("a server has no url".into()))?
        .trim()
        .to_owned();
    let variables = server.get("variables").and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let default = variable.get("default").and_then(Value::as_str);
        let value = values.get(name).map(String::as_str).or(default);
        let value = value.ok_or_else(|| {
            wrong(format!("server variable {name:?} has no default"))
                .with_hint(format!("set server_variables.{name}"))
        })?;
        let allowed = variable.get("enum").and_then(Value::as_array);
        let allowed: Vec<&str> = allowed
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if !allowed.is_empty() && values.contains_key(name) && !allowed.contains(&value) {
            return Err(wrong(format!(
                "server variable {name:?} is {value:?}; allowed are {}",
                allowed.join(", ")
            )));
        }
        url = url.replace(&format!("{{{name}}}"), value);
    }
    Ok(url)
}

/// An absolute HTTP address; the error completes a sentence.
fn parse(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let mut url = match Url::parse(text) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            return Err(format!("{text:?} is not a whole address: it names no host"));
        }
        Err(error) => return Err(format!("{text:?} is no address: {error}")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{text:?} is not at http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // It would be shown wherever the address is.
        return Err("has a user name or password in it; use auth for that".to_owned());
    }
    url.set_fragment(None);
    url.set_query(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(server: Option<&str>, region: Option<&str>, base: Option<&str>) -> ApiConfig {
        ApiConfig {
            server: server.map(str::to_owned),
            base_url: base.map(str::to_owned),
            server_variables: region
                .map(|r| ("region".to_owned(), r.to_owned()))
                .into_iter()
                .collect(),
            ..ApiConfig::default()
        }
    }

    #[test]
    fn servers_are_chosen_and_filled_in() {
        let root = json!({"servers": [
            {"url": "https://{region}.example.com/v1", "variables": {"region": {"default": "eu", "enum": ["eu", "us"]}}},
            {"url": "http://test.example.com", "description": "test"},
            {"url": "/relative"},
        ]});
        let cases = [
            (config(None, None, None), Ok("https://eu.example.com/v1")),
            (
                config(None, Some("us"), None),
                Ok("https://us.example.com/v1"),
            ),
            (
                config(None, Some("moon"), None),
                Err("server variable \"region\" is \"moon\"; allowed are eu, us"),
            ),
            (
                config(Some("test"), None, None),
                Ok("http://test.example.com/"),
            ),
            (
                config(Some("1"), None, None),
                Ok("http://test.example.com/"),
            ),
            (
                config(Some("2"), None, None),
                Err("the document's server \"/relative\" is not a whole address: it names no host"),
            ),
            (
                config(Some("live"), None, None),
                Err(
                    "the document has no server \"live\"; it has [https://{region}.example.com/v1, http://test.example.com, /relative]",
                ),
            ),
            (
                config(None, None, Some("https://own.example.com/x")),
                Ok("https://own.example.com/x"),
            ),
            (
                config(None, None, Some("https://me:pw@own.example.com")),
                Err("base_url has a user name or password in it; use auth for that"),
            ),
            (
                config(None, None, Some("ftp://x")),
                Err("base_url \"ftp://x\" is not at http or https"),
            ),
        ];
        for (config, expected) in cases {
            let found = of_document(&root, &config);
            let found = found
                .map(|url| url.to_string())
                .map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        }
    }

    #[test]
    fn an_operation_may_have_its_own() {
        let base = Url::parse("https://api.example.com/v1/").unwrap();
        let own = json!({"servers": [{"url": "https://uploads.example.com"}]});
        let none = config(None, None, None);
        let of = |item: &Value, operation: &Value, config: &ApiConfig| {
            of_operation(item, operation, &base, config).map(|url| url.to_string())
        };
        assert_eq!(of(&json!({}), &json!({}), &none), Ok(base.to_string()));
        assert_eq!(
            of(&own, &json!({}), &none),
            Ok("https://uploads.example.com/".into())
        );
        let relative = json!({"servers": [{"url": "/other"}]});
        assert_eq!(
            of(&own, &relative, &none),
            Ok("https://api.example.com/other".into())
        );
        let configured = config(None, None, Some("https://x"));
        assert_eq!(of(&own, &json!({}), &configured), Ok(base.to_string()));
    }
}
