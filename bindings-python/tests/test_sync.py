"""Blocking calls."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest
from support import check_ctrl_c, closed, playing, seen

import locum

PROGRAM = """
import threading
from support import closed, playing, seen

def report(mock):
    seen(mock)
    print("asked", flush=True)

with playing({"a": [{"silence": True}]}) as (mock, router):
    threading.Thread(target=report, args=(mock,)).start()
    try:
        router.complete_sync("chat", "Hi")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    closed(mock)
    print("closed", flush=True)
"""


def test_a_blocking_call() -> None:
    with playing({"a": [{"error": "server_is_overloaded"}], "b": [{"answer": "Hello"}]}) as (mock, router):
        reply = router.complete_sync("chat", "Hi", customer="acme", max_output_tokens=5)
        assert (reply.text, reply.model, reply.fallback_used) == ("Hello", "b/model", True)
        assert mock.log()[-1]["body"]["max_completion_tokens"] == 5
        with pytest.raises(locum.ConfigError, match="unknown task"):
            router.complete_sync("chta", "Hi")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_ends_a_blocking_call() -> None:
    check_ctrl_c(PROGRAM)


def test_other_threads_run_meanwhile() -> None:
    with playing({"a": [{"answer": "Hello", "delay_ms": 300}]}) as (_, router):
        turns = 0
        over = threading.Event()

        def count() -> None:
            nonlocal turns
            while not over.wait(0.005):
                turns += 1

        thread = threading.Thread(target=count)
        thread.start()
        assert router.complete_sync("chat", "Hi").text == "Hello"
        over.set()
        thread.join()
        assert turns > 5


def test_from_many_threads() -> None:
    with playing({"a": [{"answer": "Hello"}]}) as (mock, router):
        texts: list[str] = []
        threads = [
            threading.Thread(target=lambda: texts.extend(router.complete_sync("chat", "Hi").text for _ in range(20)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert texts == ["Hello"] * 160
        assert len(mock.log()) == 160


def test_inside_a_running_loop() -> None:
    async def run(router: locum.Router) -> str:
        task = asyncio.create_task(router.complete("chat", "Hi"))
        text = router.complete_sync("chat", "Hi").text
        return text + (await task).text

    with playing({"a": [{"answer": "Hello"}]}) as (_, router):
        assert asyncio.run(run(router)) == "HelloHello"


def test_a_deadline_closes_the_connection() -> None:
    with playing({"a": [{"silence": True}]}) as (mock, router):
        with pytest.raises(locum.Timeout) as caught:
            router.complete_sync("chat", "Hi", timeout_ms=100)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.kind == "deadline_exceeded"
        seen(mock)
        closed(mock)
