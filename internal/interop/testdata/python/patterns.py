"""patterns.py CLIENT: a channel and a pattern that matches it, before and after a lost connection."""

import asyncio
import json
import sys

sys.path.insert(0, sys.argv[1])
import websockets
from godwit import Client, Gap, Publication


async def main() -> None:
    sockets: asyncio.Queue = asyncio.Queue()
    commands: asyncio.Queue = asyncio.Queue()

    async def serve(socket, *_) -> None:
        await sockets.put(socket)
        try:
            async for text in socket:
                for line in text.split("\n"):
                    await commands.put(json.loads(line))
        except websockets.ConnectionClosedError:
            pass  # by main

    async def say(*lines: dict) -> None:
        await socket.send("\n".join(json.dumps(line) for line in lines))

    async def asked(*expected: dict) -> list[int]:
        """Waits for commands, each as expected, and returns their ids."""
        ids = []
        for want in expected:
            command = await commands.get()
            ids.append(command.pop("id"))
            if "connect" in command:
                command["connect"].pop("client")
            assert command == want, (command, want)
        return ids

    def connected(resumed: bool) -> dict:
        return {"session": "S", "secret": "X", "resumed": resumed, "reconnect": {"after_ms": 1}, "ping_ms": 25000}

    def publication(channel: str, number: int) -> dict:
        return {"channel": channel, "position": f"E:{number}", "data": number}

    async def events(subscription, *expected: object) -> None:
        """Takes so many events: a channel and number for a publication, else a Gap."""
        for want in expected:
            event = await anext(subscription)
            got = (event.channel, event.data) if isinstance(event, Publication) else event
            assert got == want, (got, want)

    async with websockets.serve(serve, "127.0.0.1", 0, subprotocols=["godwit.v1"]) as server:
        port = server.sockets[0].getsockname()[1]
        client = Client(f"ws://127.0.0.1:{port}/connect")
        connecting = asyncio.create_task(client.connect())
        socket = await sockets.get()
        [id] = await asked({"connect": {}})
        await say({"id": id, "ok": connected(False)})
        await connecting
        subscribing = asyncio.create_task(client.subscribe("scores/a"))
        [id] = await asked({"subscribe": {"channel": "scores/a"}})
        await say({"id": id, "ok": {"position": "E:3"}})
        channel = await subscribing
        subscribing = asyncio.create_task(client.subscribe("scores/**"))
        [id] = await asked({"subscribe": {"channel": "scores/**"}})
        await say({"id": id, "ok": {"vector": "V1"}})
        pattern = await subscribing

        # What comes once is for both.
        await say(publication("scores/a", 4), publication("scores/b", 1), {"vector": {"channel": "scores/**", "vector": "V2"}},
                  publication("scores/b", 2))
        await events(channel, ("scores/a", 4))
        await events(pattern, ("scores/a", 4), ("scores/b", 1), ("scores/b", 2))

        # After a lost connection the channel is read before the pattern has its reply.
        socket.transport.abort()
        socket = await sockets.get()
        connect, first, second = await asked({"connect": {"resume": {"session": "S", "secret": "X"}}},
                                             {"subscribe": {"channel": "scores/a", "since": "E:4"}},
                                             {"subscribe": {"channel": "scores/**", "since": "V2"}})
        await say({"id": connect, "ok": connected(True)}, {"id": first, "ok": {"position": "E:4"}}, publication("scores/a", 5),
                  {"gap": {"channel": "scores/a", "from": "E:5", "to": "E:7", "reason": "history"}}, publication("scores/a", 8),
                  {"id": second, "ok": {"vector": "V3"}})
        gap = Gap("scores/a", "E:5", "E:7", "history")
        await events(channel, ("scores/a", 5), gap, ("scores/a", 8))
        await events(pattern, ("scores/a", 5), gap, ("scores/a", 8))

        # What a vector repeats is not given twice, and what follows comes to both.
        await say(publication("scores/a", 8), publication("scores/b", 2), publication("scores/b", 3), publication("scores/a", 9))
        await events(channel, ("scores/a", 9))
        await events(pattern, ("scores/b", 3), ("scores/a", 9))

        # What comes for the pattern before the channel has its reply comes again.
        socket.transport.abort()
        socket = await sockets.get()
        connect, first, second = await asked({"connect": {"resume": {"session": "S", "secret": "X"}}},
                                             {"subscribe": {"channel": "scores/a", "since": "E:9"}},
                                             {"subscribe": {"channel": "scores/**", "since": "V3"}})
        await say({"id": connect, "ok": connected(True)}, {"id": second, "ok": {"vector": "V4"}}, publication("scores/a", 10),
                  publication("scores/a", 11), {"id": first, "ok": {"position": "E:9"}}, publication("scores/a", 10),
                  publication("scores/a", 11), publication("scores/a", 12))
        await events(channel, ("scores/a", 10), ("scores/a", 11), ("scores/a", 12))
        await events(pattern, ("scores/a", 10), ("scores/a", 11), ("scores/a", 12))
        client._stop(Exception("that is all"))
        client._main.cancel()
    print("whole", flush=True)


async def limited() -> None:
    async with asyncio.timeout(30):
        await main()


asyncio.run(limited())
