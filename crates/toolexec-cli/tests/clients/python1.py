"""The Python SDK 1.x."""

import asyncio

import mcp.types as types
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client

from steps import TARGET, give_up, report


def connect():
    if "url" in TARGET:
        return streamablehttp_client(TARGET["url"])
    return stdio_client(StdioServerParameters(**TARGET))


async def main():
    async with connect() as streams, ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        names = [tool.name for tool in (await session.list_tools()).tools]

        async def call(name, args):
            result = await session.call_tool(name, args)
            blocks = [block.model_dump(mode="json", by_alias=True) for block in result.content]
            return {**result.structuredContent, "blocks": blocks}

        async def cancel(name, args):
            request = session._request_id
            await give_up(session.call_tool(name, args))
            # This SDK says nothing by itself when a task is cancelled.
            params = types.CancelledNotificationParams(requestId=request)
            cancelled = types.CancelledNotification(
                method="notifications/cancelled", params=params
            )
            await session.send_notification(types.ClientNotification(cancelled))

        await report(names, call, cancel)


asyncio.run(main())
