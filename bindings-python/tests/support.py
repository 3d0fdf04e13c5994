"""What several test files need."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import uvloop

from locum import LocumError, Reply, Router, Stream
from locum.testing import Mock

T = TypeVar("T")

# Answers as the scripted providers stream them.
HELLO = {"answer": "Hello you there"}
STALLS = {"answer": "Hello you there", "stream": {"stall_after": 1}}
SILENT = {"answer": "Hello", "stream": {"stall_after": 0}}
BREAKS = {"answer": "Hello you there", "stream": {"cut_after": 2}}

KEY = "sk-python-do-not-print"

ERROR_FIELDS = (
    "kind",
    "subkind",
    "retryable",
    "retry_after_ms",
    "status",
    "provider_code",
    "in_stream",
    "request_id",
    "partial",
    "model",
    "provider",
    "task",
    "attempts",
    "warnings",
    "problems",
)

REPLY_FIELDS = (
    "text",
    "reasoning",
    "message",
    "tool_calls",
    "parsed",
    "finish",
    "usage",
    "cost",
    "model",
    "provider",
    "task",
    "latency_ms",
    "first_token_ms",
    "request_id",
    "warnings",
    "fallback_used",
    "attempts",
)


def config(mock: Mock, *upstreams: str, **task: Any) -> dict[str, Any]:
    """One task, ``chat``, whose candidates are a model at each of the upstreams."""
    primary, *fallback = (f"{name}/model" for name in upstreams)
    providers = {name: {"kind": "openai", "base_url": mock.url(name), "api_key": KEY} for name in upstreams}
    return {"providers": providers, "tasks": {"chat": {"primary": primary, "fallback": fallback, **task}}}


@contextmanager
def playing(script: Mapping[str, Any], **task: Any) -> Generator[tuple[Mock, Router], None, None]:
    """A mock of the script, and a router whose task ``chat`` tries its upstreams in order."""
    with Mock(script) as mock:
        yield mock, Router(config(mock, *script, **task))


@contextmanager
def two_formats(script: dict[str, Any], **task: Any) -> Generator[tuple[Mock, Router], None, None]:
    """A primary that speaks OpenAI chat, and a stand-in that speaks Anthropic messages."""
    with Mock({"main": [], "spare": [], **script}) as mock:
        providers = {
            name: {"kind": kind, "base_url": mock.url(name), "api_key": f"{KEY}-{name}"}
            for name, kind in (("main", "openai"), ("spare", "anthropic"))
        }
        chat = {"primary": "main/big", "fallback": ["spare/small"], **task}
        tasks = {"chat": chat, "title": {"primary": "main/big"}}
        # What another test learned at the same port must not matter.
        yield mock, Router({"providers": providers, "tasks": tasks, "state": "router"})


def eventually(look: Callable[[], T | None], within: float = 5.0) -> T:
    """What ``look`` finds, as soon as it finds something."""
    end = time.monotonic() + within
    while True:
        found = look()
        if found is not None:
            return found
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def seen(mock: Mock, count: int = 1) -> list[dict[str, Any]]:
    """The requests of the mock, as soon as there are ``count``."""
    return eventually(lambda: mock.log() if len(mock.log()) >= count else None)


def closed(mock: Mock, number: int = 0) -> dict[str, Any]:
    """A request, as soon as the client has closed its connection before the answer."""
    return eventually(lambda: next((e for e in mock.log()[number:] if e["closed_ms"] is not None), None))


def plain(value: Any) -> Any:
    """Named tuples as dicts and tuples as lists, as the core writes them."""
    if hasattr(value, "_asdict"):
        return {key: plain(member) for key, member in value._asdict().items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in cast("Sequence[Any]", value)]
    return value


def reply_fields(reply: Reply) -> dict[str, Any]:
    """A reply's attributes, but for its tool calls in the core's form."""
    fields = {name: plain(getattr(reply, name)) for name in REPLY_FIELDS}
    for call in fields["tool_calls"]:
        call["function"] = {"name": call.pop("name"), "arguments": call.pop("arguments")}
        call["type"] = "function"
    return fields


def error_fields(error: LocumError) -> dict[str, Any]:
    """An error's attributes, and its message."""
    fields = {name: plain(getattr(error, name)) for name in ERROR_FIELDS}
    return {"message": str(error), **fields}


def run_python(code: str, *arguments: str, timeout: float = 20.0) -> subprocess.CompletedProcess[str]:
    """Runs a program in an interpreter of its own, with warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)


def dumps(value: Any) -> str:
    """Everything in it as text, to search it."""
    return json.dumps(value, default=repr, ensure_ascii=False)


class NoReaderLoop(asyncio.SelectorEventLoop):
    """As the default loop of Windows, it cannot watch a pipe."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
    "no add_reader": NoReaderLoop,
}


def run_in(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine in a loop of its own."""
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def open_files() -> int:
    """How many files the process has open."""
    return len(os.listdir("/dev/fd"))


def ignore(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
    """A loop's exception handler for troubles that a test makes on purpose."""


async def first_text(stream: Stream) -> str:
    """The next piece of text."""
    async for event in stream:
        if event.type == "text":
            return event.text
    raise AssertionError("no text")


def first_text_sync(stream: Stream) -> str:
    """The same, by blocking."""
    return next(event.text for event in stream if event.type == "text")


def check_ctrl_c(source: str) -> None:
    """Runs a program that says ``asked`` when it blocks, ``interrupted`` when Ctrl-C reaches it, and ``closed``."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    # Whoever runs the tests in the background may ignore the signal, and children would too.
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    command, pipe = [sys.executable, "-c", heard + source], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == "asked\n"
        begin = time.monotonic()
        program.send_signal(signal.SIGINT)
        assert program.stdout.readline() == "interrupted\n"
        assert time.monotonic() - begin < 1.0
        assert (program.stdout.read(), program.stderr.read(), program.wait()) == ("closed\n", "", 0)
