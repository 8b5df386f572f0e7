//! TypeScript programs, and the look at programs before they run.

use serde_json::{Value, json};
use toolexec_wire::{FailureKind, Language, SeenCall};

use crate::harness::{Guest, program, run};

fn value(source: &str) -> Value {
    let result = run(Language::TypeScript, source).result;
    result.unwrap_or_else(|failure| panic!("{failure:#?}\nof {source}"))
}

#[test]
fn types_are_blanked() {
    assert_eq!(
        value(
            r#"
import type { X } from "./types";
interface Issue<T = string> { id: number; labels?: T[] }
type Pair = [number, string];
declare const nothing: number;
abstract class Base<T> implements Iface, Other<T> {
    private readonly items: T[] = [];
    declare ghost: number;
    protected static count?: number;
    late!: string;
    [key: string]: unknown;
    constructor(public name: string, protected extra?: number) { }
    abstract draw(): void;
    public add(this: Base<T>, item: T, ...more: T[]): this { this.items.push(item, ...more); return this; }
    get size(): number { return this.items.length }
}
class Child extends Base<number> {
    constructor(private readonly y: number) { super("child"); }
    override draw(): void {}
    sum(): number { return this.y + this.size }
}
function over(a: string): string;
function over(a: number): number;
function over(a: any): any { return a }
const id = <T,>(x: T): T => x;
const wide = async (a: string): Promise<{
    b: string
}> => ({ b: a! });
const list = [1, 2, 3] as const satisfies readonly number[];
let pair: Pair = <Pair>[1, "x"];
const call = id<number>(4);
const m = new Map<string, Array<number>>();
for (const x of list as readonly number[]) m.set(String(x), [x]);
try { throw 1 } catch (e: unknown) { }
const child = new Child(2).add(5, 6) as Child;
[child.sum(), child.name, over(1), (await wide("w")).b, pair, call, m.size, list?.[0]!]
"#
        ),
        json!([4, "child", 1, "w", [1, "x"], 4, 3, 1])
    );
}

#[test]
fn enums_are_written_out() {
    assert_eq!(
        value(
            "enum Color { Red, Green = 5, Blue, 'odd name' = Green | 8 }
const enum Text { A = 'a', B = `b` }
export enum More { X = 1 }
[Color.Red, Color.Blue, Color[5], Color['odd name'], Text.A, Text.B, More.X, Object.keys(Text)]"
        ),
        json!([0, 6, "Green", 13, "a", "b", 1, ["A", "B"]])
    );
}

#[test]
fn errors_stand_where_they_were_written() {
    let source = "interface A {\n  x: number\n}\nconst a = null as unknown as A;\nconst f = (q: A): number => q.x;\nf(a);";
    let failure = run(Language::TypeScript, source).failure();
    assert_eq!(
        (failure.name.as_deref(), failure.line, failure.column),
        (Some("TypeError"), Some(5), Some(29))
    );
    let failure = run(Language::TypeScript, "const x: = 3").failure();
    assert_eq!(
        (failure.kind, failure.line, failure.column),
        (FailureKind::Syntax, Some(1), Some(10))
    );
    let failure = run(Language::TypeScript, "namespace N { export const a = 1 }").failure();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Unsupported, "a namespace cannot be run")
    );
}

#[test]
fn a_check_sees_the_tool_calls() {
    let source = "const r = await tools.run(\"math:add\", {a: 1, b: 2});\n\
        const é = await tools.github.create_issue({title: 'x', ['y']: 1});\n\
        for (const x of [1]) { await (tools as any)['my-ns']['do.it']() }\n\
        await run('a:b:1.0.0', args); tools.search('x'); tools.math.add(r);\n\
        const all = Promise.all([1].map(n => tools.echo.it({n})));";
    let (problems, calls) = Guest::new().check(program(Language::TypeScript, source));
    assert_eq!(problems, []);
    let seen = |tool: &str, line, column, args: Option<&[&str]>, literals: Value| SeenCall {
        tool: tool.into(),
        line,
        column,
        args: args.map(|args| args.iter().map(ToString::to_string).collect()),
        literals: literals.as_object().unwrap().clone(),
    };
    assert_eq!(
        calls,
        [
            seen(
                "math:add",
                1,
                17,
                Some(&["a", "b"]),
                json!({"a": 1, "b": 2})
            ),
            seen(
                "github:create_issue",
                2,
                17,
                Some(&["title", "y"]),
                json!({"title": "x", "y": 1})
            ),
            seen("my-ns:do.it", 3, 30, Some(&[]), json!({})),
            seen("a:b:1.0.0", 4, 7, None, json!({})),
            seen("math:add", 4, 50, None, json!({})),
            seen("echo:it", 5, 38, Some(&["n"]), json!({})),
        ]
    );
}

#[test]
fn a_check_sees_the_values_that_stand_in_the_text() {
    let values = |source: &str| {
        let (_, calls) = Guest::new().check(program(Language::TypeScript, source));
        let [call] = &calls[..] else {
            panic!("{calls:?}")
        };
        Value::from(call.literals.clone())
    };
    assert_eq!(
        values(
            "run('a:b', {t: 'x\\u00e9', u: `y`, i: -1, f: 1.5, h: 0x10, e: 1e3, n: null, b: true, \
             l: [1, ['a']], o: {p: {q: 2}}, s: ('c' as any), v: x, w: `a${x}`, m() {}, c: [x], \
             d: {...x}, z: 1n})"
        ),
        json!({
            "t": "xé", "u": "y", "i": -1, "f": 1.5, "h": 16, "e": 1000, "n": null, "b": true,
            "l": [1, ["a"]], "o": {"p": {"q": 2}}, "s": "c"
        })
    );
    // What comes later replaces what came before.
    assert_eq!(values("run('a:b', {a: 1, b: 2, a: x})"), json!({"b": 2}));
    assert_eq!(values("run('a:b', {a: 1, ...x, b: 2})"), json!({"b": 2}));
    let deep = format!("run('a:b', {{a: {}1{}}})", "[".repeat(40), "]".repeat(40));
    assert_eq!(values(&deep), json!({}));
}

#[test]
fn a_check_tells_all_that_is_wrong_and_runs_nothing() {
    let (problems, calls) = Guest::new().check(program(Language::JavaScript, "let a = 1 +;\n"));
    assert_eq!(calls, []);
    assert_eq!(
        (problems[0].kind, problems[0].line),
        (FailureKind::Syntax, Some(1))
    );
    let own = "const tools = { a: { b() {} } }; tools.a.b({x: 1}); run('c:d')";
    let (_, calls) = Guest::new().check(program(Language::JavaScript, own));
    let tools: Vec<_> = calls.into_iter().map(|call| call.tool).collect();
    assert_eq!(tools, ["c:d"]);
}
