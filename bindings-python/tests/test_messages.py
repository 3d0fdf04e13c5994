"""What is taken as messages and options, and how what is not is told."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import enum
import inspect
import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TypedDict

import pydantic
import pytest
from support import KEY, playing

import locum
from locum import Router


class Message(TypedDict):
    role: str
    content: str


@dataclasses.dataclass
class Said:
    role: str
    content: str | None = None
    name: str | None = None


@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    role: str
    content: str


class Text(pydantic.BaseModel):
    type: str = "text"
    text: str


class Model(pydantic.BaseModel):
    role: str
    content: str | list[Text]
    name: str | None = None
    at: datetime | None = None


class Role(str, enum.Enum):
    USER = "user"


class OwnMapping(Mapping[str, Any]):
    def __init__(self, **members: Any) -> None:
        self._members = members

    def __getitem__(self, key: str) -> Any:
        return self._members[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


class OwnSequence(Sequence[Any]):
    def __init__(self, *items: Any) -> None:
        self._items = items

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)


def sent(messages: Any, **options: Any) -> Any:
    """The body that reaches the provider."""
    with playing({"a": [{"answer": "Hello"}]}) as (mock, router):
        router.complete_sync("chat", messages, **options)
        return mock.log()[0]["body"]


def refused(messages: Any, **options: Any) -> locum.InvalidRequest:
    with playing({"a": []}) as (mock, router):
        with pytest.raises(locum.InvalidRequest) as caught:
            router.complete_sync("chat", messages, **options)
        assert mock.log() == []
    assert caught.value.kind == "invalid_request"
    assert caught.value.task == "chat"
    assert isinstance(caught.value, ValueError)
    return caught.value


HI = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    "messages",
    [
        "Hi",
        [HI],
        (HI,),
        [Message(role="user", content="Hi")],
        [Said("user", "Hi")],
        [Slotted("user", "Hi")],
        [Model(role="user", content="Hi")],
        [{"role": Role.USER, "content": "Hi"}],
        [types.MappingProxyType(HI)],
        [collections.OrderedDict(HI)],
        [collections.ChainMap(HI)],
        [OwnMapping(**HI)],
        OwnSequence(HI),
        collections.deque([HI]),
    ],
    ids=lambda messages: type(messages[0]).__name__ + " in " + type(messages).__name__,
)
def test_what_a_message_may_be(messages: Any) -> None:
    assert sent(messages)["messages"] == [HI]


def test_parts_in_models_and_what_models_make_of_their_values() -> None:
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    (message,) = sent([Model(role="user", content=[Text(text="Hi")], at=at)])["messages"]
    assert message == {"role": "user", "content": [{"type": "text", "text": "Hi"}], "at": "2026-01-01T00:00:00Z"}


def test_a_reply_goes_on_the_chat() -> None:
    call = {"id": "call_1", "name": "look_up", "arguments": {"invoice": 7}}
    with playing({"a": [{"answer": {"tool_calls": [call]}}, {"answer": "Done"}]}) as (mock, router):
        chat: list[Any] = [HI]
        reply = router.complete_sync("chat", chat)
        (called,) = reply.tool_calls
        chat += [reply.message, {"role": "tool", "tool_call_id": called.id, "content": "paid"}]
        assert router.complete_sync("chat", chat).text == "Done"
        assert [message["role"] for message in mock.log()[1]["body"]["messages"]] == ["user", "assistant", "tool"]
        assert mock.log()[1]["body"]["messages"][1]["tool_calls"][0]["id"] == "call_1"


def test_numbers_and_text_arrive_unchanged() -> None:
    data: dict[str, Any] = {
        "int": 2**63 - 1,
        "negative": -(2**63),
        "unsigned": 2**64 - 1,
        "float": 0.1,
        "tiny": 5e-324,
        "true": True,
        "false": False,
        "none": None,
        "text": "żółć 🦀 \u0000 \"\\",
        "empty": [{}, [], ""],
    }
    assert sent("Hi", extra_body={"a": {"data": data}})["data"] == data


def test_every_option_arrives() -> None:
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    with playing({"a": [{"answer": "{}"}]}) as (mock, router):
        router.complete_sync(
            "chat",
            "Hi",
            customer="acme",
            metadata={"feature": "search"},
            tools=[tool],
            tool_choice="required",
            response_format={"type": "json_object"},
            temperature=0.5,
            top_p=0.9,
            max_output_tokens=100,
            stop=["END"],
            seed=7,
            reasoning_effort="low",
            timeout_ms=5000,
            model="a/model",
            allow_fallback=False,
            extra_body={"a": {"user": "me"}},
            idempotency_key="once",
        )
        (entry,) = mock.log()
    body = entry["body"]
    assert entry["headers"]["idempotency-key"] == "once"
    assert body["tools"][0]["function"]["name"] == "look_up"
    assert (body["tool_choice"], body["response_format"]) == ("required", {"type": "json_object"})
    assert (body["temperature"], body["top_p"], body["stop"], body["seed"]) == (0.5, 0.9, ["END"], 7)
    assert (body["reasoning_effort"], body["user"], body["model"]) == ("low", "me", "model")


def test_other_options_are_not_taken() -> None:
    with playing({"a": []}) as (_, router), pytest.raises(TypeError, match="temprature"):
        router.complete_sync("chat", "Hi", temprature=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


class Broken:
    @property
    def model_dump(self) -> Any:
        raise KeyError("the secret word")


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (float("nan"), "expected a finite number"),
        (float("inf"), "expected a finite number"),
        (2**64, "expected an integer of at most 64 bits"),
        (-(2**63) - 1, "expected an integer of at most 64 bits"),
        (b"secret", "expected JSON data, found an object of type bytes"),
        (bytearray(b"secret"), "found an object of type bytearray"),
        (memoryview(b"secret"), "found an object of type memoryview"),
        ({"secret"}, "found an object of type set"),
        (object(), "found an object of type object"),
        (1j, "found an object of type complex"),
        ((item for item in ()), "found an object of type generator"),
        (Said, "found a class"),
        (Model, "found a class"),
        ({1: 2}, "expected strings as keys, found int"),
        ("\ud800", "a lone surrogate"),
        (Broken(), "reading Broken raised KeyError"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value.encode("ascii", "replace").decode(),
)
def test_what_is_no_data_is_named_with_its_place(content: Any, problem: str) -> None:
    error = refused([HI, {"role": "user", "content": content}])
    assert "messages[1].content: " in str(error)
    assert problem in str(error)
    assert "secret" not in str(error)
    error = refused("Hi", extra_body={"a": {"deep": [content]}})
    assert "extra_body.a.deep[0]: " in str(error)
    assert problem in str(error)


def test_too_deep() -> None:
    assert sent("Hi", extra_body={"a": {"deep": nested(120)}})["deep"] == nested(120)
    for deep in (nested(130), nested(100_000), ENDLESS):
        assert "nested deeper than 128 levels" in str(refused("Hi", extra_body={"a": {"deep": deep}}))


def test_what_code_raised_is_the_cause() -> None:
    assert isinstance(refused([Broken()]).__cause__, KeyError)


def test_what_the_core_refuses_is_named_with_its_place() -> None:
    assert "messages[0].role: unknown role" in str(refused([{"role": "usr", "content": "Hi"}]))
    assert "messages[0].content: expected" in str(refused([{"role": "user", "content": 7}]))
    assert "temperature: expected a number" in str(refused("Hi", temperature="hot"))
    assert "messages: empty" in str(refused([]))


def test_a_dict_that_changes_while_it_is_read() -> None:
    class Sly(OwnMapping):
        def __iter__(self) -> Iterator[str]:
            outer.clear()
            return super().__iter__()

    outer: dict[str, Any] = {"a": {}, "first": Sly(x=1), "second": 2}
    outer["a"] = {"sly": Sly(x=1), "more": 1}
    assert sent("Hi", extra_body={"a": outer["a"]})["sly"] == {"x": 1}


def test_configurations_are_walked_alike() -> None:
    @dataclasses.dataclass
    class Task:
        primary: str
        max_latency_ms: int | None = None

    providers = {"a": {"kind": "openai", "api_key": KEY, "base_url": "http://127.0.0.1:9/v1"}}
    assert Router({"providers": providers, "tasks": {"chat": Task("a/m")}}).tasks == ["chat"]
    for value, problem in ((float("nan"), "finite"), (object(), "type object"), (2**64, "64 bits")):
        with pytest.raises(locum.ConfigError) as caught:
            Router({"providers": providers, "tasks": {"chat": {"primary": "a/m", "max_latency_ms": value}}})
        assert "tasks.chat.max_latency_ms: " in str(caught.value)
        assert problem in caught.value.problems[0]
        assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        (None, "expected a string, found an object of type NoneType"),
        (3, "expected a string, found an object of type int"),
        (b"chat", "expected a string, found an object of type bytes"),
        ("\ud800", "expected Unicode text, found a lone surrogate"),
    ],
)
def test_a_task_that_is_no_text_is_named(task: Any, problem: str) -> None:
    with playing({"a": []}) as (mock, router):
        with pytest.raises(locum.InvalidRequest) as caught:
            router.complete_sync(task, "Hi")
        with pytest.raises(locum.InvalidRequest):
            asyncio.run(router.complete(task, "Hi"))
        assert mock.log() == []
    assert str(caught.value) == f"invalid_request: task: {problem}"
    assert caught.value.task is None


def test_every_option_is_handed_on_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Heard(Exception):
        pass

    class Recorder:
        def submit(self, task: str, messages: Any, options: dict[str, Any]) -> Any:
            raise Heard(options)

        complete_sync = stream = submit

    router = Router({"tasks": {"chat": {"primary": "ollama/small"}}})
    monkeypatch.setattr(router, "_native", Recorder())
    for method in (Router.complete, Router.complete_sync, Router.stream):
        names = [name for name, it in inspect.signature(method).parameters.items() if it.kind is it.KEYWORD_ONLY]
        given: Any = {name: f"the {name}" for name in names}
        with pytest.raises(Heard) as caught:
            if method is Router.complete:
                asyncio.run(router.complete("chat", "Hi", **given))
            else:
                method(router, "chat", "Hi", **given)
        assert len(names) > 10
        assert caught.value.args == (given,)
