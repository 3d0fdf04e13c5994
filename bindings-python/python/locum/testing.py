"""Scripted providers on loopback, for tests of applications: answers, errors and faults as the real ones make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locum import _core

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

__all__ = ["Mock"]


class Mock:
    """Plays a script on a free port of 127.0.0.1, in OpenAI's and Anthropic's formats, until it is closed.

    >>> with Mock({"main": [{"error": "server_is_overloaded"}], "spare": [{"answer": "Hello"}]}) as mock:
    ...     base_url = mock.url("main")
    """

    def __init__(self, script: Mapping[str, Any]) -> None:
        """Starts at once. ``script`` says what each upstream does, request by request.

        Raises:
            ConfigError: the script has a problem; the message names the place.
        """
        self._core = _core.Mock(script)

    def url(self, name: str) -> str:
        """The ``base_url`` of the upstream ``name``."""
        return self._core.url(name)

    def log(self) -> list[dict[str, Any]]:
        """What was seen, in the order of arrival."""
        return self._core.log()

    def close(self) -> None:
        """Closes the port and every connection."""
        self._core.close()

    def __enter__(self) -> Mock:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()
