"""A chat in the terminal: python3 chat.py NAME [CHANNEL]. Lines that you type are published."""

import asyncio
import sys

from godwit import Behind, Change, Client, Gap, Publication, Subscription


async def show(events: Subscription) -> None:
    async for event in events:
        match event:
            case Publication(data={"from": name, "text": text}):
                print(f"{name}: {text}")
            case Publication():
                print(event.data)
            case Gap():
                print(f"… something is missing here ({event.reason})")
            case Behind(is_behind=is_behind):
                print("… nothing new comes at present" if is_behind else "… it comes again")
            case Change():
                print(f"({event.count} here)")


async def main(name: str, channel: str, url: str = "ws://127.0.0.1:8000/connect") -> None:
    async with Client(url) as client:
        shown = asyncio.create_task(show(await client.subscribe(channel, last=10, self_=False, presence=True)))
        while line := await asyncio.to_thread(sys.stdin.readline):
            if text := line.strip():
                await client.publish(channel, {"from": name, "text": text})
        shown.cancel()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        asyncio.run(main(sys.argv[1], *(sys.argv[2:] or ["chat"])))
    except KeyboardInterrupt:
        pass
