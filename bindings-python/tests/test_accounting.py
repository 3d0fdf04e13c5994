"""Records of calls in a file, and that they are there when a program ends."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from support import config, run_python

from locum import ConfigError, InvalidRequest, QuotaExceeded, Router
from locum.testing import Mock

if TYPE_CHECKING:
    from pathlib import Path

    from locum import UsageReport


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_flushed_records_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    with Mock({"a": [{"status": 503}], "b": [{"answer": "Hello"}]}) as mock:
        router = Router({**config(mock, "a", "b", retries=0), "accounting": {"jsonl": {"path": str(path)}}, "state": "router"})
        assert router.flush()
        for number in range(5):
            router.complete_sync("chat", "A secret", customer="acme", metadata={"number": str(number)})
        assert router.flush()
    assert [record["metadata"]["number"] for record in lines(path)] == ["0", "1", "2", "3", "4"]
    assert [attempt["model"] for attempt in lines(path)[0]["attempts"]] == ["a/model", "b/model"]
    assert "A secret" not in path.read_text()


def test_a_disk_that_takes_nothing_is_told_and_holds_up_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with Mock({"a": [{"answer": "Hello"}]}) as mock:
        router = Router({**config(mock, "a"), "accounting": {"jsonl": {"path": str(folder / "usage.jsonl")}}})
        folder.rmdir()
        assert router.complete_sync("chat", "Hi").text == "Hello"
        assert not router.flush(50)
        assert router.complete_sync("chat", "Hi").text == "Hello"
        assert "usage records cannot be written, 1 wait: " in caplog.text
        folder.mkdir()
        assert router.flush()
    assert len(lines(folder / "usage.jsonl")) == 2


PROGRAM = """
    import asyncio, os, sys
    from support import Mock, Router, config

    with Mock({"a": [{"answer": "Hello"}]}) as mock:
        made = {**config(mock, "a"), "accounting": {"jsonl": {"path": sys.argv[1]}}}
        router = Router(made)
        router.complete_sync("chat", "Hi")
"""


@pytest.mark.parametrize(
    ("rest", "code", "count"),
    [
        ("", 0, 1),
        ("sys.exit(3)", 3, 1),
        ("raise KeyboardInterrupt", 130, 1),
        ("del router", 0, 1),
        ("assert router.flush(); os.kill(os.getpid(), 9)", -9, 1),
        ("asyncio.run(router.complete('chat', 'Hi')); kept = [router]; sys.modules['kept'] = kept", 0, 2),
    ],
)
def test_records_are_there_when_a_program_ends(tmp_path: Path, rest: str, code: int, count: int) -> None:
    path = tmp_path / "usage.jsonl"
    program = run_python(PROGRAM + "        " + rest, str(path))
    assert program.returncode in (code, -2) if code == 130 else program.returncode == code, program.stderr
    assert len(lines(path)) == count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_keeps_books_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    program = run_python(
        PROGRAM
        + """
        import warnings
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    router.complete_sync("chat", "Hi")
                    code = 0 if router.flush() else 2
                finally:
                    os._exit(code)
            children.append(child)
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
        """,
        str(path),
    )
    assert (program.returncode, program.stderr) == (0, "")
    assert len({record["id"] for record in lines(path)}) == 4


def test_records_of_many_calls_at_once(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"

    async def main(router: Router) -> None:
        await asyncio.gather(*(router.complete("chat", "Hi") for _ in range(300)))

    with Mock({"a": [{"answer": "Hello"}]}) as mock:
        accounting = {"jsonl": {"path": str(path), "max_bytes": 20_000, "keep": 100}}
        router = Router({**config(mock, "a"), "accounting": accounting})
        asyncio.run(main(router))
        assert router.flush()
    files = sorted(tmp_path.iterdir())
    assert len(files) > 1
    assert len({record["id"] for file in files for record in lines(file)}) == 300


def test_of_a_hundred_calls_at_once_as_many_pass_as_the_quota_has() -> None:
    async def main(router: Router) -> list[Any]:
        calls = (router.complete("chat", "Hi", customer="free:acme") for _ in range(100))
        return await asyncio.gather(*calls, return_exceptions=True)

    with Mock({"a": [{"answer": "Hello"}]}) as mock:
        quotas = {"free": {"customer": "free:*", "requests": 50, "per": "month"}}
        router = Router({**config(mock, "a"), "quotas": quotas, "state": "router"})
        replies = asyncio.run(main(router))
        assert len(mock.log()) == 50
    refused = [reply for reply in replies if isinstance(reply, QuotaExceeded)]
    assert len(refused) == 50
    assert all(error.retry_after_ms is not None and error.retry_after_ms > 0 for error in refused)


def test_usage_is_a_report_of_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"

    async def main(router: Router) -> UsageReport:
        await asyncio.gather(*(router.complete("chat", "Hi", customer="acme") for _ in range(20)))
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        report = await router.usage("customer")
        ticking.cancel()
        assert ticks > 1, "the loop went on"
        return report

    with Mock({"a": [{"answer": "Hello"}]}) as mock:
        accounting = {"jsonl": {"path": str(path), "max_bytes": 4_000, "keep": 100}}
        router = Router({**config(mock, "a"), "accounting": accounting})
        report = asyncio.run(main(router))
        assert len(list(tmp_path.iterdir())) > 1
        assert (report.by, report.counted, report.warnings) == ("customer", "calls", [])
        assert [(row.name, row.count, row.success_rate) for row in report.rows] == [("acme", 20, 1.0)]
        assert report.total.cost_usd is None
        with pytest.raises(AttributeError):
            report.total.count = 0  # pyright: ignore[reportAttributeAccessIssue]
        path.write_text("{}\n")
        left = router.usage_sync()
        assert left.warnings == [f"{path}:1: is no record"]
        path.unlink()
        path.mkdir()
        with pytest.raises(ConfigError, match="usage records cannot be read: .*is no file"):
            router.usage_sync()
        with pytest.raises(InvalidRequest, match="since: expected a day"):
            asyncio.run(router.usage(since="yesterday"))
