"""pushes.py CLIENT: what the client makes of pushes that a server has no occasion for in a tour."""

import asyncio
import json
import sys

sys.path.insert(0, sys.argv[1])
import websockets
from godwit import Behind, Client

AWAY = {"behind": {"is": True, "detail": "why"}}
BACK = {"behind": {"is": False}}


async def main() -> None:
    connections: asyncio.Queue = asyncio.Queue()

    async def serve(socket, *_) -> None:
        async for text in socket:
            for line in text.split("\n"):
                command = json.loads(line)
                ok: dict = {}
                if "connect" in command:
                    ok = {"session": "S", "secret": "X", "resumed": bool(command["connect"].get("resume")),
                          "reconnect": {"after_ms": 1}, "ping_ms": 25000}
                    await connections.put(socket)
                elif "subscribe" in command:
                    ok = {"vector": "V"} if "*" in command["subscribe"]["channel"] else {"position": "E:1"}
                await socket.send(json.dumps({"id": command["id"], "ok": ok}))

    async def say(*lines: dict) -> None:
        await socket.send("\n".join(json.dumps(line) for line in lines))

    async def events(subscription, n: int) -> list:
        async with asyncio.timeout(30):
            return [await anext(subscription) for _ in range(n)]

    async with websockets.serve(serve, "127.0.0.1", 0, subprotocols=["godwit.v1"]) as server:
        port = server.sockets[0].getsockname()[1]
        async with Client(f"ws://127.0.0.1:{port}/connect") as client:
            socket = await connections.get()
            chat, scores = await client.subscribe("chat"), await client.subscribe("scores/*")
            await say({"behind": {"channel": "scores/a", "is": True, "detail": "unread"}}, AWAY, BACK)
            assert await events(scores, 3) == [Behind("scores/a", True, "unread"), Behind("", True, "why"), Behind("", False)]
            assert await events(chat, 2) == [Behind("", True, "why"), Behind("", False)]

            # What is subscribed to meanwhile is behind, too.
            await say(AWAY)
            await events(chat, 1)
            late = await client.subscribe("late")
            assert await events(late, 1) == [Behind("", True, "why")]

            # With another connection it is over, until it is said again.
            socket.transport.abort()
            socket = await connections.get()
            assert await events(chat, 1) == [Behind("", False)]
            await say(AWAY, BACK)
            assert await events(chat, 2) == [Behind("", True, "why"), Behind("", False)]

            # A method that the client must not answer any more is not registered for again.
            await client.register("sum", lambda call: call)
            await say({"unregistered": {"method": "sum", "error": {"type": "t", "title": "No more"}}}, BACK)
            await events(chat, 1)
            assert not client._methods
    print("whole", flush=True)


asyncio.run(main())
