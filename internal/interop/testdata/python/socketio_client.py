"""Debian's Socket.IO client, as applications use it.

    socketio_client.py URL NAMESPACE COUNT TRANSPORT...

It sends COUNT numbers and prints what it sees, a line of JSON each. Lines on
standard input are sent as events: [name, [argument...]].

It is the client for asyncio: the one for threads calls a handler in a thread of
its own for each event, and so in any order.
"""
import asyncio
import json
import sys

import socketio
from engineio.payload import Payload

# Its documentation says to raise this where polls are large. With the default it
# closes when a poll has more than 16 packets, whoever the server is.
Payload.max_decode_packets = 1 << 20

url, namespace, count, transports = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]


def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": list(value)}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def tell(event, **more):
    print(json.dumps({"conn": "python", "event": event, **more}), flush=True)


async def main():
    client = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.5)

    @client.on("connect", namespace=namespace)
    async def connect():
        tell("open", id=client.get_sid(namespace), transport=client.transport())

    @client.on("connect_error", namespace=namespace)
    async def connect_error(data):
        tell("refused", data=plain(data))

    @client.on("disconnect", namespace=namespace)
    async def disconnect():
        tell("closed")

    for name in ("message", "number", "bytes", "news"):
        async def handler(*args, name=name):
            tell("message", name=name, args=plain(args))

        client.on(name, handler, namespace=namespace)

    await client.connect(url, namespaces=[namespace], transports=transports or None)
    for i in range(count):
        await client.emit("number", "python-%d" % i, namespace=namespace)
    while line := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        name, args = json.loads(line)
        args = tuple(bytes(a["$bytes"]) if isinstance(a, dict) and "$bytes" in a else a for a in args)
        await client.emit(name, args, namespace=namespace, callback=lambda *answer: tell("ack", args=plain(answer)))
    await client.disconnect()


asyncio.run(main())
