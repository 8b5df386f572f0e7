//! What a token says about its caller.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use toolexec_core::Caller;

use super::{Issuer, Refusal, Token};

/// The longest name of a subject, in bytes.
const MAX_SUBJECT: usize = 256;

/// The claims of a good token.
#[derive(Debug)]
pub(in super::super) struct Claims {
    pub(in super::super) caller: Arc<Caller>,
    pub(in super::super) scopes: Vec<String>,
}

impl Claims {
    /// Reads the claims of a token whose signature is good.
    pub(super) fn read(token: &Token<'_>, issuer: &Issuer) -> Result<Self, Refusal> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_err(|_| Refusal::EARLY)?.as_secs_f64();
        Self::read_at(token.claims(), issuer, now)
    }

    fn read_at(claims: &Map<String, Value>, issuer: &Issuer, now: f64) -> Result<Self, Refusal> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(&*issuer.issuer) {
            return Err(Refusal::ISSUER);
        }
        let audiences = texts(claims.get("aud"));
        if !audiences
            .iter()
            .any(|audience| issuer.audiences.contains(audience))
        {
            return Err(Refusal::AUDIENCE);
        }
        let leeway = issuer.leeway.as_secs_f64();
        let expires = claims.get("exp").and_then(Value::as_f64);
        if expires.ok_or(Refusal::EXPIRED)? + leeway <= now {
            return Err(Refusal::EXPIRED);
        }
        if let Some(begins) = claims.get("nbf")
            && begins.as_f64().ok_or(Refusal::EARLY)? > now + leeway
        {
            return Err(Refusal::EARLY);
        }
        let subject = text(&issuer.caller_claim).unwrap_or_default();
        let is_name = !subject.is_empty()
            && subject.len() <= MAX_SUBJECT
            && !subject.chars().any(char::is_control);
        if !is_name {
            return Err(Refusal::SUBJECT);
        }
        let scopes = scopes(claims);
        let roles = pointed(claims, &issuer.roles_claim);
        let mut roles = texts(roles);
        // What an issuer says in its roles is not one of its scopes.
        roles.retain(|role| !role.starts_with("scope:"));
        roles.extend(scopes.iter().map(|scope| format!("scope:{scope}")));
        Ok(Self {
            caller: Arc::new(Caller {
                name: format!("{}:{subject}", issuer.name),
                roles,
            }),
            scopes,
        })
    }
}

/// `scope`, texts between spaces, or `scp`, a list.
fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    let words = |text: &String| -> Vec<String> {
        text.split_ascii_whitespace().map(str::to_owned).collect()
    };
    let both = ["scope", "scp"]
        .into_iter()
        .flat_map(|name| texts(claims.get(name)));
    both.flat_map(|text| words(&text)).collect()
}

/// A text, or the texts of a list.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => {
            let texts = items.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn pointed<'a>(claims: &'a Map<String, Value>, pointer: &str) -> Option<&'a Value> {
    let mut segments = pointer
        .split('/')
        .skip(1)
        .map(|segment| segment.replace("~1", "/").replace("~0", "~"));
    let first = claims.get(&segments.next()?)?;
    segments.try_fold(first, |value, segment| value.get(&segment))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::KeySource;
    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "reads better where it is called"
    )]
    fn read(change: Value) -> Result<(String, Vec<String>), Refusal> {
        let mut issuer = Issuer::new(
            "corp",
            "https://id.example",
            vec!["https://tools.example/mcp".to_owned()],
            KeySource::Url("https://id.example/keys".to_owned()),
        );
        issuer.leeway = Duration::from_secs(30);
        issuer.roles_claim = "/realm/roles".to_owned();
        let mut claims = json!({
            "iss": "https://id.example", "aud": "https://tools.example/mcp", "sub": "ann",
            "exp": 1000,
        });
        let fields = claims.as_object_mut().unwrap();
        for (key, value) in change.as_object().unwrap() {
            fields.insert(key.clone(), value.clone());
        }
        let claims = Claims::read_at(fields, &issuer, 900.0)?;
        Ok((claims.caller.name.clone(), claims.caller.roles.clone()))
    }

    #[test]
    fn the_caller_is_named_after_issuer_and_subject() {
        let none: Vec<String> = Vec::new();
        assert_eq!(read(json!({})), Ok(("corp:ann".to_owned(), none)));
        let roles = json!({
            "realm": {"roles": ["dev", 1, "scope:admin"]}, "scope": "a b", "scp": ["c"],
        });
        let wanted = ["dev", "scope:a", "scope:b", "scope:c"].map(str::to_owned);
        assert_eq!(read(roles), Ok(("corp:ann".to_owned(), wanted.to_vec())));
    }

    #[test]
    fn times_have_a_leeway() {
        assert!(read(json!({"exp": 871})).is_ok());
        assert_eq!(read(json!({"exp": 870})), Err(Refusal::EXPIRED));
        assert!(read(json!({"nbf": 930})).is_ok());
        assert_eq!(read(json!({"nbf": 930.5})), Err(Refusal::EARLY));
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_refused() {
        let cases = [
            (json!({"exp": null}), Refusal::EXPIRED),
            (json!({"exp": "2999-01-01"}), Refusal::EXPIRED),
            (json!({"nbf": "now"}), Refusal::EARLY),
            (json!({"iss": ["https://id.example"]}), Refusal::ISSUER),
            (json!({"iss": "https://id.example/"}), Refusal::ISSUER),
            (json!({"aud": null}), Refusal::AUDIENCE),
            (json!({"aud": []}), Refusal::AUDIENCE),
            (json!({"aud": ["https://other.example"]}), Refusal::AUDIENCE),
            (
                json!({"aud": {"https://tools.example/mcp": 1}}),
                Refusal::AUDIENCE,
            ),
            (json!({"sub": ""}), Refusal::SUBJECT),
            (json!({"sub": 7}), Refusal::SUBJECT),
            (json!({"sub": "a\nb"}), Refusal::SUBJECT),
            (json!({"sub": "x".repeat(300)}), Refusal::SUBJECT),
        ];
        for (change, wanted) in cases {
            assert_eq!(read(change.clone()), Err(wanted), "{change}");
        }
        let several = json!({"aud": ["https://other.example", "https://tools.example/mcp"]});
        assert!(read(several).is_ok());
    }
}
