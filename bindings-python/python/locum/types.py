"""The nouns of the API: what calls take, and what replies and errors hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

from locum import _core

__all__ = [
    "Attempt",
    "Dataclass",
    "ErrorKind",
    "Event",
    "Finish",
    "FinishReason",
    "Messages",
    "Model",
    "Next",
    "OnBreak",
    "Outcome",
    "Partial",
    "ToolCall",
    "Upstream",
    "Usage",
]


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class Model(Protocol):
    """Any pydantic model, such as the messages of the OpenAI SDK."""

    def model_dump(self, *, mode: str = ..., exclude_none: bool = ...) -> Any:
        """The model's data."""
        ...


Messages: TypeAlias = str | Sequence[Mapping[str, Any] | Dataclass | Model]
"""OpenAI chat messages, or one string for a single message of the user."""

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "paused", "error"]
"""Why a model stopped, one word for all providers."""

Outcome: TypeAlias = Literal["ok", "failed", "skipped", "cancelled", "hedged_out"]
"""How an attempt, or the look at a candidate, ended."""

Next: TypeAlias = Literal["retry", "fallback", "race", "fail"]
"""What was decided after an attempt."""

Upstream: TypeAlias = Literal["unary", "stream"]
"""How a provider is asked for a whole answer: for all at once, or for a stream."""

OnBreak: TypeAlias = Literal["error", "restart", "resume"]
"""What follows when an answer breaks off after its first content was delivered: the error with what came so far, another
candidate's answer from its beginning, or another candidate's from where it broke off."""

Event: TypeAlias = (
    _core.StartEvent
    | _core.TextEvent
    | _core.ReasoningEvent
    | _core.ToolCallDeltaEvent
    | _core.ToolCallEvent
    | _core.RestartEvent
    | _core.UsageEvent
    | _core.EndEvent
)
"""What a stream brings: told apart by class or by ``type``."""

ErrorKind: TypeAlias = Literal[
    "rate_limited",
    "provider_quota",
    "overloaded",
    "server_error",
    "timeout",
    "connection",
    "context_overflow",
    "request_too_large",
    "content_filtered",
    "refusal",
    "auth",
    "permission",
    "model_not_found",
    "unsupported",
    "invalid_request",
    "malformed_response",
    "truncated_stream",
    "invalid_output",
    "cancelled",
    "deadline_exceeded",
    "input_too_long",
    "quota_exceeded",
    "no_candidate",
    "config",
]
"""What kind of failure it is; the same words in all languages."""


class Finish(NamedTuple):
    """Why the model stopped."""

    unified: FinishReason
    """In Locum's words."""
    raw: str | None
    """In the provider's words; None where it gave none."""


class Usage(NamedTuple):
    """Tokens: ``input`` includes what was read from and written to a cache, ``output`` includes reasoning."""

    input: int
    cached_input: int
    cache_write: int
    output: int
    reasoning: int


class ToolCall(NamedTuple):
    """A call of a tool by the model."""

    id: str
    """The result's message names it as ``tool_call_id``."""
    name: str
    arguments: str
    """JSON text, as the model wrote it."""

    def __repr__(self) -> str:
        """Does not show the arguments: they are what the model said."""
        return f"ToolCall(id={self.id!r}, name={self.name!r})"


class Partial(NamedTuple):
    """What had arrived before a failure."""

    text: str
    usage: Usage | None

    def __repr__(self) -> str:
        """Does not show the text."""
        return f"Partial({len(self.text)} characters, usage={self.usage!r})"


class Attempt(NamedTuple):
    """One line of the trail: what was tried, or passed over, and what was decided then. Times are in milliseconds."""

    model: str
    """``provider/model``."""
    outcome: Outcome
    kind: ErrorKind | None
    """The kind of failure."""
    subkind: str | None
    """The kind's flavour."""
    reason: str | None
    """Why, as a sentence."""
    status: int | None
    """HTTP status."""
    provider_code: str | None
    """The provider's own error code."""
    request_id: str | None
    """The provider's id of the exchange."""
    started_ms: float
    """From the start of the call."""
    latency_ms: float
    first_token_ms: float | None
    """From the attempt's start to its first content, for streams."""
    usage: Usage | None
    cost: float | None
    """USD, as far as known."""
    cost_is_estimate: bool
    retry_after_ms: float | None
    """How long the provider asked to wait."""
    next: Next | None
    """What was decided after it."""
    next_reason: str | None
    """Why that was decided."""


def attempt(*, usage: Mapping[str, int] | None, **fields: Any) -> Attempt:
    """An attempt from the core's public field names."""
    return Attempt(usage=None if usage is None else Usage(**usage), **fields)
