"""The nouns of the API: what calls take, and what replies and errors hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

from locum import _core

__all__ = [
    "Attempt",
    "AttemptRecord",
    "BreakerState",
    "CallRecord",
    "CandidateHealth",
    "Cooldown",
    "Credential",
    "CredentialCallback",
    "Dataclass",
    "ErrorKind",
    "Event",
    "Explanation",
    "Finish",
    "FinishReason",
    "Happening",
    "HttpAnswer",
    "LastError",
    "Messages",
    "Model",
    "Next",
    "OnBreak",
    "Outcome",
    "Partial",
    "Percentiles",
    "Prospect",
    "RouterEvent",
    "Scope",
    "ToolCall",
    "Upstream",
    "Usage",
    "UsageBy",
    "UsageReport",
    "UsageRow",
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

Credential: TypeAlias = str | Mapping[str, Any]
"""What lets requests in: a token, or a mapping with a ``token`` or with AWS keys (``access_key_id``, ``secret_access_key``,
``session_token``), and ``expires_at``, in seconds since the Unix epoch or as RFC 3339 has it."""

CredentialCallback: TypeAlias = Callable[[], Credential | Awaitable[Credential]]
"""What gives a credential when one is needed."""

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

HttpAnswer: TypeAlias = tuple[int, list[tuple[bytes, bytes]], bytes | _core.Stream]
"""Status, headers and body of a response; the body as it comes where it is still being made."""

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


BreakerState: TypeAlias = Literal["closed", "half_open", "open"]
"""How a circuit breaker is: calls pass, one call may pass to see whether the candidate is back, no call passes."""

Scope: TypeAlias = Literal["candidate", "model", "key", "provider"]
"""What is spoken against: a model with one key, a model whatever the key, a key whatever the model, a provider's address."""

Happening: TypeAlias = Literal[
    "attempt_started",
    "attempt_answered",
    "attempt_failed",
    "switched",
    "hedged",
    "breaker_opened",
    "half_open",
    "closed",
    "cooled",
    "budget_empty",
]
"""What may happen inside a router."""


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
    key: int | None
    """Which of the provider's keys, from 1; None where there is only one."""
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


class RouterEvent(NamedTuple):
    """Something that happened in a call. It names tasks, models and errors, never what was asked or answered."""

    type: Happening
    """What happened."""
    level: Literal["debug", "info", "warning"]
    """How much it matters to an operator."""
    at_ms: float
    """When: milliseconds since the Unix epoch."""
    call: int
    """Of which call; numbers count up from 1 in each router."""
    task: str
    model: str
    """The model it is about, as ``provider/model``."""
    key: int | None
    """Which of the provider's keys, from 1; None where there is only one."""
    attempt: int | None
    """Which attempt of the call, from 0."""
    kind: ErrorKind | None
    """The kind of failure behind it."""
    reason: str | None
    """Why, as a sentence."""
    from_: str | None
    """The model that was asked before."""
    scope: Scope | None
    """What a breaker or cooldown is about."""
    lasts_ms: float | None
    """How long a breaker is open or a cooldown lasts."""
    retry_after_ms: float | None
    """How long the provider asked to wait."""
    latency_ms: float | None
    """How long the attempt, or the call, took."""
    record: CallRecord | None
    """What the call did and cost, where it has ended."""
    message: str
    """All of it, as a sentence."""


class AttemptRecord(NamedTuple):
    """An attempt on the books: its line of the trail, and more. Times are in milliseconds."""

    model: str
    """``provider/model``."""
    key: int | None
    """Which of the provider's keys, from 1; None where there is only one."""
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
    """The tokens it cost: what the provider told, else what it cost at least; None where a request cost nothing."""
    cost: float | None
    """USD, as far as known."""
    cost_is_estimate: bool
    retry_after_ms: float | None
    """How long the provider asked to wait."""
    next: Next | None
    """What was decided after it."""
    next_reason: str | None
    """Why that was decided."""
    provider: str
    depth: int
    """The place of its model among the candidates: 0 is the primary."""
    usage_is_estimate: bool


class CallRecord(NamedTuple):
    """What a call did and cost. It names tasks, customers and models, never what was asked or answered."""

    id: str
    """Its own among all calls; it grows with time."""
    at_ms: float
    """When the call began: milliseconds since the Unix epoch."""
    task: str
    handed_to: str | None
    """The task that its input was handed over to, if it was."""
    customer: str | None
    metadata: dict[str, str]
    stream: bool
    outcome: Outcome
    """How it ended: ``ok``, ``failed`` or ``cancelled``."""
    kind: ErrorKind | None
    """The kind of failure that was raised."""
    subkind: str | None
    model: str | None
    """Whose answer was delivered, as ``provider/model``."""
    fallback_used: bool
    latency_ms: float
    first_token_ms: float | None
    """From its start to the first content that was handed on, for streams."""
    cost: float | None
    """USD for the attempts whose cost is known; None where none is."""
    cost_is_estimate: bool
    attempts: tuple[AttemptRecord, ...]
    """The attempts that were made, in order."""


class Percentiles(NamedTuple):
    """Percentiles of measured times in milliseconds, within one per cent."""

    samples: int
    """Of how many times; older ones are forgotten."""
    p50: float
    p95: float
    p99: float


class Cooldown(NamedTuple):
    """A time in which a candidate is not tried."""

    scope: Scope
    """What is cooling."""
    kind: ErrorKind
    """The failure behind it."""
    left_ms: float
    """How long it still lasts."""


class LastError(NamedTuple):
    """A candidate's last failure."""

    kind: ErrorKind
    message: str
    ago_ms: float


class CandidateHealth(NamedTuple):
    """How a candidate is at one moment."""

    model: str
    """``provider/model``."""
    provider: str
    key: int | None
    """Which of the provider's keys, from 1; None where there is only one."""
    available: bool
    """Whether a call would try it now."""
    reason: str | None
    """Why not, or why another is asked first."""
    recovers_ms: float | None
    """How long until it is tried again, where that is known."""
    breaker: BreakerState
    cooldown: Cooldown | None
    """Its longest cooldown."""
    failures: int
    """Failures in a row that count for the circuit breaker."""
    last_error: LastError | None
    in_flight: int
    """Calls that its key has at this moment."""
    max_concurrency: int | None
    """How many it may have, where that is limited."""
    retries_left: int
    """How many retries the provider's budget allows at once."""
    first_token_ms: Percentiles | None
    """Its times to the first content of a stream."""
    latency_ms: Percentiles | None
    """Its times to a whole answer."""


class Prospect(NamedTuple):
    """What awaits one candidate of a call. Times are in milliseconds."""

    model: str
    """``provider/model``."""
    provider: str
    key: int | None
    """Which of the provider's keys, from 1; None where there is only one."""
    kept: bool
    """Whether it would be asked."""
    reason: str | None
    """Why not, or why last."""
    starts_ms: float | None
    """When it would be asked at the latest, as long as the others before it say nothing."""
    attempts: int
    """How often it would be asked at most."""
    alone_ms: float | None
    """How long it would work alone before the next one is asked."""
    timeout_ms: float | None
    """The limit of one attempt."""
    first_token_ms: float | None
    """The limit of a stream's first content."""
    idle_ms: float
    """How long a stream may pause."""
    max_cost: float | None
    """USD that it costs at most; None where its price or its output limit is unknown."""


class Explanation(NamedTuple):
    """What a call would do at this moment."""

    task: str
    handed_to: str | None
    """The task whose candidates take it, where the input is too long for its own."""
    input_tokens: int
    """About how many tokens the prompt has."""
    deadline_ms: float | None
    worst_case_ms: float
    """How long the call takes if every candidate is as slow or as broken as its limits allow."""
    worst_case_cost: float | None
    """USD that such a call costs at most; None where a price or an output limit is unknown."""
    candidates: tuple[Prospect, ...]
    """In the order in which they would be asked."""
    warnings: list[str]


UsageBy: TypeAlias = Literal["task", "customer", "day", "model", "provider"]
"""What the rows of a report are made by."""


class UsageRow(NamedTuple):
    """Calls of one name, or attempts where rows are made by model or provider."""

    name: str
    """The task, the day, …; ``(none)`` for calls without a customer."""
    count: int  # pyright: ignore[reportIncompatibleMethodOverride]
    ok: int
    """Calls that were answered; attempts that brought the answer."""
    success_rate: float | None
    fallbacks: int
    """Those that a stand-in answered."""
    fallback_rate: float | None
    input_tokens: int
    cached_input_tokens: int
    """Part of ``input_tokens``."""
    output_tokens: int
    reasoning_tokens: int
    """Part of ``output_tokens``."""
    cost_usd: float | None
    """For the attempts whose cost is known; None where none is."""
    unpriced_attempts: int
    """Attempts that used tokens whose price nobody knows."""
    estimated_attempts: int
    """Attempts whose tokens or cost are estimates."""
    latency_ms_p50: float | None
    """Of those that were answered, within one per cent; so are the others."""
    latency_ms_p95: float | None
    first_token_ms_p50: float | None
    first_token_ms_p95: float | None


class UsageReport(NamedTuple):
    """What calls did and cost."""

    by: UsageBy
    counted: Literal["calls", "attempts"]
    """What the rows count."""
    prices_date: str
    """The day of the built-in price table. What models cost may have changed since."""
    rows: tuple[UsageRow, ...]
    """In the order of their names."""
    total: UsageRow
    warnings: list[str]
    """What is missing in it, and why."""


def usage_report(*, rows: Sequence[Mapping[str, Any]], total: Mapping[str, Any], **fields: Any) -> UsageReport:
    """A report from the core's public field names."""
    return UsageReport(rows=tuple(UsageRow(**row) for row in rows), total=UsageRow(**total), **fields)


def router_event(fields: Mapping[str, Any]) -> RouterEvent:
    """An event from the core's public field names, of which one is a word of Python's."""
    named: dict[str, Any] = {"from_" if name == "from" else name: value for name, value in fields.items()}
    if named["record"] is not None:
        named["record"] = call_record(**named["record"])
    return RouterEvent(**named)


def call_record(*, attempts: Sequence[Mapping[str, Any]], **fields: Any) -> CallRecord:
    """A record from the core's public field names."""
    return CallRecord(attempts=tuple(attempt_record(**line) for line in attempts), **fields)


def attempt_record(*, usage: Mapping[str, int] | None, **fields: Any) -> AttemptRecord:
    """An attempt on the books from the core's public field names."""
    return AttemptRecord(usage=None if usage is None else Usage(**usage), **fields)


def candidate_health(
    *,
    cooldown: Mapping[str, Any] | None,
    last_error: Mapping[str, Any] | None,
    first_token_ms: Mapping[str, Any] | None,
    latency_ms: Mapping[str, Any] | None,
    **fields: Any,
) -> CandidateHealth:
    """A candidate's health from the core's public field names."""
    return CandidateHealth(
        cooldown=None if cooldown is None else Cooldown(**cooldown),
        last_error=None if last_error is None else LastError(**last_error),
        first_token_ms=None if first_token_ms is None else Percentiles(**first_token_ms),
        latency_ms=None if latency_ms is None else Percentiles(**latency_ms),
        **fields,
    )


def explanation(*, candidates: Sequence[Mapping[str, Any]], **fields: Any) -> Explanation:
    """An explanation from the core's public field names."""
    return Explanation(candidates=tuple(Prospect(**candidate) for candidate in candidates), **fields)
