"""Callbacks that give credentials: which threads they run on, and what else a program's own code may do."""

from __future__ import annotations

import asyncio
import datetime
import gc
import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from support import LOOPS, eventually, run_in, run_python

from locum import ConfigError, LocumError, Router
from locum.testing import Mock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "token-python-do-not-print"


@pytest.fixture(name="mock")
def _mock() -> Iterator[Mock]:
    with Mock({"a": {"key": TOKEN, "steps": [{"answer": "Come in"}]}}) as mock:
        yield mock


def config(mock: Mock) -> dict[str, Any]:
    providers = {"a": {"kind": "openai", "base_url": mock.url("a"), "auth": "callback"}}
    return {"providers": providers, "tasks": {"chat": {"primary": "a/model", "retries": 0}}, "state": "router"}


@pytest.mark.parametrize("make_loop", LOOPS.values(), ids=LOOPS.keys())
def test_sync_and_async_callbacks_in_every_loop(mock: Mock, make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    threads: list[str] = []

    def give() -> str:
        threads.append(threading.current_thread().name)
        return TOKEN

    async def give_later() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"token": give(), "expires_at": "2099-01-01T00:00:00Z"}

    for callback in (give, give_later):
        router = Router(config(mock), credentials={"a": callback})
        assert run_in(make_loop(), router.complete("chat", "Hi")).text == "Come in"
        assert router.complete_sync("chat", "Hi").text == "Come in"
    assert threads == ["locum-credentials"] * 2


def test_async_callbacks_share_a_loop(mock: Mock) -> None:
    loops: set[int] = set()

    async def give() -> str:
        loops.add(id(asyncio.get_running_loop()))
        return TOKEN

    for _ in range(3):
        assert Router(config(mock), credentials={"a": give}).complete_sync("chat", "Hi").text == "Come in"
    assert len(loops) == 1


def test_what_a_callback_raises_is_told_by_its_type_alone(mock: Mock, caplog: pytest.LogCaptureFixture) -> None:
    def give() -> str:
        raise ZeroDivisionError(TOKEN)

    with pytest.raises(LocumError) as refused:
        Router(config(mock), credentials={"a": give}).complete_sync("chat", "Hi")
    assert refused.value.kind == "connection"
    assert "the credential callback raised ZeroDivisionError" in str(refused.value)
    assert TOKEN not in str(refused.value)
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="locum"), pytest.raises(LocumError):
        Router(config(mock), credentials={"a": give}).complete_sync("chat", "Hi")
    told = eventually(lambda: next((each for each in caplog.records if "callback of a raised" in each.message), None))
    assert told.levelno == logging.DEBUG and told.exc_info is not None
    assert TOKEN not in told.message


def test_what_is_no_data_is_told(mock: Mock) -> None:
    def give() -> dict[str, Any]:
        return {"token": TOKEN, "expires_at": datetime.datetime.now(tz=datetime.timezone.utc)}

    with pytest.raises(LocumError, match="gave what is no data: expected JSON data, found an object of type datetime"):
        Router(config(mock), credentials={"a": give}).complete_sync("chat", "Hi")


def test_what_is_no_callback_is_refused(mock: Mock) -> None:
    with pytest.raises(TypeError, match="credentials: expected functions by provider, found str for 'a'"):
        Router(config(mock), credentials={"a": TOKEN})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="credentials.b: there is no such provider"):
        Router(config(mock), credentials={"b": lambda: TOKEN})


def test_a_callback_that_calls_the_router_it_serves(mock: Mock) -> None:
    with Mock({"b": [{"answer": TOKEN}]}) as other:
        providers = {**config(mock)["providers"], "b": {"kind": "openai", "base_url": other.url("b"), "api_key": "k"}}
        tasks = {"chat": {"primary": "a/model"}, "token": {"primary": "b/model"}}
        router = Router(
            {"providers": providers, "tasks": tasks, "state": "router"},
            credentials={"a": lambda: router.complete_sync("token", "Hi").text},
        )
        assert router.complete_sync("chat", "Hi").text == "Come in"


def test_the_thread_ends_with_its_router(mock: Mock) -> None:
    def serving() -> int:
        return sum(thread.name == "locum-credentials" for thread in threading.enumerate())

    def give() -> str:
        return TOKEN

    before = serving()
    router = Router(config(mock), credentials={"a": give})
    assert serving() == before, "nothing runs before the first call"
    assert router.complete_sync("chat", "Hi").text == "Come in"
    gone = weakref.ref(router)
    del router
    gc.collect()
    assert gone() is None
    eventually(lambda: serving() <= before or None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_asks_anew() -> None:
    program = run_python(
        """
        import asyncio, os, warnings
        from test_credentials import Mock, Router, TOKEN, config
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        asked = []

        async def give():
            asked.append(os.getpid())
            return {"token": TOKEN, "expires_at": 4102444800}

        with Mock({"a": {"key": TOKEN, "steps": [{"answer": "Come in"}]}}) as mock:
            router = Router(config(mock), credentials={"a": give})
            assert router.complete_sync("chat", "Hi").text == "Come in"
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    assert asyncio.run(router.complete("chat", "Hi")).text == "Come in"
                    assert asked == [os.getppid(), os.getpid()]
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert router.complete_sync("chat", "Hi").text == "Come in"
            assert asked == [os.getpid()]
        """
    )
    assert (program.returncode, program.stdout, program.stderr) == (0, "", "")


def test_a_program_ends_while_a_callback_hangs() -> None:
    program = run_python(
        """
        import asyncio, threading
        from test_credentials import Mock, Router, TOKEN, config
        asked = threading.Event()

        def give():
            asked.set()
            threading.Event().wait()

        async def main(router):
            calls = [asyncio.create_task(router.complete("chat", "Hi")) for _ in range(3)]
            await asyncio.get_running_loop().run_in_executor(None, asked.wait)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)

        with Mock({"a": []}) as mock:
            asyncio.run(main(Router(config(mock), credentials={"a": give})))
        """
    )
    assert (program.returncode, program.stdout, program.stderr) == (0, "", "")
