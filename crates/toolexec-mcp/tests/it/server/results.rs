//! Results that are too large for a model.

use std::sync::Arc;
use std::time::Duration;

use rmcp::service::{RoleClient, RunningService};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::CodeExecutor;
use toolexec_core::index::Index;
use toolexec_core::results::ResultStore;
use toolexec_core::sandbox::{Profile, Sandboxes};
use toolexec_core::schema::Schema;
use toolexec_core::{Args, ErrorKind, Runner};
use toolexec_mcp::Server;
use toolexec_mcp::auth::HttpAuth;
use toolexec_mcp::server::auth::{ApiKey, Auth, AuthOptions};
use toolexec_mcp::server::http::HttpOptions;
use toolexec_mcp::server::results::{JqProgram, KeptResults, ResultOptions};
use toolexec_mcp::{McpServer, ServerConfig, Transport};
use toolexec_testkit::fake::sandbox::{FakeGuest, ScriptedSandbox};
use toolexec_wire::{Op, Outcome, ToGuest, ToHost};

use super::{builder, call, connect};

type Client = RunningService<RoleClient, ()>;

/// `data:text` answers `n` letters, `data:rows` a list of `n` rows, `data:size` how long an array
/// or a text is that it is given.
fn tools() -> Local {
    let count = |args: &Args| usize::try_from(args["n"].as_u64().unwrap()).unwrap();
    Local::new("data")
        .tool(LocalTool::new("text", move |args: Args| async move {
            Ok::<_, String>("a".repeat(count(&args)))
        }))
        .tool(LocalTool::new("rows", move |args: Args| async move {
            let rows = (0..count(&args)).map(|n| json!({"n": n, "even": n % 2 == 0}));
            Ok::<_, String>(rows.collect::<Vec<Value>>())
        }))
        .tool(LocalTool::new("size", async |args: Args| {
            Ok::<_, String>(match &args["of"] {
                Value::Array(items) => items.len(),
                Value::String(text) => text.len(),
                _ => 0,
            })
        }))
        .tool(LocalTool::new("fail", move |args: Args| async move {
            Err::<Value, _>("b".repeat(count(&args)))
        }))
}

fn options() -> ResultOptions {
    ResultOptions {
        max_inline: 1000,
        jq: Some(JqProgram::new(env!("CARGO_BIN_EXE_toolexec-jq"))),
        ..ResultOptions::default()
    }
}

fn server(options: ResultOptions) -> Server {
    builder(&tools()).results(options).build()
}

/// What a tool of the server answers; its answer fits its schema.
async fn answer(client: &Client, name: &str, args: Value) -> Value {
    let result = call(client, name, args).await;
    let structured = result.structured_content.unwrap();
    let listed = client.list_all_tools().await.unwrap();
    let tool = listed.iter().find(|tool| tool.name == name).unwrap();
    let schema = Value::Object((**tool.output_schema.as_ref().unwrap()).clone());
    let schema = Schema::compile(schema.into()).unwrap();
    assert_eq!(schema.validate(&structured), Ok(()), "{name}");
    structured
}

async fn run(client: &Client, tool: &str, args: Value) -> Value {
    answer(client, "run_tool", json!({"tool": tool, "args": args})).await
}

async fn read(client: &Client, handle: &Value, mut how: Value) -> Value {
    how["result"] = handle.clone();
    answer(client, "read_result", how).await
}

#[tokio::test]
async fn a_large_result_is_a_handle_and_a_small_one_is_not() {
    let client = connect(&server(options()), ()).await;
    let small = run(&client, "data:text", json!({"n": 1000})).await;
    assert_eq!(small, json!({"value": "a".repeat(1000)}));
    let large = run(&client, "data:rows", json!({"n": 300})).await;
    let value = &large["value"];
    let handle = value["$result"].as_str().unwrap();
    assert!(handle.starts_with("r_") && handle.len() == 24, "{handle}");
    let shown = |key: &str| value[key].clone();
    assert_eq!(
        ["type", "length", "bytes", "expires_in_s"].map(shown),
        [json!("array"), json!(300), json!(6641), json!(3600)]
    );
    let preview = r#"[{"n":0,"even":true},{"n":1,"even":false},{"n":2,"even":true},"… 297 more"]"#;
    assert_eq!(value["preview"], json!(preview));
    assert!(large.to_string().len() < 1000, "{large}");
}

#[tokio::test]
async fn a_result_is_read_in_slices_and_by_filters() {
    let client = connect(&server(options()), ()).await;
    let large = run(&client, "data:rows", json!({"n": 300})).await;
    let handle = &large["value"]["$result"];
    let slice = read(&client, handle, json!({"offset": 298, "limit": 5})).await;
    let rows = json!([{"n": 298, "even": true}, {"n": 299, "even": false}]);
    assert_eq!(slice, json!({"value": rows, "type": "array", "total": 300}));
    let whole = read(&client, handle, json!({})).await;
    let shown = whole["value"].as_array().unwrap().len();
    assert_eq!(whole["next_offset"], json!(shown));
    assert!(whole.to_string().len() < 1100 && shown > 10, "{shown}");
    let part = read(&client, handle, json!({"at": "/7/n"})).await;
    assert_eq!(part, json!({"value": 7, "type": "number"}));

    let jq = async |filter: &str| read(&client, handle, json!({"jq": filter})).await;
    assert_eq!(
        jq("map(select(.even)) | length").await,
        json!({"values": [150]})
    );
    assert_eq!(jq("[.[].n] | add").await, json!({"values": [44_850]}));
    let cut = jq(".[].n").await;
    assert_eq!(
        (&cut["values"][9], &cut["truncated"]),
        (&json!(9), &json!(true))
    );
    let wrong = jq(".[] | nosuch").await;
    let message = "the jq filter uses what there is not: filter \"nosuch\"";
    assert_eq!(wrong["error"]["message"], json!(message));
    let nothing = read(&client, handle, json!({"at": "/999"})).await;
    let message = format!(
        "the result {} has nothing at \"/999\"",
        handle.as_str().unwrap()
    );
    assert_eq!(nothing["error"]["message"], json!(message));
}

#[tokio::test]
async fn a_filter_that_does_not_end_is_ended() {
    let client = connect(&server(options()), ()).await;
    let large = run(&client, "data:rows", json!({"n": 300})).await;
    let handle = &large["value"]["$result"];
    for filter in ["def f: 1 + f; f", "[range(1e12)]", "def f: f; f"] {
        let answer = read(&client, handle, json!({"jq": filter})).await;
        assert_eq!(answer["error"]["code"], json!("limit_exceeded"), "{filter}");
    }
    let env = read(&client, handle, json!({"jq": "env | length"})).await;
    assert_eq!(
        env,
        json!({"values": [0]}),
        "no variable of the server is seen"
    );
    let next = read(&client, handle, json!({"jq": "length"})).await;
    assert_eq!(next, json!({"values": [300]}), "the server goes on");
}

#[tokio::test]
async fn a_handle_is_an_argument_of_the_next_call() {
    let client = connect(&server(options()), ()).await;
    let large = run(&client, "data:text", json!({"n": 5000})).await;
    let handle = &large["value"]["$result"];
    let size = run(&client, "data:size", json!({"of": {"$result": handle}})).await;
    assert_eq!(size, json!({"value": 5000}));
    // The whole object that the model was shown.
    let size = run(&client, "data:size", json!({"of": large["value"]})).await;
    assert_eq!(size, json!({"value": 5000}));
    let unknown = run(
        &client,
        "data:size",
        json!({"of": {"$result": "r_AAAAAAAAAAAAAAAAAAAAAA"}}),
    )
    .await;
    assert_eq!(unknown["error"]["code"], json!("not_found"));
}

#[tokio::test]
async fn a_chain_gives_handles_and_passes_whole_values_on() {
    let client = connect(&server(options()), ()).await;
    let steps = json!([
        {"tool": "data:rows", "args": {"n": 300}},
        {"tool": "data:size", "args": {"of": "{{prev}}"}},
        {"tool": "data:text", "args": {"n": 4000}},
    ]);
    let outcome = answer(&client, "run_chain", json!({"steps": steps})).await;
    let values = |n: usize| &outcome["steps"][n]["value"];
    assert_eq!(values(0)["length"], json!(300));
    assert_eq!(values(1), &json!(300));
    assert_eq!(values(2)["length"], json!(4000));
    assert_eq!(&outcome["value"], values(2));
    let tail = read(&client, &values(2)["$result"], json!({"offset": 3998})).await;
    assert_eq!(tail["value"], json!("aa"));
}

/// A sandbox whose program gives its input `data` back thrice, and hands the handle `id` to a tool.
fn program() -> CodeExecutor {
    let sandbox = ScriptedSandbox::new("fake", async |mut guest: FakeGuest| {
        let Some(start) = guest.started().await else {
            return;
        };
        let op = Op::Run {
            tool: "data:size".to_owned(),
            args: json!({"of": {"$result": start.inputs["id"]}}),
        };
        guest.send(&ToHost::Call { id: 1, op }).await;
        guest.send(&ToHost::Waiting).await;
        let size = loop {
            match guest.receive().await {
                Some(ToGuest::Answer { outcome, .. }) => break outcome,
                Some(_) => {}
                None => return,
            }
        };
        let Outcome::Ok(size) = size else { return };
        let text = start.inputs["data"].as_str().unwrap_or_default();
        guest.done(json!([size, text.repeat(3)])).await;
    });
    let sandboxes = Sandboxes::new()
        .with(Arc::new(sandbox))
        .candidates(Profile::Standard, ["fake"]);
    let index = Index::new();
    index.register_all(tools().registrations().unwrap());
    CodeExecutor::builder(Runner::new(index), Arc::default(), sandboxes).build()
}

#[tokio::test]
async fn a_program_takes_and_gives_handles() {
    let server = builder(&tools()).code(program()).results(options()).build();
    let client = connect(&server, ()).await;
    let large = run(&client, "data:text", json!({"n": 2000})).await;
    let handle = &large["value"]["$result"];
    let args = json!({
        "language": "javascript",
        "code": "a program",
        "inputs": {"data": {"$result": handle}, "id": handle},
    });
    let outcome = answer(&client, "execute_code", args).await;
    let value = &outcome["value"];
    assert_eq!(
        (&value["type"], &value["length"]),
        (&json!("array"), &json!(2)),
        "{outcome}"
    );
    let size = read(&client, &value["$result"], json!({"at": "/0"})).await;
    assert_eq!(size["value"], json!(2000));
    let text = read(
        &client,
        &value["$result"],
        json!({"at": "/1", "offset": 5999}),
    )
    .await;
    assert_eq!(text, json!({"value": "a", "type": "string", "total": 6000}));
}

#[tokio::test]
async fn a_large_failure_is_told_in_short() {
    let client = connect(&server(options()), ()).await;
    let failed = run(&client, "data:fail", json!({"n": 5000})).await;
    let message = failed["error"]["message"].as_str().unwrap();
    assert_eq!(message.chars().count(), 1000);
    assert!(failed.to_string().len() < 3500);
}

#[tokio::test]
async fn results_are_their_callers_own() {
    let (ann, bob) = ("ann-0123456789abcdef", "bob-0123456789abcdef");
    let mut http = HttpOptions::new(([127, 0, 0, 1], 0).into());
    http.auth = Auth::Required(AuthOptions {
        keys: vec![
            ApiKey::from_secret("ann", &[], ann).unwrap(),
            ApiKey::from_secret("bob", &[], bob).unwrap(),
        ],
        ..AuthOptions::default()
    });
    let http = server(options()).http(http).await.unwrap();
    let url = format!("http://{}/mcp", http.address());
    let stop = CancellationToken::new();
    tokio::spawn(http.run(stop.clone()));
    let client = |secret: &str| {
        let mut config = ServerConfig::http(&url);
        if let Transport::Http(http) = &mut config.transport {
            http.auth = HttpAuth::Bearer(secret.to_owned());
        }
        McpServer::new("us", "us", config)
    };
    let (ann, bob) = (client(ann), client(bob));
    let args = json!({"tool": "data:text", "args": {"n": 2000}});
    let large = crate::call(&ann, "run_tool", args).await.unwrap();
    let handle = large.structured.unwrap()["value"]["$result"].clone();
    let read = json!({"result": handle, "limit": 1});
    let own = crate::call(&ann, "read_result", read.clone())
        .await
        .unwrap();
    assert_eq!(own.structured.unwrap()["value"], json!("a"));
    let pass = json!({"tool": "data:size", "args": {"of": {"$result": handle}}});
    for (name, args) in [("read_result", read), ("run_tool", pass)] {
        let answer = crate::call(&bob, name, args).await.unwrap();
        assert_eq!(
            answer.structured.unwrap()["error"]["code"],
            json!("not_found"),
            "{name}"
        );
    }
    stop.cancel();
}

async fn put(store: &KeptResults, owner: &str, bytes: usize) -> Result<String, ErrorKind> {
    let json = format!("\"{}\"", "x".repeat(bytes - 2)).into_bytes();
    store.put(owner, json).await.map_err(|error| error.kind())
}

async fn has(store: &KeptResults, owner: &str, handle: &str) -> bool {
    store.get(owner, handle).await.is_ok()
}

#[tokio::test]
async fn a_result_is_kept_for_its_lifetime() {
    let store = KeptResults::new(ResultOptions {
        lifetime: Duration::from_millis(20),
        ..ResultOptions::default()
    });
    let handle = put(&store, "ann", 10).await.unwrap();
    // Freed without anybody asking.
    while format!("{store:?}") != "KeptResults { results: 0, memory: 0, disk: 0, .. }" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!has(&store, "ann", &handle).await);
    // Those that come later are freed too.
    put(&store, "ann", 20).await.unwrap();
    while !format!("{store:?}").contains("results: 0") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let hour = KeptResults::new(ResultOptions::default());
    let handle = put(&hour, "ann", 10).await.unwrap();
    assert!(has(&hour, "ann", &handle).await);
}

#[tokio::test]
async fn quotas_hold() {
    let directory = tempfile::tempdir().unwrap();
    let store = KeptResults::new(ResultOptions {
        memory: 100,
        disk: 200,
        per_caller: 150,
        directory: Some(directory.path().to_owned()),
        ..ResultOptions::default()
    });
    let first = put(&store, "ann", 80).await.unwrap();
    let second = put(&store, "ann", 70).await.unwrap();
    assert_eq!(
        format!("{store:?}"),
        "KeptResults { results: 2, memory: 80, disk: 70, .. }"
    );
    assert!(has(&store, "ann", &first).await && has(&store, "ann", &second).await);
    // The oldest of the same caller goes.
    let third = put(&store, "ann", 60).await.unwrap();
    assert!(!has(&store, "ann", &first).await && has(&store, "ann", &second).await);
    assert_eq!(put(&store, "ann", 151).await, Err(ErrorKind::LimitExceeded));
    // Nobody's results go for another's.
    assert!(put(&store, "bob", 130).await.is_ok());
    assert_eq!(put(&store, "eve", 50).await, Err(ErrorKind::LimitExceeded));
    assert!(put(&store, "eve", 40).await.is_ok());
    assert!(has(&store, "ann", &third).await && !has(&store, "bob", &third).await);
    let files = || std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(files(), 1);
    drop(store);
    assert_eq!(files(), 0);
}

#[tokio::test]
async fn handles_differ() {
    let store = KeptResults::new(ResultOptions::default());
    let mut handles = std::collections::HashSet::new();
    for _ in 0..200 {
        handles.insert(put(&store, "ann", 10).await.unwrap());
    }
    assert_eq!(handles.len(), 200);
}
