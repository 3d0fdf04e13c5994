"""Streams: how they are read, how they end, and how they are closed."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import closed, eventually, playing, run_python, seen
from test_asyncio import LOOPS, ignore, open_files, run_in

import locum
from locum import Router, Stream, TextStream
from locum.testing import Mock

HELLO = {"answer": "Hello you there"}
STALLS = {"answer": "Hello you there", "stream": {"stall_after": 1}}
SILENT = {"answer": "Hello", "stream": {"stall_after": 0}}
BREAKS = {"answer": "Hello you there", "stream": {"cut_after": 2}}


@pytest.fixture(params=LOOPS)
def new_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return LOOPS[request.param]


async def first_text(stream: Stream) -> str:
    async for event in stream:
        if event.type == "text":
            return event.text
    raise AssertionError("no text")


def first_text_sync(stream: Stream) -> str:
    return next(event.text for event in stream if event.type == "text")


async def until_closed(mock: Mock, number: int = 0) -> float:
    """How many milliseconds passed until a connection was closed, while the loop runs on."""
    begin = time.perf_counter()
    await asyncio.get_running_loop().run_in_executor(None, closed, mock, number)
    return (time.perf_counter() - begin) * 1000


def test_events_in_a_coroutine(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def run(router: Router) -> None:
        stream = router.stream("chat", "Hi")
        assert (stream.reply, stream.attempts) == (None, ())
        events = [event async for event in stream]
        assert [event.type for event in events] == ["start", "text", "text", "text", "usage", "end"]
        assert events[0] == locum.StartEvent("a/model")
        assert events[1:4] == [locum.TextEvent("Hello "), locum.TextEvent("you "), locum.TextEvent("there")]
        assert isinstance(events[-1], locum.EndEvent)
        assert events[-1].reply is stream.reply
        assert stream.reply is not None
        assert stream.reply.text == "Hello you there"
        assert stream.attempts == stream.reply.attempts
        assert [event async for event in stream] == []
        assert await stream.collect() is stream.reply

    with playing({"a": [HELLO]}) as (_, router):
        run_in(new_loop(), run(router))


def test_events_by_blocking() -> None:
    with playing({"a": [HELLO]}) as (_, router):
        stream = router.stream("chat", "Hi")
        assert [event.type for event in stream] == ["start", "text", "text", "text", "usage", "end"]
        assert list(stream) == []
        assert stream.collect_sync() is stream.reply
        assert router.stream("chat", "Hi").collect_sync().text == "Hello you there"


def test_text() -> None:
    async def run(router: Router) -> None:
        stream = router.stream("chat", "Hi").text()
        pieces: list[str] = []
        async for piece in stream:
            pieces.append(piece)
            assert stream.reply is None
        assert pieces == ["Hello ", "you ", "there"]
        assert stream.reply is not None
        assert (await router.stream("chat", "Hi").text().collect()).text == "Hello you there"

    with playing({"a": [HELLO]}) as (_, router):
        asyncio.run(run(router))
        stream = router.stream("chat", "Hi").text()
        assert "".join(stream) == "Hello you there"
        assert stream.reply is not None
        assert repr(stream).startswith("TextStream(reply=Reply(")


def test_it_asks_nothing_before_it_is_read() -> None:
    with playing({"a": [HELLO]}) as (mock, router):
        stream, text = router.stream("chat", "Hi"), router.stream("chat", "Hi").text()
        messages = [{"role": "user", "content": "then"}]
        later = router.stream("chat", messages)
        messages[0]["content"] = "now"
        stream.close()
        del text
        assert list(stream) == []
        assert later.collect_sync().text == "Hello you there"
        (entry,) = mock.log()
        assert entry["body"]["messages"] == [{"role": "user", "content": "then"}]


def test_a_stream_is_either_events_or_text() -> None:
    with playing({"a": [HELLO]}) as (_, router):
        stream = router.stream("chat", "Hi")
        text = stream.text()
        assert stream.text() is text
        for read in (lambda: next(stream), stream.collect_sync, lambda: asyncio.run(stream.collect())):
            with pytest.raises(RuntimeError, match="read as text"):
                read()
        assert "".join(text) == "Hello you there"
        assert stream.reply is text.reply
        stream = router.stream("chat", "Hi")
        next(stream)
        with pytest.raises(RuntimeError, match="read as events"):
            stream.text()


def test_what_is_there_takes_no_turn_of_the_loop() -> None:
    async def run(router: Router) -> None:
        async with router.stream("chat", "Hi") as stream:
            assert (await stream.__anext__()).type == "start"
            # Content came with it, so its coroutine is over with its first step.
            with pytest.raises(StopIteration) as over:
                stream.__anext__().send(None)
            assert over.value.value == locum.TextEvent("Hello ")

    with playing({"a": [STALLS]}) as (_, router):
        asyncio.run(run(router))


@pytest.mark.parametrize("wrong", ["task", "model"])
def test_errors_come_where_the_next_event_would(wrong: str) -> None:
    with playing({"a": [{"error": "invalid_api_key"}]}) as (_, router):
        stream = router.stream("chat" if wrong == "model" else "chta", "Hi")
        with pytest.raises(locum.Authentication if wrong == "model" else locum.ConfigError):
            next(stream)
        assert list(stream) == []
        assert stream.reply is None
        with pytest.raises(RuntimeError, match="no reply"):
            stream.collect_sync()


def test_a_broken_stream_is_an_error_with_what_came() -> None:
    async def run(router: Router) -> list[str]:
        pieces: list[str] = []
        stream = router.stream("chat", "Hi")
        with pytest.raises(locum.MalformedResponse) as caught:
            async for event in stream:
                if event.type == "text":
                    pieces.append(event.text)
        error = caught.value
        assert (error.kind, error.in_stream, error.task) == ("truncated_stream", True, "chat")
        assert error.partial is not None
        assert error.partial.text == "Hello you "
        assert stream.attempts == error.attempts
        assert [event async for event in stream] == []
        return pieces

    with playing({"a": [BREAKS]}) as (_, router):
        assert asyncio.run(run(router)) == ["Hello ", "you "]


def test_a_restart_and_a_resumed_answer() -> None:
    with playing({"a": [BREAKS], "b": [HELLO]}) as (_, router):
        events = list(router.stream("chat", "Hi", on_break="restart"))
        (restart,) = [event for event in events if event.type == "restart"]
        assert (restart.model, restart.kind) == ("b/model", "truncated_stream")
        assert "truncated" not in repr(events[1])
        end = events[-1]
        assert end.type == "end"
        assert end.reply.text == "Hello you there"
    with playing({"a": [BREAKS], "b": [{"answer": "there"}]}) as (_, router):
        text = router.stream("chat", "Hi", on_break="resume").text()
        assert "".join(text) == "Hello you there"


def test_tool_calls() -> None:
    answer = {"answer": {"tool_calls": [{"name": "f", "arguments": {"secret": "words"}}]}}
    tools = [{"type": "function", "function": {"name": "f"}}]
    with playing({"a": [answer]}) as (_, router):
        events = list(router.stream("chat", "Hi", tools=tools, tool_call_deltas=True))
        deltas = [event for event in events if event.type == "tool_call_delta"]
        (call,) = [event for event in events if event.type == "tool_call"]
        assert "".join(delta.arguments for delta in deltas) == call.arguments
        assert (deltas[0].index, deltas[0].name, call.name) == (0, "f", "f")
        assert "words" not in repr(events)


def test_complete_asks_for_a_stream_where_told() -> None:
    with playing({"a": [HELLO]}) as (mock, router):
        assert router.complete_sync("chat", "Hi", upstream="stream").text == "Hello you there"
        assert asyncio.run(router.complete("chat", "Hi", upstream="unary")).text == "Hello you there"
        assert [entry["body"].get("stream", False) for entry in mock.log()] == [True, False]


# Closing.


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


# One reader at a time.


def test_two_tasks_at_once() -> None:
    async def run(router: Router) -> None:
        stream = router.stream("chat", "Hi")
        task = asyncio.create_task(stream.__anext__())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one reader at a time"):
            await stream.__anext__()
        with pytest.raises(RuntimeError, match="one reader at a time"):
            next(stream)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with playing({"a": [SILENT]}) as (_, router):
        asyncio.run(run(router))


def test_two_threads_at_once_and_closing_from_a_third() -> None:
    with playing({"a": [SILENT]}) as (mock, router):
        stream = router.stream("chat", "Hi")
        events: list[Any] = []
        thread = threading.Thread(target=lambda: events.extend(stream))
        thread.start()
        seen(mock)
        with pytest.raises(RuntimeError, match="one reader at a time"):
            next(stream)
        with pytest.raises(RuntimeError, match="one reader at a time"):
            asyncio.run(stream.collect())
        stream.close()
        thread.join(5)
        assert not thread.is_alive()
        assert events == []
        closed(mock)


# Many, and slow readers.


def test_many_streams_at_once(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def run(router: Router) -> list[str]:
        async def one() -> str:
            return "".join([piece async for piece in router.stream("chat", "Hi").text()])

        return await asyncio.gather(*(one() for _ in range(200)))

    step = {"answer": "one two three four five", "stream": {"chunk_delay_ms": 5}}
    with playing({"a": [step]}) as (_, router):
        assert run_in(new_loop(), run(router)) == ["one two three four five"] * 200


def test_a_reader_that_stops_stops_the_provider() -> None:
    chunks = ["x" * 10_000] * 3_000

    def sent(mock: Mock) -> int:
        (entry,) = mock.log()
        return int(entry["sent_chunks"])

    async def run(mock: Mock, router: Router) -> int:
        async with router.stream("chat", "Hi") as stream:
            await first_text(stream)
            before = -1
            while sent(mock) != before:
                before = sent(mock)
                await asyncio.sleep(0.3)
            assert before < len(chunks)
            length = 10_000
            async for event in stream:
                if event.type == "text":
                    length += len(event.text)
            return length

    with playing({"a": [{"answer": "", "stream": {"chunks": chunks}}]}) as (mock, router):
        assert asyncio.run(run(mock, router)) == 30_000_000


def test_time_in_which_nobody_reads_is_no_limit_s() -> None:
    async def run(router: Router) -> str:
        stream = router.stream("chat", "Hi")
        assert await first_text(stream) == "Hello "
        # Longer than may be waited for the next piece; then it is waited for, but not that long.
        await asyncio.sleep(0.8)
        return (await stream.collect()).text

    step = {"answer": "Hello you there", "stream": {"stall_after": 1, "stall_ms": 1000}}
    with playing({"a": [step]}, idle_ms=500) as (_, router):
        assert asyncio.run(run(router)) == "Hello you there"


# Types, fork, exit.


EVENTS: list[locum.Event] = [
    locum.StartEvent("a/m"),
    locum.TextEvent("the words"),
    locum.ReasoningEvent("the words"),
    locum.ToolCallDeltaEvent(0, None, None, "the words"),
    locum.ToolCallEvent("1", "f", "the words"),
    locum.RestartEvent("a/m", "timeout", "it was slow"),
    locum.UsageEvent(locum.Usage(1, 0, 0, 2, 0)),
]


def described(event: locum.Event) -> tuple[Any, ...]:
    """Also for the type checker: it must know the class from ``type``, and from a pattern."""
    if event.type == "text":
        return (event.text,)
    if event.type == "usage":
        return (event.usage.input,)
    match event:
        case locum.StartEvent(model):
            return (model.upper(),)
        case locum.ReasoningEvent(text):
            return (text.upper(),)
        case locum.ToolCallDeltaEvent(index, _, name, arguments):
            return (index + 1, name, arguments.upper())
        case locum.ToolCallEvent(id, name, arguments):
            return (id.upper(), name, arguments)
        case locum.RestartEvent(model, kind, reason):
            return (model, kind, reason.upper())
        case locum.EndEvent(reply):
            return (reply.text,)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_events_are_values(event: locum.Event) -> None:
    assert described(event)
    assert isinstance(event, locum.Event)
    twin: locum.Event = pickle.loads(pickle.dumps(event))
    assert (twin, hash(twin), copy.copy(event)) == (event, hash(event), event)
    assert [other for other in EVENTS if other == event] == [event]
    assert "the words" not in repr(event)
    assert type(event).__name__ in locum.__all__
    with pytest.raises(AttributeError):
        setattr(event, type(event).__match_args__[0], "other")


def test_ends_of_streams_are_values_too() -> None:
    with playing({"a": [HELLO]}) as (_, router):
        *_, end = router.stream("chat", "Hi")
        assert isinstance(end, locum.EndEvent)
        assert end == locum.EndEvent(end.reply)
        assert end != locum.EndEvent(router.complete_sync("chat", "Hi"))
        assert "Hello" not in repr(end)


def test_streams_cannot_be_pickled() -> None:
    with playing({"a": [HELLO]}) as (_, router):
        for it in (router.stream("chat", "Hi"), router.stream("chat", "Hi").text(), router.complete_sync("chat", "Hi")):
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(it)


def test_the_protocols() -> None:
    with playing({"a": [HELLO]}) as (_, router):
        stream = router.stream("chat", "Hi")
        for it in (stream, stream.text()):
            assert isinstance(it, (Stream, TextStream))
            assert isinstance(it, AsyncIterator)
            assert isinstance(it, Iterator)
            assert iter(it) is it.__aiter__() is it
        assert repr(stream) == "Stream(reply=None)"


CTRL_C = """
import threading
from support import closed, playing, seen
from test_streams import STALLS

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
    closed(mock)
    print("closed", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_closes_a_stream() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command, pipe = [sys.executable, "-c", CTRL_C], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == "asked\n"
        begin = time.monotonic()
        program.send_signal(signal.SIGINT)
        assert program.stdout.readline() == "interrupted\n"
        assert time.monotonic() - begin < 1.0
        assert (program.stdout.read(), program.stderr.read(), program.wait()) == ("closed\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_fork() -> None:
    program = run_python(
        """
        import asyncio, gc, os, warnings
        from support import playing, seen
        from test_streams import STALLS, first_text, first_text_sync
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
        seen(mock, 1)
        # Closing the mock would end the stream.
        sys.exit(0)""",
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
        from support import playing, seen
        from test_streams import STALLS

        def leave(mock, router):
            {body.replace(chr(10), chr(10) + "    ")}

        with playing({{"a": [STALLS]}}) as (mock, router):
            leave(mock, router)
        """
    )
    assert (program.returncode, program.stdout, program.stderr) == (0, "", "")


@pytest.mark.parametrize("blocking", [False, True])
def test_operators_hear_of_dead_keys(blocking: bool, caplog: pytest.LogCaptureFixture) -> None:
    with playing({"a": [{"error": "invalid_api_key"}], "b": [HELLO]}) as (_, router):
        stream = router.stream("chat", "Hi")
        assert (stream.collect_sync() if blocking else asyncio.run(stream.collect())).fallback_used
        assert "auth" in caplog.text
