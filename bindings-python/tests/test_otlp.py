"""Traces and metrics as OpenTelemetry's own packages read them, and the traces that a program has itself."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import opentelemetry.semconv._incubating.attributes as registry  # pyright: ignore[reportMissingTypeStubs]
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics  # pyright: ignore[reportMissingTypeStubs]
from support import config, run_python

import locum
from locum import InvalidRequest, Router
from locum.testing import Mock

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACER = TracerProvider().get_tracer("test")


class Collector:
    """What it was sent, decoded."""

    def __init__(self) -> None:
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.url = ""

    @property
    def spans(self) -> list[Span]:
        told = [told for request in self.traces for told in request.resource_spans]
        return [span for one in told for scope in one.scope_spans for span in scope.spans]


@contextmanager
def collector() -> Generator[Collector]:
    got = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                got.traces.append(ExportTraceServiceRequest.FromString(body))
            else:
                got.metrics.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    got.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def telling(mock: Mock, got: Collector, **otlp: Any) -> Router:
    settings = {"endpoint": got.url, "service_name": "shop", **otlp}
    return Router({**config(mock, "a", "b", retries=0), "state": "router", "accounting": {"otlp": settings}})


def known() -> set[str]:
    """Every attribute of the conventions' registry."""
    modules = [importlib.import_module(f"{registry.__name__}.{it.name}") for it in pkgutil.iter_modules(registry.__path__)]
    return {value for module in modules for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}


def keys(attributes: Iterable[Any]) -> set[str]:
    return {attribute.key for attribute in attributes}


def test_names_are_those_of_the_conventions() -> None:
    script: dict[str, Any] = {"a": [{"answer": "Hello", "stream": {}}, {"status": 503}], "b": [{"answer": "Hello"}]}
    with collector() as got, Mock(script) as mock:
        router = telling(mock, got)
        assert "Hello" in "".join(router.stream("chat", "Hi", customer="acme").text())
        assert router.complete_sync("chat", "Hi", metadata={"feature": "help"}).text == "Hello"
        assert router.flush()
    assert [span.name for span in got.spans] == ["locum chat", "chat model", "locum chat", "chat model", "chat model"]
    names = set[str]()
    for told in (told for request in got.traces for told in request.resource_spans):
        assert {"service.name", "telemetry.sdk.name"} <= keys(told.resource.attributes)
        names |= keys(told.resource.attributes)
    for span in got.spans:
        names |= keys(span.attributes)
    metrics = [one for told in got.metrics[-1].resource_metrics for scope in told.scope_metrics for one in scope.metrics]
    for metric in metrics:
        data = getattr(metric, metric.WhichOneof("data") or "")
        for point in data.data_points:
            names |= keys(point.attributes)
    assert {name for name in names if not name.startswith("locum.")} <= known()
    assert "gen_ai.response.time_to_first_chunk" in names
    assert "error.type" in names
    assert {"gen_ai.response.model", "gen_ai.response.finish_reasons"} <= names
    told_of = {metric.name for metric in metrics if not metric.name.startswith("locum.")}
    official = {value for name, value in vars(gen_ai_metrics).items() if name.isupper() and isinstance(value, str)}
    assert told_of <= official
    assert len(told_of) == 3


def current() -> tuple[str, str]:
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def test_the_programs_own_span_is_the_parent() -> None:
    with collector() as got, Mock({"a": [{"answer": "Hello", "stream": {}}] * 6}) as mock:
        router = telling(mock, got, metrics=False)

        async def tasks() -> None:
            with TRACER.start_as_current_span("async"):
                expected.append(current())
                await asyncio.create_task(router.complete("chat", "Hi"))

        expected = list[tuple[str, str]]()
        with TRACER.start_as_current_span("outer"):
            expected.append(current())
            router.complete_sync("chat", "Hi")
            expected.append(current())
            assert [*router.stream("chat", "Hi")]
            expected.append((TRACE, PARENT))
            router.complete_sync("chat", "Hi", traceparent=f"00-{TRACE}-{PARENT}-01")
            expected.append(current())
            with locum.httpx_sync_client(router) as client:
                body = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}
                assert client.post("/chat/completions", json=body).status_code == 200
        asyncio.run(tasks())
        router.complete_sync("chat", "Hi")
        assert router.flush()
    calls = [span for span in got.spans if span.name == "locum chat"]
    assert [(span.trace_id.hex(), span.parent_span_id.hex()) for span in calls[:-1]] == expected
    assert calls[-1].parent_span_id == b""


def test_a_traceparent_that_is_none_is_the_callers_mistake() -> None:
    with Mock({"a": []}) as mock, pytest.raises(InvalidRequest, match="traceparent"):
        Router(config(mock, "a")).complete_sync("chat", "Hi", traceparent="00-abc")


def test_opentelemetry_is_not_imported() -> None:
    program = """
        import sys
        from support import Mock, Router, config

        with Mock({"a": [{"answer": "Hello"}]}) as mock:
            Router(config(mock, "a")).complete_sync("chat", "Hi")
        assert not [name for name in sys.modules if name.startswith("opentelemetry")]
    """
    done = run_python(program)
    assert (done.returncode, done.stderr) == (0, "")
