"""The box holds the newest item, and an end comes after the last one."""

import asyncio

import pytest

from upperbound.api.live.mailbox import Mailbox, MailboxClosed


def test_who_comes_late_finds_the_newest_and_no_pile() -> None:
    async def body() -> None:
        box: Mailbox[int] = Mailbox()
        for number in range(5):
            box.put(number)
        assert await box.take() == 4
        taking = asyncio.create_task(box.take())
        await asyncio.sleep(0)
        assert not taking.done()
        box.put(7)
        assert await taking == 7

    asyncio.run(body())


def test_the_last_item_is_taken_before_the_end_is_told() -> None:
    async def body() -> None:
        box: Mailbox[int] = Mailbox()
        box.put(1)
        box.close()
        assert await box.take() == 1
        for _ in range(2):
            with pytest.raises(MailboxClosed):
                await box.take()

    asyncio.run(body())


def test_the_first_reason_for_the_end_is_the_one_that_is_told() -> None:
    async def body() -> None:
        box: Mailbox[int] = Mailbox()
        taking = asyncio.create_task(box.take())
        await asyncio.sleep(0)
        box.close(KeyError("first"))
        box.close(KeyError("second"))
        with pytest.raises(KeyError, match="first"):
            await taking

    asyncio.run(body())
