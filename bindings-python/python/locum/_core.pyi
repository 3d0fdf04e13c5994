"""The native half of ``locum``: private, but for ``Reply`` and the events."""

from asyncio import Future
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, ClassVar, Literal, final

from locum.types import Attempt, CredentialCallback, ErrorKind, Event, Finish, HttpAnswer, Messages, RouterEvent, ToolCall, Usage

__all__ = [
    "KINDS",
    "LAST_FLUSH",
    "Bell",
    "CredentialRequest",
    "CredentialRequests",
    "EndEvent",
    "Mailbox",
    "Mock",
    "ReasoningEvent",
    "Reply",
    "RestartEvent",
    "Router",
    "StartEvent",
    "Stream",
    "TextEvent",
    "Ticket",
    "ToolCallDeltaEvent",
    "ToolCallEvent",
    "UsageEvent",
    "__version__",
    "run_cli",
]

__version__: str
KINDS: tuple[ErrorKind, ...]
LAST_FLUSH: float

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
        """The answer as the assistant message to append to the chat.

        Where the model wants its reasoning back unchanged, it has a member ``reasoning_state``, which is sent to that model alone.
        """
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
class StartEvent:
    """The first content is about to come; until then a change of the candidate goes unseen."""

    type: ClassVar[Literal["start"]]
    __match_args__ = ("model",)
    def __new__(cls, model: str) -> StartEvent: ...
    @property
    def model(self) -> str:
        """Who speaks, as ``provider/model``."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class TextEvent:
    """More of the text; a refusal's words too."""

    type: ClassVar[Literal["text"]]
    __match_args__ = ("text",)
    def __new__(cls, text: str) -> TextEvent: ...
    @property
    def text(self) -> str:
        """The piece."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class ReasoningEvent:
    """More of the visible reasoning."""

    type: ClassVar[Literal["reasoning"]]
    __match_args__ = ("text",)
    def __new__(cls, text: str) -> ReasoningEvent: ...
    @property
    def text(self) -> str:
        """The piece."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class ToolCallDeltaEvent:
    """A piece of a tool call, for those who asked for these."""

    type: ClassVar[Literal["tool_call_delta"]]
    __match_args__ = ("index", "id", "name", "arguments")
    def __new__(cls, index: int, id: str | None, name: str | None, arguments: str) -> ToolCallDeltaEvent: ...
    @property
    def index(self) -> int:
        """Which call of the answer, from 0."""
    @property
    def id(self) -> str | None:
        """Its id, with the first piece."""
    @property
    def name(self) -> str | None:
        """The tool's name, with the first piece."""
    @property
    def arguments(self) -> str:
        """More of the arguments' JSON text."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class ToolCallEvent:
    """A complete tool call."""

    type: ClassVar[Literal["tool_call"]]
    __match_args__ = ("id", "name", "arguments")
    def __new__(cls, id: str, name: str, arguments: str) -> ToolCallEvent: ...
    @property
    def id(self) -> str:
        """The result's message names it as ``tool_call_id``."""
    @property
    def name(self) -> str:
        """The tool's name."""
    @property
    def arguments(self) -> str:
        """JSON text, as the model wrote it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class RestartEvent:
    """What came so far is void: the answer begins anew."""

    type: ClassVar[Literal["restart"]]
    __match_args__ = ("model", "kind", "reason")
    def __new__(cls, model: str, kind: ErrorKind, reason: str) -> RestartEvent: ...
    @property
    def model(self) -> str:
        """Who speaks from now on, as ``provider/model``."""
    @property
    def kind(self) -> ErrorKind:
        """Why the earlier answer broke off."""
    @property
    def reason(self) -> str:
        """The same, as a sentence."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class UsageEvent:
    """Tokens of the attempt that answered."""

    type: ClassVar[Literal["usage"]]
    __match_args__ = ("usage",)
    def __new__(cls, usage: Usage) -> UsageEvent: ...
    @property
    def usage(self) -> Usage:
        """The tokens."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class EndEvent:
    """The answer is whole; nothing follows."""

    type: ClassVar[Literal["end"]]
    __match_args__ = ("reply",)
    def __new__(cls, reply: Reply) -> EndEvent: ...
    @property
    def reply(self) -> Reply:
        """All of it, with the trail."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Stream:
    def choose_text(self) -> None: ...
    def take(self, text: bool) -> Event | str | bytes | None: ...
    def wait(self) -> Future[None] | None: ...
    def wait_sync(self) -> bool: ...
    def cut(self) -> None: ...
    @property
    def was_cut(self) -> bool: ...
    def close(self) -> None: ...
    @property
    def reply(self) -> Reply | None: ...
    @property
    def attempts(self) -> tuple[Attempt, ...]: ...

@final
class Router:
    @staticmethod
    def from_config(config: Mapping[str, Any], credentials: dict[str, CredentialCallback]) -> Router: ...
    @staticmethod
    def from_file(path: str | PathLike[str], credentials: dict[str, CredentialCallback]) -> Router: ...
    @staticmethod
    def from_default(credentials: dict[str, CredentialCallback]) -> Router: ...
    def tasks(self) -> list[str]: ...
    def submit(self, task: str, messages: Messages | None, options: dict[str, Any]) -> tuple[Future[Reply], Ticket]: ...
    def complete_sync(self, task: str, messages: Messages | None, options: dict[str, Any]) -> Reply: ...
    def stream(self, task: str, messages: Messages | None, options: dict[str, Any]) -> Stream: ...
    def fetch(
        self, method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[Future[HttpAnswer], Ticket]: ...
    def fetch_sync(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> HttpAnswer: ...
    def explain(self, task: str, messages: Messages | None, options: dict[str, Any]) -> dict[str, Any]: ...
    def health(self) -> list[dict[str, Any]]: ...
    def reset_health(self, model: str | None) -> None: ...
    def flush(self, patience_ms: float | None) -> bool: ...
    def usage(self, options: dict[str, str | None]) -> dict[str, Any]: ...
    def listen(self, listener: Callable[[RouterEvent], object]) -> int: ...
    def unlisten(self, number: int) -> None: ...
    def listeners(self) -> tuple[Callable[[RouterEvent], object], ...]: ...

@final
class CredentialRequests:
    def wait(self) -> CredentialRequest | None: ...

@final
class CredentialRequest:
    provider: str
    def give(self, given: object) -> None: ...
    def fail(self, exception: str) -> None: ...

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
