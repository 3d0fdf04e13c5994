"""Events as Python values, and streams as Python objects."""

from __future__ import annotations

import copy
import pickle
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from support import HELLO, playing

import locum
from locum import Stream, TextStream

EVENTS: list[locum.Event] = [
    locum.StartEvent("a/m"),
    locum.TextEvent("the words"),
    locum.ReasoningEvent("the words"),
    locum.ToolCallDeltaEvent(0, None, None, "the words"),
    locum.ToolCallEvent("1", "f", "the words"),
    locum.RestartEvent("a/m", "timeout", "it was slow"),
    locum.UsageEvent(locum.Usage(1, 0, 0, 2, 0)),
]


def described(event: locum.Event) -> tuple[Any, ...]:
    """Also for the type checker: it must know the class from ``type``, and from a pattern."""
    if event.type == "text":
        return (event.text,)
    if event.type == "usage":
        return (event.usage.input,)
    match event:
        case locum.StartEvent(model):
            return (model.upper(),)
        case locum.ReasoningEvent(text):
            return (text.upper(),)
        case locum.ToolCallDeltaEvent(index, _, name, arguments):
            return (index + 1, name, arguments.upper())
        case locum.ToolCallEvent(id, name, arguments):
            return (id.upper(), name, arguments)
        case locum.RestartEvent(model, kind, reason):
            return (model, kind, reason.upper())
        case locum.EndEvent(reply):
            return (reply.text,)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_events_are_values(event: locum.Event) -> None:
    assert described(event)
    assert isinstance(event, locum.Event)
    twin: locum.Event = pickle.loads(pickle.dumps(event))
    assert (twin, hash(twin), copy.copy(event)) == (event, hash(event), event)
    assert [other for other in EVENTS if other == event] == [event]
    assert "the words" not in repr(event)
    assert type(event).__name__ in locum.__all__
    with pytest.raises(AttributeError):
        setattr(event, type(event).__match_args__[0], "other")


def test_ends_of_streams_are_values_too() -> None:
    with playing({"a": [HELLO]}) as (_, router):
        *_, end = router.stream("chat", "Hi")
        assert isinstance(end, locum.EndEvent)
        assert end == locum.EndEvent(end.reply)
        assert end != locum.EndEvent(router.complete_sync("chat", "Hi"))
        assert "Hello" not in repr(end)


def test_streams_cannot_be_pickled() -> None:
    with playing({"a": [HELLO]}) as (_, router):
        for it in (router.stream("chat", "Hi"), router.stream("chat", "Hi").text(), router.complete_sync("chat", "Hi")):
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(it)


def test_the_protocols() -> None:
    with playing({"a": [HELLO]}) as (_, router):
        stream = router.stream("chat", "Hi")
        for it in (stream, stream.text()):
            assert isinstance(it, (Stream, TextStream))
            assert isinstance(it, AsyncIterator)
            assert isinstance(it, Iterator)
            assert iter(it) is it.__aiter__() is it
        assert repr(stream) == "Stream(reply=None)"
