"""Locum under clients of OpenAI's API: :func:`httpx_client`, :func:`httpx_sync_client`, :func:`httpx_transport`.

HTTPX, or its successor HTTPX2, is imported when one of them is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locum.router import native

if TYPE_CHECKING:
    from locum._httpx import AsyncClient, Client, Transport
    from locum.router import Config

__all__ = ["httpx_client", "httpx_sync_client", "httpx_transport"]

# Where a client that is given no address of its own sends what it asks. Nothing is looked up or connected to.
_BASE_URL = "http://locum/v1"


def httpx_client(config: Config = None) -> AsyncClient:
    """An ``AsyncClient`` whose requests to OpenAI's API are answered by Locum, in process.

    It goes where the OpenAI SDK, or a framework built on it, takes an ``http_client``. The ``model`` of a request is a task,
    or ``task/model`` to pin one of its candidates:

    >>> client = AsyncOpenAI(http_client=locum.httpx_client("locum.toml"), api_key="unused")
    >>> await client.chat.completions.create(model="support_chat", messages=messages)

    Served are ``POST …/chat/completions`` and ``POST …/responses``, whole or as a stream, and ``GET …/models``. Headers ``x-locum-customer``,
    ``x-locum-timeout-ms``, ``x-locum-fallback`` and ``x-locum-on-break``, or ``metadata`` with ``locum_customer``, …, set
    options of a call. How an answer came about is told in ``x-locum-*`` headers and in the member ``locum`` of its body or
    last chunk. Failures have the status that the SDK's own error classes go by, with the kind as ``code`` where OpenAI has
    no word for it; the SDK does not retry them, since the task has done so.

    The client itself waits for as long as the task does; a ``timeout`` of the SDK tightens the task's deadline.
    Cancelling, or closing a stream, closes the connection to the provider at once.

    It is a client of HTTPX2 where the OpenAI SDK is one that knows it, else of HTTPX; or of the one of them that is
    installed. For another kind of client, or one with arguments of its own, see :func:`httpx_transport`.

    Args:
        config: A :class:`Router`, the path of a file, or a configuration as plain data; by default the router of
            ``locum.complete``.

    Raises:
        ConfigError: listing every problem of the configuration.
        ImportError: neither HTTPX nor HTTPX2 is installed.
    """
    from locum import _httpx

    return _httpx.AsyncClient(transport=httpx_transport(config), base_url=_BASE_URL, timeout=None)


def httpx_sync_client(config: Config = None) -> Client:
    """The same as :func:`httpx_client` for code without an event loop: a blocking ``Client``.

    >>> client = OpenAI(http_client=locum.httpx_sync_client("locum.toml"), api_key="unused")
    """
    from locum import _httpx

    return _httpx.Client(transport=httpx_transport(config), base_url=_BASE_URL, timeout=None)


def httpx_transport(config: Config = None) -> Transport:
    """What :func:`httpx_client` is made of: a transport for any client of HTTPX or HTTPX2, blocking or not.

    >>> client = httpx2.AsyncClient(transport=locum.httpx_transport(router), timeout=None)

    A client's ``read`` timeout tightens the task's deadline, unless the request says ``x-locum-timeout-ms``; a client
    that is given none has one of 5 seconds.

    Args:
        config: A :class:`Router`, the path of a file, or a configuration as plain data; by default the router of
            ``locum.complete``.

    Raises:
        ConfigError: listing every problem of the configuration.
        ImportError: neither HTTPX nor HTTPX2 is installed.
    """
    from locum import _httpx

    return _httpx.Transport(native(config))
