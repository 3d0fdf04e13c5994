"""Answers to the OpenAI SDK that are not waited for: cancelled, closed, let go of, forked, interrupted."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from support import HELLO, STALLS, check_ctrl_c, closed, eventually, playing, run_in, run_python, seen

import locum
from locum import Router
from locum.testing import Mock

ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]

Streamed = AsyncStream[ChatCompletionChunk]
NewLoop = Callable[[], asyncio.AbstractEventLoop]


def client_of(router: Router) -> AsyncOpenAI:
    return AsyncOpenAI(http_client=locum.httpx_client(router), api_key="unused")


async def first_text(stream: Streamed) -> str:
    async for chunk in stream:
        if content := chunk.choices[0].delta.content:
            return content
    raise AssertionError("no text")


async def until_closed(mock: Mock, number: int = 0) -> float:
    """How many milliseconds passed until a connection was closed, while the loop runs on."""
    begin = time.perf_counter()
    await asyncio.get_running_loop().run_in_executor(None, closed, mock, number)
    return (time.perf_counter() - begin) * 1000


@pytest.mark.parametrize("stream", [False, True])
def test_cancelling_before_the_answer(new_loop: NewLoop, stream: bool) -> None:
    async def run(mock: Mock, router: Router) -> float:
        create = client_of(router).chat.completions.create
        task: asyncio.Task[Any] = asyncio.create_task(create(model="chat", messages=ASK, stream=stream))
        await asyncio.get_running_loop().run_in_executor(None, seen, mock)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await until_closed(mock)

    with playing({"a": [{"silence": True}], "b": []}) as (mock, router):
        assert run_in(new_loop(), run(mock, router)) < 100
        assert len(mock.log()) == 1


async def by_close(stream: Streamed) -> None:
    await stream.close()


async def by_context(stream: Streamed) -> None:
    with pytest.raises(KeyError):
        async with stream:
            raise KeyError


async def by_cancelling(stream: Streamed) -> None:
    task = asyncio.create_task(first_text(stream))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_timeout(stream: Streamed) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(first_text(stream), 0.01)


@pytest.mark.parametrize("way", [by_close, by_context, by_cancelling, by_timeout])
def test_closing_a_stream_closes_the_connection_at_once(
    new_loop: NewLoop, way: Callable[[Streamed], Coroutine[Any, Any, None]]
) -> None:
    async def run(mock: Mock, router: Router) -> float:
        stream = await client_of(router).chat.completions.create(model="chat", messages=ASK, stream=True)
        assert await first_text(stream) == "Hello "
        await way(stream)
        return await until_closed(mock)

    with playing({"a": [STALLS]}) as (mock, router):
        assert run_in(new_loop(), run(mock, router)) < 100


def test_letting_go_of_a_stream() -> None:
    async def unread(router: Router) -> None:
        await client_of(router).chat.completions.create(model="chat", messages=ASK, stream=True)

    async def begun(router: Router) -> None:
        stream = await client_of(router).chat.completions.create(model="chat", messages=ASK, stream=True)
        assert await first_text(stream) == "Hello "

    async def run(mock: Mock, router: Router) -> None:
        await unread(router)
        gc.collect()
        assert await until_closed(mock) < 100
        await begun(router)
        # The generators that the SDK wraps around each other are ended by the loop, one after the other.
        waiting = asyncio.create_task(until_closed(mock, 1))
        while not waiting.done():
            gc.collect()
            await asyncio.sleep(0.01)
        await waiting

    with playing({"a": [STALLS]}) as (mock, router):
        asyncio.run(run(mock, router))


def test_closing_the_client_closes_what_is_open() -> None:
    async def run(mock: Mock, router: Router) -> None:
        async with locum.httpx_client(router) as client:
            request = client.build_request("POST", "/chat/completions", json={"model": "chat", "messages": ASK, "stream": True})
            response = await client.send(request, stream=True)
            pages = response.aiter_bytes()
            assert b"Hello " in await pages.__anext__()
        assert await until_closed(mock) < 100
        # What is cut off must not look like the end.
        with pytest.raises(httpx2.ReadError):
            await pages.__anext__()
        with pytest.raises(RuntimeError, match="closed"):
            await client.send(request)
        assert (await router.complete("chat", "Hi")).text == "Hello you there"

    with playing({"a": [STALLS, HELLO]}) as (mock, router):
        asyncio.run(run(mock, router))


def test_closing_while_another_reads() -> None:
    async def run(router: Router) -> None:
        async with locum.httpx_client(router) as client:
            request = client.build_request("POST", "/chat/completions", json={"model": "chat", "messages": ASK, "stream": True})
            response = await client.send(request, stream=True)
            reading = asyncio.create_task(response.aread())
            await asyncio.sleep(0.01)
            await response.aclose()
            with pytest.raises(httpx2.ReadError):
                await reading

    with playing({"a": [STALLS]}) as (_, router):
        asyncio.run(run(router))


def test_many_streams_at_once(new_loop: NewLoop) -> None:
    async def text(client: AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(model="chat", messages=ASK, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def run(router: Router) -> set[str]:
        client = client_of(router)
        return set(await asyncio.gather(*(text(client) for _ in range(50))))

    answer = {"answer": "Hello you there", "stream": {"chunk_delay_ms": 5}}
    with playing({"a": [answer]}) as (_, router):
        assert run_in(new_loop(), run(router)) == {"Hello you there"}


def test_cancellations_that_meet_their_answers(new_loop: NewLoop) -> None:
    async def run(mock: Mock, router: Router) -> tuple[int, int]:
        client = client_of(router)

        async def one(patience: float) -> bool:
            create = client.chat.completions.create(model="chat", messages=ASK, stream=True)
            try:
                stream = await asyncio.wait_for(create, patience)
            except asyncio.TimeoutError:
                return False
            await stream.close()
            return True

        outcomes = await asyncio.gather(*(one(0.03 + i / 100) for i in range(100)))
        gc.collect()
        # Nothing that came too late is left open.
        await asyncio.get_running_loop().run_in_executor(None, eventually, lambda: all_closed(mock) or None)
        return outcomes.count(True), outcomes.count(False)

    def all_closed(mock: Mock) -> bool:
        return all(entry["closed_ms"] is not None for entry in mock.log())

    stalls = {"answer": "Hello you there", "delay_ms": 50, "stream": {"stall_after": 1}}
    with playing({"a": [stalls]}) as (mock, router):
        answered, cancelled = run_in(new_loop(), run(mock, router))
        assert answered + cancelled == 100
        assert answered > 0
        assert cancelled > 0


CTRL_C = """
import threading
import locum
from openai import OpenAI
from support import STALLS, closed, playing, seen

def report(mock):
    seen(mock)
    print("asked", flush=True)

with playing({"a": [%s]}) as (mock, router):
    client = OpenAI(http_client=locum.httpx_sync_client(router), api_key="unused")
    threading.Thread(target=report, args=(mock,)).start()
    try:
        answer = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Hi"}], stream=%s)
        for chunk in answer:
            pass
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    closed(mock)
    print("closed", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
@pytest.mark.parametrize(("step", "stream"), [('{"silence": True}', False), ('{"silence": True}', True), ("STALLS", True)])
def test_ctrl_c(step: str, stream: bool) -> None:
    check_ctrl_c(CTRL_C % (step, stream))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_fork() -> None:
    program = run_python(
        """
        import asyncio, gc, os, warnings
        import locum
        from openai import AsyncOpenAI, OpenAI
        from support import playing
        warnings.filterwarnings("ignore", category=DeprecationWarning)

        def ask(**options):
            return {"model": "chat", "messages": [{"role": "user", "content": "Hi"}], **options}

        def read(stream):
            return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

        def use(client, router):
            assert client.chat.completions.create(**ask()).choices[0].message.content == "Hello"
            assert read(client.chat.completions.create(**ask(stream=True))) == "Hello"

            async def main():
                async with AsyncOpenAI(http_client=locum.httpx_client(router), api_key="unused") as client:
                    stream = await client.chat.completions.create(**ask(stream=True))
                    return [chunk async for chunk in stream]

            assert len(asyncio.run(main())) == 3

        def in_child(client, router, stream):
            use(client, router)
            try:
                read(stream)  # It may have come farther than it was read.
            except RuntimeError as error:
                assert "forked" in str(error)
            else:
                raise AssertionError
            stream.close()
            del stream
            gc.collect()
            use(client, router)

        slow = {"answer": "Hello you there", "stream": {"chunk_delay_ms": 300}}
        with playing({"a": [slow, {"answer": "Hello"}]}) as (mock, router):
            client = OpenAI(http_client=locum.httpx_sync_client(router), api_key="unused")
            stream = client.chat.completions.create(**ask(stream=True))
            next(stream)
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    in_child(client, router, stream)
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert read(stream) == "Hello you there"
            use(client, router)
        """
    )
    assert (program.returncode, program.stdout, program.stderr) == (0, "", "")
