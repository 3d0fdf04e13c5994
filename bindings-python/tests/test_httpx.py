"""The hook without the OpenAI SDK: clients of HTTPX and HTTPX2, where their tasks come from, what they may send."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from support import HELLO, KEY, config, playing, run_python

import locum
from locum import Router, RouterEvent
from locum.testing import Mock

BODY = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}


def text(response: Any) -> str:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"]


def test_plain_clients() -> None:
    async def ask(router: Router) -> None:
        async with locum.httpx_client(router) as client:
            assert text(await client.post("/chat/completions", json=BODY)) == "Hello you there"
            assert (await client.get("/models")).json()["data"][0]["id"] == "chat"

    with playing({"a": [HELLO]}) as (mock, router):
        asyncio.run(ask(router))
        with locum.httpx_sync_client(router) as client:
            response = client.post("/chat/completions", json=BODY)
            assert text(response) == "Hello you there"
            assert response.headers["content-length"] == str(len(response.content))
            assert client.get("/completions").status_code == 404
            assert client.get("/chat/completions").status_code == 405
        assert len(mock.log()) == 2


def test_one_transport_for_all_clients() -> None:
    async def ask(transport: Any) -> None:
        for library in (httpx, httpx2):
            async with library.AsyncClient(transport=transport) as client:
                response = await client.post("http://any.where/openai/v1/chat/completions", json=BODY)
                assert isinstance(response, library.Response)
                assert text(response) == "Hello you there"
                async with client.stream("POST", "http://any.where/chat/completions", json={**BODY, "stream": True}) as live:
                    lines = [line async for line in live.aiter_lines() if line]
                assert lines[-1] == "data: [DONE]"

    with playing({"a": [HELLO]}) as (_, router):
        transport = locum.httpx_transport(router)
        assert repr(transport) == "Transport(tasks=['chat'])"
        for base in (httpx.BaseTransport, httpx.AsyncBaseTransport, httpx2.BaseTransport, httpx2.AsyncBaseTransport):
            assert isinstance(transport, base)
        asyncio.run(ask(transport))
        for library in (httpx, httpx2):
            with library.Client(transport=transport) as client:
                assert text(client.post("http://any.where/chat/completions", json=BODY)) == "Hello you there"
                with client.stream("POST", "http://any.where/chat/completions", json={**BODY, "stream": True}) as live:
                    assert b"".join(live.iter_bytes()).endswith(b"data: [DONE]\n\n")


def test_where_tasks_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Mock({"a": [HELLO]}) as mock:
        monkeypatch.setenv("A_KEY", KEY)
        data = config(mock, "a")
        data["providers"]["a"]["api_key"] = "env:A_KEY"
        path = tmp_path / "locum.json"
        path.write_text(json.dumps(data))
        for source in (data, path, str(path), Router(data)):
            with locum.httpx_sync_client(source) as client:
                assert text(client.post("/chat/completions", json=BODY)) == "Hello you there"
        with pytest.raises(locum.ConfigError, match="nowhere.toml"):
            locum.httpx_client(tmp_path / "nowhere.toml")
        with pytest.raises(locum.ConfigError):
            locum.httpx_transport({"tasks": {"chat": {}}})
        monkeypatch.setenv("LOCUM_CONFIG", str(path))
        program = run_python(
            """
            import locum
            with locum.httpx_sync_client() as client:
                assert client.get("/models").json()["data"][0]["id"] == "chat"
            # The very router of the other calls.
            import os
            os.environ["LOCUM_CONFIG"] = "changed.toml"
            assert locum.complete_sync("chat", "Hi").text == "Hello you there"
            """
        )
        assert (program.returncode, program.stderr) == (0, "")


def test_the_time_a_client_waits() -> None:
    def late(client: Any, **options: Any) -> Any:
        with pytest.raises((httpx.ReadTimeout, httpx2.ReadTimeout)) as caught:
            client.post("http://locum/chat/completions", json=BODY, **options)
        error: Any = caught.value
        assert isinstance(error.__cause__, locum.Timeout)
        assert error.request.url.path == "/chat/completions"
        assert str(error) == str(error.__cause__)
        return error

    with playing({"a": [{"silence": True}]}) as (mock, router):
        transport = locum.httpx_transport(router)
        for library in (httpx, httpx2):
            with library.Client(transport=transport, timeout=0.15) as client:
                assert type(late(client)) is library.ReadTimeout
                assert "150 ms" in str(late(client))
                # Said more plainly than by the client's own habit.
                assert "100 ms" in str(late(client, headers={"x-locum-timeout-ms": "100"}))
                assert "100 ms" in str(late(client, headers={"x-stainless-read-timeout": "0.1"}))
        assert len(mock.log()) == 8


def test_what_cannot_be_sent() -> None:
    with playing({"a": [HELLO]}) as (mock, router), locum.httpx_sync_client(router) as client:
        with pytest.raises(httpx2.LocalProtocolError, match="the value of the header x-locum-customer") as caught:
            client.post("/chat/completions", json=BODY, headers={"x-locum-customer": "a\ncme"})
        assert "cme" not in str(caught.value)
        with pytest.raises(httpx2.LocalProtocolError, match="the name of a header"):
            client.post("/chat/completions", json=BODY, headers={"not a name": "x"})
        assert client.post("/chat/completions", content=b"{").status_code == 400
        assert client.post("/chat/completions", content=iter([b'{"model": "chat", ', b'"messages": []}'])).status_code == 400
        assert mock.log() == []


def test_bodies_that_come_in_pieces() -> None:
    data = json.dumps(BODY).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 10):
            yield data[at : at + 10]

    async def ask(router: Router) -> str:
        async with locum.httpx_client(router) as client:
            return text(await client.post("/chat/completions", content=pieces()))

    with playing({"a": [HELLO]}) as (_, router):
        assert asyncio.run(ask(router)) == "Hello you there"
        with locum.httpx_sync_client(router) as client:
            assert text(client.post("/chat/completions", content=iter([data[:10], data[10:]]))) == "Hello you there"


def test_events_and_logs_are_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[RouterEvent] = []

    async def ask(client: httpx2.AsyncClient) -> None:
        async with client:
            assert text(await client.post("/chat/completions", json=BODY)) == "Hello you there"
            await asyncio.sleep(0.05)

    with Mock({"a": [{"status": 503}], "b": [HELLO]}) as mock:
        # What another test learned at the same port must not matter.
        router = Router({"state": "router", **config(mock, "a", "b", retries=0)})
        unlisten = router.on_event(told.append)
        client = locum.httpx_client(router)
        # Those who listen go on doing so when nobody but the client has the router.
        del router
        asyncio.run(ask(client))
        assert [event.type for event in told if event.type in ("switched", "attempt_failed", "attempt_answered")] == [
            "attempt_failed",
            "switched",
            "attempt_answered",
        ]
        assert any(record.name == "locum" and "a/model" in record.getMessage() for record in caplog.records)
        unlisten()
    assert KEY not in caplog.text


def test_a_slow_reader_slows_the_provider() -> None:
    words = {"answer": "word " * 1000, "stream": {"repeat": 2000}}
    with playing({"a": [words]}) as (mock, router), locum.httpx_sync_client(router) as client:
        with client.stream("POST", "/chat/completions", json={**BODY, "stream": True}) as live:
            pages = live.iter_raw()
            sizes = [len(next(pages)) for _ in range(4)]
        (entry,) = mock.log()
        assert entry["answered_ms"] is None
        assert max(sizes) < 64 * 1024


def test_nothing_is_imported_before_it_is_used() -> None:
    program = run_python(
        """
        import importlib.metadata, sys, json
        import locum, locum.hook
        assert not {"httpx", "httpx2", "locum._httpx"} & set(sys.modules)
        config = json.loads(sys.argv[1])

        def without(*names):
            for name in [name for name in sys.modules if name.split(".")[0] in ("httpx", "httpx2") or name == "locum._httpx"]:
                del sys.modules[name]
            vars(locum).pop("_httpx", None)
            for name in names:
                sys.modules[name] = None

        for use in (locum.httpx_client, locum.httpx_sync_client, locum.httpx_transport):
            without("httpx", "httpx2")
            try:
                use(config)
            except ImportError as error:
                assert "pip install httpx" in str(error) and error.name == "httpx", error
            else:
                raise AssertionError
        older = ["httpx>=0.23"]  # What versions of the SDK ask for that do not know HTTPX2.
        real = importlib.metadata.requires
        cases = [("httpx", "httpx2", real), ("httpx2", "httpx", real), ("httpx2", None, real), ("httpx", None, lambda _: older)]
        for present, missing, importlib.metadata.requires in cases:
            without(*filter(None, [missing]))
            with locum.httpx_sync_client(config) as client:
                assert type(client).__module__.split(".")[0] == present
                assert client.get("/models").json()["data"][0]["id"] == "chat"
        without()
        import httpx2
        httpx2.alias_httpx()
        with locum.httpx_sync_client(config) as client:
            assert isinstance(client, httpx2.Client)
            assert client.get("/models").status_code == 200
        """,
        json.dumps({"providers": {"a": {"kind": "openai", "api_key": KEY}}, "tasks": {"chat": {"primary": "a/m"}}}),
    )
    assert (program.returncode, program.stderr) == (0, "")
