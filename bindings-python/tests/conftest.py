"""Counts the shared scenarios, which all three languages must run alike; and gives every kind of event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from support import LOOPS

_scenarios = 0


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    global _scenarios
    _scenarios += report.when == "call" and "test_conformance.py::test_scenario[" in report.nodeid


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _scenarios:
        terminalreporter.write_line(f"conformance: {_scenarios} scenarios")


@pytest.fixture(params=LOOPS)
def new_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return LOOPS[request.param]
