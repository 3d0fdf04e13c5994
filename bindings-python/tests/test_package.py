"""The package as a whole: its import, its command, its default router, its testing module, its types."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import KEY, playing, run_python

import locum
from locum import Reply, Router
from locum.testing import Mock


def test_import_starts_nothing() -> None:
    program = run_python(
        """
        import os, sys, threading
        before, modules = set(os.listdir("/dev/fd")), set(sys.modules)
        import locum
        assert set(os.listdir("/dev/fd")) == before
        assert threading.active_count() == 1
        if os.path.isdir("/proc/self/task"):
            assert len(os.listdir("/proc/self/task")) == 1
        # The heavy ones are left to those who use them.
        assert not {"asyncio", "logging", "inspect", "dataclasses", "locum.testing"} & (set(sys.modules) - modules)
        """
    )
    assert (program.returncode, program.stderr) == (0, "")


def test_both_calls_take_the_same_options() -> None:
    options = inspect.signature(Router.complete).parameters
    assert inspect.signature(Router.complete_sync).parameters == options
    assert inspect.iscoroutinefunction(Router.complete)
    assert inspect.iscoroutinefunction(locum.complete)
    for option in list(options.values())[3:]:
        assert option.kind is inspect.Parameter.KEYWORD_ONLY
        assert option.default is None
        assert f"\n    {option.name}: " in str(inspect.getdoc(Router.complete))


def test_streams_take_the_options_of_calls_and_their_own() -> None:
    of_calls, options = (inspect.signature(method).parameters for method in (Router.complete, Router.stream))
    assert {**of_calls, **options}.keys() - options.keys() == {"upstream"}
    assert options.keys() - of_calls.keys() == {"reasoning_events", "tool_call_deltas"}
    for option in list(options.values())[3:]:
        assert (option.kind, option.default) == (inspect.Parameter.KEYWORD_ONLY, None)
    assert getattr(locum.stream, "__self__") is getattr(locum.complete, "__self__")


def test_a_reply_cannot_be_changed_or_made() -> None:
    with playing({"a": [{"answer": "[1]"}]}) as (_, router):
        reply = router.complete_sync("chat", "Hi")
        with pytest.raises(AttributeError):
            reply.text = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(TypeError):
            Reply()
        # What can be changed is the same object whenever it is asked for.
        assert reply.message is reply.message
        assert reply.raw is reply.raw
        assert reply.raw["choices"][0]["message"]["content"] == "[1]"
        assert "raw" not in reply.to_dict()
        assert reply.trail().splitlines()[1].split()[:2] == ["a/model", "ok"]


def test_structured_answers_are_parsed() -> None:
    with playing({"a": [{"answer": '{"total": 7}'}]}) as (_, router):
        reply = router.complete_sync("chat", "Hi", response_format={"type": "json_object"})
        assert reply.parsed == {"total": 7}
        assert reply.parsed is reply.parsed


def test_the_default_router(tmp_path: Path) -> None:
    with Mock({"a": [{"answer": "Hello"}]}) as mock:
        path = tmp_path / "locum.toml"
        path.write_text(
            f'[providers.a]\nkind = "openai"\nbase_url = "{mock.url("a")}"\napi_key = "env:A_KEY"\n[tasks.chat]\nprimary = "a/m"\n'
        )
        program = run_python(
            """
            import asyncio, os, sys
            import locum
            assert repr(locum.complete.__self__) == "DefaultRouter()"
            os.environ["LOCUM_CONFIG"], os.environ["A_KEY"] = sys.argv[1:]
            assert locum.complete_sync("chat", "Hi").text == "Hello"
            os.environ["LOCUM_CONFIG"] = "changed.toml"  # It has been read.
            assert asyncio.run(locum.complete("chat", "Hi")).text == "Hello"
            """,
            str(path),
            KEY,
        )
        assert (program.returncode, program.stderr) == (0, "")
        assert len(mock.log()) == 2


def test_a_mock_is_closed_for_good() -> None:
    with Mock({"a": []}) as mock:
        router = Router({"providers": {"a": {"kind": "openai", "base_url": mock.url("a"), "api_key": KEY}}, "tasks": {"t": {"primary": "a/m"}}})
        assert router.complete_sync("t", "Hi").text == "Hello from a"
    mock.close()
    with pytest.raises(RuntimeError, match="closed"):
        mock.log()
    with pytest.raises(locum.ConnectionFailed):
        router.complete_sync("t", "Hi")
    with pytest.raises(locum.ConfigError, match="unknown"):
        Mock({"a": [{"anser": "Hello"}]})


@pytest.mark.parametrize("command", [["-m", "locum"], ["-c", "from locum.__main__ import main; main()"]])
def test_the_command(command: list[str]) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *command, *arguments], capture_output=True, text=True, timeout=20)

    version = run("--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout == f"locum {locum.__version__}\n"
    assert run("--no-such-flag").returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_ends_the_command(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"a": []}))
    command = [sys.executable, "-m", "locum", "mock", str(script)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env={**os.environ}) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert "127.0.0.1" in program.stdout.readline()
        program.send_signal(signal.SIGINT)
        program.wait(timeout=10)
        assert "Traceback" not in program.stderr.read()
