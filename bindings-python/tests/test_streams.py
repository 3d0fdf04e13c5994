"""Streams: how they are read, and by whom."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support import BREAKS, HELLO, SILENT, STALLS, closed, first_text, playing, run_in, seen

import locum
from locum import Router
from locum.testing import Mock

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


@pytest.mark.parametrize("blocking", [False, True])
def test_operators_hear_of_dead_keys(blocking: bool, caplog: pytest.LogCaptureFixture) -> None:
    with playing({"a": [{"error": "invalid_api_key"}], "b": [HELLO]}) as (_, router):
        stream = router.stream("chat", "Hi")
        assert (stream.collect_sync() if blocking else asyncio.run(stream.collect())).fallback_used
        assert "auth" in caplog.text
