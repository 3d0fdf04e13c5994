"""Runs every scenario of ``core/tests/conformance`` through the Python API, as its README lays down."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from face import fetch
from support import dumps, error_fields, eventually, plain, reply_fields

from locum import ConfigError, LocumError, Reply, Router, RouterEvent
from locum.stream import Stream, TextStream
from locum.testing import Mock

FOLDER = Path(__file__).parents[2] / "core" / "tests" / "conformance"

SCENARIOS: list[dict[str, Any]] = [
    {**scenario, "file": path.name} for path in sorted(FOLDER.glob("*.json")) for scenario in json.loads(path.read_text())
]


def matches(actual: Any, expected: Any, path: str) -> None:
    """Fails with the place where ``actual`` is not as expected."""
    if isinstance(expected, dict):
        members = cast("dict[str, Any]", expected)
        if len(members) == 1 and next(iter(members)).startswith("$"):
            check(actual, *next(iter(members.items())), path)
            return
        assert isinstance(actual, dict), f"{path}: expected an object, found {actual!r}"
        for key, value in members.items():
            found = cast("dict[str, Any]", actual)
            if not is_absent(value):
                assert key in found, f"{path}.{key}: missing in {found}"
            matches(found.get(key), value, f"{path}.{key}")
    elif isinstance(expected, list):
        items = cast("list[Any]", expected)
        assert isinstance(actual, list), f"{path}: expected an array, found {actual!r}"
        found_items = cast("list[Any]", actual)
        assert len(found_items) == len(items), f"{path}: expected {len(items)} items, found {found_items!r}"
        for i, (item, wanted) in enumerate(zip(found_items, items, strict=True)):
            matches(item, wanted, f"{path}[{i}]")
    else:
        same = actual == expected and isinstance(actual, bool) == isinstance(expected, bool)
        assert same, f"{path}: expected {expected!r}, found {actual!r}"


def is_absent(expected: Any) -> bool:
    return expected == {"$absent": True}


def check(actual: Any, test: str, wanted: Any, path: str) -> None:
    """A test of one value, such as ``{"$lte": 5}``."""
    passed = {
        "$contains": lambda: isinstance(actual, str) and wanted in actual,
        "$any": lambda: actual is not None,
        "$absent": lambda: actual is None,
        "$lte": lambda: isinstance(actual, (int, float)) and actual <= wanted,
        "$gte": lambda: isinstance(actual, (int, float)) and actual >= wanted,
    }
    assert test in passed, f"{path}: unknown test {test}"
    assert passed[test](), f"{path}: expected {test} {wanted!r}, found {actual!r}"


def prepare(scenario: dict[str, Any], mock: Mock, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The configuration with addresses and keys, and the keys."""
    # The folder's name as it stands in JSON.
    configuration = json.loads(json.dumps(scenario["config"]).replace("{folder}", json.dumps(str(folder))[1:-1]))
    keys: list[str] = []
    for name, provider in configuration["providers"].items():
        keys.append(f"sk-conformance-{name}-do-not-print")
        provider.setdefault("base_url", mock.url(name))
        if "api_keys" not in provider and "auth" not in provider:
            provider.setdefault("api_key", keys[-1])
    configuration.setdefault("state", "router")
    return configuration, keys


def callbacks(scenario: dict[str, Any], keys: list[str]) -> dict[str, Callable[[], Any]]:
    """Callbacks that give one credential after the other, and go on with the last."""
    made: dict[str, Callable[[], Any]] = {}
    for name, given in scenario.get("credentials", {}).items():
        tokens = [each if isinstance(each, str) else each.get("token") for each in given]
        keys.extend(token for token in tokens if token)
        made[name] = _gives(itertools.chain(given, itertools.repeat(given[-1])))
    return made


def _gives(given: Iterator[Any]) -> Callable[[], Any]:
    def give() -> Any:
        one = next(given)
        if one == {"raises": True}:
            raise RuntimeError("token-conformance-do-not-print")
        return one

    return give


def script(scenario: dict[str, Any]) -> dict[str, Any]:
    """The upstreams' script; those without one answer all the same."""
    return {**{name: [] for name in scenario["config"]["providers"]}, **scenario.get("upstream", {})}


CONTENT = ("text", "reasoning", "tool_call_delta")


Outcome = Reply | LocumError | dict[str, Any] | None


async def make(router: Router, call: dict[str, Any], events: list[dict[str, Any]]) -> Outcome:
    """The outcome of a call, and the events of a stream; None if the caller cancelled or closed it."""
    if "http" in call:
        return await fetch(router, call["http"])
    options: dict[str, Any] = call.get("options") or {}
    unknown = set(options) - set(inspect.signature(router.stream if call.get("stream") else router.complete).parameters)
    if unknown:
        return await make_unsigned(router, call, unknown)
    if call.get("stream"):
        stream = router.stream(call["task"], call["messages"], **options)
        work = read(stream.text() if call["stream"] == "text" else stream, call, events)
    else:
        work = router.complete(call["task"], call["messages"], **options)
    task = asyncio.create_task(work)
    if "cancel_after_ms" in call:
        asyncio.get_running_loop().call_later(call["cancel_after_ms"] / 1000, task.cancel)
    try:
        return await task
    except LocumError as error:
        return error
    except asyncio.CancelledError:
        return None


async def make_unsigned(router: Router, call: dict[str, Any], unknown: set[str]) -> LocumError:
    """A call with options that the signature does not have: Python refuses them, and so does the core behind it."""
    native, arguments, options = getattr(router, "_native"), (call["task"], call["messages"]), call["options"]
    with pytest.raises(TypeError, match=unknown.pop()):
        (router.stream if call.get("stream") else router.complete)(*arguments, **options)
    with pytest.raises(LocumError) as refused:
        if call.get("stream"):
            await Stream(native.stream(*arguments, options)).collect()
        else:
            await native.submit(*arguments, options)[0]
    return refused.value


async def read(stream: Stream | TextStream, call: dict[str, Any], events: list[dict[str, Any]]) -> Reply | None:
    """Reads a stream as the call says; its reply, if it comes to its end."""
    content = 0
    async with stream:
        async for event in stream:
            fields = event_fields(event)
            events.append(fields)
            if fields["type"] not in CONTENT:
                continue
            content += 1
            if content == 1:
                await asyncio.sleep(call.get("pause_ms", 0) / 1000)
            if content == call.get("close_after"):
                await stream.aclose()
    return stream.reply


def event_fields(event: Any) -> dict[str, Any]:
    """An event as the scenarios write it."""
    if isinstance(event, str):
        return {"type": "text", "text": event}
    fields = {"type": event.type, **{name: plain(getattr(event, name)) for name in event.__match_args__}}
    if event.type == "end":
        del fields["reply"]
    return fields


def merged(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events with neighbours of one kind put together."""
    out: list[dict[str, Any]] = []
    for event in events:
        last = out[-1] if out else {}
        same = last.get("type") == event["type"] in CONTENT and last.get("index") == event.get("index")
        if not same:
            out.append(dict(event))
            continue
        for name in ("text", "arguments"):
            if name in event:
                last[name] += event[name]
        for name in ("id", "name"):
            if last.get(name) is None and name in event:
                last[name] = event[name]
    return out


def compare(outcome: Outcome, call: dict[str, Any]) -> str:
    """Compares an outcome; answers with all that can be printed of it."""
    expect: dict[str, Any] = call["expect"]
    if outcome is None:
        if "close_after" in call:
            return ""
        assert expect.get("error") == {"kind": "cancelled"}, "cancelled unexpectedly"
        return ""
    if isinstance(outcome, dict):
        which, fields, printed = "response", outcome, ""
    elif isinstance(outcome, LocumError):
        which, fields = "error", error_fields(outcome)
        printed = dumps(["".join(traceback.format_exception(outcome)), repr(outcome), outcome.__dict__])
    else:
        which, fields = "reply", reply_fields(outcome)
        assert fields == outcome.to_dict()
        printed = dumps([repr(outcome), outcome.raw])
    if which == "reply" and "models" in expect and "reply" not in expect:
        expect = {**expect, "reply": {"model": fields["model"]}}
    assert which in expect, f"ended with an unexpected {which}: {fields}"
    matches(fields, expect[which], which)
    if "attempts" in expect:
        matches(fields["attempts"], expect["attempts"], "attempts")
    return printed + dumps(fields)


def compare_seen(mock: Mock, expected: dict[str, Any]) -> None:
    """Compares how many requests the upstreams saw."""

    def counts() -> dict[str, int]:
        return {name: sum(entry["upstream"] == name for entry in mock.log()) for name in expected}

    try:
        eventually(lambda: True if fits(counts(), expected) else None, within=1.0)
    except AssertionError:
        matches(counts(), expected, "seen")


def compare_happened(told: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """The expected events are among those told, in this order."""
    rest = iter(told)
    for wanted in expected:
        assert any(fits(event, wanted) for event in rest), f"happened: no {wanted} in order, only {told}"


def fits(actual: Any, expected: Any) -> bool:
    try:
        matches(actual, expected, "")
    except AssertionError:
        return False
    return True


def compare_log(mock: Mock, scenario: dict[str, Any]) -> None:
    """Compares what the upstreams saw."""

    def requests(name: str) -> list[dict[str, Any]]:
        return [entry for entry in mock.log() if entry["upstream"] == name]

    compare_seen(mock, scenario.get("seen", {}))
    for name, expected in scenario.get("requests", {}).items():

        def look(name: str = name, expected: Any = expected) -> bool | None:
            try:
                matches(requests(name), expected, f"requests.{name}")
            except AssertionError:
                return None
            return True

        if "closed_ms" in dumps(expected):
            try:
                eventually(look, within=1.0)
            except AssertionError:
                pass  # The comparison below says what is missing.
        matches(requests(name), expected, f"requests.{name}")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_scenario(scenario: dict[str, Any], caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    with Mock(script(scenario)) as mock:
        configuration, keys = prepare(scenario, mock, tmp_path)
        credentials = callbacks(scenario, keys)
        if "config_error" in scenario:
            with pytest.raises(ConfigError) as refused:
                Router(configuration, credentials=credentials)
            matches(error_fields(refused.value), scenario["config_error"], "config_error")
            printed = dumps([str(refused.value), refused.value.__dict__])
        else:
            printed = run_calls(scenario, Router(configuration, credentials=credentials), mock)
            compare_log(mock, scenario)
        printed += dumps(mock.log()) + caplog.text
    for key in keys:
        assert key not in printed


def run_calls(scenario: dict[str, Any], router: Router, mock: Mock) -> str:
    told: list[dict[str, Any]] = []
    if any("happened" in call["expect"] for call in scenario["calls"]):
        router.on_event(lambda event: told.append(event_dict(event)))

    async def run() -> str:
        printed = repr(router)
        answers: list[dict[str, Any] | None] = []
        for call in scenario["calls"]:
            call = spoken(call, answers)
            await asyncio.sleep(call.get("wait_ms", 0) / 1000)
            if reset := call.get("reset_health"):
                router.reset_health(None if reset is True else reset)
            told.clear()
            if call.get("explain"):
                printed += compare_explanation(router, call)
                answers.append(None)
                continue
            if "usage" in call:
                printed += await compare_report(router, call)
                answers.append(None)
                continue
            replies: list[Reply | None] = []
            for _ in range(call.get("times", 1)):
                copies = [run_call(router, call) for _ in range(call.get("at_once", 1))]
                results = await asyncio.gather(*copies)
                printed += dumps([text for text, _ in results])
                replies = [reply for _, reply in results]
            answers.append(replies[-1].message if replies and replies[-1] else None)
            models = [reply.model if reply else None for reply in replies]
            printed += await compare_after(router, mock, call, told, models)
        return printed

    return asyncio.run(run())


def event_dict(event: RouterEvent) -> dict[str, Any]:
    fields = plain(event)
    fields["from"] = fields.pop("from_")
    return fields


def spoken(call: dict[str, Any], answers: list[dict[str, Any] | None]) -> dict[str, Any]:
    """The call with the messages that earlier calls were answered with, where it names them."""
    messages: Any = call.get("messages")
    if not isinstance(messages, list):
        return call
    said: list[Any] = []
    for message in cast("list[Any]", messages):
        stands_for_another = isinstance(message, dict) and "answer_of" in message
        said.append(answers[message["answer_of"]] if stands_for_another else message)
    return {**call, "messages": said}


async def run_call(router: Router, call: dict[str, Any]) -> tuple[str, Reply | None]:
    """Makes one call and compares it: what can be printed of it, and the reply."""
    begin = time.perf_counter()
    events: list[dict[str, Any]] = []
    outcome = await make(router, call, events)
    took = (time.perf_counter() - begin) * 1000
    expect = call["expect"]
    printed = compare(outcome, call) + dumps(events)
    if "events" in expect:
        matches(merged(events), expect["events"], "events")
    assert took <= expect.get("within_ms", float("inf")), f"took {took} ms"
    assert took >= expect.get("not_before_ms", 0), f"took only {took} ms"
    return printed, outcome if isinstance(outcome, Reply) else None


def compare_explanation(router: Router, call: dict[str, Any]) -> str:
    options: dict[str, Any] = call.get("options", {})
    try:
        if unknown := set(options) - set(inspect.signature(router.explain).parameters):
            with pytest.raises(TypeError, match=unknown.pop()):
                router.explain(call["task"], call["messages"], **options)
            getattr(router, "_native").explain(call["task"], call["messages"], options)
        explanation = router.explain(call["task"], call["messages"], **options)
    except LocumError as error:
        matches(error_fields(error), call["expect"]["error"], "error")
        return repr(error)
    matches(plain(explanation), call["expect"]["explanation"], "explanation")
    return repr(explanation)


async def compare_report(router: Router, call: dict[str, Any]) -> str:
    options: dict[str, Any] = call["usage"]
    try:
        if unknown := set(options) - set(inspect.signature(router.usage).parameters):
            with pytest.raises(TypeError, match=unknown.pop()):
                await router.usage(**options)
            getattr(router, "_native").usage(options)
        report = await router.usage(**options)
    except LocumError as error:
        matches(error_fields(error), call["expect"]["error"], "error")
        return repr(error)
    assert report == router.usage_sync(**options)
    matches(plain(report), call["expect"]["report"], "report")
    return repr(report)


async def compare_after(
    router: Router, mock: Mock, call: dict[str, Any], told: list[dict[str, Any]], models: list[str | None]
) -> str:
    """Compares what is to be seen once after a call and its copies."""
    expect = call["expect"]
    health = plain(router.health())
    if "health" in expect:
        matches(health, expect["health"], "health")
    if "models" in expect:
        assert Counter(models) == expect["models"]
    if "happened" in expect:
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            try:
                compare_happened(told, expect["happened"])
                break
            except AssertionError:
                await asyncio.sleep(0.005)
        compare_happened(told, expect["happened"])
    compare_seen(mock, expect.get("seen", {}))
    return dumps([health, told])


def test_there_are_scenarios() -> None:
    names = [scenario["name"] for scenario in SCENARIOS]
    assert len(names) >= 40
    assert len(set(names)) == len(names)
