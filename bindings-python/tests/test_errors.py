"""Errors as exceptions: the table of kinds, the classes, their attributes, pickling."""

from __future__ import annotations

import copy
import pickle
from typing import Any, get_args

import pytest
from support import ERROR_FIELDS, KEY, error_fields, playing

import locum
from locum import LocumError, Router, _core, errors, types
from locum.testing import Mock


def fail(script: Any, **task: Any) -> LocumError:
    with playing(script, **task) as (_, router), pytest.raises(LocumError) as caught:
        router.complete_sync("chat", "What is the secret word?")
    return caught.value


def test_every_kind_has_its_class() -> None:
    assert set(errors.CLASSES) == set(_core.KINDS) == set(get_args(types.ErrorKind))
    assert len(_core.KINDS) == 24


def test_the_classes_are_public_and_of_one_family() -> None:
    for cls in errors.CLASSES.values():
        assert issubclass(cls, LocumError)
        assert getattr(locum, cls.__name__) is cls
        assert cls.__name__ in locum.__all__
        assert cls.__doc__


@pytest.mark.parametrize(
    ("cls", "base"),
    [
        (locum.Timeout, TimeoutError),
        (locum.ConnectionFailed, ConnectionError),
        (locum.InvalidRequest, ValueError),
        (locum.ConfigError, ValueError),
    ],
)
def test_some_are_builtin_errors_too(cls: type[LocumError], base: type[Exception]) -> None:
    assert issubclass(cls, base)
    error = cls("it went wrong", kind="timeout", status=504)
    assert (str(error), error.kind, error.status, error.attempts) == ("it went wrong", "timeout", 504, ())


@pytest.mark.parametrize(
    ("step", "cls", "kind", "status"),
    [
        ({"error": "rate_limit_exceeded"}, locum.RateLimited, "rate_limited", 429),
        ({"error": "insufficient_quota"}, locum.QuotaExceeded, "provider_quota", 429),
        ({"error": "server_is_overloaded"}, locum.Overloaded, "overloaded", 503),
        ({"error": "server_error"}, locum.ServerError, "server_error", 500),
        ({"error": "context_length_exceeded"}, locum.ContextOverflow, "context_overflow", 400),
        ({"error": "content_policy_violation"}, locum.ContentFiltered, "content_filtered", 400),
        ({"error": "invalid_api_key"}, locum.Authentication, "auth", 401),
        ({"error": "permission_error"}, locum.PermissionDenied, "permission", 403),
        ({"error": "model_not_found"}, locum.ModelNotFound, "model_not_found", 404),
        ({"error": "request_too_large"}, locum.RequestTooLarge, "request_too_large", 413),
        ({"error": "invalid_request_error"}, locum.InvalidRequest, "invalid_request", 400),
        ({"html": True}, locum.MalformedResponse, "malformed_response", 200),
        ({"reset": True}, locum.ConnectionFailed, "connection", None),
    ],
)
def test_from_the_wire_to_the_class(step: Any, cls: type[LocumError], kind: str, status: int | None) -> None:
    error = fail({"a": [step]}, retries=0)
    assert (type(error), error.kind, error.status) == (cls, kind, status)
    assert error.model == "a/model"
    assert error.provider == "a"
    assert error.task == "chat"
    assert [line.outcome for line in error.attempts] == ["failed"]
    assert error.attempts[0].kind == kind


def test_the_whole_ladder_is_told() -> None:
    error = fail({"a": [{"error": "rate_limit_exceeded", "headers": {"retry-after": "7"}}], "b": [{"status": 500}]}, retries=0)
    assert isinstance(error, locum.RateLimited)
    assert error.retryable
    assert error.retry_after_ms == 7000
    assert error.request_id
    assert [(line.model, line.kind, line.next) for line in error.attempts] == [
        ("a/model", "rate_limited", "fallback"),
        ("b/model", "server_error", "fail"),
    ]
    assert "b/model server_error" in str(error)
    assert [line.split()[0] for line in error.trail().splitlines()[1:]] == ["a/model", "b/model"]


def test_pickling_and_copying_keep_everything() -> None:
    # A pool of processes hands exceptions over in this way.
    tried = [{"error": "rate_limit_exceeded", "headers": {"retry-after": "7"}}]
    samples = [fail({"a": tried}, retries=0), fail({"a": [{"silence": True}]}, max_latency_ms=50), fail({"a": [{"reset": True}]})]
    samples.append(locum.ConfigError("bad", kind="config", problems=("a: b",)))
    for error in samples:
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(twin) is type(error)
            assert error_fields(twin) == error_fields(error)
            assert (twin.args, twin.trail()) == (error.args, error.trail())


def test_no_error_holds_the_request() -> None:
    echo = {"error": {"code": "server_error", "message": "We are down"}}
    error = fail({"a": [echo]}, retries=0)
    for text in (str(error), repr(error), repr(error.__dict__)):
        assert "secret word" not in text
        assert KEY not in text
    assert set(ERROR_FIELDS) <= set(error.__dict__)


def test_every_problem_of_a_configuration() -> None:
    config: dict[str, Any] = {"providers": {"a": {"kind": "opnai"}}, "tasks": {"chat": {"primary": "a/m", "fallbak": []}}}
    with pytest.raises(locum.ConfigError) as caught:
        Router(config)
    assert len(caught.value.problems) == 2
    for problem in caught.value.problems:
        assert problem in str(caught.value)


def test_files_that_are_wrong(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locum.toml"
    with pytest.raises(locum.ConfigError, match="locum.toml"):
        Router.from_file(path)
    path.write_text("[tasks.chat]\nprimary = 7\n")
    with pytest.raises(locum.ConfigError, match="tasks.chat.primary"):
        Router.from_file(str(path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOCUM_CONFIG", raising=False)
    with pytest.raises(locum.ConfigError, match="tasks.chat.primary"):
        Router.from_default()
    with pytest.raises(locum.ConfigError, match="tasks.chat.primary"):
        locum.complete_sync("chat", "Hi")
    # A configuration that has been mended is found.
    with Mock({"a": [{"answer": "Hello"}]}) as mock:
        provider = f'[providers.a]\nkind = "openai"\nbase_url = "{mock.url("a")}"\napi_key = "{KEY}"\n'
        path.write_text(provider + '[tasks.chat]\nprimary = "a/m"\n')
        monkeypatch.setattr(locum.complete_sync.__self__, "__dict__", {})
        assert locum.complete_sync("chat", "Hi").text == "Hello"
