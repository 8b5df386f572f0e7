// `fetch`, as far as the tool `web:fetch` goes: text both ways, bytes where an answer is no text.
(function (native, core) {
  "use strict";
  const { run, atob, TextDecoder, TextEncoder, URL, URLSearchParams } = globalThis;
  const { unsupported } = globalThis.$toolexec;
  const { entries, keys } = Object;
  const { parse } = JSON;
  const WrongType = TypeError;
  const text = String;
  const TOOL = "web:fetch";

  class Headers {
    #values = core.table();
    constructor(init = {}) {
      const pairs = typeof init[Symbol.iterator] === "function" ? init : entries(init);
      for (const [name, value] of pairs) this.append(name, value);
    }
    get(name) {
      return this.#values[text(name).toLowerCase()] ?? null;
    }
    has(name) {
      return text(name).toLowerCase() in this.#values;
    }
    set(name, value) {
      this.#values[text(name).toLowerCase()] = text(value);
    }
    append(name, value) {
      this.set(name, this.has(name) ? `${this.get(name)}, ${text(value)}` : value);
    }
    delete(name) {
      delete this.#values[text(name).toLowerCase()];
    }
    *entries() {
      for (const name of keys(this.#values).sort()) yield [name, this.#values[name]];
    }
    *keys() {
      for (const [name] of this.entries()) yield name;
    }
    *values() {
      for (const [, value] of this.entries()) yield value;
    }
    [Symbol.iterator]() {
      return this.entries();
    }
    forEach(callback, self) {
      for (const [name, value] of this.entries()) callback.call(self, value, name, this);
    }
  }

  class Response {
    #body;
    #used = false;
    constructor({ status, url, headers, body }) {
      this.#body = body ?? "";
      core.show(this, "status", status);
      core.show(this, "ok", status >= 200 && status < 300);
      core.show(this, "url", url);
      core.show(this, "headers", new Headers(headers));
    }
    get statusText() {
      return "";
    }
    get bodyUsed() {
      return this.#used;
    }
    #take() {
      if (this.#used) throw new WrongType("the body was read before");
      this.#used = true;
      return this.#body;
    }
    async bytes() {
      const body = this.#take();
      if (typeof body === "string") return new TextEncoder().encode(body);
      return Uint8Array.from(atob(body.data), (one) => one.charCodeAt(0));
    }
    async arrayBuffer() {
      return (await this.bytes()).buffer;
    }
    async text() {
      if (typeof this.#body === "string") return this.#take();
      return new TextDecoder().decode(await this.bytes());
    }
    async json() {
      return parse(await this.text());
    }
  }

  async function fetch(input, init = {}) {
    const args = { url: input instanceof URL ? input.href : text(input), as: "text" };
    if (init.method !== undefined) args.method = text(init.method).toUpperCase();
    const headers = new Headers(init.headers);
    const { body } = init;
    if (body instanceof URLSearchParams) {
      args.body = text(body);
      if (!headers.has("content-type")) {
        headers.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
      }
    } else if (body !== undefined && body !== null) {
      if (typeof body !== "string") {
        throw new WrongType("fetch sends text: JSON.stringify(value), or URLSearchParams");
      }
      args.body = body;
    }
    args.headers = {};
    for (const [name, value] of headers) core.show(args.headers, name, value);
    try {
      return new Response(await run(TOOL, args));
    } catch (error) {
      if (core.isToolError(error) && error.code === "not_found") {
        unsupported(
          "there is no fetch() here, as no addresses are allowed: a program reaches the world " +
            "through tools, which `await search(\"words\")` finds",
        );
      }
      throw error;
    }
  }

  core.hide(globalThis, "Headers", Headers);
  core.hide(globalThis, "Response", Response);
  core.hide(globalThis, "fetch", fetch);
})
