"""Records in tables that several processes share: all of them, once, and as the providers say."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import uuid
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support import config, run_python

from locum import Router
from locum.testing import Mock

if TYPE_CHECKING:
    from collections.abc import Generator

Rows = list[tuple[Any, ...]]


class Sqlite:
    """The tables of a file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "usage.db"
        self.accounting = {"sqlite": {"path": str(self.path)}}

    def rows(self, query: str) -> Rows:
        with closing(sqlite3.connect(self.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return connection.execute(query).fetchall()


class Postgres:
    """The tables of a schema of its own."""

    def __init__(self, server: str, schema: str) -> None:
        self.url = f"{server}?options=-c%20search_path%3D{schema}"
        self.accounting = {"postgres": {"url": self.url}}

    def rows(self, query: str) -> Rows:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()


@contextmanager
def postgres() -> Generator[Postgres, None, None]:
    server = os.environ.get("LOCUM_POSTGRES")
    if server is None:
        assert "LOCUM_REQUIRE_POSTGRES" not in os.environ
        pytest.skip("LOCUM_POSTGRES names no server (.ci/postgres starts one)")
    schema = f"locum_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
        yield Postgres(server, schema)
        connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Sqlite | Postgres, None, None]:
    if request.param == "sqlite":
        yield Sqlite(tmp_path)
    else:
        with postgres() as found:
            yield found


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """A program that goes on beside the test."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def answer(number: int) -> dict[str, Any]:
    usage = {"input": 1000 + number, "cached_input": 37 * number, "output": 100 + 7 * number, "reasoning": number}
    return {"answer": {"text": "Hello", "usage": usage}}


FAULTS: dict[str, list[dict[str, Any]]] = {
    "a": [
        *[answer(0), {"status": 500}, answer(1), {"html": True}, answer(2), {**answer(3), "truncate": 40}],
        *[answer(4), {"reset": True}, answer(5), {"status": 400}, answer(6), {"status": 200, "error": "server_error"}],
        *[answer(number) for number in range(7, 15)],
    ],
    "b": [answer(1), answer(2), {"status": 500}, answer(3)],
}
PRICES = {"a": {"input": 3.0, "cached_input": 0.3, "output": 15.0}, "b": {"input": 0.25, "cached_input": 0.025, "output": 2.0}}

MANY = """
    import asyncio, json, sys
    from locum import LocumError, Router

    router = Router(json.loads(sys.argv[1]))

    async def main(count):
        room = asyncio.Semaphore(32)

        async def call(number):
            async with room:
                try:
                    if number % 3:
                        await router.complete("chat", "Hi", customer=sys.argv[2])
                    else:
                        async with router.stream("chat", "Hi", customer=sys.argv[2]) as stream:
                            async for _ in stream:
                                pass
                except LocumError:
                    pass

        await asyncio.gather(*(call(number) for number in range(count)))

    asyncio.run(main(int(sys.argv[3])))
    assert router.flush(60_000)
"""


def test_three_processes_with_faults_write_what_the_providers_say(ledger: Sqlite | Postgres) -> None:
    counts = [3334, 3333, 3333]
    with Mock({"a": {"cycle": True, "steps": FAULTS["a"]}}) as a, Mock({"b": {"cycle": True, "steps": FAULTS["b"]}}) as b:
        mocks = {"a": a, "b": b}
        made = {
            **config(a, "a", retries=0),
            "models": {name: {"use": f"{name}/model", "price": PRICES[name]} for name in mocks},
            "accounting": ledger.accounting,
            # All are to be asked, whatever they did before.
            "breaker": {"failures": 100},
        }
        made["providers"] = {
            name: {"kind": "openai", "base_url": mock.url(name), "api_key": "x"} for name, mock in mocks.items()
        }
        made["tasks"] = {"chat": {"primary": "a", "fallback": ["b"], "retries": 0}}
        programs = [start(MANY, json.dumps(made), str(number), str(count)) for number, count in enumerate(counts)]
        for program in programs:
            program.communicate(timeout=120)
        assert [program.returncode for program in programs] == [0, 0, 0]
        asked = {name: [seen for seen in mock.log() if seen["upstream"] == name] for name, mock in mocks.items()}

    per_customer = ledger.rows("SELECT customer, count(*) FROM locum_calls GROUP BY customer ORDER BY customer")
    assert per_customer == [(str(number), count) for number, count in enumerate(counts)]
    told: Counter[tuple[Any, ...]] = Counter()
    # Answered, perhaps, and without a word of the tokens.
    untold: int = 0
    for name, log in asked.items():
        for seen in log:
            step: dict[str, Any] = FAULTS[name][int(seen["n"]) % len(FAULTS[name])]
            untold += any(fault in step for fault in ("truncate", "html", "reset")) or step.get("status") == 200
            if "answer" in step and "truncate" not in step:
                usage, price = step["answer"]["usage"], PRICES[name]
                fresh = usage["input"] - usage["cached_input"]
                cost = fresh * price["input"] + usage["cached_input"] * price["cached_input"] + usage["output"] * price["output"]
                told[name, usage["input"], usage["cached_input"], usage["output"], usage["reasoning"], round(cost, 3)] += 1
    per_model = dict(ledger.rows("SELECT provider, count(*) FROM locum_attempts GROUP BY provider"))
    assert per_model == {name: len(log) for name, log in asked.items()}
    written = ledger.rows(
        "SELECT provider, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost, count(*) FROM locum_attempts"
        " WHERE input_tokens IS NOT NULL AND NOT usage_is_estimate GROUP BY 1, 2, 3, 4, 5, 6"
    )
    # In millionths of a dollar, as prices are told.
    assert Counter({(*row[:5], round(row[5] * 1e6, 3)): row[6] for row in written}) == told
    estimated = ledger.rows("SELECT count(*) FROM locum_attempts WHERE usage_is_estimate")
    assert estimated[0][0] == untold
    sums = "SELECT count(*), sum(cost) FROM locum_calls"
    calls, cost = ledger.rows(sums)[0]
    attempts_cost = ledger.rows("SELECT sum(cost) FROM locum_attempts")[0][0]
    assert (calls, cost) == (10_000, pytest.approx(attempts_cost, rel=1e-9))
    report = Router(made).usage_sync("model")
    assert [(row.name, row.count) for row in report.rows] == [(f"{name}/model", len(log)) for name, log in asked.items()]
    assert report.total.cost_usd == pytest.approx(cost, rel=1e-9)
    assert len(asked["a"]) > 3_000 and len(asked["b"]) > 1_000 and untold > 500


ENDLESS = """
    import asyncio, json, sys
    from locum import Router

    router = Router(json.loads(sys.argv[1]))

    async def main():
        done = 0
        while True:
            await asyncio.gather(*(router.complete("chat", "Hi", customer=sys.argv[2]) for _ in range(20)))
            done += 20
            if router.flush(20_000):
                print(done, flush=True)

    asyncio.run(main())
"""


def test_what_was_flushed_outlives_a_kill(ledger: Sqlite | Postgres) -> None:
    with Mock({"a": [{"status": 503}, {"answer": "Hello"}]}) as mock:
        made = {**config(mock, "a"), "accounting": ledger.accounting}
        programs = [start(ENDLESS, json.dumps(made), str(number)) for number in range(3)]
        acknowledged: dict[str, int] = {}
        for number, program in enumerate(programs):
            assert program.stdout is not None
            for _ in range(5 + number):
                acknowledged[str(number)] = int(program.stdout.readline())
            program.send_signal(signal.SIGKILL)
        for number, program in enumerate(programs):
            # What it said before it was killed counts too.
            rest = [int(line) for line in program.communicate()[0].splitlines()]
            acknowledged[str(number)] = max([acknowledged[str(number)], *rest])
    written = dict(ledger.rows("SELECT customer, count(*) FROM locum_calls GROUP BY customer"))
    assert all(written[name] >= count for name, count in acknowledged.items()), (written, acknowledged)
    torn = "SELECT id FROM locum_calls WHERE id NOT IN (SELECT call_id FROM locum_attempts)"
    assert ledger.rows(torn) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_while_records_are_written(tmp_path: Path) -> None:
    ledger = Sqlite(tmp_path)
    program = run_python(
        """
        import json, os, sys, warnings
        from support import Mock, Router, config
        warnings.filterwarnings("ignore", category=DeprecationWarning)

        with Mock({"a": [{"answer": "Hello"}]}) as mock:
            router = Router({**config(mock, "a"), "accounting": json.loads(sys.argv[1])})
            children = []
            for _ in range(20):
                for _ in range(5):
                    router.complete_sync("chat", "Hi")
                child = os.fork()
                if child == 0:
                    code = 1
                    try:
                        router.complete_sync("chat", "Hi", customer="child")
                        code = 0 if router.flush(20_000) else 2
                    finally:
                        os._exit(code)
                children.append(child)
            assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 20
        """,
        json.dumps(ledger.accounting),
        timeout=60.0,
    )
    assert (program.returncode, program.stderr) == (0, "")
    assert ledger.rows("SELECT customer, count(*) FROM locum_calls GROUP BY customer") == [(None, 100), ("child", 20)]


@pytest.mark.skipif(sys.platform == "win32", reason="this system limits no files")
def test_a_full_disk_is_told_and_what_waited_is_written_later(tmp_path: Path) -> None:
    ledger = Sqlite(tmp_path)
    program = run_python(
        """
        import json, logging, resource, sys
        from support import Mock, Router, config

        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        with Mock({"a": [{"answer": "Hello"}]}) as mock:
            router = Router({**config(mock, "a"), "accounting": json.loads(sys.argv[1])})
            router.complete_sync("chat", "Hi")
            assert router.flush(20_000)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            for _ in range(7):
                assert router.complete_sync("chat", "Hi").text == "Hello"
            assert not router.flush(200)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert router.flush(20_000)
        """,
        json.dumps(ledger.accounting),
        timeout=60.0,
    )
    assert (program.returncode, program.stderr) == (0, "")
    assert "usage records cannot be written, " in program.stdout and "usage.db: " in program.stdout
    assert ledger.rows("SELECT count(*) FROM locum_calls") == [(8,)]


def test_a_database_that_is_away_holds_up_no_call(caplog: pytest.LogCaptureFixture) -> None:
    with Mock({"a": [{"answer": "Hello"}]}) as mock:
        address = "postgres://me:hunter2@127.0.0.1:1/usage"
        router = Router({**config(mock, "a"), "accounting": {"postgres": {"url": address}}})
        for _ in range(3):
            assert router.complete_sync("chat", "Hi").text == "Hello"
        assert not router.flush(200)
        assert router.complete_sync("chat", "Hi").text == "Hello"
    assert "usage records cannot be written, " in caplog.text and "PostgreSQL: " in caplog.text
    assert "hunter2" not in caplog.text
