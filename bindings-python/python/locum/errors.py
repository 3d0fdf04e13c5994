"""What goes wrong, as exceptions: one family tree under :class:`LocumError`, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from locum.types import Partial, Usage, attempt

if TYPE_CHECKING:
    from locum.types import Attempt, ErrorKind


__all__ = [
    "CLASSES",
    "Authentication",
    "Cancelled",
    "ConfigError",
    "ConnectionFailed",
    "ContentFiltered",
    "ContextOverflow",
    "InvalidRequest",
    "LocumError",
    "MalformedResponse",
    "ModelNotFound",
    "NoCandidate",
    "Overloaded",
    "PermissionDenied",
    "QuotaExceeded",
    "RateLimited",
    "Refused",
    "RequestTooLarge",
    "ServerError",
    "Timeout",
    "Unsupported",
]


class LocumError(Exception):
    """A call, or reading a configuration, failed.

    When all candidates failed, the error is the primary's and ``attempts`` tells the whole story. No error holds a key
    or what was asked.
    """

    kind: ErrorKind | None = None
    """What kind of failure it is; several kinds may share a class."""
    subkind: str | None = None
    """The kind's flavour: ``connect``, ``attempt``, ``tpm``, ``daily``, …"""
    retryable: bool = False
    """Whether the same call may succeed later without a change by the caller."""
    retry_after_ms: float | None = None
    """How long the provider asks to wait."""
    status: int | None = None
    """HTTP status of the failed exchange."""
    provider_code: str | None = None
    """The provider's own code."""
    in_stream: bool = False
    """Whether it happened after the response had begun to stream."""
    request_id: str | None = None
    """The provider's id of the failed exchange."""
    partial: Partial | None = None
    """Text and usage received before the failure."""
    model: str | None = None
    """Whose failure it is, as ``provider/model``."""
    provider: str | None = None
    """The provider's name in the configuration."""
    task: str | None = None
    """The task that was called."""
    attempts: tuple[Attempt, ...] = ()
    """What was tried and what was passed over, in order."""
    warnings: tuple[str, ...] = ()
    """Things worth knowing beside the failure."""
    problems: tuple[str, ...] = ()
    """For a configuration: every problem found, one sentence each."""
    _trail: str = ""

    def __init__(self, message: str = "", **fields: Any) -> None:
        super().__init__(message)
        # As the instance's own attributes they travel with it through pickle.
        self.__dict__.update(fields)

    def trail(self) -> str:
        """The attempts as a table for people, a line each."""
        return self._trail


class RateLimited(LocumError):
    """Too many requests or tokens in a short window."""


class QuotaExceeded(LocumError):
    """Money or allowance is used up: the provider's (kind ``provider_quota``) or the configuration's."""


class Overloaded(LocumError):
    """The provider has no capacity right now."""


class ServerError(LocumError):
    """The provider failed."""


class Timeout(LocumError, TimeoutError):
    """A limit of time passed; the task's own is kind ``deadline_exceeded``."""


class ConnectionFailed(LocumError, ConnectionError):
    """The connection could not be made, or broke."""


class ContextOverflow(LocumError):
    """The input is longer than the model's window, or than the task allows (kind ``input_too_long``)."""


class RequestTooLarge(LocumError):
    """The request is larger than the provider takes, in bytes or against a rate limit."""


class ContentFiltered(LocumError):
    """A filter refused the prompt or the answer."""


class Refused(LocumError):
    """The model declined, and the task treats that as a failure."""


class Authentication(LocumError):
    """The key was not accepted."""


class PermissionDenied(LocumError):
    """The key may not do this."""


class ModelNotFound(LocumError):
    """The provider does not know the model."""


class Unsupported(LocumError):
    """The model cannot do what the request asks."""


class InvalidRequest(LocumError, ValueError):
    """The request is wrong, whoever is asked. The message names the place."""


class MalformedResponse(LocumError):
    """The answer makes no sense, broke off, or was not accepted by the task's rules."""


class NoCandidate(LocumError):
    """No candidate was eligible; ``attempts`` says why."""


class ConfigError(LocumError, ValueError):
    """The configuration is wrong; ``problems`` lists everything found."""


class Cancelled(LocumError):
    """The caller cancelled. Cancelling an asyncio task raises ``asyncio.CancelledError`` instead."""


CLASSES: Mapping[ErrorKind, type[LocumError]] = {
    "rate_limited": RateLimited,
    "provider_quota": QuotaExceeded,
    "quota_exceeded": QuotaExceeded,
    "overloaded": Overloaded,
    "server_error": ServerError,
    "timeout": Timeout,
    "deadline_exceeded": Timeout,
    "connection": ConnectionFailed,
    "context_overflow": ContextOverflow,
    "input_too_long": ContextOverflow,
    "request_too_large": RequestTooLarge,
    "content_filtered": ContentFiltered,
    "refusal": Refused,
    "auth": Authentication,
    "permission": PermissionDenied,
    "model_not_found": ModelNotFound,
    "unsupported": Unsupported,
    "invalid_request": InvalidRequest,
    "malformed_response": MalformedResponse,
    "truncated_stream": MalformedResponse,
    "invalid_output": MalformedResponse,
    "no_candidate": NoCandidate,
    "config": ConfigError,
    "cancelled": Cancelled,
}
"""The class of every kind."""


def from_fields(fields: dict[str, Any]) -> LocumError:
    """The exception for an error of the core, given with the public field names."""
    partial = fields.get("partial")
    if partial is not None:
        usage = partial["usage"]
        fields["partial"] = Partial(partial["text"], None if usage is None else Usage(**usage))
    fields["attempts"] = tuple(attempt(**line) for line in fields.get("attempts", ()))
    fields["warnings"] = tuple(fields.get("warnings", ()))
    fields["problems"] = tuple(fields.get("problems", ()))
    return CLASSES.get(fields["kind"], LocumError)(fields.pop("message"), **fields)
