// The TypeScript SDK 1.x.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { pause, report, target } from "./steps.mjs";

const transport = target.url
  ? new StreamableHTTPClientTransport(new URL(target.url))
  : new StdioClientTransport(target);
const client = new Client({ name: "typescript1", version: "1.0.0" });
await client.connect(transport);
await report({
  list: async () => (await client.listTools()).tools.map((tool) => tool.name),
  call: async (name, args) => {
    const result = await client.callTool({ name, arguments: args });
    return { ...result.structuredContent, blocks: result.content };
  },
  cancel: async (name, args) => {
    const aborter = new AbortController();
    const call = client.callTool({ name, arguments: args }, undefined, { signal: aborter.signal });
    await pause(1000);
    aborter.abort("not needed");
    await call.catch(() => {});
  },
});
await client.close();
