"""The Python SDK 2.x."""

import asyncio

from mcp import Client, StdioServerParameters

from steps import TARGET, give_up, report


async def main():
    server = TARGET["url"] if "url" in TARGET else StdioServerParameters(**TARGET)
    async with Client(server) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]

        async def call(name, args):
            return (await client.call_tool(name, args)).structured_content

        async def cancel(name, args):
            await give_up(client.call_tool(name, args))

        await report(names, call, cancel)


asyncio.run(main())
