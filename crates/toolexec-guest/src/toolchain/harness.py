"""What a program sees of its guest, and how it is run."""

import ast
import asyncio
import concurrent.futures
import dataclasses
import inspect
import itertools
import json
import os
import socket
import sys
import threading
import traceback
import types
import warnings

FILE = "main.py"
FRAMES = 20


class ToolError(Exception):
    """A call that failed."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.error = error
        self.tool = error.get("tool")
        self.code = error["code"]
        self.message = error["message"]
        self.violations = error.get("violations", [])
        self.retryable = error.get("retryable", False)
        self.value = error.get("value")
        self.hints = error.get("hints", [])


class Return(BaseException):
    """The program returned."""

    def __init__(self, value=None):
        self.value = value


class Guest:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(os.environ.pop("TOOLEXEC_SOCKET"))
        self.lines = self.socket.makefile("rb")
        self.sending = threading.Lock()
        self.pending = {}
        self.numbers = itertools.count(1)

    def listen(self):
        for line in self.lines:
            answer = json.loads(line)
            waiting = self.pending.pop(answer["id"], None)
            if waiting is None:
                continue
            if "error" in answer:
                waiting.set_exception(ToolError(answer["error"]))
            else:
                waiting.set_result(answer["ok"])

    def send(self, message):
        text = json.dumps(message, ensure_ascii=False, allow_nan=False)
        line = text.encode("utf-8", "surrogatepass") + b"\n"
        with self.sending:
            self.socket.sendall(line)

    def call(self, **op):
        sys.stdout.flush()
        number = next(self.numbers)
        waiting = self.pending[number] = concurrent.futures.Future()
        try:
            self.send({"type": "call", "id": number, **op})
        except BaseException:
            del self.pending[number]
            raise
        return waiting


class Callable:
    """A function that is waited for, or awaited where the program does that."""

    def __init__(self, begin, name):
        self._begin = begin
        self.__name__ = name

    def __call__(self, *args, **named):
        return self._begin(*args, **named).result()

    def deferred(self, *args, **named):
        return later(self._begin(*args, **named))


async def later(waiting):
    return await asyncio.wrap_future(waiting)


class Namespace:
    def __init__(self, name):
        self._name = name

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Callable(lambda *args, **named: run(f"{self._name}:{name}", *args, **named), name)

    __getitem__ = __getattr__

    def __repr__(self):
        return f"tools.{self._name}"


class Tools:
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return FUNCTIONS.get(name) or Namespace(name)

    __getitem__ = __getattr__

    def __repr__(self):
        return "tools"


def run(tool, args=None, **named):
    if not isinstance(tool, str):
        raise TypeError('the name of a tool is a string: "namespace:name"')
    if args is not None and not isinstance(args, dict):
        raise TypeError(f"{tool} takes its arguments by name, or as one dict")
    return guest.call(op="run", tool=tool, args=plain({**(args or {}), **named}))


def without_none(**fields):
    return guest.call(**{name: value for name, value in fields.items() if value is not None})


def progress(done, total=None, message=None):
    guest.send({"type": "progress", "progress": done, "total": total, "message": message})


def log(level, *data):
    if not data:
        level, data = "info", (level,)
    guest.send({"type": "log", "level": str(level), "data": plain(data[0] if len(data) == 1 else data)})


FUNCTIONS = {
    "run": Callable(run, "run"),
    "search": Callable(lambda query, limit=None: without_none(op="search", query=query, limit=limit), "search"),
    "describe": Callable(lambda tool, detail=None: without_none(op="describe", tool=tool, detail=detail), "describe"),
    "examples": Callable(lambda tool: guest.call(op="examples", tool=tool), "examples"),
    "chain": Callable(lambda chain: guest.call(op="chain", chain=plain(chain)), "chain"),
    "namespaces": Callable(lambda: guest.call(op="namespaces"), "namespaces"),
    "progress": progress,
    "log": log,
}


def plain(value, levels=120):
    """A value as JSON has it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value if type(value) in (bool, int, str, type(None)) else plain_scalar(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return None
        return int(value) if value.is_integer() and abs(value) < 2**53 else float(value)
    if levels == 0:
        raise ValueError("the value nests too deep")
    if isinstance(value, dict):
        return {key_of(key): plain(item, levels - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, range)) or inspect.isgenerator(value):
        return [plain(item, levels - 1) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name), levels - 1) for field in fields}
    if isinstance(value, (bytes, bytearray)):
        import base64

        return base64.b64encode(value).decode()
    # Models of pydantic, arrays and numbers of numpy, tables of pandas, dates, paths.
    for name in ("model_dump", "to_dict", "tolist", "isoformat", "item", "__fspath__"):
        method = getattr(value, name, None)
        if callable(method) and not isinstance(value, type):
            return plain(method(), levels - 1)
    if type(value).__name__ in ("Decimal", "Fraction", "UUID"):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is no JSON: return its parts")


def plain_scalar(value):
    import enum

    if isinstance(value, enum.Enum):
        return plain(value.value)
    return str(value) if isinstance(value, str) else int(value)


def key_of(key):
    if isinstance(key, str):
        return str(key)
    if isinstance(key, bool) or key is None:
        return json.dumps(key)
    return str(key)


class Rewrite(ast.NodeTransformer):
    """Makes the program give its value, and await values that are there already."""

    def __init__(self, deferred):
        self.deferred = {tuple(span) for span in deferred}
        self.functions = 0

    def named(self, name, *args):
        return ast.Call(ast.Name(name, ast.Load()), list(args), [])

    def inside(self, node):
        self.functions += 1
        self.generic_visit(node)
        self.functions -= 1
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_ClassDef = inside

    def visit_Return(self, node):
        self.generic_visit(node)
        if self.functions:
            return node
        value = [node.value] if node.value else []
        return ast.copy_location(ast.Raise(self.named("__toolexec_return", *value), None), node)

    def visit_Try(self, node):
        self.generic_visit(node)
        if not self.functions and node.handlers:
            # A handler of everything does not handle the end of the program.
            kind = ast.Name("__toolexec_return", ast.Load())
            own = ast.ExceptHandler(kind, None, [ast.Raise(None, None)])
            node.handlers.insert(0, ast.copy_location(own, node.handlers[0]))
        return node

    def visit_Await(self, node):
        self.generic_visit(node)
        node.value = ast.copy_location(self.named("__toolexec_await", node.value), node.value)
        return node

    def visit_Call(self, node):
        span = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
        self.generic_visit(node)
        if span in self.deferred:
            node.func = ast.copy_location(self.named("__toolexec_deferred", node.func), node.func)
        return node


async def just(value):
    return value


def awaitable(value):
    return value if inspect.isawaitable(value) else just(value)


def deferred(function):
    return function.deferred if isinstance(function, Callable) else function


def take_values(name):
    """A function of asyncio that also takes values that are there already."""
    original = getattr(asyncio, name)

    def function(*args, **named):
        many = len(args) if name == "gather" else 1
        args = [awaitable(arg) for arg in args[:many]] + list(args[many:])
        return original(*args, **named)

    function.__name__ = name
    setattr(asyncio, name, function)


def prepared(source, spans):
    tree = ast.parse(source, FILE)
    tree = Rewrite(spans).visit(tree)
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = tree.body[-1]
        target = ast.Name("__toolexec_last", ast.Store())
        tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)
    ast.fix_missing_locations(tree)
    return compile(tree, FILE, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True)


def execute(code, variables):
    try:
        ran = eval(code, variables)
        if inspect.iscoroutine(ran):
            asyncio.run(ran)
    except Return as returned:
        value = returned.value
    else:
        value = variables.get("__out", variables.get("__toolexec_last"))
    if inspect.iscoroutine(value):
        value = asyncio.run(value)
    return plain(value)


def column(line, offset):
    return len(line.encode()[:offset].decode("utf-8", "ignore")) + 1


def failure(error, source):
    lines = source.splitlines()
    at = lambda number: lines[number - 1] if 0 < number <= len(lines) else ""
    name = type(error).__name__
    told = {"kind": "exception", "name": name, "message": str(error) or name}
    if isinstance(error, SyntaxError) and error.filename == FILE and error.lineno:
        told.update(kind="syntax", message=error.msg, line=error.lineno, column=max(error.offset or 1, 1))
        return told
    if isinstance(error, ToolError):
        told["call"] = error.error
        told["hints"] = error.hints
    if isinstance(error, MemoryError):
        told.update(kind="memory", message="the program is out of memory")
    if isinstance(error, RecursionError):
        told.update(kind="memory", hints=["write a loop instead of the recursion"])
    if isinstance(error, ModuleNotFoundError):
        told["hints"] = ["the image of the sandbox needs it: pip install in the image"]
    if isinstance(error, SystemExit):
        told["message"] = f"the program ended with status {error.code}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    frames.reverse()
    if frames:
        told["line"] = frames[0].lineno
        offset = getattr(frames[0], "colno", None)
        if offset is not None:
            told["column"] = column(at(frames[0].lineno), offset)
    told["trace"] = [
        f'File "{FILE}", line {frame.lineno}, in {frame.name}: {at(frame.lineno).strip()[:120]}'
        for frame in frames[:FRAMES]
    ]
    if len(frames) > FRAMES:
        told["trace"].append(f"and {len(frames) - FRAMES} more")
    return told


def main():
    with open(FILE, encoding="utf-8") as file:
        source = file.read()
    if "TOOLEXEC_FILES" in os.environ:
        os.chdir(os.environ.pop("TOOLEXEC_FILES"))
    start = json.loads(guest.lines.readline())
    threading.Thread(target=guest.listen, daemon=True).start()
    # A call that was made is made, whether its answer is awaited or not.
    warnings.filterwarnings("ignore", message="coroutine 'later' was never awaited")
    warnings.filterwarnings("ignore", message="coroutine 'just' was never awaited")
    for name in ("gather", "wait_for", "shield", "create_task", "ensure_future"):
        take_values(name)
    sys.stdout.reconfigure(line_buffering=True)
    sys.argv = [FILE]
    module = types.ModuleType("__main__")
    tools = Tools()
    own = types.ModuleType("toolexec")
    own.__dict__.update(FUNCTIONS, tools=tools, ToolError=ToolError)
    sys.modules.update({"__main__": module, "toolexec": own, "tools": tools})
    module.__dict__.update(FUNCTIONS, tools=tools, ToolError=ToolError)
    module.__dict__.update(start["inputs"])
    module.__dict__.update(
        __toolexec_return=Return, __toolexec_await=awaitable, __toolexec_deferred=deferred
    )
    try:
        value = execute(prepared(source, start["deferred"]), module.__dict__)
        message = {"type": "done", "value": value}
    except SystemExit as error:
        if error.code in (None, 0):
            message = {"type": "done", "value": plain(module.__dict__.get("__out"))}
        else:
            message = {"type": "failed", "error": failure(error, source)}
    except BaseException as error:
        message = {"type": "failed", "error": failure(error, source)}
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    guest.send(message)
    os._exit(0)


def check():
    with open(FILE, encoding="utf-8") as file:
        source = file.read()
    try:
        prepared(source, [])
    except BaseException as error:
        print(json.dumps({**failure(error, source), "kind": "syntax"}))
        sys.exit(1)


if "--check" in sys.argv:
    check()
else:
    guest = Guest()
    main()
