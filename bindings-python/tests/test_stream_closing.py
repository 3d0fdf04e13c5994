"""Streams that are not read to their end: closed, cancelled, let go of, forked, left behind at exit."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support import (
    HELLO,
    STALLS,
    check_ctrl_c,
    closed,
    eventually,
    first_text,
    first_text_sync,
    ignore,
    open_files,
    playing,
    run_in,
    run_python,
)

import locum
from locum import Router, Stream
from locum.testing import Mock

async def until_closed(mock: Mock, number: int = 0) -> float:
    """How many milliseconds passed until a connection was closed, while the loop runs on."""
    begin = time.perf_counter()
    await asyncio.get_running_loop().run_in_executor(None, closed, mock, number)
    return (time.perf_counter() - begin) * 1000


async def by_cancelling(stream: Stream) -> None:
    task = asyncio.create_task(stream.collect())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_timeout(stream: Stream) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(stream.__anext__(), 0.01)
    with pytest.raises(locum.Cancelled):  # Not as if it had come to its end.
        await stream.__anext__()


async def by_aclose(stream: Stream) -> None:
    await stream.aclose()


async def by_aclose_of_another(stream: Stream) -> None:
    task = asyncio.create_task(stream.__anext__())
    await asyncio.sleep(0)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await task


async def by_context(stream: Stream) -> None:
    with pytest.raises(KeyError):
        async with stream:
            raise KeyError


async def by_blocking_context(stream: Stream) -> None:
    with stream as same:
        assert same is stream


async def by_text(stream: Stream) -> None:
    with pytest.raises(RuntimeError):
        stream.text()
    stream.close()


async def by_a_coroutine_let_go(stream: Stream) -> None:
    coroutine = stream.__anext__()
    coroutine.send(None)
    del coroutine


WAYS = [by_cancelling, by_timeout, by_aclose, by_aclose_of_another, by_context, by_blocking_context, by_text]
WAYS.append(by_a_coroutine_let_go)


@pytest.mark.parametrize("way", WAYS)
def test_closing_closes_the_connection_at_once(
    way: Callable[[Stream], Coroutine[Any, Any, None]], new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def run(mock: Mock, router: Router) -> float:
        stream = router.stream("chat", "Hi")
        assert await first_text(stream) == "Hello "
        await way(stream)
        took = await until_closed(mock)
        (attempt,) = stream.attempts
        assert (attempt.model, attempt.outcome) == ("a/model", "cancelled")
        return took

    with playing({"a": [STALLS]}) as (mock, router):
        assert run_in(new_loop(), run(mock, router)) < 100


def test_letting_go_closes_the_connection_at_once() -> None:
    async def run(mock: Mock, router: Router) -> float:
        assert await first_text(router.stream("chat", "Hi")) == "Hello "
        return await until_closed(mock)

    async def run_text(mock: Mock, router: Router) -> float:
        async for piece in router.stream("chat", "Hi").text():
            assert piece == "Hello "
            break
        return await until_closed(mock, 1)

    with playing({"a": [STALLS]}) as (mock, router):
        assert asyncio.run(run(mock, router)) < 100
        assert asyncio.run(run_text(mock, router)) < 100
        assert first_text_sync(router.stream("chat", "Hi")) == "Hello "
        closed(mock, 2)


def test_letting_go_in_a_cycle() -> None:
    with playing({"a": [STALLS]}) as (mock, router):
        stream = router.stream("chat", "Hi")
        assert first_text_sync(stream) == "Hello "
        gone = weakref.ref(stream)
        cycle: list[Any] = [stream]
        cycle.append(cycle)
        del stream, cycle
        gc.collect()
        assert gone() is None
        closed(mock)


def test_closing_a_loop_closes_what_waits_in_it() -> None:
    with playing({"a": [STALLS]}) as (mock, router):
        loop = asyncio.new_event_loop()
        stream = router.stream("chat", "Hi")
        assert loop.run_until_complete(first_text(stream)) == "Hello "
        task = loop.create_task(stream.__anext__())
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()
        closed(mock)
        # The task can never run again, of which asyncio would complain.
        loop.set_exception_handler(ignore)
        del task
        gc.collect()
        with pytest.raises(locum.Cancelled):
            next(stream)


def test_a_stream_outlives_a_loop_that_does_not_wait_for_it() -> None:
    with playing({"a": [HELLO]}) as (_, router):
        stream = router.stream("chat", "Hi")
        assert asyncio.run(first_text(stream)) == "Hello "
        assert asyncio.run(first_text(stream)) == "you "
        assert next(stream) == locum.TextEvent("there")


def test_nothing_is_left_behind() -> None:
    async def run(router: Router) -> None:
        await asyncio.gather(*(first_text(router.stream("chat", "Hi")) for _ in range(20)))

    with playing({"a": [STALLS]}) as (mock, router):
        asyncio.run(run(router))
        gc.collect()
        eventually(lambda: all(entry["closed_ms"] is not None for entry in mock.log()) or None)
        before = open_files()
        for _ in range(5):
            asyncio.run(run(router))
        gc.collect()
        eventually(lambda: open_files() <= before or None)


CTRL_C = """
import threading
from locum import Cancelled
from support import STALLS, closed, playing, seen

def report(mock):
    seen(mock)
    print("asked", flush=True)

with playing({"a": [STALLS]}) as (mock, router):
    stream = router.stream("chat", "Hi")
    threading.Thread(target=report, args=(mock,)).start()
    try:
        for event in stream:
            pass
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    try:
        next(stream)
    except Cancelled:  # Not as if it had come to its end.
        pass
    closed(mock)
    print("closed", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_closes_a_stream() -> None:
    check_ctrl_c(CTRL_C)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_fork() -> None:
    program = run_python(
        """
        import asyncio, gc, os, warnings
        from support import first_text_sync, playing
        warnings.filterwarnings("ignore", category=DeprecationWarning)

        def in_child(stream, router):
            for use in (lambda: next(stream), stream.text, stream.collect_sync, lambda: stream.attempts):
                try:
                    use()
                except RuntimeError as error:
                    assert "forked" in str(error)
                else:
                    raise AssertionError
            stream.close()
            with stream:
                pass
            del stream
            gc.collect()
            assert router.stream("chat", "Hi").collect_sync().text == "Hello"
            assert asyncio.run(router.stream("chat", "Hi").collect()).text == "Hello"

        slow = {"answer": "Hello you there", "stream": {"chunk_delay_ms": 300}}
        with playing({"a": [slow, {"answer": "Hello"}]}) as (mock, router):
            stream = router.stream("chat", "Hi")
            assert first_text_sync(stream) == "Hello "
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    in_child(stream, router)
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert stream.collect_sync().text == "Hello you there"
        """
    )
    assert (program.returncode, program.stdout, program.stderr) == (0, "", "")


EXITS = {
    "tasks left to asyncio.run": """
        async def main():
            tasks = [asyncio.create_task(router.stream("chat", "Hi").collect()) for _ in range(20)]
            await asyncio.get_running_loop().run_in_executor(None, seen, mock, 20)
        asyncio.run(main())""",
    "a stream in a global": """
        global stream
        stream = router.stream("chat", "Hi")
        next(stream)""",
    "a blocking stream in a daemon thread": """
        threading.Thread(target=list, args=(router.stream("chat", "Hi"),), daemon=True).start()
        seen(mock, 1)""",
    "sys.exit in a coroutine": """
        async def main():
            stream = router.stream("chat", "Hi")
            async for event in stream:
                sys.exit(0)
        asyncio.run(main())""",
}


@pytest.mark.parametrize("body", EXITS.values(), ids=EXITS.keys())
def test_exit_with_streams_under_way_is_clean(body: str) -> None:
    program = run_python(
        f"""
        import asyncio, os, sys, threading
        from support import STALLS, playing, seen

        def leave(mock, router):
            {body.replace(chr(10), chr(10) + "    ")}

        # Open to the end: closing the mock would end what is under way, and a thread could still say so.
        kept = playing({{"a": [STALLS]}})
        leave(*kept.__enter__())
        """
    )
    assert (program.returncode, program.stdout, program.stderr) == (0, "", "")
