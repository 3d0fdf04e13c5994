"""Delivers router events to Python's logging and to those who listen."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from locum.types import router_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from locum.types import RouterEvent

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}

logger = logging.getLogger("locum")


def deliver(
    listeners: Sequence[Callable[[RouterEvent], object]], events: Sequence[Mapping[str, Any]], dropped: int
) -> None:
    """Tells a batch of events, in order. What a listener raises is logged and keeps nothing from anybody.

    What is no ordinary error, such as ``SystemExit``, is raised when all have heard all.
    """
    stop: BaseException | None = None
    for fields in events:
        message = fields["message"]
        logger.log(LEVELS[fields["level"]], "%s", message, extra={"event": fields})
        if not listeners:
            continue
        event = router_event(fields)
        for listener in listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a listener of router events raised")
            except BaseException as error:
                stop = stop or error
    if dropped:
        logger.warning("%d router events were dropped: nobody took them in time", dropped)
    if stop is not None:
        raise stop
