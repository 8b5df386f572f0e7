"""The Python SDK 2.x."""

import asyncio

from mcp import Client, StdioServerParameters

from steps import TARGET, give_up, report


async def main():
    server = TARGET["url"] if "url" in TARGET else StdioServerParameters(**TARGET)
    async with Client(server) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]

        async def call(name, args):
            result = await client.call_tool(name, args)
            blocks = [block.model_dump(mode="json", by_alias=True) for block in result.content]
            return {**result.structured_content, "blocks": blocks}

        async def cancel(name, args):
            await give_up(client.call_tool(name, args))

        await report(names, call, cancel)


asyncio.run(main())
