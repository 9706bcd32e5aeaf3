"""tour.py CLIENT URL SECRET: every command of the client, with tokens that end after seconds."""

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time

sys.path.insert(0, sys.argv[1])
from godwit import Call, Change, Client, Gap, Problem, Publication

made = 0


def token(user: str, seconds: float, *grants: str) -> str:
    """A JWT, signed with the secret of the server."""
    global made
    made += 1

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    claims = {"sub": user, "exp": int(time.time() + seconds), "godwit": {grant: ["**"] for grant in grants}}
    head = part(b'{"alg":"HS256","typ":"JWT"}') + "." + part(json.dumps(claims).encode())
    return head + "." + part(hmac.new(sys.argv[3].encode(), head.encode(), hashlib.sha256).digest())


async def refused(name: str, work) -> None:
    try:
        await work
    except Problem as problem:
        assert problem.name == name, (problem.name, problem)
    else:
        raise AssertionError(f"want {name}")


async def adds(call: Call) -> int:
    if not isinstance(call.data, list):
        raise Problem({"type": "https://example.com/no-list", "title": "No list", "detail": "give a list"})
    return sum(call.data) if call.user == "ann" else -1


async def main(url: str) -> None:
    every = ("subscribe", "publish", "history", "presence", "call", "answer")
    async with (
        Client(url, token=lambda: token("ann", 8, *every)) as ann,
        Client(url, token=lambda: token("bob", 60, "answer", "publish", "subscribe")) as bob,
    ):
        assert ann.user == "ann" and bob.user == "bob"
        session = ann._resume["session"]
        room = await ann.subscribe("room", presence=True)
        mine = await bob.subscribe("room", self_=False)
        first = await ann.publish("room", {"text": "h\u00e9\n"}, event="said", key="k")
        again = [await ann.publish("room", b"\x00\xff", idempotency_key="one") for _ in range(2)]
        await bob.publish("room", None)
        assert again[0] == again[1] != first
        got, members = [], 1
        while len(got) < 3 or members != 2:
            event = await anext(room)
            if isinstance(event, Publication):
                got.append(event)
            elif isinstance(event, Change):
                members = event.count
        assert [p.data for p in got] == [{"text": "h\u00e9\n"}, b"\x00\xff", None], got
        assert (got[0].position, got[0].event, got[0].key, got[0].user) == (first, "said", "k", "ann"), got[0]
        assert [(await anext(mine)).data for _ in range(2)] == [{"text": "h\u00e9\n"}, b"\x00\xff"]

        page, position, gap = await ann.history("room", last=2)
        assert [p.position for p in page] == [again[0], position] and not gap
        digest = await ann.digest("room", 2)
        held = hashlib.sha256()
        for p in page:  # 9; JSON would have to be as it was published
            data = p.data if isinstance(p.data, bytes) else json.dumps(p.data).encode()
            held.update(p.position.encode() + b"\0" + str(len(data)).encode() + b"\0" + data)
        assert (digest["count"], digest["position"], digest["sha256"]) == (2, position, held.hexdigest()), digest
        later = await bob.subscribe("other", since=None, last=5)
        assert (await ann.presence("room", count=True))["count"] == 2
        assert sorted(m["user"] for m in (await ann.presence("room"))["members"]) == ["ann", "bob"]
        await refused("forbidden", bob.history("room", last=1))
        await refused("already-subscribed", bob.subscribe("room"))

        await bob.register("math/sum", adds, concurrency=2)
        assert await ann.rpc("math/sum", [1, 2, 3]) == 6
        try:
            await ann.rpc("math/sum", 1)
        except Problem as problem:
            assert (problem.type, problem.detail) == ("https://example.com/no-list", "give a list")
        await refused("unknown-method", ann.rpc("poetry"))

        # A connection that breaks under many commands: each is done once.
        writes = [asyncio.create_task(ann.publish("other", n)) for n in range(200)]
        await asyncio.sleep(0)
        ann._socket.transport.abort()
        await asyncio.gather(*writes)
        came = [(await anext(later)).data for _ in range(200)]
        assert sorted(came) == list(range(200)), "lost or repeated"
        assert await ann.rpc("math/sum", [1]) == 1

        assert ann.messages.position, "the server has not said where messages begin"
        started = made
        while made < started + 2:  # the token has been refreshed twice
            await asyncio.sleep(0.1)
        assert await ann.publish("room", "still here")
        assert ann._resume["session"] == session, "the session ended with its first token"
        await bob.unregister("math/sum")
        await refused("unknown-method", ann.rpc("math/sum", [1]))
        await bob.unsubscribe(mine)
        await ann.publish("room", "unheard")
        assert [e.data async for e in mine if not isinstance(e, Gap)] == [None, "still here"][1:]
    print("whole", flush=True)


asyncio.run(main(sys.argv[2]))
