"""Locum in the place of a network: what HTTPX, or its successor HTTPX2, sends and reads instead of bytes of a socket.

Importing it imports whichever of the two is installed, so only the functions of ``locum.hook`` do.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
import weakref
from typing import TYPE_CHECKING, Any, cast, overload

from locum import _trace
from locum.errors import Timeout
from locum.stream import Reading

if TYPE_CHECKING:
    import httpx
    import httpx2

    from locum import _core
    from locum.types import HttpAnswer

    # A checker takes each for the one of either library, since it cannot know which of them an application has.
    class AsyncClient(  # pyright: ignore[reportIncompatibleMethodOverride, reportIncompatibleVariableOverride]
        httpx.AsyncClient, httpx2.AsyncClient
    ): ...

    class Client(  # pyright: ignore[reportIncompatibleMethodOverride, reportIncompatibleVariableOverride]
        httpx.Client, httpx2.Client
    ): ...

    class _ByteStream(
        httpx.SyncByteStream, httpx.AsyncByteStream, httpx2.SyncByteStream, httpx2.AsyncByteStream
    ): ...

    class _Transport(  # pyright: ignore[reportIncompatibleMethodOverride]
        httpx.BaseTransport, httpx.AsyncBaseTransport, httpx2.BaseTransport, httpx2.AsyncBaseTransport
    ): ...


def _sdk_knows_httpx2() -> bool:
    """Whether the OpenAI SDK takes clients of HTTPX2: version 3 is built on it, the last of version 2 have it as an extra."""
    try:
        requirements = importlib.metadata.requires("openai") or []
    except importlib.metadata.PackageNotFoundError:
        return False
    return any(requirement.startswith("httpx2") for requirement in requirements)


def _installed() -> list[Any]:
    """The libraries there are, the one to make clients of first."""
    libraries: list[Any] = []
    for name in ("httpx2", "httpx") if _sdk_knows_httpx2() else ("httpx", "httpx2"):
        try:
            libraries.append(importlib.import_module(name))
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    if not libraries:
        raise ImportError("locum needs httpx or httpx2 for this, and neither is installed: pip install httpx", name="httpx")
    # One may stand for the other.
    return list(dict.fromkeys(libraries))


_LIBRARIES = _installed()

if not TYPE_CHECKING:

    def _both(name: str, *bases: str) -> type:
        """A class that every library takes for its own."""
        return type(name, tuple(dict.fromkeys(getattr(library, base) for base in bases for library in _LIBRARIES)), {})

    _ByteStream = _both("_ByteStream", "SyncByteStream", "AsyncByteStream")
    _Transport = _both("_Transport", "BaseTransport", "AsyncBaseTransport")
    AsyncClient = _LIBRARIES[0].AsyncClient
    Client = _LIBRARIES[0].Client


class Body(Reading[bytes], _ByteStream):
    """A response that is still being made. What is not read is not asked of the provider either."""

    def __init__(self, native: _core.Stream, router: _core.Router, library: Any) -> None:
        super().__init__(native, router)
        self._library = library

    def close(self) -> None:
        """Closes the connection to the provider at once. Whoever still reads must not take it for the end."""
        self._native.cut()

    def _check(self) -> None:
        if self._native.was_cut:
            raise self._library.ReadError("the response was closed before its end")


class Transport(_Transport):
    """Has a router answer requests to OpenAI's API: the transport of clients of HTTPX and HTTPX2, blocking or not."""

    def __init__(self, router: _core.Router) -> None:
        self._router = router
        self._bodies: weakref.WeakValueDictionary[int, Body] = weakref.WeakValueDictionary()

    @overload
    def handle_request(self, request: httpx.Request) -> httpx.Response: ...
    @overload
    def handle_request(self, request: httpx2.Request) -> httpx2.Response: ...
    def handle_request(self, request: httpx.Request | httpx2.Request) -> Any:
        """Answers a request by blocking, as ``Router.complete_sync`` does: other threads run meanwhile, Ctrl-C ends it.

        Raises:
            ReadTimeout: of the client's library; the cause is the :class:`Timeout` that tells what was tried.
        """
        library, asked = _library(request), _asked(request, request.read())
        try:
            return self._response(library, request, self._router.fetch_sync(*asked))
        except (Timeout, ValueError) as error:
            raise _failed(library, request, error) from error

    @overload
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response: ...
    @overload
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response: ...
    async def handle_async_request(self, request: httpx.Request | httpx2.Request) -> Any:
        """Answers a request in an event loop of asyncio. Cancelling the task that waits closes the provider's connection.

        Raises:
            ReadTimeout: of the client's library; the cause is the :class:`Timeout` that tells what was tried.
        """
        library, asked = _library(request), _asked(request, await request.aread())
        try:
            future, ticket = self._router.fetch(*asked)
            try:
                answer = await future
            except BaseException:  # Cancelled, or the coroutine was closed; after an error of the call it does nothing.
                ticket.cancel()
                raise
            return self._response(library, request, answer)
        except (Timeout, ValueError) as error:
            raise _failed(library, request, error) from error

    def _response(self, library: Any, request: Any, answer: HttpAnswer) -> Any:
        status, headers, content = answer
        if isinstance(content, bytes):
            return library.Response(status, headers=headers, content=content, request=request)
        body = Body(content, self._router, library)
        self._bodies[id(body)] = body
        return library.Response(status, headers=headers, stream=body, request=request)

    def close(self) -> None:
        """Closes the responses that are still being read; the router stays as it is."""
        for reference in self._bodies.valuerefs():
            if (body := reference()) is not None:
                body.close()

    async def aclose(self) -> None:
        """The same."""
        self.close()

    def __repr__(self) -> str:
        """Names the tasks."""
        return f"Transport(tasks={self._router.tasks()!r})"


def _library(request: Any) -> Any:
    """Whose request it is."""
    return next(library for library in _LIBRARIES if isinstance(request, library.Request))


def _asked(request: Any, content: bytes) -> tuple[str, bytes, list[tuple[bytes, bytes]], bytes]:
    """The request as the core takes it, with the time its client is willing to wait."""
    headers = list(request.headers.raw)
    patience = cast("dict[str, float | None]", request.extensions.get("timeout", {})).get("read")
    told = "x-locum-timeout-ms" in request.headers or "x-stainless-read-timeout" in request.headers
    if patience is not None and not told:
        headers.append((b"x-locum-timeout-ms", b"%d" % max(1, math.ceil(patience * 1000))))
    if "traceparent" not in request.headers and (parent := _trace.parent()) is not None:
        headers.append((b"traceparent", parent.encode()))
    return request.method, request.url.raw_path, headers, content


def _failed(library: Any, request: Any, error: Exception) -> Exception:
    """The failure as a client of the library knows it."""
    kind = library.ReadTimeout if isinstance(error, Timeout) else library.LocalProtocolError
    return kind(str(error), request=request)
