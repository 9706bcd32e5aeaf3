"""A client of Godwit's protocol of sessions, godwit.v1, for asyncio.

It is written from docs/protocol.md, and its comments cite the sections of that page.
It needs Python 3.11 or newer and the package websockets (10.4 or newer).

    async with Client("ws://127.0.0.1:8000/connect") as client:
        chat = await client.subscribe("chat", last=10)
        await client.publish("chat", {"text": "hello"})
        async for event in chat:
            print(event)

A lost connection is not an error: the client comes back, goes on with each channel
where it was, and says by a Gap what was missed. Calls that wait for a reply go on
waiting; asyncio.timeout() limits them. All of it belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import logging
import random
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import websockets
from websockets.exceptions import ConnectionClosed, WebSocketException

log = logging.getLogger("godwit")

TYPE = "https://godwit.io/problems/"
# Codes after which coming back would end in the same way (docs/codes.md).
NEVER = {1000, 1002, 1003, 1007, 1008, 1009, 4400, 4403, 4409}
NEW_TOKEN = 4401
AFRESH = {4404, 4410}
# Problems of connect that pass (docs/problems.md, statuses 429 and from 500 on).
PASSING = {"too-many-requests", "internal-error", "shutting-down", "overloaded",
           "broker-unavailable", "undecided", "too-many-connections"}
IN_FLIGHT = 64  # publications, calls and answers without a reply (2.5)
LONGEST_DELAY = 60.0  # of a client that cannot connect (6.6)


class Problem(Exception):
    """The server's error for one command (2.3). The session goes on."""

    def __init__(self, error: dict[str, Any]):
        super().__init__(error.get("detail") or error.get("title") or "unknown problem")
        self.type: str = error.get("type", "")
        self.title: str = error.get("title", "")
        self.detail: str = error.get("detail", "")
        self.data: Any = error.get("data")
        self.retry_after_ms: int | None = error.get("retry_after_ms")

    @property
    def name(self) -> str:
        """The type without what all types of Godwit begin with."""
        return self.type.removeprefix(TYPE)


class Ended(Exception):
    """The session is over for good, and the client does not come back."""

    def __init__(self, code: int, reason: str):
        super().__init__(f"{code} {reason}".strip())
        self.code, self.reason = code, reason


class _Lost(Exception):
    """The connection is lost. The session may go on over another one."""

    def __init__(self, code: int, reason: str, after: float | None = None):
        super().__init__(f"{code} {reason}".strip())
        self.code, self.reason, self.after = code, reason, after


@dataclass(frozen=True)
class Publication:
    """A publication (5.1). data is bytes if bytes were published."""

    channel: str
    position: str
    data: Any
    time: str = ""
    event: str = ""
    user: str = ""
    key: str = ""

    @classmethod
    def read(cls, o: dict[str, Any]) -> Publication:
        text = {name: o.get(name, "") for name in ("channel", "position", "time", "event", "user", "key")}
        return cls(data=_payload(o), **text)


@dataclass(frozen=True)
class Gap:
    """Publications that do not come (5.2). Only the reason "lost" is a loss."""

    channel: str
    start: str | None
    to: str | None
    reason: str = "lost"
    count: int | None = None


@dataclass(frozen=True)
class Change:
    """Who came or went (5.3): kind is "join", "leave" or, without members, "presence"."""

    kind: str
    channel: str
    count: int
    version: int
    previous: int
    members: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Behind:
    """What is published does not come at present, or does again (5.10). Nothing is lost by it."""

    channel: str  # or a pattern; "" for all that the session is subscribed to
    is_behind: bool
    detail: str = ""


@dataclass(frozen=True)
class Call:
    """A call of a method for which this client has registered (7.2)."""

    method: str
    data: Any
    user: str = ""
    session: str = ""
    timeout_ms: int = 0


Event = Publication | Gap | Change | Behind
Handler = Callable[[Call], Awaitable[Any]]
_END = object()


class Subscription(AsyncIterator[Event]):
    """What comes on a channel, a pattern, or to the user. Events wait without a limit."""

    def __init__(self, channel: str, fields: dict[str, Any]):
        self.channel = channel
        self.position: Any = fields.pop("since", None)  # the newest that was received
        self._first = {"last": fields.pop("last", None)}
        self._fields = fields
        self._events: asyncio.Queue[Any] = asyncio.Queue()
        self._error: Exception | None = None
        self._over = False
        self._pattern = "*" in channel.split("/") or channel.endswith("**")
        self._newest: dict[str, str] = {}  # of a pattern, the newest position of each channel
        self._has_begun = False  # on this connection
        self._is_behind = False  # as was told last

    async def __anext__(self) -> Event:
        event = _END if self._over and self._events.empty() else await self._events.get()
        if event is not _END:
            return event
        self._events.put_nowait(_END)  # for others that wait
        if self._error:
            raise self._error
        raise StopAsyncIteration

    def _command(self) -> dict[str, Any]:
        begin = {"since": self.position} if self.position is not None else self._first
        fields = {"channel": self.channel, **begin, **self._fields}
        return {"subscribe": {name: value for name, value in fields.items() if value is not None}}

    def _put(self, event: Event) -> None:
        if self._over:
            return
        if isinstance(event, Behind):
            self._is_behind = event.is_behind
        at = event.position if isinstance(event, Publication) else event.to if isinstance(event, Gap) else None
        if at is not None:
            if _is_new(at, self._at(event.channel)):
                if self._pattern:  # position is a vector, and the server says it (5.5)
                    self._newest[event.channel] = at
                else:
                    self.position = at
            elif isinstance(event, Publication):
                return  # repeated (4.2, 5.5)
        self._events.put_nowait(event)

    def _end(self, error: Exception | None = None) -> None:
        if not self._over:
            self._over, self._error = True, error
            self._events.put_nowait(_END)

    def _at(self, channel: str) -> str | None:
        """How far it has come in a channel that it matches."""
        return self._newest.get(channel) if self._pattern else self.position

    def _matches(self, channel: str) -> bool:
        return self.channel == channel or self._pattern and _matches(self.channel, channel)


@dataclass
class _Pending:
    """A command without a reply."""

    command: dict[str, Any]
    reply: asyncio.Future[dict[str, Any]]
    same_id: bool  # sent again with the id that it had (6.2)


class Client:
    """A session. token is called for each connection and each refresh; it may be a coroutine.

    With messages=False messages to the user are not wanted. Otherwise they are the
    events of the attribute messages.
    """

    def __init__(self, url: str, *, token: Callable[[], Any] | None = None, name: str = "python-example/1",
                 messages: bool = True):
        self._url, self._token, self._name = url, token, name
        self.user: str | None = None
        self.messages = Subscription("@", {})
        self._wants_messages = messages
        self._subscriptions: dict[str, Subscription] = {}
        self._methods: dict[str, tuple[dict[str, Any], Handler]] = {}
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._pending: dict[int, _Pending] = {}
        self._places = asyncio.Semaphore(IN_FLIGHT)
        self._id = 0
        self._socket: Any = None
        self._ready = False  # commands may be sent
        self._resume: dict[str, str] | None = None
        self._delay = 1.0
        self._failures = 0
        self._heard = 0.0
        self._ping = 25.0
        self._away: Behind | None = None  # what this connection was told of everything
        self._expiry: asyncio.TimerHandle | None = None
        self._end: tuple[int, str] | None = None
        self._first: asyncio.Future[None] | None = None
        self._main: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over: Exception | None = None

    async def __aenter__(self) -> Client:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # What a program asks for.

    async def connect(self) -> None:
        """Connects, and returns when the session has begun. A server that cannot be
        reached now is tried again. Raises Problem or Ended for what does not pass."""
        self._first = asyncio.get_running_loop().create_future()
        self._main = asyncio.create_task(self._run())
        await asyncio.shield(self._first)

    async def close(self) -> None:
        """Ends the session, so that nobody believes it is still there (3.6)."""
        if self._over is None and self._ready:
            try:
                await asyncio.wait_for(self._ask({"end": {}}), 2)
            except (Problem, Ended, TimeoutError):
                pass
        self._stop(Ended(1000, "closed"))
        if self._main:
            self._main.cancel()
            await asyncio.gather(self._main, return_exceptions=True)
        if self._socket:
            await self._socket.close()

    async def subscribe(self, channel: str, *, since: Any = None, last: int | None = None, self_: bool = True,
                        presence: bool | str | None = None, rate: float | None = None) -> Subscription:
        """Subscribes to a channel or a pattern (4.2)."""
        fields = {"since": since, "last": last, "self": None if self_ else False, "presence": presence, "rate": rate}
        if channel in self._subscriptions:
            raise Problem({"type": TYPE + "already-subscribed", "title": "Already subscribed"})
        subscription = self._subscriptions[channel] = Subscription(channel, fields)
        begun = asyncio.get_running_loop().create_future()
        if self._ready:
            self._subscribe(subscription, begun)
        else:  # the next connection does it
            subscription._begun = begun
        await begun
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Ends a subscription. Its iterator ends when all that had come was taken."""
        if self._subscriptions.get(subscription.channel) is subscription:
            subscription._end()
            await self._ask({"unsubscribe": {"channel": subscription.channel}})
            self._subscriptions.pop(subscription.channel, None)

    async def publish(self, channel: str, data: Any, *, event: str | None = None, key: str | None = None,
                      idempotency_key: str | None = None) -> str:
        """Publishes text, bytes or a JSON value, and returns its position when the server
        has it. However often the connection breaks, it is published once: without an
        idempotency_key the client makes one (4.4)."""
        fields = {"channel": channel, **_data(data), "event": event, "key": key,
                  "idempotency_key": idempotency_key or uuid.uuid4().hex}
        reply = await self._ask_once({"publish": {n: v for n, v in fields.items() if v is not None or n == "data"}})
        return reply["position"]

    async def history(self, channel: str, *, since: str | None = None, last: int | None = None,
                      limit: int | None = None) -> tuple[list[Publication], str, Any]:
        """A page of history: publications, the position to go on with, and the gap (4.5)."""
        fields = {"channel": channel, "since": since, "last": last, "limit": limit}
        reply = await self._ask({"history": {n: v for n, v in fields.items() if v is not None}})
        publications = [Publication.read({"channel": channel, **p}) for p in reply.get("publications", [])]
        return publications, reply["position"], reply.get("gap")

    async def presence(self, channel: str, **fields: Any) -> dict[str, Any]:
        """Who is there (4.6): limit, cursor, by and count."""
        return await self._ask({"presence": {"channel": channel, **fields}})

    async def digest(self, channel: str, last: int = 100) -> dict[str, Any]:
        """What the server holds of the newest publications: count, from, position and sha256 (9)."""
        return await self._ask({"digest": {"channel": channel, "last": last}})

    async def rpc(self, method: str, data: Any = None, *, timeout_ms: int | None = None) -> Any:
        """Calls a method and returns its answer (4.8). If this is canceled, so is the call."""
        fields = {"method": method, **_data(data), **({"timeout_ms": timeout_ms} if timeout_ms else {})}
        return _payload(await self._ask_once({"rpc": fields}))

    async def register(self, method: str, handler: Handler, *, concurrency: int | None = None) -> None:
        """Answers calls of a method, or a pattern of methods, with what handler returns. A
        Problem that it raises is the caller's error (7.2)."""
        fields = {"method": method, **({"concurrency": concurrency} if concurrency else {})}
        await self._ask({"register": fields})
        self._methods[method] = (fields, handler)

    async def unregister(self, method: str) -> None:
        """Answers no more calls of the method."""
        self._methods.pop(method, None)
        await self._ask({"unregister": {"method": method}})

    # Commands and replies (2).

    async def _ask_once(self, command: dict[str, Any]) -> dict[str, Any]:
        async with self._places:
            return await self._ask(command, same_id=True)

    async def _ask(self, command: dict[str, Any], same_id: bool = False) -> dict[str, Any]:
        if self._over:
            raise self._over
        pending = _Pending(command, asyncio.get_running_loop().create_future(), same_id)
        self._begin(pending)
        try:
            return await pending.reply
        finally:
            for id in [id for id, p in self._pending.items() if p is pending]:  # canceled
                del self._pending[id]
                if "rpc" in command and self._ready:
                    self._spawn(self._quietly({"cancel": {"rpc": id}}))

    async def _quietly(self, command: dict[str, Any]) -> None:
        try:
            await self._ask(command)
        except (Problem, Ended) as error:
            log.info("%s: %s", next(iter(command)), error)

    def _begin(self, pending: _Pending) -> int:
        self._id += 1
        self._pending[self._id] = pending
        if self._ready:
            self._send({"id": self._id, **pending.command})
        return self._id

    def _send(self, command: dict[str, Any]) -> None:
        self._outbox.put_nowait(json.dumps(command, ensure_ascii=False))

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _subscribe(self, subscription: Subscription, begun: asyncio.Future[None] | None = None) -> None:
        """Sends subscribe now. Its reply is dealt with in order with what is pushed."""
        self._id += 1
        subscription._has_begun = False
        self._subscribing[self._id] = (subscription, begun)
        self._send({"id": self._id, **subscription._command()})

    # The connection.

    async def _run(self) -> None:
        """Connects again and again until it is over."""
        tried_token = False
        while self._over is None:
            began = False
            try:
                began = await self._connection()
                continue
            except (Problem, _Lost) as error:
                began, after = self._ready, None
                self._ready = False
                log.info("connection lost: %s", error)
                if isinstance(error, Problem):  # connect failed
                    after = error.retry_after_ms and error.retry_after_ms / 1000
                    if error.name == "session-unknown":
                        self._resume, after = None, 0.0
                    elif error.name == "unauthorized" and self._token and not tried_token:
                        tried_token, after = True, 0.0
                    elif error.name not in PASSING:
                        return self._stop(error)
                else:
                    after = error.after
                    if error.code == NEW_TOKEN and self._token and (began or not tried_token):
                        tried_token = True
                    elif error.code in NEVER or error.code == NEW_TOKEN:
                        return self._stop(Ended(error.code, error.reason))
                    elif error.code in AFRESH:
                        self._resume = None
            except Exception as error:  # a mistake, or the program's own, in token
                log.exception("the client stops")
                return self._stop(error)
            if began:
                self._failures, tried_token = 0, False
            if after is None:  # 6.6: as reconnect said, then twice as long each time
                after = min(self._delay * 2 ** self._failures, LONGEST_DELAY)
                if self._failures:
                    after *= random.uniform(0.5, 1)
            self._failures += 1
            await asyncio.sleep(after)

    async def _connection(self) -> bool:
        """One connection, from connect to its end, which is raised."""
        token = self._token() if self._token else None
        if inspect.isawaitable(token):
            token = await token
        try:
            socket = await websockets.connect(self._url, subprotocols=["godwit.v1"], ping_interval=None,
                                              max_size=None, open_timeout=10, close_timeout=2)
        except (OSError, TimeoutError, WebSocketException) as error:
            raise _refused(error) from error
        self._socket, self._outbox, self._subscribing, self._end = socket, asyncio.Queue(), {}, None
        self._away = None
        self._heard = time.monotonic()
        self._id += 1
        self._connect_id = self._id
        position = self.messages.position
        fields = {"client": self._name, "token": token, "resume": self._resume,
                  "messages": position if self._wants_messages else False}
        self._send({"id": self._id, "connect": {n: v for n, v in fields.items() if v is not None}})
        for subscription in list(self._subscriptions.values()):  # 6.2.1
            if not subscription._over:
                self._subscribe(subscription, subscription.__dict__.pop("_begun", None))
        work = [asyncio.create_task(w()) for w in (self._read, self._write, self._watch)]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            return False
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            if self._expiry:
                self._expiry.cancel()
            for subscription, begun in self._subscribing.values():
                if begun and not begun.done():
                    subscription._begun = begun  # asked for again with the next connection
            if self._over is None:
                # Not with a close frame of 1000 or 1001, which would end the session (3.6).
                socket.transport.abort()

    async def _write(self) -> None:
        while True:
            text = await self._outbox.get()
            try:
                await self._socket.send(text)
            except ConnectionClosed:
                await asyncio.Event().wait()  # _read says why, after what had come

    async def _read(self) -> None:
        try:
            while True:
                message = await self._socket.recv()
                self._heard = time.monotonic()
                for line in message.splitlines() if isinstance(message, bytes) else message.split("\n"):
                    if line.strip():
                        self._take(json.loads(line))
        except ConnectionClosed as closed:
            code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
            code, reason = self._end or (code, reason)
            raise _Lost(code, reason) from None

    async def _watch(self) -> None:
        """Pings when nothing was heard for long, and gives up without a reply (4.1)."""
        pinged = False
        while True:
            await asyncio.sleep(max(self._heard + self._ping - time.monotonic(), 0.01) if not pinged else self._ping)
            silent = time.monotonic() - self._heard >= self._ping
            if silent and pinged:
                raise _Lost(1006, "no reply to a ping")
            pinged = silent
            if silent:
                self._id += 1
                self._send({"id": self._id, "ping": {}})

    # What the server sends.

    def _take(self, o: dict[str, Any]) -> None:
        if "ok" in o or "error" in o:
            self._reply(o)
        elif "channel" in o:
            event = Publication.read(o)
            for subscription in self._of(event.channel):
                subscription._put(event)
        for name in ("join", "leave", "presence"):
            if name in o and (subscription := self._subscriptions.get(o[name]["channel"])):
                p = o[name]
                subscription._put(Change(name, p["channel"], p.get("count", 0), p.get("version", 0),
                                         p.get("previous", 0), p.get("members", [])))
        if "gap" in o:
            g = o["gap"]
            gap = Gap(g.get("channel", ""), g.get("from"), g.get("to"), g.get("reason", "lost"), g.get("count"))
            for subscription in self._of(gap.channel) or ([self.messages] if gap.channel[:1] == "@" else []):
                subscription._put(gap)
        elif "message" in o:
            self.messages._put(Publication.read(o["message"]))
        elif "subscribed" in o:  # 5.4
            channel = o["subscribed"]["channel"]
            if channel.startswith("@"):  # messages to the user (5.6)
                s = self.messages
            else:
                s = self._subscriptions.setdefault(channel, Subscription(channel, {}))
            s.position, s._has_begun = o["subscribed"].get("position"), True
        elif "behind" in o:
            self._behind(Behind(o["behind"].get("channel", ""), o["behind"]["is"], o["behind"].get("detail", "")))
        elif "vector" in o:
            if s := self._subscriptions.get(o["vector"]["channel"]):
                s.position = o["vector"]["vector"]
        elif "unsubscribed" in o:
            if s := self._subscriptions.pop(o["unsubscribed"]["channel"], None):
                s._end(Problem(o["unsubscribed"].get("error", {})))
        elif "unregistered" in o:
            self._methods.pop(o["unregistered"]["method"], None)
            log.warning("%s is not answered any more: %s", o["unregistered"]["method"], Problem(o["unregistered"].get("error", {})))
        elif "call" in o:
            self._calls[o["call"]["id"]] = self._spawn(self._answer(o["call"]))
        elif "call_over" in o:
            if task := self._calls.pop(o["call_over"]["id"], None):
                task.cancel()
        elif "expiring" in o:
            self._spawn(self._refresh())
        elif "reconnect" in o:
            self._delay = o["reconnect"]["after_ms"] / 1000
        elif "end" in o:
            end = o["end"]
            self._end = (end["code"], end.get("reason", ""))

    def _behind(self, b: Behind) -> None:
        if not b.channel:
            self._away = b if b.is_behind else None
        waiting = [s for s, _ in self._subscribing.values()]  # what they were told before is over with their replies
        for s in [self.messages, *self._subscriptions.values()]:
            if s not in waiting and (not b.channel or s._matches(b.channel)):
                s._put(b)

    def _of(self, channel: str) -> list[Subscription]:
        """The subscriptions that a publication is for, which comes once (5.5): those that match and
        have begun, and patterns that are asked for again and have come as far as one of those."""
        matching = [s for s in self._subscriptions.values() if s._matches(channel) and not s._over]
        reached = {s._at(channel) for s in matching if s._has_begun} - {None}
        again = [s for s, _ in self._subscribing.values() if s._pattern and s.position is not None]
        return [s for s in matching if s._has_begun or s in again and s._at(channel) in reached]

    def _reply(self, o: dict[str, Any]) -> None:
        id, ok, error = o.get("id"), o.get("ok"), o.get("error")
        if id == self._connect_id:
            if error:
                raise Problem(error)
            self._connected(ok)
        elif found := self._subscribing.pop(id, None):
            self._subscribed(*found, ok, error)
        elif pending := self._pending.pop(id, None):
            if not pending.reply.done():
                pending.reply.set_exception(Problem(error)) if error else pending.reply.set_result(ok)
        elif error:
            log.warning("%s: %s", error.get("title"), error.get("detail"))

    def _connected(self, ok: dict[str, Any]) -> None:
        self._resume = {"session": ok["session"], "secret": ok["secret"]}
        self.user = ok.get("user")
        self._delay = ok.get("reconnect", {}).get("after_ms", 1000) / 1000
        self._ping = ok.get("ping_ms", 25000) / 1000
        self._ready = True
        self._expires(ok)
        if self.messages._is_behind:  # 5.10: nothing is, until it is said again
            self.messages._put(Behind("", False))
        if not ok.get("resumed"):  # registrations are the session's (6.2)
            for task in self._calls.values():
                task.cancel()
            self._calls.clear()
            for fields, _ in self._methods.values():
                self._spawn(self._quietly({"register": fields}))
        # 6.2.2: the server does these once. Others harm nobody when they are done again.
        for id, pending in sorted((i, p) for i, p in self._pending.items() if p.same_id):
            self._send({"id": id, **pending.command})
        for id in sorted(i for i, p in self._pending.items() if not p.same_id):
            self._begin(self._pending.pop(id))
        if self._first and not self._first.done():
            self._first.set_result(None)

    def _subscribed(self, s: Subscription, begun: asyncio.Future[None] | None, ok: Any, error: Any) -> None:
        if error:
            problem = Problem(error)
            if problem.retry_after_ms and not begun:  # it was there before: it passes
                asyncio.get_running_loop().call_later(problem.retry_after_ms / 1000, self._retry, s, self._socket)
                return
            self._subscriptions.pop(s.channel, None)
            s._end(problem)
            if begun and not begun.done():
                begun.set_exception(problem)
            return
        s._has_begun = True
        if s._pattern:
            s.position = ok.get("vector")
        elif s.position is None:
            s.position = ok.get("position")
        if self._away or s._is_behind:  # 5.10: nothing is, until it is said again on this connection
            s._put(self._away or Behind("", False))
        if begun and not begun.done():
            begun.set_result(None)

    def _retry(self, subscription: Subscription, socket: Any) -> None:
        if self._socket is socket and self._ready and not subscription._over:
            self._subscribe(subscription)

    async def _answer(self, call: dict[str, Any]) -> None:
        method = call["method"]
        handler = next((h for name, (_, h) in self._methods.items() if _matches(name, method)), None)
        try:
            if handler is None:
                raise Problem({"type": TYPE + "unknown-method", "title": "Nothing answers this method"})
            answer = _data(await handler(Call(method, _payload(call), call.get("user", ""),
                                              call.get("session", ""), call.get("timeout_ms", 0))))
        except Problem as p:
            answer = {"error": {n: v for n, v in vars(p).items() if v and n != "retry_after_ms"}}
        except Exception:
            log.exception("method %s", method)
            answer = {"error": {"type": TYPE + "call-failed", "title": "Call failed"}}
        self._calls.pop(call["id"], None)
        try:
            await self._ask_once({"answer": {"call": call["id"], **answer}})
        except (Problem, Ended) as error:
            log.info("an answer came too late: %s", error)

    def _expires(self, ok: dict[str, Any]) -> None:
        """Refreshes the token when nine tenths of its time are over."""
        if self._expiry:
            self._expiry.cancel()
            self._expiry = None
        if self._token and (after := ok.get("expires_after_ms")):
            self._expiry = asyncio.get_running_loop().call_later(
                after * 0.9 / 1000, lambda: self._spawn(self._refresh()))

    async def _refresh(self) -> None:
        if not self._token:
            return
        try:
            token = self._token()
            self._expires(await self._ask({"refresh": {"token": await token if inspect.isawaitable(token) else token}}))
        except Exception as error:  # the session ends with 4401, and connects with another token
            log.warning("refresh: %s", error)

    def _stop(self, error: Exception) -> None:
        """It is over: everybody that waits is told."""
        if self._over is not None:
            return
        self._over, self._ready = error, False
        closed = isinstance(error, Ended) and error.code == 1000
        for waits in [self._first, *(p.reply for p in self._pending.values()),
                      *(s.__dict__.get("_begun") for s in self._subscriptions.values())]:
            if waits and not waits.done():
                waits.set_exception(error)
        for subscription in [self.messages, *self._subscriptions.values()]:
            subscription._end(None if closed else error)
        for task in list(self._calls.values()):
            task.cancel()


def _data(data: Any) -> dict[str, Any]:
    if isinstance(data, (bytes, bytearray)):
        return {"data_base64": base64.b64encode(data).decode()}
    return {"data": data}


def _payload(o: dict[str, Any]) -> Any:
    return base64.b64decode(o["data_base64"]) if "data_base64" in o else o.get("data")


def _is_new(position: str, newest: str | None) -> bool:
    """Whether a position comes after the newest of its channel, or is of another history (5.5)."""
    if newest is None:
        return True
    epoch, _, number = position.rpartition(":")
    before, _, of_newest = newest.rpartition(":")
    return epoch != before or int(number) > int(of_newest)


def _matches(pattern: str, name: str) -> bool:
    """Whether a pattern matches a name (docs/channels.md, Patterns)."""
    p, n = pattern.split("/"), name.split("/")
    if n[0].startswith("@") and p[0] in ("*", "**"):
        return False
    if p[-1] == "**":
        return len(n) >= len(p) and all(a in ("*", b) for a, b in zip(p[:-1], n))
    return len(n) == len(p) and all(a in ("*", b) for a, b in zip(p, n))


def _refused(error: Exception) -> _Lost:
    """A handshake that failed: what cannot pass ends the client."""
    response = getattr(error, "response", None)  # of websockets from 14 on
    status = getattr(error, "status_code", None) or getattr(response, "status_code", 0)
    headers = getattr(error, "headers", None) or getattr(response, "headers", {})
    after = headers.get("Retry-After", "") if status else ""
    code = {400: 4400, 401: NEW_TOKEN, 403: 4403, 404: 1002, 421: 1002, 426: 1002}.get(status, 1006)
    return _Lost(code, str(error), float(after) if after.isdigit() else None)
