//! Tests of rules.

use serde_json::{Value, json};

use super::*;
use crate::backend::BackendKind;
use crate::tool::Annotations;

fn rule(value: Value) -> Rule {
    serde_json::from_value(value).unwrap()
}

fn rules(default: Effect, values: impl IntoIterator<Item = Value>) -> Rules {
    Rules::new(values.into_iter().map(rule).collect(), default).unwrap()
}

fn caller(name: &str, roles: &[&str]) -> Caller {
    Caller {
        name: name.to_owned(),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
    }
}

struct Call {
    caller: Option<Caller>,
    tool: Tool,
    backend: BackendRef,
    args: Args,
}

impl Call {
    fn new(tool: &str) -> Self {
        Self {
            caller: None,
            tool: Tool::builder(tool).build().unwrap(),
            backend: BackendRef::new(BackendKind::Local, "test"),
            args: Args::new(),
        }
    }

    fn by(mut self, name: &str, roles: &[&str]) -> Self {
        self.caller = Some(caller(name, roles));
        self
    }

    fn with(mut self, args: Value) -> Self {
        self.args = serde_json::from_value(args).unwrap();
        self
    }

    fn hinted(mut self, annotations: Annotations) -> Self {
        self.tool.annotations = annotations;
        self
    }

    /// The reason it is denied for; empty when it is allowed.
    fn asked(&self, rules: &Rules) -> String {
        let decision = rules.authorize(&PolicyRequest {
            caller: self.caller.as_ref(),
            tool: &self.tool,
            backend: &self.backend,
            args: &self.args,
        });
        match decision {
            Decision::Allow => String::new(),
            Decision::Deny { reason } => reason,
        }
    }

    fn seen(&self, rules: &Rules) -> bool {
        rules.may_ever_call(self.caller.as_ref(), &self.tool, &self.backend)
    }
}

#[test]
fn a_deny_rule_wins_in_whatever_order() {
    let allow = json!({"name": "all", "effect": "allow"});
    let deny = json!({"name": "no-rm", "effect": "deny", "tools": ["fs:rm*"]});
    for order in [[&allow, &deny], [&deny, &allow]] {
        let rules = rules(Effect::Deny, order.map(Clone::clone));
        assert_eq!(Call::new("fs:rmdir").asked(&rules), "rule \"no-rm\"");
        assert_eq!(Call::new("fs:read").asked(&rules), "");
    }
}

#[test]
fn the_default_decides_what_no_rule_fits() {
    let allow = || [json!({"name": "math", "effect": "allow", "tools": ["math:*"]})];
    let closed = rules(Effect::Deny, allow());
    assert_eq!(Call::new("fs:read").asked(&closed), "no rule allows it");
    assert_eq!(Call::new("math:add").asked(&closed), "");
    let open = rules(Effect::Allow, allow());
    assert_eq!(Call::new("fs:read").asked(&open), "");
}

#[test]
fn callers_and_roles() {
    let rules = rules(
        Effect::Allow,
        [
            json!({"name": "guests", "effect": "deny", "tools": ["a:*"], "callers": ["guest-*", "anonymous"]}),
            json!({"name": "admins-only", "effect": "deny", "tools": ["b:*"], "except_roles": ["admin"]}),
            json!({"name": "interns", "effect": "deny", "tools": ["c:*"], "roles": ["intern"], "except_callers": ["ann"]}),
        ],
    );
    let cases = [
        (Call::new("a:x").by("guest-1", &[]), "rule \"guests\""),
        (Call::new("a:x").by("ann", &[]), ""),
        (Call::new("a:x"), "rule \"guests\""),
        (Call::new("b:x").by("ann", &["dev"]), "rule \"admins-only\""),
        (Call::new("b:x").by("ann", &["dev", "admin"]), ""),
        (Call::new("b:x"), "rule \"admins-only\""),
        (Call::new("c:x").by("bob", &["intern"]), "rule \"interns\""),
        (Call::new("c:x").by("ann", &["intern"]), ""),
        (Call::new("c:x"), ""),
    ];
    for (call, wanted) in cases {
        assert_eq!(
            call.asked(&rules),
            wanted,
            "{:?} {}",
            call.caller,
            call.tool.id
        );
    }
}

#[test]
fn a_pattern_without_a_colon_is_of_the_name_in_any_namespace() {
    let rules = rules(
        Effect::Allow,
        [json!({"name": "d", "effect": "deny", "tools": ["delete_*"]})],
    );
    for denied in ["fs:delete_file", "delete_all", "github:delete_repo:1.0.0"] {
        assert_eq!(Call::new(denied).asked(&rules), "rule \"d\"", "{denied}");
    }
    assert_eq!(Call::new("delete_x:read").asked(&rules), "");
}

#[test]
fn hints_that_a_tool_does_not_give_have_the_defaults_of_mcp() {
    let says = |read_only, destructive, open_world| Annotations {
        read_only,
        destructive,
        open_world,
        ..Annotations::default()
    };
    let cases = [
        // (hints, destructive, read_only, open_world)
        (says(None, None, None), [true, false, true]),
        (says(Some(true), None, None), [false, true, true]),
        (
            says(Some(true), Some(true), Some(false)),
            [false, true, false],
        ),
        (says(None, Some(false), None), [false, false, true]),
    ];
    for (hints, wanted) in cases {
        let found = ["destructive", "read_only", "open_world"].map(|hint| {
            let mut value = json!({"name": "h", "effect": "deny"});
            value[hint] = json!(true);
            let rules = rules(Effect::Allow, [value]);
            !Call::new("a:b")
                .hinted(hints.clone())
                .asked(&rules)
                .is_empty()
        });
        assert_eq!(found, wanted, "{hints:?}");
    }
}

#[test]
fn conditions_on_arguments() {
    let cases = [
        (json!({"/n": {"equals": 1}}), json!({"n": 1.0}), true),
        (json!({"/n": {"equals": 1}}), json!({"n": "1"}), false),
        (
            json!({"/n": {"equals": 9_007_199_254_740_993_u64}}),
            json!({"n": 9_007_199_254_740_992_u64}),
            false,
        ),
        (
            json!({"/n": {"equals": {"a": [1]}}}),
            json!({"n": {"a": [1.0]}}),
            true,
        ),
        (
            json!({"/n": {"one_of": ["a", "b"]}}),
            json!({"n": "b"}),
            true,
        ),
        (json!({"/n": {"min": 2, "max": 3}}), json!({"n": 2.5}), true),
        (json!({"/n": {"min": 2}}), json!({"n": 1}), false),
        (json!({"/n": {"max": 2}}), json!({"n": "1"}), false),
        (json!({"/n": {"max": 2}}), json!({}), false),
        (json!({"/n": {"present": false}}), json!({}), true),
        (json!({"/n": {"present": true}}), json!({"n": null}), true),
        (
            json!({"/a/b~1c": {"glob": "x*z"}}),
            json!({"a": {"b/c": "xyz"}}),
            true,
        ),
        (
            json!({"/u": {"prefix": "https://"}}),
            json!({"u": "http://a"}),
            false,
        ),
        (
            json!({"/p": {"inside": "/srv/data"}}),
            json!({"p": "/srv/data/a/../b"}),
            true,
        ),
        (
            json!({"/p": {"inside": "/srv/data"}}),
            json!({"p": "/srv/data"}),
            true,
        ),
        (
            json!({"/p": {"inside": "/srv/data"}}),
            json!({"p": "/srv/data/../../etc"}),
            false,
        ),
        (
            json!({"/p": {"inside": "/srv/data"}}),
            json!({"p": "/srv/database"}),
            false,
        ),
        (
            json!({"/p": {"inside": "/srv/data"}}),
            json!({"p": "srv/data/x"}),
            false,
        ),
        (
            json!({"/p": {"inside": "/srv"}}),
            json!({"p": "/srv/a\u{0}b"}),
            false,
        ),
        (json!({"/p": {"inside": "/"}}), json!({"p": "/../x"}), true),
        (
            json!({"/a/1": {"equals": "y"}}),
            json!({"a": ["x", "y"]}),
            true,
        ),
    ];
    for (args, given, holds) in cases {
        let deny = json!({"name": "r", "effect": "deny", "args": args});
        let rules = rules(Effect::Allow, [deny.clone()]);
        let call = Call::new("a:b").with(given);
        assert_eq!(
            !call.asked(&rules).is_empty(),
            holds,
            "{deny} {:?}",
            call.args
        );
    }
}

#[test]
fn a_star_needs_one_item_to_deny_and_all_to_allow() {
    let args = json!({"/paths/*": {"inside": "/srv"}});
    let allow = rules(
        Effect::Deny,
        [json!({"name": "r", "effect": "allow", "args": args})],
    );
    let deny = rules(
        Effect::Allow,
        [json!({"name": "r", "effect": "deny", "args": args})],
    );
    let cases = [
        (json!({"paths": ["/srv/a", "/srv/b"]}), true, false),
        (json!({"paths": ["/srv/a", "/etc"]}), false, false),
        (json!({"paths": ["/etc"]}), false, true),
        (json!({"paths": []}), false, true),
        (json!({}), false, true),
        (json!({"paths": "/srv/a"}), false, true),
        (json!({"paths": {"x": "/srv/a"}}), true, false),
    ];
    for (given, by_allow, by_deny) in cases {
        let call = Call::new("a:b").with(given);
        let allowed = [&allow, &deny].map(|rules| call.asked(rules).is_empty());
        assert_eq!(allowed, [by_allow, by_deny], "{:?}", call.args);
    }
}

#[test]
fn a_tool_is_seen_that_some_arguments_would_be_allowed_for() {
    let closed = rules(
        Effect::Deny,
        [
            json!({"name": "in-srv", "effect": "allow", "tools": ["fs:read"], "args": {"/path": {"inside": "/srv"}}}),
            json!({"name": "guests", "effect": "deny", "callers": ["guest"]}),
        ],
    );
    assert!(Call::new("fs:read").by("ann", &[]).seen(&closed));
    assert!(!Call::new("fs:write").by("ann", &[]).seen(&closed));
    assert!(!Call::new("fs:read").by("guest", &[]).seen(&closed));
    let open = rules(
        Effect::Allow,
        [json!({"name": "no-etc", "effect": "deny", "args": {"/path": {"inside": "/etc"}}})],
    );
    assert!(Call::new("fs:read").seen(&open));
}

#[test]
fn rules_that_mean_nothing_are_refused() {
    let error = |value: Value| {
        let rules = vec![Rule::new("first", Effect::Allow), rule(value)];
        let RuleError {
            rule,
            field,
            message,
        } = Rules::new(rules, Effect::Allow).unwrap_err();
        assert_eq!(rule, 1);
        format!("{}: {message}", field.join("."))
    };
    let deny = |fields: Value| {
        let mut value = json!({"name": "r", "effect": "deny"});
        value
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        value
    };
    let cases = [
        (
            deny(json!({"name": " "})),
            "name: a rule has no name; a caller that is denied reads it",
        ),
        (
            deny(json!({"name": "first"})),
            "name: two rules are named \"first\"",
        ),
        (
            deny(json!({"tools": ["a:b", ""]})),
            "tools.1: rule \"r\" has an empty pattern",
        ),
        (
            deny(json!({"tools": ["a:b:1.0.0"]})),
            "tools: rule \"r\": \"a:b:1.0.0\" has a version; a rule is about all versions of a tool",
        ),
        (
            deny(json!({"args": {"path": {"equals": 1}}})),
            "args.path: rule \"r\": \"path\" is no JSON Pointer; write it as \"/path\"",
        ),
        (
            deny(json!({"args": {"/p": {}}})),
            "args./p: rule \"r\": the condition is empty",
        ),
        (
            deny(json!({"args": {"/p": {"min": 3, "max": 1}}})),
            "args./p: rule \"r\": `min` (3) is more than `max` (1)",
        ),
        (
            deny(json!({"args": {"/p": {"inside": "data"}}})),
            "args./p: rule \"r\": `inside` needs an absolute path, not \"data\"",
        ),
        (
            deny(json!({"args": {"/p": {"present": false, "equals": 1}}})),
            "args./p: rule \"r\": an argument that is not present has no value to look at",
        ),
    ];
    for (value, wanted) in cases {
        assert_eq!(error(value), wanted);
    }
}
