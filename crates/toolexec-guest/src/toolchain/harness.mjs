// What a program sees of its guest, and how it is run.
import module, { createRequire } from "node:module";
import net from "node:net";
import { pathToFileURL } from "node:url";

const FILE = "program.mjs";
const program = new URL(FILE, import.meta.url).href;

class ToolError extends Error {
  constructor(error) {
    super(error.message);
    this.tool = error.tool ?? null;
    this.code = error.code;
    this.violations = error.violations ?? [];
    this.retryable = error.retryable ?? false;
    this.value = error.value ?? null;
    this.hints = error.hints ?? [];
    Object.defineProperty(this, "error", { value: error });
  }
}
Object.defineProperty(ToolError.prototype, "name", { value: "ToolError" });

const pending = new Map();
let last = 0;
let started;
const start = new Promise((resolve) => (started = resolve));
const socket = net.connect(process.env.TOOLEXEC_SOCKET);
delete process.env.TOOLEXEC_SOCKET;
if (process.env.TOOLEXEC_FILES) process.chdir(process.env.TOOLEXEC_FILES);
delete process.env.TOOLEXEC_FILES;

let unread = "";
socket.setEncoding("utf8");
socket.on("data", (text) => {
  const lines = (unread + text).split("\n");
  unread = lines.pop();
  for (const line of lines) hear(JSON.parse(line));
});
socket.on("error", () => process.exit(70));

function hear(message) {
  if (message.id === undefined) return started(message);
  const entry = pending.get(message.id);
  pending.delete(message.id);
  if (pending.size === 0) socket.unref();
  if (entry === undefined) return;
  if (message.error === undefined) return entry.resolve(message.ok);
  const error = new ToolError(message.error);
  error.stack = entry.stack.replace(/^.*/, `ToolError: ${error.message}`);
  entry.reject(error);
}

function send(message, done) {
  socket.write(JSON.stringify(message) + "\n", done);
}

function call(op) {
  const { stack } = new Error();
  return new Promise((resolve, reject) => {
    const id = ++last;
    const text = JSON.stringify({ type: "call", id, ...op }, json) + "\n";
    pending.set(id, { resolve, reject, stack });
    socket.ref();
    socket.write(text);
  });
}

// What JSON has no form for.
function json(key, value) {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  if (value instanceof Error) return { name: value.name, message: value.message };
  return value;
}

function object(args, tool, extra) {
  if (extra !== undefined || (args !== undefined && (typeof args !== "object" || Array.isArray(args)))) {
    throw new TypeError(`${tool} takes its arguments as one object, such as {name: value}`);
  }
  return args ?? {};
}

const option = (options, name) =>
  (typeof options === "object" && options !== null ? options[name] : options) ?? undefined;
const base = {
  run(tool, args, extra) {
    if (typeof tool !== "string") throw new TypeError('the name of a tool is a string: "namespace:name"');
    return call({ op: "run", tool, args: object(args, tool, extra) });
  },
  chain: (chain) => call({ op: "chain", chain }),
  search: (query, options) => call({ op: "search", query: String(query), limit: option(options, "limit") }),
  describe: (tool, options) => call({ op: "describe", tool: String(tool), detail: option(options, "detail") }),
  examples: (tool) => call({ op: "examples", tool: String(tool) }),
  namespaces: () => call({ op: "namespaces" }),
  progress: (done, total, message) =>
    send({ type: "progress", progress: Number(done), total, message: message && String(message) }),
  log(first, ...rest) {
    const [level, data] = rest.length === 0 ? ["info", first] : [String(first), rest.length === 1 ? rest[0] : rest];
    send({ type: "log", level, data: data === undefined ? null : data });
  },
};

const isName = (key) => typeof key === "string" && key !== "then" && key !== "toJSON";
const namespace = (name, target) =>
  new Proxy(target, {
    get(of, key, receiver) {
      if (!isName(key) || (typeof of === "function" && key in of)) return Reflect.get(of, key, receiver);
      return (args, extra) => call({ op: "run", tool: `${name}:${key}`, args: object(args, `${name}:${key}`, extra) });
    },
  });
const tools = new Proxy(Object.freeze(Object.create(null)), {
  get: (_, key) => (isName(key) ? namespace(key, base[key] ?? Object.create(null)) : undefined),
  has: (_, key) => isName(key),
});

// The frames of the program, as `name line column`.
function frames(stack) {
  const found = [];
  for (const line of String(stack).split("\n")) {
    const at = line.indexOf(`${FILE}:`);
    if (at < 0 || !line.trimStart().startsWith("at ")) continue;
    const place = /^(\d+):(\d+)/.exec(line.slice(at + FILE.length + 1));
    const name = /^\s*at (?:async )?([^\s(]+) \(/.exec(line);
    if (place) found.push(`${name ? name[1] : ""} ${place[1]} ${place[2]}`);
  }
  return found.slice(0, 20);
}

let over = false;
function end(message) {
  if (over) return;
  over = true;
  send(message, () => process.exit(0));
}

function fail(error) {
  const isError = error instanceof Error;
  const failure = {
    kind: "exception",
    name: isError ? error.name : "Error",
    message: isError ? error.message : `the program threw ${String(error)}`,
    trace: isError ? frames(error.stack) : [],
  };
  if (error instanceof ToolError) {
    failure.call = error.error;
    failure.hints = error.hints;
  }
  if (error?.code === "ERR_MODULE_NOT_FOUND" || error?.code === "MODULE_NOT_FOUND") {
    failure.message = failure.message.split("\n")[0].split(" imported from ")[0];
    failure.hints = ["the image of the sandbox needs it: npm install -g in the image"];
  }
  end({ type: "failed", error: failure });
}

process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);

const require = createRequire(program);
// Packages are found where `require` finds them too.
module.registerHooks?.({
  resolve(specifier, context, next) {
    try {
      return next(specifier, context);
    } catch (error) {
      try {
        return { url: pathToFileURL(require.resolve(specifier)).href, shortCircuit: true };
      } catch {
        throw error;
      }
    }
  },
});

const given = {};
const { inputs } = await start;
socket.unref();
const define = (name, value) =>
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
for (const [name, value] of Object.entries(base)) define(name, value);
for (const [name, value] of Object.entries({ tools, ToolError, require, __out: undefined, ...inputs })) define(name, value);
define("$toolexec", {
  give: (value) => (given.returned = { value }),
  last: (value) => (given.last = value),
  module: () => ({ ...base, tools, ToolError }),
});

try {
  await import(program);
  let value = given.returned ? given.returned.value : globalThis.__out ?? given.last;
  value = await value;
  end({ type: "done", value: JSON.parse(JSON.stringify(value ?? null, json) ?? "null") });
} catch (error) {
  fail(error);
}
