"""The native half of ``locum``: private, but for ``Reply``."""

from asyncio import Future
from collections.abc import Mapping
from os import PathLike
from typing import Any, final

from locum.types import Attempt, ErrorKind, Finish, Messages, ToolCall, Usage

__all__ = ["KINDS", "Bell", "Mailbox", "Mock", "Reply", "Router", "Ticket", "__version__", "run_cli"]

__version__: str
KINDS: tuple[ErrorKind, ...]

def run_cli(arguments: list[str]) -> int: ...
@final
class Reply:
    """The answer to a call, with the whole trail of how it came about."""

    @property
    def text(self) -> str:
        """The text; a refusal's words too."""
    @property
    def reasoning(self) -> str | None:
        """Visible reasoning."""
    @property
    def message(self) -> dict[str, Any]:
        """The answer as the assistant message to append to the chat."""
    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Tools the model wants called."""
    @property
    def parsed(self) -> Any:
        """The answer parsed as JSON, when a JSON format was asked for."""
    @property
    def finish(self) -> Finish:
        """Why the model stopped."""
    @property
    def usage(self) -> Usage | None:
        """Tokens of the winning attempt, where the provider reported them."""
    @property
    def cost(self) -> float | None:
        """USD over all attempts, where any is known."""
    @property
    def model(self) -> str:
        """Who answered, as ``provider/model``."""
    @property
    def provider(self) -> str:
        """The provider's name in the configuration."""
    @property
    def task(self) -> str:
        """The task."""
    @property
    def latency_ms(self) -> float:
        """From the call to the answer."""
    @property
    def first_token_ms(self) -> float | None:
        """From the call to the first content, for streams."""
    @property
    def request_id(self) -> str | None:
        """The provider's id of the exchange."""
    @property
    def warnings(self) -> tuple[str, ...]:
        """Things worth knowing that are not failures."""
    @property
    def fallback_used(self) -> bool:
        """Whether another than the first candidate answered."""
    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """What was tried and what was passed over, in order."""
    @property
    def raw(self) -> Any:
        """The provider's own body."""
    def trail(self) -> str:
        """The attempts as a table for people, a line each."""
    def to_dict(self) -> dict[str, Any]:
        """Everything but ``raw``, as plain data."""

@final
class Router:
    @staticmethod
    def from_config(config: Mapping[str, Any]) -> Router: ...
    @staticmethod
    def from_file(path: str | PathLike[str]) -> Router: ...
    @staticmethod
    def from_default() -> Router: ...
    def tasks(self) -> list[str]: ...
    def submit(self, task: str, messages: Messages, options: dict[str, Any]) -> tuple[Future[Reply], Ticket]: ...
    def complete_sync(self, task: str, messages: Messages, options: dict[str, Any]) -> Reply: ...

@final
class Ticket:
    def cancel(self) -> None: ...

@final
class Mailbox:
    def drain(self) -> None: ...

@final
class Bell:
    def wait(self) -> bool: ...

@final
class Mock:
    def __new__(cls, script: Mapping[str, Any]) -> Mock: ...
    def url(self, name: str) -> str: ...
    def log(self) -> list[dict[str, Any]]: ...
    def close(self) -> None: ...
