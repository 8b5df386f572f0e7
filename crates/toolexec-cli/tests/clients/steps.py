"""What every client does, and what it reports: one JSON object on standard output."""

import asyncio
import json
import sys

TARGET = json.loads(sys.argv[1])
JAVASCRIPT = """const sums = [];
for (let n = 1; n <= 3; n++) sums.push((await tools.fake.add({ a: n, b: n })).sum);
return sums;"""
PYTHON = '[tools.fake.add(a=n, b=n)["sum"] for n in (1, 2, 3)]'
FILES = """const name = await tools.files.read({ name: "name.txt" });
await tools.files.write({ name: "hello.txt", text: "hello " + name });
await tools.files.write({ name: "pixel.png", base64: "iVBORw0KGgoAAAANSUhEUg==" });"""


def add(a, b):
    return {"tool": "fake:add", "args": {"a": a, "b": b}}


async def report(names, call, cancel):
    """`call(name, args)` answers structured content and `blocks`; `cancel` gives a call up."""
    search = await call("search_tools", {"query": "adds a and b", "limit": 1})
    described = await call("describe_tool", {"tool": "fake:add"})
    run = await call("run_tool", add(2, 3))
    chain = await call("run_chain", {"steps": [add(2, 3), add("{{prev.sum}}", 10)]})
    javascript = await call("execute_code", {"language": "javascript", "code": JAVASCRIPT})
    python = await call("execute_code", {"language": "python", "code": PYTHON})
    files = {"name.txt": "world"}
    written = await call(
        "execute_code", {"language": "javascript", "code": FILES, "files": files}
    )
    resource, image = written["blocks"][1]["resource"], written["blocks"][2]
    missing = await call("run_tool", {"tool": "fake:ad"})
    await cancel("run_tool", {"tool": "fake:slow", "args": {"steps": 600, "ms": 100}})
    cancelled = False
    for _ in range(100):
        count = await call("run_tool", {"tool": "fake:cancelled"})
        if int(count["value"]) > 0:
            cancelled = True
            break
        await asyncio.sleep(0.1)
    print(
        json.dumps(
            {
                "tools": names,
                "found": search["tools"][0]["id"],
                "described": described["tool"]["id"],
                "run": run["value"],
                "chain": chain["value"],
                "javascript": javascript["value"],
                "python": python["value"],
                "files": [
                    str(resource["uri"]),
                    resource["text"],
                    image["type"],
                    image["mimeType"],
                    image["data"],
                ],
                "missing": missing["error"]["code"],
                "cancelled": cancelled,
            }
        )
    )


async def give_up(running):
    """Cancels a call that runs."""
    task = asyncio.ensure_future(running)
    await asyncio.sleep(1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
