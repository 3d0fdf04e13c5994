"""Asks the callbacks that give credentials, on threads of their own."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from locum import _core

logger = logging.getLogger("locum")

# The loop that async callbacks run on, and the process whose it is: a forked child has none of its parent's threads.
_loop: tuple[int, asyncio.AbstractEventLoop] | None = None
_making = threading.Lock()


def serve(requests: _core.CredentialRequests, callbacks: Mapping[str, Callable[[], Any]]) -> None:
    """Answers ``requests`` until their router is gone."""
    _start(_serve, requests, callbacks)


def _start(work: Callable[..., object], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, name="locum-credentials", daemon=True).start()


def _serve(requests: _core.CredentialRequests, callbacks: Mapping[str, Callable[[], Any]]) -> None:
    while (request := requests.wait()) is not None:
        # One that waits for a service must not hold up the others.
        _start(_answer, request, callbacks[request.provider])


def _answer(request: _core.CredentialRequest, callback: Callable[[], Any]) -> None:
    try:
        given = callback()
        if inspect.isawaitable(given):
            given = asyncio.run_coroutine_threadsafe(_awaited(given), _running_loop()).result()
    except BaseException as error:
        request.fail(type(error).__name__)
        # What it says may hold a secret: it is for those who ask for it.
        logger.debug("the credential callback of %s raised", request.provider, exc_info=error)
    else:
        request.give(given)


async def _awaited(given: Awaitable[Any]) -> Any:
    return await given


def _running_loop() -> asyncio.AbstractEventLoop:
    """One loop for all async callbacks: what they keep, such as connections, belongs to it."""
    global _loop
    with _making:
        if _loop is None or _loop[0] != os.getpid():
            loop = asyncio.new_event_loop()
            _start(loop.run_forever)
            _loop = (os.getpid(), loop)
        return _loop[1]
