"""Counts the shared scenarios, which all three languages must run alike."""

from __future__ import annotations

import pytest

_scenarios = 0


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    global _scenarios
    _scenarios += report.when == "call" and "test_conformance.py::test_scenario[" in report.nodeid


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _scenarios:
        terminalreporter.write_line(f"conformance: {_scenarios} scenarios")
