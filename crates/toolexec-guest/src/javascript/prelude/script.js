// What the text of a script calls: operators, members, methods and functions, with errors in the
// script's own terms.
(function (native, core) {
  "use strict";
  const { tools } = globalThis;
  const isArray = Array.isArray;
  const text = String;
  const json = JSON.stringify;
  const hasOwn = Object.hasOwn;
  const keysOf = Object.keys;
  const sleep = globalThis.setTimeout;
  const print = globalThis.print;
  const all = (list) => Promise.all(list);

  class ScriptError extends Error {}
  core.hide(ScriptError.prototype, "name", "ScriptError");
  const fail = (message) => {
    throw new ScriptError(message);
  };

  function kind(value) {
    if (value === null || value === undefined) return "null";
    if (isArray(value)) return "a list";
    return { string: "a text", number: "a number", boolean: "a truth value", function: "a function" }[typeof value] ?? "an object";
  }
  const isObject = (value) => typeof value === "object" && value !== null && !isArray(value);

  function show(value) {
    if (typeof value === "string") return value;
    return value === undefined ? "null" : typeof value === "object" ? json(value) : text(value);
  }

  function equal(a, b) {
    if (a === b || ((a ?? null) === null && (b ?? null) === null)) return true;
    if (isArray(a) && isArray(b)) return a.length === b.length && a.every((item, i) => equal(item, b[i]));
    if (!isObject(a) || !isObject(b)) return false;
    const keys = keysOf(a);
    return keys.length === keysOf(b).length && keys.every((key) => hasOwn(b, key) && equal(a[key], b[key]));
  }

  function operate(sign, a, b) {
    if (sign === "==") return equal(a, b);
    if (sign === "!=") return !equal(a, b);
    const numbers = typeof a === "number" && typeof b === "number";
    if (sign === "+") {
      if (numbers) return a + b;
      if (typeof a === "string" || typeof b === "string") return show(a) + show(b);
      if (isArray(a) && isArray(b)) return [...a, ...b];
    }
    const texts = typeof a === "string" && typeof b === "string";
    switch (numbers || texts ? sign : "") {
      case "<": return a < b;
      case "<=": return a <= b;
      case ">": return a > b;
      case ">=": return a >= b;
    }
    if (!numbers) fail(`\`${sign}\` does not work on ${kind(a)} and ${kind(b)}`);
    switch (sign) {
      case "-": return a - b;
      case "*": return a * b;
      case "/": return b === 0 ? fail("division by zero") : a / b;
      default: return b === 0 ? fail("division by zero") : a % b;
    }
  }

  const negate = (value) => (typeof value === "number" ? -value : fail(`\`-\` does not work on ${kind(value)}`));

  function get(of, key) {
    if (isObject(of) && hasOwn(of, key)) return of[key];
    if (key === "length" && (isArray(of) || typeof of === "string")) return of.length;
    if (isObject(of)) return null;
    return fail(`${kind(of)} has no \`${key}\``);
  }

  function place(of, index) {
    if (typeof index !== "number" || index % 1 !== 0) fail(`${kind(of)} is indexed by a whole number, not by ${kind(index)}`);
    return index < 0 ? of.length + index : index;
  }
  function at(of, index) {
    if (isArray(of) || typeof of === "string") return of[place(of, index)] ?? null;
    if (isObject(of)) return hasOwn(of, show(index)) ? of[show(index)] : null;
    return fail(`${kind(of)} cannot be indexed`);
  }

  function set(of, key, value) {
    if (isArray(of)) {
      const where = place(of, key);
      if (where < 0 || where > of.length) fail(`the list has ${of.length} items and none at ${key}`);
      of[where] = value;
    } else if (isObject(of)) core.show(of, show(key), value);
    else fail(`${kind(of)} has no parts that can be set`);
    return value;
  }

  function items(of) {
    if (isArray(of)) return [...of];
    if (typeof of === "string") return [...of];
    if (isObject(of)) return keysOf(of);
    if (of === null || of === undefined) return [];
    return fail(`\`for\` does not go through ${kind(of)}`);
  }
  const pairs = (of) => (isObject(of) ? keysOf(of).map((key) => [key, of[key]]) : items(of).map((item, i) => [i, item]));

  async function keep(list, test) {
    const kept = await all(list.map((item, i) => test(item, i)));
    return list.filter((_, i) => kept[i]);
  }
  function order(a, b) {
    if (typeof a !== typeof b) return typeof a < typeof b ? -1 : 1;
    return a < b ? -1 : a > b ? 1 : 0;
  }

  const LISTS = {
    __proto__: null,
    contains: (of, item) => of.some((one) => equal(one, item)),
    includes: (of, item) => of.some((one) => equal(one, item)),
    index_of: (of, item) => of.findIndex((one) => equal(one, item)),
    first: (of) => of[0] ?? null,
    last: (of) => of[of.length - 1] ?? null,
    slice: (of, from, to) => of.slice(from, to ?? undefined),
    join: (of, between) => of.map(show).join(between ?? ","),
    reverse: (of) => [...of].reverse(),
    concat: (of, other) => [...of, ...items(other)],
    unique: (of) => of.filter((item, i) => of.findIndex((one) => equal(one, item)) === i),
    sum: (of) => of.reduce((a, b) => operate("+", a, b), 0),
    min: (of) => of.reduce((a, b) => (order(b, a) < 0 ? b : a), of[0] ?? null),
    max: (of) => of.reduce((a, b) => (order(b, a) > 0 ? b : a), of[0] ?? null),
    push: (of, ...values) => {
      for (const value of values) of[of.length] = value;
      return of;
    },
    pop: (of) => of.pop() ?? null,
    map: (of, f) => all(of.map((item, i) => f(item, i))),
    filter: (of, f) => keep(of, f),
    find: async (of, f) => (await keep(of, f))[0] ?? null,
    any: async (of, f) => (await keep(of, f)).length > 0,
    every: async (of, f) => (await keep(of, f)).length === of.length,
    count: async (of, f) => (f === undefined ? of.length : (await keep(of, f)).length),
    sort: async (of, f) => {
      const keys = f === undefined ? of : await all(of.map((item) => f(item)));
      return of.map((_, i) => i).sort((a, b) => order(keys[a], keys[b]) || a - b).map((i) => of[i]);
    },
    reduce: async (of, f, start) => {
      let value = start ?? null;
      for (const item of of) value = await f(value, item);
      return value;
    },
  };
  const TEXTS = {
    __proto__: null,
    contains: (of, part) => of.includes(show(part)),
    includes: (of, part) => of.includes(show(part)),
    starts_with: (of, part) => of.startsWith(show(part)),
    ends_with: (of, part) => of.endsWith(show(part)),
    index_of: (of, part) => of.indexOf(show(part)),
    lower: (of) => of.toLowerCase(),
    upper: (of) => of.toUpperCase(),
    trim: (of) => of.trim(),
    split: (of, at) => of.split(show(at ?? "")),
    lines: (of) => of.split(/\r?\n/),
    replace: (of, what, by) => of.replaceAll(show(what), () => show(by)),
    slice: (of, from, to) => of.slice(from, to ?? undefined),
    repeat: (of, times) => of.repeat(times),
    number: (of) => toNumber(of),
  };
  // What a program in another language would write.
  const ALSO = {
    __proto__: null, startsWith: "starts_with", endsWith: "ends_with", indexOf: "index_of",
    toLowerCase: "lower", toUpperCase: "upper", some: "any", append: "push", replaceAll: "replace",
    size: "length", len: "length",
  };
  const OBJECTS = {
    __proto__: null,
    contains: (of, key) => hasOwn(of, show(key)),
    has: (of, key) => hasOwn(of, show(key)),
    keys: (of) => keysOf(of),
    values: (of) => keysOf(of).map((key) => of[key]),
    entries: (of) => keysOf(of).map((key) => [key, of[key]]),
    get: (of, key, otherwise) => (hasOwn(of, show(key)) ? of[show(key)] : otherwise ?? null),
    merge: (of, other) => {
      const merged = {};
      for (const from of [of, other]) for (const key of keysOf(from)) core.show(merged, key, from[key]);
      return merged;
    },
  };
  const ANY = {
    __proto__: null,
    text: (of) => show(of),
    length: (of) =>
      isArray(of) || typeof of === "string" ? of.length : isObject(of) ? keysOf(of).length : fail(`${kind(of)} has no length`),
    round: (of, digits) => (typeof of === "number" ? Number(of.toFixed(digits ?? 0)) : fail(`${kind(of)} cannot be rounded`)),
  };

  function call(of, given, args) {
    if (isObject(of) && typeof of[given] === "function" && hasOwn(of, given)) return of[given](...args);
    const name = ALSO[given] ?? given;
    const methods = isArray(of) ? LISTS : typeof of === "string" ? TEXTS : isObject(of) ? OBJECTS : ANY;
    const method = methods[name] ?? (name === "toString" ? ANY.text : ANY[name]);
    if (method === undefined || of === null || of === undefined) {
      const known = of === null || of === undefined ? "" : `; it has ${[...keysOf(methods)].join(", ")}`;
      fail(`${kind(of)} has no method \`${given}\`${known}`);
    }
    return method(of, ...args);
  }
  const apply = (f, args) => (typeof f === "function" ? f(...args) : fail(`${kind(f)} cannot be called`));

  function toNumber(value) {
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : typeof value === "number" ? value : NaN;
    return Number.isNaN(number) ? fail(`${json(value) ?? "null"} is no number`) : number;
  }
  function range(from, to) {
    const [start, end] = to === undefined ? [0, from] : [from, to];
    if (typeof start !== "number" || typeof end !== "number" || end - start > 1e6) fail("range(from, to) takes two numbers, at most a million apart");
    const list = [];
    for (let i = start; i < end; i++) list[list.length] = i;
    return list;
  }

  const functions = {
    __proto__: null,
    print: (...values) => print(values.map(show).join(" ")),
    sleep: (ms) => new Promise((done) => sleep(() => done(null), ms)),
    range,
    text: show,
    number: toNumber,
  };
  for (const name of ["run", "chain", "search", "describe", "examples", "namespaces", "progress", "log"]) {
    functions[name] = tools[name];
  }
  core.hide(globalThis, "$script", Object.freeze({
    __proto__: null, operate, negate, get, at, set, items, pairs, text: show, call, apply, functions,
  }));
})
