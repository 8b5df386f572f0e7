// console, and how it shows values.
(function (native, core) {
  "use strict";
  const { apply, ownKeys, getOwnPropertyDescriptor, getPrototypeOf } = Reflect;
  const isArray = Array.isArray;
  const text = String;
  const quote = JSON.stringify;
  const call = (f) => (self, ...args) => apply(f, self, args);
  const join = call(Array.prototype.join);
  const repeat = call(String.prototype.repeat);
  const padEnd = call(String.prototype.padEnd);
  const iso = call(Date.prototype.toISOString);
  const regexp = call(RegExp.prototype.toString);
  const isDate = (v) => v instanceof Date;
  const NUMBER = Number;
  const sameValue = Object.is;

  const MAX_DEPTH = 4;
  const MAX_ITEMS = 100;
  const WIDTH = 76;

  function nameOf(value) {
    const proto = getPrototypeOf(value);
    if (proto === null) return "";
    const own = getOwnPropertyDescriptor(proto, "constructor");
    const name = own && typeof own.value === "function" ? own.value.name : "";
    return name === "Object" || name === "Array" ? "" : text(name);
  }

  function inspect(value, seen, depth, nested) {
    switch (typeof value) {
      case "string": return nested ? quote(value) : value;
      case "bigint": return `${value}n`;
      case "symbol": return text(value);
      case "function": return value.name ? `[Function: ${value.name}]` : "[Function]";
      case "object": return value === null ? "null" : inspectObject(value, seen, depth);
      default: return sameValue(value, -0) ? "-0" : text(value);
    }
  }

  function inspectObject(value, seen, depth) {
    if (seen.includes(value)) return "[Circular]";
    if (value instanceof Error) return inspectError(value, seen, depth);
    if (isDate(value)) return NUMBER.isNaN(+value) ? "Invalid Date" : iso(value);
    if (value instanceof RegExp) return regexp(value);
    if (value instanceof Promise) return "Promise { not awaited }";
    if (depth > MAX_DEPTH) return isArray(value) ? "[Array]" : `[${nameOf(value) || "Object"}]`;
    const inner = [...seen, value];
    const show = (item) => inspect(item, inner, depth + 1, true);
    if (isArray(value) || ArrayBuffer.isView(value)) return inspectList(value, show, depth);
    if (value instanceof Map) {
      const parts = [];
      for (const [key, item] of value) {
        if (parts.length >= MAX_ITEMS) break;
        parts[parts.length] = `${show(key)} => ${show(item)}`;
      }
      return wrap(`Map(${value.size}) {`, parts, "}", depth);
    }
    if (value instanceof Set) {
      const parts = [];
      for (const item of value) {
        if (parts.length >= MAX_ITEMS) break;
        parts[parts.length] = show(item);
      }
      return wrap(`Set(${value.size}) {`, parts, "}", depth);
    }
    const name = nameOf(value);
    return wrap(`${name ? `${name} ` : ""}{`, properties(value, show), "}", depth);
  }

  function inspectList(value, show, depth) {
    const parts = [];
    for (let i = 0; i < value.length && i < MAX_ITEMS; i++) {
      parts[i] = i in value ? show(value[i]) : "empty";
    }
    if (value.length > MAX_ITEMS) parts[MAX_ITEMS] = `... ${value.length - MAX_ITEMS} more`;
    const name = nameOf(value);
    return wrap(`${name ? `${name}(${value.length}) ` : ""}[`, parts, "]", depth);
  }

  function properties(value, show) {
    const parts = [];
    for (const key of ownKeys(value)) {
      const own = getOwnPropertyDescriptor(value, key);
      if (own === undefined || !own.enumerable) continue;
      const shown = typeof key === "symbol" ? `[${text(key)}]` : /^[\w$]+$/.test(key) ? key : quote(key);
      parts[parts.length] = `${shown}: ${"value" in own ? show(own.value) : "[Getter]"}`;
    }
    return parts;
  }

  function inspectError(error, seen, depth) {
    const head = `${text(error.name)}: ${text(error.message)}`;
    const extra = properties(error, (item) => inspect(item, [...seen, error], depth + 1, true));
    return extra.length === 0 ? head : wrap(`${head} {`, extra, "}", depth);
  }

  function wrap(open, parts, close, depth) {
    if (parts.length === 0) return open + close;
    const pad = open === "[" || open.endsWith("(") ? "" : " ";
    const line = `${open}${open.endsWith("[") ? "" : pad}${join(parts, ", ")}${close === "]" ? "" : " "}${close}`;
    if (line.length + depth * 2 <= WIDTH && !line.includes("\n")) return line;
    const indent = repeat("  ", depth + 1);
    return `${open}\n${indent}${join(parts, `,\n${indent}`)}\n${repeat("  ", depth)}${close}`;
  }

  function format(args) {
    let from = 0;
    let out = "";
    if (typeof args[0] === "string" && args.length > 1 && args[0].includes("%")) {
      from = 1;
      out = args[0].replace(/%[sdifjoOc%]/g, (spec) => {
        if (spec === "%%") return "%";
        if (from >= args.length) return spec;
        const value = args[from++];
        switch (spec) {
          case "%s": return inspect(value, [], 0, false);
          case "%d": return text(NUMBER(value));
          case "%i": return text(NUMBER.parseInt(value));
          case "%f": return text(NUMBER.parseFloat(value));
          case "%j": return quote(value) ?? "undefined";
          case "%c": return "";
          default: return inspect(value, [], 0, true);
        }
      });
      if (from < args.length) out += " ";
    }
    const rest = [];
    for (let i = from; i < args.length; i++) rest[i - from] = inspect(args[i], [], 0, false);
    return out + join(rest, " ");
  }

  let indent = "";
  function write(stream, args) {
    const line = format(args);
    native.print(stream, `${indent}${indent ? line.replaceAll("\n", `\n${indent}`) : line}\n`);
  }
  const out = (...args) => write("stdout", args);
  const err = (...args) => write("stderr", args);
  const counts = core.table();
  const times = core.table();
  const now = Date.now;

  function tableText(data) {
    const rows = isArray(data) ? data : Object.values(data);
    const names = isArray(data) ? rows.map((_, i) => text(i)) : Object.keys(data);
    const columns = [];
    for (const row of rows) {
      for (const key of typeof row === "object" && row !== null ? Object.keys(row) : ["value"]) {
        if (!columns.includes(key)) columns.push(key);
      }
    }
    const cell = (row, key) => {
      const value = typeof row === "object" && row !== null ? row[key] : row;
      return value === undefined ? "" : inspect(value, [], MAX_DEPTH, false);
    };
    const lines = [["", ...columns], ...rows.map((row, i) => [names[i], ...columns.map((c) => cell(row, c))])];
    const widths = lines[0].map((_, c) => Math.max(...lines.map((line) => line[c].length)));
    return lines.map((line) => line.map((item, c) => padEnd(item, widths[c])).join("  ").trimEnd()).join("\n");
  }

  const console = {
    log: out,
    info: out,
    debug: out,
    dir: (value) => out(value),
    warn: err,
    error: err,
    trace: err,
    table: (data) => out(typeof data === "object" && data !== null ? tableText(data) : data),
    assert: (ok, ...args) => {
      if (!ok) err("Assertion failed", ...args);
    },
    count: (label = "default") => out(`${label}: ${(counts[label] = (counts[label] ?? 0) + 1)}`),
    countReset: (label = "default") => void delete counts[label],
    group: (...args) => {
      if (args.length > 0) out(...args);
      indent += "  ";
    },
    groupEnd: () => void (indent = indent.slice(2)),
    time: (label = "default") => void (times[label] = now()),
    timeLog: (label = "default") => out(`${label}: ${now() - (times[label] ?? now())}ms`),
    timeEnd: (label = "default") => {
      console.timeLog(label);
      delete times[label];
    },
  };
  core.hide(globalThis, "console", console);
  core.hide(globalThis, "print", out);
  return {
    __proto__: null,
    show: (value) => inspect(value, [], 0, false),
  };
})
