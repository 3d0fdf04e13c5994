"""Keys and words stay out of everything that can be printed."""

from __future__ import annotations

import io
import logging
import pickle
import traceback

import pytest
from support import KEY, config, dumps, playing, run_python

import locum
from locum import LocumError, Router
from locum.testing import Mock

PROMPT = "the prompt's words"
ANSWER = "the answer's words"

STEPS = [
    {"error": "invalid_api_key"},
    {"error": {"code": "invalid_api_key", "message": f"Incorrect API key provided: {KEY}"}},
    {"error": "rate_limit_exceeded"},
    {"html": True},
    {"garbage": True},
    {"reset": True},
    {"answer": {"text": ANSWER, "tool_calls": [{"name": "f", "arguments": {"text": ANSWER}}]}},
]


@pytest.mark.parametrize("step", STEPS, ids=dumps)
def test_no_key_in_anything_printed(step: dict[str, object], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with playing({"a": [step]}, retries=0) as (mock, router):
        try:
            reply = router.complete_sync("chat", PROMPT)
            printed = dumps([repr(reply), reply.to_dict(), reply.raw, reply.attempts])
        except LocumError as error:
            printed = dumps([str(error), repr(error), error.__dict__]) + "".join(traceback.format_exception(error))
            printed += pickle.dumps(error).decode("latin-1")
            assert PROMPT not in printed
        printed += repr(router) + repr(router.__dict__) + repr(mock) + dumps(mock.log()) + caplog.text
        assert KEY not in printed
        assert PROMPT not in caplog.text


def test_no_key_in_a_configuration_error() -> None:
    with Mock({"a": []}) as mock:
        wrong = config(mock, "a", max_latency_ms=KEY)
        wrong["providers"]["a"]["api_keyy"] = KEY
        wrong["tasks"]["chat"]["primary"] = [KEY]
        with pytest.raises(locum.ConfigError) as caught:
            Router(wrong)
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__)
        assert len(caught.value.problems) >= 2
        assert KEY not in shown


def test_reprs_do_not_show_what_the_model_said() -> None:
    answer = {"text": ANSWER, "tool_calls": [{"name": "f", "arguments": {"text": ANSWER}}]}
    with playing({"a": [{"answer": answer}]}) as (_, router):
        reply = router.complete_sync("chat", PROMPT)
        for shown in (repr(reply), str(reply), repr(reply.tool_calls), repr(reply.attempts), repr(reply.finish)):
            assert ANSWER not in shown
        assert ANSWER in reply.text
        assert ANSWER in reply.tool_calls[0].arguments


def test_notices_are_logged_once_and_without_the_key() -> None:
    stream = io.StringIO()
    logger, handler = logging.getLogger("locum"), logging.StreamHandler(stream)
    logger.addHandler(handler)
    try:
        with playing({"a": [{"error": "invalid_api_key"}], "b": [{"answer": "Hello"}]}) as (_, router):
            for _ in range(3):
                assert router.complete_sync("chat", PROMPT).fallback_used
    finally:
        logger.removeHandler(handler)
    (line,) = [line for line in stream.getvalue().splitlines() if "auth" in line]
    assert "a/model" in line
    assert KEY not in stream.getvalue()


def test_notices_of_coroutines_and_lints_reach_logging() -> None:
    program = run_python(
        """
        import asyncio, logging
        from support import config, playing, KEY
        from locum import Router
        from locum.testing import Mock

        logging.basicConfig(format="%(name)s %(levelname)s %(message)s")
        with Mock({"a": [{"error": "invalid_api_key"}], "b": []}) as mock:
            router = Router({**config(mock, "a", "b"), "models": {"unused": {"use": "a/other"}}})
            asyncio.run(router.complete("chat", "Hi"))
        """
    )
    assert program.returncode == 0
    assert KEY not in program.stderr
    lines = program.stderr.splitlines()
    assert all(line.startswith("locum WARNING ") for line in lines)
    assert any("unused" in line for line in lines)
    assert any("auth" in line for line in lines)
