"""numbers.py CLIENT CUT WHOLE: 2,000 numbers reach a subscriber whose connections are cut.

CLIENT is the folder of godwit.py, CUT the address of the subscriber, whose
connections the test cuts when a line "published N" is printed, and WHOLE that of the
publisher. At 1,000 the test kills the server, and starts another with an empty history.
"""

import asyncio
import sys

sys.path.insert(0, sys.argv[1])
from godwit import Client, Gap, Publication, Subscription

CHANNELS = ("even", "odd")
COUNT, STEP, KILLED = 2000, 250, 1000


class Reader:
    """What came on one channel: numbers, and None for a loss."""

    def __init__(self, subscription: Subscription):
        self.subscription = subscription
        self.seen: list[int | None] = []
        self.more = asyncio.Event()

    async def read(self) -> None:
        async for event in self.subscription:
            match event:
                case Publication(data=int(number)):
                    self.seen.append(number)
                case Gap(reason="lost"):
                    self.seen.append(None)
                case _:
                    raise AssertionError(f"unexpected: {event}")
            self.more.set()

    async def until(self, number: int) -> None:
        while not (self.seen and self.seen[-1] is not None and self.seen[-1] >= number):
            self.more.clear()
            await self.more.wait()

    def check(self, published: list[int]) -> None:
        seen, losses = self.seen, [i for i, number in enumerate(self.seen) if number is None]
        assert len(losses) == 1, f"{len(losses)} losses announced, want the restart alone"
        before, after = seen[: losses[0]], seen[losses[0] + 1 :]
        # A publication whose reply died with the server is published in the new
        # history, too: the server that knew its key is gone.
        if before[-1] == after[0]:
            after = after[1:]
        assert before == published[: len(before)], "before the restart something is missing, repeated or in disorder"
        assert after == published[len(published) - len(after) :], "after the restart something is missing, repeated or in disorder"
        assert KILLED - STEP < before[-1] < after[0] and after[0] <= KILLED + STEP, "the loss is not that of the restart"


async def main(cut: str, whole: str) -> None:
    async with Client(cut, name="numbers/1") as subscriber, Client(whole, name="numbers/1") as publisher:
        readers = [Reader(await subscriber.subscribe(channel)) for channel in CHANNELS]
        reading = [asyncio.create_task(reader.read()) for reader in readers]
        for number in range(COUNT):
            await publisher.publish(CHANNELS[number % 2], number)
            if number and number % STEP == 0:
                print("published", number, flush=True)  # while more is published
            if number % STEP == STEP // 2:  # the subscriber is back, and has caught up
                for reader in readers:
                    await reader.until(number - 1)
        for reader, task in zip(readers, reading):
            await reader.until(COUNT - 2)
            await subscriber.unsubscribe(reader.subscription)
            await task
        for odd, reader in enumerate(readers):
            reader.check(list(range(odd, COUNT, 2)))
    print("whole", flush=True)


asyncio.run(main(sys.argv[2], sys.argv[3]))
