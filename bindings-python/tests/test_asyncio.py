"""Calls in event loops: tasks, timeouts, cancellation, several loops, and what is left when a loop is gone."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from support import closed, eventually, ignore, open_files, playing, run_in, run_python, seen

import locum
from locum import LocumError, Router
from locum.testing import Mock


def test_it_is_a_coroutine_and_starts_when_awaited() -> None:
    with playing({"a": []}) as (mock, router):
        coroutine = router.complete("chat", "Hi")
        assert asyncio.iscoroutine(coroutine)
        coroutine.close()
        assert mock.log() == []


def test_many_calls_at_once(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def run(router: Router) -> list[str]:
        replies = await asyncio.gather(*(router.complete("chat", f"Hi {i}") for i in range(200)))
        return [reply.text for reply in replies]

    with playing({"a": [{"answer": "Hello"}]}) as (mock, router):
        assert run_in(new_loop(), run(router)) == ["Hello"] * 200
        asked = {entry["body"]["messages"][0]["content"] for entry in mock.log()}
        assert asked == {f"Hi {i}" for i in range(200)}


def test_errors_and_replies_reach_their_own_callers(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def run(router: Router) -> list[Any]:
        calls = (router.complete(task, "Hi") for task in ("chat", "unknown") * 20)
        return await asyncio.gather(*calls, return_exceptions=True)

    with playing({"a": [{"answer": "Hello"}]}) as (_, router):
        for i, outcome in enumerate(run_in(new_loop(), run(router))):
            assert isinstance(outcome, locum.ConfigError if i % 2 else locum.Reply)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup came with 3.11")
def test_task_group() -> None:
    async def run(router: Router) -> list[str]:
        async with asyncio.TaskGroup() as group:  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
            tasks: list[asyncio.Task[locum.Reply]] = [
                group.create_task(router.complete("chat", "Hi"))  # pyright: ignore[reportUnknownMemberType]
                for _ in range(5)
            ]
        return [task.result().text for task in tasks]

    with playing({"a": [{"answer": "Hello"}]}) as (_, router):
        assert asyncio.run(run(router)) == ["Hello"] * 5


def test_cancelling_closes_the_connection_at_once(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def run(mock: Mock, router: Router) -> float:
        task = asyncio.create_task(router.complete("chat", "Hi"))
        await asyncio.get_running_loop().run_in_executor(None, seen, mock)
        begin = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.get_running_loop().run_in_executor(None, closed, mock)
        return (time.perf_counter() - begin) * 1000

    with playing({"a": [{"silence": True}], "b": []}) as (mock, router):
        took = run_in(new_loop(), run(mock, router))
        (entry,) = mock.log()
        assert entry["closed_ms"] is not None
        assert took < 100


def test_wait_for_and_timeout_end_the_call() -> None:
    async def run(mock: Mock, router: Router) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(router.complete("chat", "Hi"), 0.1)
        closed(mock, 0)
        if sys.version_info >= (3, 11):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await router.complete("chat", "Hi")
            closed(mock, 1)

    with playing({"a": [{"silence": True}]}) as (mock, router):
        asyncio.run(run(mock, router))


def test_a_cancelled_call_leaves_the_others_alone() -> None:
    async def run(mock: Mock, router: Router) -> str:
        slow = asyncio.create_task(router.complete("chat", "Hi"))
        await asyncio.get_running_loop().run_in_executor(None, seen, mock)
        quick = asyncio.create_task(router.complete("chat", "Hi"))
        slow.cancel()
        reply = await quick
        with pytest.raises(asyncio.CancelledError):
            await slow
        return reply.text

    with playing({"a": [{"silence": True}, {"answer": "Hello"}]}) as (mock, router):
        assert asyncio.run(run(mock, router)) == "Hello"


def test_one_loop_after_the_other(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def run(router: Router) -> str:
        return (await router.complete("chat", "Hi")).text

    with playing({"a": [{"answer": "Hello"}]}) as (_, router):
        assert run_in(new_loop(), run(router)) == "Hello"
        gc.collect()
        before = open_files()
        for _ in range(5):
            assert run_in(new_loop(), run(router)) == "Hello"
        gc.collect()
        eventually(lambda: open_files() <= before or None)
        eventually(lambda: not any(thread.name == "locum-bell" for thread in threading.enumerate()) or None)


def test_a_loop_in_each_of_eight_threads(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def run(router: Router) -> int:
        replies = await asyncio.gather(*(router.complete("chat", "Hi") for _ in range(25)))
        return sum(reply.text == "Hello" for reply in replies)

    with playing({"a": [{"answer": "Hello"}]}) as (_, router):
        counts: list[int] = []
        threads = [threading.Thread(target=lambda: counts.append(run_in(new_loop(), run(router)))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts == [25] * 8


def test_closing_a_loop_ends_its_calls() -> None:
    with playing({"a": [{"silence": True}]}) as (mock, router):
        loop = asyncio.new_event_loop()
        task = loop.create_task(router.complete("chat", "Hi"))
        loop.run_until_complete(asyncio.sleep(0))
        seen(mock)
        loop.close()
        closed(mock)
        # The task can never run again, of which asyncio would complain.
        loop.set_exception_handler(ignore)
        del task
        gc.collect()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_thrown_away_takes_its_calls_along() -> None:
    with playing({"a": [{"silence": True}]}) as (mock, router):
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(ignore)
        task = loop.create_task(router.complete("chat", "Hi"))
        loop.run_until_complete(asyncio.sleep(0))
        seen(mock)
        gone = weakref.ref(loop)
        del loop, task
        gc.collect()
        assert gone() is None
        closed(mock)


def test_cancellations_that_meet_their_results(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def run(router: Router) -> tuple[int, int]:
        async def one(patience: float) -> bool:
            try:
                return bool(await asyncio.wait_for(router.complete("chat", "Hi"), patience))
            except asyncio.TimeoutError:
                return False

        outcomes = await asyncio.gather(*(one(0.02 + i / 5000) for i in range(200)))
        return outcomes.count(True), outcomes.count(False)

    with playing({"a": [{"answer": "Hello", "delay_ms": 30}]}) as (_, router):
        answered, cancelled = run_in(new_loop(), run(router))
        assert answered + cancelled == 200
        assert cancelled > 0


def test_without_a_loop_it_says_so() -> None:
    with playing({"a": []}) as (_, router):
        with pytest.raises(RuntimeError, match="no running event loop"):
            router.complete("chat", "Hi").send(None)


def test_an_error_raised_again_keeps_its_class() -> None:
    async def run(router: Router) -> None:
        await router.complete("chat", "Hi")

    with playing({"a": [{"error": "invalid_api_key"}]}) as (_, router), pytest.raises(LocumError) as caught:
        asyncio.run(run(router))
    assert type(caught.value) is locum.Authentication


EXIT = """
    import asyncio, os, sys, threading
    from support import playing, seen

    def leave(mock, router):
        {body}

    # Open to the end: closing the mock would end what is under way, and a thread could still say so.
    kept = playing({{"a": [{{"silence": True}}]}})
    leave(*kept.__enter__())
"""

EXITS = {
    "tasks left to asyncio.run": """
        async def main():
            tasks = [asyncio.create_task(router.complete("chat", "Hi")) for _ in range(20)]
            await asyncio.get_running_loop().run_in_executor(None, seen, mock, 20)
        asyncio.run(main())""",
    "a loop in a daemon thread": """
        async def main():
            await asyncio.gather(*(router.complete("chat", "Hi") for _ in range(20)))
        threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
        seen(mock, 20)""",
    "a blocking call in a daemon thread": """
        threading.Thread(target=router.complete_sync, args=("chat", "Hi"), daemon=True).start()
        seen(mock, 1)""",
    "sys.exit in a coroutine": """
        async def main():
            tasks = [asyncio.create_task(router.complete("chat", "Hi")) for _ in range(20)]
            await asyncio.get_running_loop().run_in_executor(None, seen, mock, 20)
            sys.exit(0)
        asyncio.run(main())""",
}


@pytest.mark.parametrize("body", EXITS.values(), ids=EXITS.keys())
def test_exit_with_calls_under_way_is_clean(body: str) -> None:
    program = run_python(EXIT.format(body=body))
    assert (program.returncode, program.stdout, program.stderr) == (0, "", "")
