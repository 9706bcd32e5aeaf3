"""The peer made of Python and websockets. What it is told and tells is in ../peer_test.go."""

import asyncio
import base64
import json
import platform
import sys

import websockets
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import Close
from websockets.legacy.client import connect
from websockets.legacy.server import serve

LINE_BYTES_MAX = 64 << 20

conns = {}
tasks = set()


def tell(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def encoded(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def options(command, factory):
    params = command.get("deflate")
    extensions = None
    if params is not None:
        extensions = [factory(
            server_no_context_takeover=params.get("serverNoContextTakeover", False),
            client_no_context_takeover=params.get("clientNoContextTakeover", False),
            server_max_window_bits=params.get("serverMaxWindowBits") or None,
            # A client announces with True that it can be limited.
            client_max_window_bits=params.get("clientMaxWindowBits") or (True if factory is ClientPerMessageDeflateFactory else None),
        )]
    return dict(
        compression=None,
        extensions=extensions,
        max_size=command.get("max") or None,
        max_queue=None,
        ping_interval=None,
        subprotocols=command.get("protocols") or None,
        extra_headers=command.get("header") or {},
    )


async def follow(conn, ws, header):
    conns[conn] = ws
    tell(conn=conn, event="open", protocol=ws.subprotocol or "",
         extensions=", ".join(extension.name for extension in ws.extensions),
         header={name.lower(): value for name, value in header.raw_items()})
    try:
        while True:
            message = await ws.recv()
            tell(conn=conn, event="message", binary=isinstance(message, bytes), data=encoded(message))
    except ConnectionClosed as closed:
        await ws.wait_closed()
        tell(conn=conn, event="closed", code=ws.close_code, reason=ws.close_reason, text=str(closed))
    del conns[conn]


async def listen(command):
    async def handler(ws, *_):
        await follow(ws.path[1:], ws, ws.request_headers)

    server = await serve(handler, "127.0.0.1", 0, **options(command, ServerPerMessageDeflateFactory))
    tell(conn=command["conn"], event="listening", port=server.sockets[0].getsockname()[1])


async def open_(command):
    try:
        ws = await connect(command["url"], **options(command, ClientPerMessageDeflateFactory))
    except (InvalidHandshake, OSError) as refused:
        tell(conn=command["conn"], event="closed", code=1006, reason="", text=str(refused))
        return
    await follow(command["conn"], ws, ws.response_headers)


async def send(command):
    parts = [base64.b64decode(part) for part in command["parts"]]
    if not command.get("binary"):
        parts = [part.decode() for part in parts]
    ws = conns[command["conn"]]
    if len(parts) == 1:
        await ws.send(parts[0])
    else:
        await ws.send(parts)  # one frame for each, and an empty last one


async def ping(command):
    data = base64.b64decode(command.get("data", ""))
    pong = await conns[command["conn"]].ping(data)
    await pong
    tell(conn=command["conn"], event="pong", data=encoded(data))


async def close(command):
    ws = conns[command["conn"]]
    if command.get("code"):
        await ws.close(command["code"], command.get("reason", ""))
    else:
        await ws.write_close_frame(Close(1005, ""), b"")


async def raw(command):
    conns[command["conn"]].transport.write(base64.b64decode(command["data"]))


async def abort(command):
    conns[command["conn"]].transport.abort()


ACTIONS = {"listen": listen, "open": open_, "send": send, "ping": ping, "close": close, "raw": raw, "abort": abort}

# What must not overtake one another.
ORDERED = {"send", "raw"}


async def main():
    lines = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tell(event="ready", text=f"Python {platform.python_version()}, websockets {websockets.__version__}")
    while line := await lines.readline():
        command = json.loads(line)
        action = ACTIONS[command["do"]](command)
        if command["do"] in ORDERED:
            await action
            continue
        task = asyncio.ensure_future(action)
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
