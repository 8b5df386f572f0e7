// What a program finds: tools, discovery, timers. Evaluated once, before any program; what it
// needs of the language it takes now, so that a program that changes the built-ins changes only
// its own.
(function (native) {
  "use strict";
  const { apply, defineProperty, getPrototypeOf, get: reflectGet } = Reflect;
  const { create, freeze } = Object;
  const NewPromise = Promise;
  const BaseError = Error;
  const WrongType = TypeError;
  const NewProxy = Proxy;
  const text = String;
  const number = Number;
  const isArray = Array.isArray;
  const then = Promise.prototype.then;

  // A table without a prototype: a setter on Object.prototype is not asked.
  const table = () => create(null);
  const hide = (object, name, value) =>
    defineProperty(object, name, { __proto__: null, value, writable: true, configurable: true });
  const show = (object, name, value) =>
    defineProperty(object, name, {
      __proto__: null, value, writable: true, configurable: true, enumerable: true,
    });

  class ToolError extends BaseError {
    constructor(error, stack) {
      super(error.message);
      show(this, "tool", error.tool ?? null);
      show(this, "code", error.code);
      show(this, "violations", error.violations ?? []);
      show(this, "retryable", error.retryable ?? false);
      show(this, "value", error.value ?? null);
      show(this, "hints", error.hints ?? []);
      if (stack !== undefined) hide(this, "stack", stack);
    }
  }
  hide(ToolError.prototype, "name", "ToolError");

  const pending = table();

  function promised(id, stack) {
    return new NewPromise((resolve, reject) => {
      const entry = table();
      entry.resolve = resolve;
      entry.reject = reject;
      entry.stack = stack;
      pending[id] = entry;
    });
  }

  function call(op, a, b) {
    const { stack } = new BaseError();
    return promised(native.call(op, a, b), stack);
  }

  function settle(id, ok, value) {
    const entry = pending[id];
    delete pending[id];
    if (entry === undefined) return;
    if (entry.timer !== undefined) return fire(entry.timer);
    if (ok) entry.resolve(value);
    else entry.reject(new ToolError(value, entry.stack));
  }

  function object(args, tool, extra) {
    if (extra !== undefined || (args !== undefined && (typeof args !== "object" || isArray(args)))) {
      throw new WrongType(
        `${tool} takes its arguments as one object, such as {name: value}`,
      );
    }
    return args ?? {};
  }

  const base = create(null);
  function define(name, value) {
    base[name] = value;
  }
  define("run", (tool, args, extra) => {
    if (typeof tool !== "string") throw new WrongType("the name of a tool is a string: \"namespace:name\"");
    return call("run", tool, object(args, tool, extra));
  });
  define("chain", (steps) => call("chain", steps));
  define("search", (query, options) =>
    call("search", text(query), typeof options === "object" && options !== null ? options.limit : options));
  define("describe", (tool, options) =>
    call("describe", text(tool), typeof options === "object" && options !== null ? options.detail : options));
  define("examples", (tool) => call("examples", text(tool)));
  define("namespaces", () => call("namespaces"));
  define("progress", (done, total, message) => native.progress(number(done), total, message));
  const log = (level, data) => native.log(level, data);
  define("log", (first, ...rest) =>
    rest.length === 0 ? log("info", first) : log(text(first), rest.length === 1 ? rest[0] : rest));

  // `tools.math.add({..})`: every name is a namespace, every name in it a tool. `then` is no name,
  // so that `await tools.math` does not wait for ever.
  const isName = (key) => typeof key === "string" && key !== "then" && key !== "toJSON";
  const caller = (tool) => (args, extra) => call("run", tool, object(args, tool, extra));
  const refuse = () => {
    throw new WrongType("tools cannot be changed");
  };
  const fixed = {
    __proto__: null, set: refuse, defineProperty: refuse, deleteProperty: refuse, setPrototypeOf: refuse,
  };
  const namespace = (name, target) => {
    const callers = table();
    return new NewProxy(target, {
      __proto__: fixed,
      get(of, key, receiver) {
        const known = !isName(key) || (typeof of === "function" && (key in of));
        return known ? reflectGet(of, key, receiver) : (callers[key] ??= caller(`${name}:${key}`));
      },
    });
  };
  const namespaces = table();
  const tools = new NewProxy(freeze(create(null)), {
    __proto__: fixed,
    get(_, key) {
      if (!isName(key)) return undefined;
      return (namespaces[key] ??= namespace(key, base[key] ?? create(null)));
    },
    has: (_, key) => isName(key),
  });

  // Timers. Those that wait are calls to the host; what is due at once runs here, in turn.
  const timers = table();
  let lastTimer = 0;
  let due = [];
  let dueFrom = 0;
  function timer(repeat) {
    return (callback, delay, ...args) => {
      if (typeof callback !== "function") throw new WrongType("a timer needs a function");
      const id = ++lastTimer;
      let ms = number(delay);
      if (!(ms >= 0)) ms = 0;
      timers[id] = { __proto__: null, callback, ms: repeat && ms < 1 ? 1 : ms, args, repeat };
      if (!repeat) live++;
      arm(id);
      return id;
    };
  }
  let live = 0;
  function arm(id) {
    const { ms } = timers[id];
    if (ms < 1) {
      due[due.length] = id;
      return;
    }
    const entry = table();
    entry.timer = id;
    pending[native.call("sleep", ms)] = entry;
  }
  function fire(id) {
    const entry = timers[id];
    if (entry === undefined) return;
    if (!entry.repeat) clear(id);
    apply(entry.callback, undefined, entry.args);
    if (entry.repeat && timers[id] !== undefined) arm(id);
  }
  function clear(id) {
    const entry = timers[id];
    if (entry === undefined) return;
    if (!entry.repeat) live--;
    delete timers[id];
  }
  function runDue() {
    if (dueFrom >= due.length) {
      if (dueFrom > 0) due = [];
      dueFrom = 0;
      return false;
    }
    // A timer that sets the next one would let those that fired pile up.
    if (dueFrom >= 1024 && dueFrom * 2 >= due.length) {
      const waiting = [];
      while (dueFrom < due.length) waiting[waiting.length] = due[dueFrom++];
      due = waiting;
      dueFrom = 0;
    }
    fire(due[dueFrom++]);
    return true;
  }
  // What a program that ended still waits for: calls and timers, not intervals.
  function waits() {
    if (live > 0) return true;
    for (const id in pending) if (pending[id].timer === undefined) return true;
    return false;
  }
  function forget() {
    for (const id in pending) delete pending[id];
    for (const id in timers) delete timers[id];
    live = 0;
    due = [];
    dueFrom = 0;
  }

  // Waits for the value of a program and hands it to the host side.
  function finish(outcome, done, failed) {
    apply(then, new NewPromise((resolve) => resolve(outcome)), [done, failed]);
  }

  hide(globalThis, "__out", undefined);
  hide(globalThis, "tools", tools);
  for (const name in base) hide(globalThis, name, tools[name]);
  hide(globalThis, "ToolError", ToolError);
  hide(globalThis, "setTimeout", timer(false));
  hide(globalThis, "setInterval", timer(true));
  hide(globalThis, "setImmediate", (callback, ...args) => timer(false)(callback, 0, ...args));
  for (const name of ["clearTimeout", "clearInterval", "clearImmediate"]) hide(globalThis, name, clear);
  hide(Math, "random", () => native.random());
  hide(globalThis, "crypto", freeze({
    __proto__: null,
    randomUUID: () => native.uuid(),
    getRandomValues(array) {
      for (let i = 0; i < array.length; i++) array[i] = native.random() * 4294967296;
      return array;
    },
  }));

  // What the engine puts into a program's text calls these.
  const result = table();
  class UnsupportedError extends BaseError {}
  hide(UnsupportedError.prototype, "name", "UnsupportedError");
  hide(globalThis, "$toolexec", freeze({
    __proto__: null,
    give: (value) => {
      result.returned = { __proto__: null, value };
    },
    unsupported: (message) => {
      throw new UnsupportedError(message);
    },
    module: (name) => {
      if (name === "toolexec" || name === "tools") return { ...base, tools, ToolError };
      throw new UnsupportedError(
        `there is no module ${text(name)}: a program has the built-in objects, tools, and what they return`,
      );
    },
  }));
  function reset() {
    result.returned = undefined;
    globalThis.__out = undefined;
  }

  return {
    __proto__: null, reset, returned: () => result.returned, settle, runDue, waits, forget, finish, hide, show, table,
    isToolError: (value) => {
      for (let at = value; at !== null && typeof at === "object"; at = getPrototypeOf(at)) {
        if (at === ToolError.prototype) return true;
      }
      return false;
    },
  };
})
