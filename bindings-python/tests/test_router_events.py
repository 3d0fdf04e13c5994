"""Router events, health and explanations, as far as they are Python's own: threads, loops, logging, forks."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import weakref
from contextlib import suppress
from typing import Any

import pytest
from support import KEY, config, eventually, playing

from locum import InvalidRequest, LocumError, Router, RouterEvent
from locum.testing import Mock

DOWN: list[dict[str, Any]] = [{"status": 500}]


def router(mock: Mock, *upstreams: str, **task: Any) -> Router:
    return Router({"state": "router", **config(mock, *upstreams, **task)})


def test_events_come_while_the_call_runs() -> None:
    async def run() -> None:
        with Mock({"a": [{"silence": True}], "b": []}) as mock:
            told: list[RouterEvent] = []
            started = asyncio.Event()
            threads: set[int] = set()

            def listen(event: RouterEvent) -> None:
                told.append(event)
                threads.add(threading.get_ident())
                started.set()

            one = router(mock, "a")
            one.on_event(listen)
            call = asyncio.create_task(one.complete("chat", "Hi"))
            await asyncio.wait_for(started.wait(), 5)
            assert not call.done()
            assert (told[0].type, told[0].model, told[0].attempt) == ("attempt_started", "a/model", 0)
            assert threads == {threading.get_ident()}
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(run())


def test_events_of_a_call_in_order_and_of_several_loops() -> None:
    with Mock({"a": DOWN, "b": []}) as mock:
        one = router(mock, "a", "b", retries=0)
        told: list[RouterEvent] = []
        one.on_event(told.append)
        asyncio.run(one.complete("chat", "Hi"))
        assert [event.type for event in told] == [
            "attempt_started",
            "attempt_failed",
            "switched",
            "attempt_started",
            "attempt_answered",
            "call_ended",
        ]
        assert (told[1].kind, told[2].from_, told[2].model) == ("server_error", "a/model", "b/model")
        assert {event.call for event in told} == {1}
        told.clear()
        asyncio.run(one.complete("chat", "Hi"))
        assert {event.call for event in told} == {2}
        assert told[-1].type == "call_ended"


def test_blocking_calls_and_streams_tell_theirs_before_they_return() -> None:
    with Mock({"a": DOWN, "b": [{"answer": "Hello"}]}) as mock:
        one = router(mock, "a", "b", retries=0)
        told: list[RouterEvent] = []
        one.on_event(told.append)
        one.complete_sync("chat", "Hi")
        assert told[-1].type == "call_ended"
        told.clear()
        for _ in one.stream("chat", "Hi"):
            pass
        assert [event.type for event in told][-1] == "call_ended"


def test_a_blocking_call_tells_while_it_runs() -> None:
    with Mock({"a": [{"answer": "Hello", "delay_ms": 400}]}) as mock:
        one = router(mock, "a")
        seen: list[int] = []
        one.on_event(lambda event: seen.append(len(mock.log())) if event.type == "attempt_started" else None)
        answered = one.complete_sync("chat", "Hi")
        assert answered.text == "Hello"
        assert seen


def test_events_that_wait_already_wake_a_new_loop() -> None:
    async def run(one: Router, told: list[RouterEvent]) -> None:
        call = asyncio.create_task(one.complete("chat", "Hi"))
        for _ in range(500):
            if {event.call for event in told} == {1, 2}:
                break
            await asyncio.sleep(0.01)
        assert {event.call for event in told} == {1, 2}
        assert not call.done()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    with Mock({"a": [{"silence": True}]}) as mock:
        one = router(mock, "a")
        told: list[RouterEvent] = []
        one.on_event(told.append)

        def wait() -> None:
            # Its thread tells of it only when the mock is closed.
            with suppress(LocumError):
                one.complete_sync("chat", "Hi")

        thread = threading.Thread(target=wait)
        thread.start()
        eventually(lambda: mock.log() or None)
        asyncio.run(run(one, told))
    thread.join(10)


def test_a_stream_that_outlives_its_router_tells_its_listeners() -> None:
    with Mock({"a": []}) as mock:
        told: list[RouterEvent] = []

        def make() -> Any:
            one = router(mock, "a")
            one.on_event(told.append)
            return one.stream("chat", "Hi")

        stream = make()
        gc.collect()
        for _ in stream:
            pass
        assert [event.type for event in told] == ["attempt_started", "attempt_answered", "call_ended"]


def test_a_listener_that_makes_a_call_does_not_upset_the_order() -> None:
    with Mock({"a": DOWN, "b": []}) as mock:
        one = router(mock, "a", "b", retries=0)
        told: list[RouterEvent] = []

        def listen(event: RouterEvent) -> None:
            told.append(event)
            if len(told) == 1:
                one.complete_sync("chat", "Hi")

        one.on_event(listen)
        one.complete_sync("chat", "Hi")
        assert [event.call for event in told] == sorted(event.call for event in told)
        assert {event.call for event in told} == {1, 2}


def test_an_exit_in_a_listener_comes_when_all_is_told() -> None:
    with Mock({"a": []}) as mock:
        one = router(mock, "a")
        told: list[RouterEvent] = []

        def leave(event: RouterEvent) -> None:
            raise SystemExit(3)

        one.on_event(leave)
        one.on_event(told.append)
        with pytest.raises(SystemExit):
            one.complete_sync("chat", "Hi")
        assert [event.type for event in told] == ["attempt_started", "attempt_answered", "call_ended"]


def test_who_is_taken_back_hears_no_more() -> None:
    with Mock({"a": []}) as mock:
        one = router(mock, "a")
        first: list[RouterEvent] = []
        second: list[RouterEvent] = []
        take_back = one.on_event(first.append)
        one.on_event(second.append)
        one.complete_sync("chat", "Hi")
        heard = len(first)
        assert heard == len(second) > 0
        take_back()
        take_back()
        one.complete_sync("chat", "Hi")
        assert len(first) == heard
        assert len(second) == 2 * heard


def test_what_a_listener_raises_keeps_nothing_from_anybody(caplog: pytest.LogCaptureFixture) -> None:
    with Mock({"a": []}) as mock:
        one = router(mock, "a")
        heard: list[RouterEvent] = []

        def broken(event: RouterEvent) -> None:
            raise ValueError("the listener's own trouble")

        one.on_event(broken)
        one.on_event(heard.append)
        assert one.complete_sync("chat", "Hi").text
        assert asyncio.run(one.complete("chat", "Hi")).text
        assert len(heard) == 6
        assert sum("the listener's own trouble" in (record.exc_text or "") for record in caplog.records) == 6


def test_logging_has_what_matters_and_all_where_it_wants_all(caplog: pytest.LogCaptureFixture) -> None:
    def types() -> list[str]:
        events: list[dict[str, Any]] = [getattr(record, "event") for record in caplog.records if hasattr(record, "event")]
        return [event["type"] for event in events]

    with Mock({"a": DOWN, "b": []}) as mock:
        caplog.set_level(logging.INFO, "locum")
        one = router(mock, "a", "b", retries=0)
        for _ in range(3):
            one.complete_sync("chat", "Hi")
        assert types() == ["breaker_opened"]
        record = caplog.records[-1]
        assert (record.name, record.levelno) == ("locum", logging.WARNING)
        assert "a/model: circuit opened for" in record.message
        caplog.clear()
        caplog.set_level(logging.DEBUG, "locum")
        two = router(mock, "a", "b", retries=0)
        two.complete_sync("chat", "Hi")
        assert types()[0] == "attempt_started"
        assert KEY not in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_tells_its_listeners() -> None:
    with Mock({"a": []}) as mock:
        one = router(mock, "a")
        told: list[RouterEvent] = []
        one.on_event(told.append)
        one.complete_sync("chat", "Hi")
        told.clear()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                one.complete_sync("chat", "Hi")
                code = 0 if [event.type for event in told] == ["attempt_started", "attempt_answered", "call_ended"] else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert told == []


def test_a_router_with_a_listener_that_knows_it_can_be_collected() -> None:
    with Mock({"a": []}) as mock:
        one = router(mock, "a")
        one.on_event(lambda event: one.tasks)
        asyncio.run(one.complete("chat", "Hi"))
        gone = weakref.ref(one)
        del one
        eventually(lambda: gc.collect() and None if gone() is not None else True)


def test_health_is_shared_by_routers_of_the_process_unless_they_say_otherwise() -> None:
    with playing({"a": DOWN, "b": []}, retries=0) as (mock, one):
        for _ in range(3):
            one.complete_sync("chat", "Hi")
        other, own = Router(config(mock, "a", "b")), router(mock, "a", "b")
        broken = {health.model: health for health in other.health()}["a/model"]
        assert (broken.breaker, broken.available) == ("open", False)
        assert broken.last_error is not None and broken.last_error.kind == "server_error"
        assert {health.breaker for health in own.health()} == {"closed"}
        other.reset_health("a/model")
        assert {health.breaker for health in one.health()} == {"closed"}
        well = {health.model: health for health in one.health()}["b/model"]
        assert well.latency_ms is not None and well.latency_ms.samples == 3


def test_an_explanation_sends_nothing() -> None:
    with Mock({"a": [], "b": []}) as mock:
        one = router(mock, "a", "b", max_latency_ms=8000)
        explanation = one.explain("chat", "Hi", timeout_ms=4000)
        assert (explanation.deadline_ms, explanation.worst_case_ms) == (4000.0, 4000.0)
        assert [(c.model, c.kept, c.starts_ms) for c in explanation.candidates] == [
            ("a/model", True, 0.0),
            ("b/model", True, 2000.0),
        ]
        assert mock.log() == []
        with pytest.raises(LocumError, match="unknown task"):
            one.explain("chatt", "Hi")
        with pytest.raises(InvalidRequest):
            one.explain("chat", [])
