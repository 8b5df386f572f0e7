// What every client does, and what it reports: one JSON object on standard output.
//
// `list()` names the tools, `call(name, args)` answers the structured content of a call and its
// `blocks`, and
// `cancel(name, args)` gives a call up while it runs.

export const target = JSON.parse(process.argv[2]);

const JAVASCRIPT = `const sums = [];
for (let n = 1; n <= 3; n++) sums.push((await tools.fake.add({ a: n, b: n })).sum);
return sums;`;
const PYTHON = `[tools.fake.add(a=n, b=n)["sum"] for n in (1, 2, 3)]`;
const FILES = `const name = await tools.files.read({ name: "name.txt" });
await tools.files.write({ name: "hello.txt", text: "hello " + name });
await tools.files.write({ name: "pixel.png", base64: "iVBORw0KGgoAAAANSUhEUg==" });`;

export async function report({ list, call, cancel }) {
  const add = (args) => ({ tool: "fake:add", args });
  const tools = await list();
  const search = await call("search_tools", { query: "adds a and b", limit: 1 });
  const described = await call("describe_tool", { tool: "fake:add" });
  const run = await call("run_tool", add({ a: 2, b: 3 }));
  const chain = await call("run_chain", {
    steps: [add({ a: 2, b: 3 }), add({ a: "{{prev.sum}}", b: 10 })],
  });
  const javascript = await call("execute_code", { language: "javascript", code: JAVASCRIPT });
  const python = await call("execute_code", { language: "python", code: PYTHON });
  const written = await call("execute_code", {
    language: "javascript",
    code: FILES,
    files: { "name.txt": "world" },
  });
  const [, { resource }, image] = written.blocks;
  const missing = await call("run_tool", { tool: "fake:ad" });
  await cancel("run_tool", { tool: "fake:slow", args: { steps: 600, ms: 100 } });
  const cancelled = await until(async () => {
    const count = await call("run_tool", { tool: "fake:cancelled" });
    return Number(count.value) > 0;
  });
  console.log(
    JSON.stringify({
      tools,
      found: search.tools[0].id,
      described: described.tool.id,
      run: run.value,
      chain: chain.value,
      javascript: javascript.value,
      python: python.value,
      files: [resource.uri, resource.text, image.type, image.mimeType, image.data],
      missing: missing.error.code,
      cancelled,
    }),
  );
}

async function until(isTrue) {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (await isTrue()) return true;
    await pause(100);
  }
  return false;
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
