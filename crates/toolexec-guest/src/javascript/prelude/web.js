// The parts of the web platform that programs expect: text encoding, URLs, structuredClone.
(function (native, core) {
  "use strict";
  const { apply } = Reflect;
  const text = String;
  const bytesOf = (value) =>
    value instanceof ArrayBuffer
      ? new Uint8Array(value)
      : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  const codeAt = String.prototype.codePointAt;
  const fromCode = String.fromCodePoint;
  const wellFormed = String.prototype.toWellFormed;
  const DataClone = globalThis.DOMException;

  class TextEncoder {
    get encoding() {
      return "utf-8";
    }
    encode(input = "") {
      const string = apply(wellFormed, text(input), []);
      const bytes = [];
      for (let i = 0; i < string.length; i++) {
        const code = apply(codeAt, string, [i]);
        if (code > 0xffff) i++;
        let at = bytes.length;
        if (code < 0x80) bytes[at] = code;
        else {
          const tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
          bytes[at++] = [0, 0xc0, 0xe0, 0xf0][tail] | (code >> (6 * tail));
          for (let k = tail - 1; k >= 0; k--) bytes[at++] = 0x80 | ((code >> (6 * k)) & 0x3f);
        }
      }
      return new Uint8Array(bytes);
    }
  }

  class TextDecoder {
    #fatal;
    constructor(label = "utf-8", options = {}) {
      if (!["utf-8", "utf8", "unicode-1-1-utf-8"].includes(text(label).trim().toLowerCase())) {
        throw new RangeError(`TextDecoder knows utf-8 only, not ${text(label)}`);
      }
      this.#fatal = options.fatal === true;
    }
    get encoding() {
      return "utf-8";
    }
    get fatal() {
      return this.#fatal;
    }
    decode(input = new Uint8Array()) {
      const bytes = bytesOf(input);
      let out = "";
      const wrong = () => {
        if (this.#fatal) throw new TypeError("the bytes are no UTF-8");
        out += "\ufffd";
      };
      let i = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
      while (i < bytes.length) {
        const first = bytes[i++];
        if (first < 0x80) {
          out += fromCode(first);
          continue;
        }
        const tail = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xc2 && first < 0xe0 ? 1 : 0;
        let code = first & (0x3f >> tail);
        let seen = 0;
        while (seen < tail && (bytes[i] & 0xc0) === 0x80) {
          code = (code << 6) | (bytes[i++] & 0x3f);
          seen++;
        }
        const least = [0x80, 0x80, 0x800, 0x10000][tail];
        if (tail === 0 || seen < tail || code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) wrong();
        else out += fromCode(code);
      }
      return out;
    }
  }

  // Percent-encoding of what is outside a set, as UTF-8.
  const encoder = new TextEncoder();
  const hex = (byte) => `%${byte < 16 ? "0" : ""}${byte.toString(16).toUpperCase()}`;
  function escape(string, keep) {
    let out = "";
    for (const char of text(string)) {
      if (keep.test(char)) out += char;
      else for (const byte of encoder.encode(char)) out += hex(byte);
    }
    return out;
  }
  const unescape = (string) => {
    const bytes = [];
    const from = encoder.encode(string);
    for (let i = 0; i < from.length; i++) {
      const two = fromCode(from[i + 1] ?? 32, from[i + 2] ?? 32);
      if (from[i] === 0x25 && /^[0-9a-f]{2}$/i.test(two)) {
        bytes[bytes.length] = parseInt(two, 16);
        i += 2;
      } else bytes[bytes.length] = from[i];
    }
    return new TextDecoder().decode(new Uint8Array(bytes));
  };
  const FORM = /^[A-Za-z0-9*\-._]$/;
  const PATH = /^[!$%&'()*+,\-./0-9:;=@A-Z[\]\\^_a-z|~]$/;
  const QUERY = /^[!$%&()*+,\-./0-9:;=?@A-Z[\]\\^_`a-z{|}~]$/;
  const HASH = /^[!#$%&'()*+,\-./0-9:;=?@A-Z[\]\\^_a-z{|}~]$/;
  const USER = /^[!$%&'()*+,\-.0-9A-Z_a-z~]$/;
  const form = (string) => escape(string, FORM).replaceAll("%20", "+");

  class URLSearchParams {
    #list = [];
    #changed = () => {};
    constructor(init = "", changed) {
      if (changed !== undefined) this.#changed = changed;
      if (typeof init === "object" && init !== null) {
        const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
        for (const [name, value] of pairs) this.#list.push([text(name), text(value)]);
      } else this.#parse(text(init));
    }
    #parse(query) {
      for (const part of query.replace(/^\?/, "").split("&")) {
        if (part === "") continue;
        const at = part.indexOf("=");
        const [name, value] = at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
        this.#list.push([unescape(name.replaceAll("+", " ")), unescape(value.replaceAll("+", " "))]);
      }
    }
    get size() {
      return this.#list.length;
    }
    append(name, value) {
      this.#list.push([text(name), text(value)]);
      this.#changed();
    }
    delete(name, value) {
      this.#list = this.#list.filter((p) => p[0] !== text(name) || (value !== undefined && p[1] !== text(value)));
      this.#changed();
    }
    get(name) {
      return this.#list.find((p) => p[0] === text(name))?.[1] ?? null;
    }
    getAll(name) {
      return this.#list.filter((p) => p[0] === text(name)).map((p) => p[1]);
    }
    has(name, value) {
      return this.#list.some((p) => p[0] === text(name) && (value === undefined || p[1] === text(value)));
    }
    set(name, value) {
      const at = this.#list.findIndex((p) => p[0] === text(name));
      if (at < 0) this.#list.push([text(name), text(value)]);
      else {
        this.#list[at][1] = text(value);
        this.#list = this.#list.filter((p, i) => i <= at || p[0] !== text(name));
      }
      this.#changed();
    }
    sort() {
      this.#list.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      this.#changed();
    }
    forEach(callback, self) {
      for (const [name, value] of this.#list) apply(callback, self, [value, name, this]);
    }
    *keys() {
      for (const [name] of this.#list) yield name;
    }
    *values() {
      for (const [, value] of this.#list) yield value;
    }
    *entries() {
      for (const [name, value] of this.#list) yield [name, value];
    }
    [Symbol.iterator]() {
      return this.entries();
    }
    toString() {
      return this.#list.map(([name, value]) => `${form(name)}=${form(value)}`).join("&");
    }
  }

  const PORTS = { __proto__: null, "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21", "file:": "" };
  const SPLIT = /^([A-Za-z][A-Za-z0-9+.-]*:)?(?:[\\/]{2}([^\\/?#]*))?([^?#]*)(\?[^#]*)?(#[\s\S]*)?$/;
  const OPAQUE = /^([A-Za-z][A-Za-z0-9+.-]*:)(?![\\/]{2})([^?#]*)(\?[^#]*)?(#[\s\S]*)?$/;

  function segments(path) {
    const out = [];
    const parts = path.split("/");
    for (let i = 1; i < parts.length; i++) {
      const part = parts[i].toLowerCase().replaceAll("%2e", ".");
      const last = i === parts.length - 1;
      if (part === "..") {
        out.pop();
        if (last) out.push("");
      } else if (part === ".") {
        if (last) out.push("");
      } else out.push(parts[i]);
    }
    return `/${out.join("/")}`;
  }

  class URL {
    #parts;
    #params;
    constructor(input, base) {
      this.#parts = parse(text(input).trim(), base === undefined ? null : new URL(base));
      this.#params = new URLSearchParams(this.#parts.search, () => {
        const query = this.#params.toString();
        this.#parts.search = query && `?${query}`;
      });
    }
    static canParse(input, base) {
      try {
        return Boolean(new URL(input, base));
      } catch {
        return false;
      }
    }
    static parse(input, base) {
      return URL.canParse(input, base) ? new URL(input, base) : null;
    }
    get protocol() { return this.#parts.protocol; }
    get username() { return this.#parts.username; }
    get password() { return this.#parts.password; }
    get hostname() { return this.#parts.hostname; }
    get port() { return this.#parts.port; }
    get host() { return this.hostname + (this.port && `:${this.port}`); }
    get pathname() { return this.#parts.pathname; }
    get search() { return this.#parts.search === "?" ? "" : this.#parts.search; }
    get hash() { return this.#parts.hash === "#" ? "" : this.#parts.hash; }
    get searchParams() { return this.#params; }
    get origin() {
      return this.protocol in PORTS && this.protocol !== "file:" ? `${this.protocol}//${this.host}` : "null";
    }
    get href() {
      const { protocol, username, password, pathname, search, hash, opaque } = this.#parts;
      if (opaque) return protocol + pathname + search + hash;
      const user = username || password ? `${username}${password && `:${password}`}@` : "";
      return `${protocol}//${user}${this.host}${pathname}${search}${hash}`;
    }
    set protocol(value) { this.#change({ protocol: `${text(value).replace(/:.*$/, "").toLowerCase()}:` }); }
    set username(value) { this.#change({ username: escape(value, USER) }); }
    set password(value) { this.#change({ password: escape(value, USER) }); }
    set hostname(value) { this.#change({ hostname: host(text(value), this.protocol) }); }
    set port(value) { this.#change({ port: text(value) === PORTS[this.protocol] ? "" : text(value) }); }
    set host(value) {
      const [, name, port = ""] = /^(.*?)(?::(\d*))?$/.exec(text(value));
      this.hostname = name;
      if (port) this.port = port;
    }
    set pathname(value) {
      this.#change({ pathname: segments(escape(`/${text(value).replace(/^[\\/]/, "")}`, PATH)) });
    }
    set search(value) {
      const query = text(value).replace(/^\?/, "");
      this.#change({ search: query && `?${escape(query, QUERY)}` });
      for (const name of [...this.#params.keys()]) this.#params.delete(name);
      for (const [name, item] of new URLSearchParams(query)) this.#params.append(name, item);
    }
    set hash(value) {
      const part = text(value).replace(/^#/, "");
      this.#change({ hash: part && `#${escape(part, HASH)}` });
    }
    set href(value) {
      const other = new URL(value);
      this.#parts = parse(other.href, null);
      this.search = other.search;
    }
    #change(parts) {
      this.#parts = { ...this.#parts, ...parts };
    }
    toString() {
      return this.href;
    }
    toJSON() {
      return this.href;
    }
  }

  const invalid = (input) => new TypeError(`Invalid URL: ${input}`);

  function host(name, protocol) {
    if (/^\[[0-9a-f:.]+\]$/i.test(name)) return name.toLowerCase();
    const plain = unescape(name);
    if (/[\s#%/:<>?@[\\\]^|]/.test(plain)) throw invalid(name);
    return protocol in PORTS ? plain.toLowerCase() : plain;
  }

  function authority(input, protocol, given) {
    const at = given.lastIndexOf("@");
    const [username, password = ""] = at < 0 ? [""] : /^([^:]*):?(.*)$/.exec(given.slice(0, at)).slice(1);
    const found = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(given.slice(at + 1));
    if (found === null || Number(found[2] ?? 0) > 65535) throw invalid(input);
    if (found[1] === "" && protocol in PORTS && protocol !== "file:") throw invalid(input);
    const port = found[2] ? text(Number(found[2])) : "";
    return {
      username: escape(username, USER),
      password: escape(password, USER),
      hostname: host(found[1], protocol),
      port: port === PORTS[protocol] ? "" : port,
    };
  }

  function parse(given, base) {
    const input = given.replace(/[\t\n\r]/g, "");
    const opaque = OPAQUE.exec(input);
    const nowhere = { username: "", password: "", hostname: "", port: "" };
    if (opaque !== null && !(opaque[1].toLowerCase() in PORTS)) {
      const [, protocol, pathname, search = "", hash = ""] = opaque;
      const rooted = pathname.startsWith("/");
      return {
        protocol: protocol.toLowerCase(), ...nowhere, opaque: true,
        pathname: rooted ? segments(escape(pathname, PATH)) : pathname,
        search: escape(search, QUERY), hash: hash && `#${escape(hash.slice(1), HASH)}`,
      };
    }
    let [, scheme = "", at, path, search = "", hash = ""] = SPLIT.exec(input);
    let protocol = scheme.toLowerCase();
    // `https:example.org` means `https://example.org`.
    if (protocol in PORTS && at === undefined && protocol !== "file:" && base?.protocol !== protocol) {
      [, at, path] = /^[\\/]*([^\\/]*)(.*)$/.exec(path);
    }
    if (protocol === "" && base === null) throw invalid(given);
    let where = nowhere;
    const relative = at === undefined;
    if (relative && base !== null) {
      protocol = base.protocol;
      where = { username: base.username, password: base.password, hostname: base.hostname, port: base.port };
    } else {
      protocol = protocol || base.protocol;
      where = authority(given, protocol, at ?? "");
    }
    if (protocol in PORTS) path = path.replaceAll("\\", "/");
    if (relative && base !== null && !path.startsWith("/")) {
      if (path === "") search = search || base.search;
      path = path === "" ? base.pathname : base.pathname.replace(/[^/]*$/, "") + path;
    }
    if (path === "" && !(protocol in PORTS)) return { protocol, ...where, opaque: false, pathname: "", search: escape(search, QUERY), hash };
    return {
      protocol, ...where, opaque: false,
      pathname: segments(escape(path.startsWith("/") ? path : `/${path}`, PATH)),
      search: escape(search, QUERY),
      hash: hash && `#${escape(hash.slice(1), HASH)}`,
    };
  }

  function structuredClone(value) {
    const seen = new Map();
    const refuse = (what) => {
      throw new DataClone(`${what} cannot be cloned`, "DataCloneError");
    };
    const copy = (from) => {
      if (typeof from === "function" || typeof from === "symbol") refuse(`a ${typeof from}`);
      if (typeof from !== "object" || from === null) return from;
      if (seen.has(from)) return seen.get(from);
      const keep = (to) => {
        seen.set(from, to);
        return to;
      };
      if (from instanceof Date) return keep(new Date(+from));
      if (from instanceof RegExp) return keep(new RegExp(from.source, from.flags));
      if (from instanceof Promise || from instanceof WeakMap || from instanceof WeakSet) refuse("a promise or a weak table");
      if (from instanceof ArrayBuffer) return keep(from.slice(0));
      if (ArrayBuffer.isView(from)) {
        return keep(new from.constructor(copy(from.buffer), from.byteOffset, from.length ?? from.byteLength));
      }
      if (from instanceof Map) {
        const to = keep(new Map());
        for (const [key, item] of from) to.set(copy(key), copy(item));
        return to;
      }
      if (from instanceof Set) {
        const to = keep(new Set());
        for (const item of from) to.add(copy(item));
        return to;
      }
      if (from instanceof Error) {
        const to = keep(new Error(from.message));
        to.name = from.name;
        return to;
      }
      const to = keep(Array.isArray(from) ? [] : {});
      for (const key of Object.keys(from)) core.show(to, key, copy(from[key]));
      if (Array.isArray(from)) to.length = from.length;
      return to;
    };
    return copy(value);
  }

  const { unsupported, module } = globalThis.$toolexec;
  const absent = (name, instead) => () => {
    unsupported(`there is no ${name}: ${instead}`);
  };
  const TOOLS = "a program reaches the world through tools, which `await search(\"words\")` finds";
  const globals = { TextEncoder, TextDecoder, URL, URLSearchParams, structuredClone };
  for (const name in globals) core.hide(globalThis, name, globals[name]);
  for (const name of ["XMLHttpRequest", "WebSocket"]) {
    core.hide(globalThis, name, absent(`${name}()`, TOOLS));
  }
  core.hide(globalThis, "require", module);
})
