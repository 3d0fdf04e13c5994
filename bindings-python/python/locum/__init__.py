"""Embedded multi-model LLM fallback: name the task, one file decides the models.

>>> from locum import Router
>>> router = Router.from_file("locum.toml")
>>> reply = await router.complete("support_chat", "My invoice is wrong")
>>> reply.text, reply.model
"""

from locum._core import (
    EndEvent,
    ReasoningEvent,
    Reply,
    RestartEvent,
    StartEvent,
    TextEvent,
    ToolCallDeltaEvent,
    ToolCallEvent,
    UsageEvent,
    __version__,
)
from locum.errors import (
    Authentication,
    Cancelled,
    ConfigError,
    ConnectionFailed,
    ContentFiltered,
    ContextOverflow,
    InvalidRequest,
    LocumError,
    MalformedResponse,
    ModelNotFound,
    NoCandidate,
    Overloaded,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    Refused,
    RequestTooLarge,
    ServerError,
    Timeout,
    Unsupported,
)
from locum.hook import httpx_client, httpx_sync_client, httpx_transport
from locum.router import Router
from locum.router import default as _default
from locum.stream import Stream, TextStream
from locum.types import (
    Attempt,
    AttemptRecord,
    CallRecord,
    CandidateHealth,
    Event,
    Explanation,
    Finish,
    Messages,
    Partial,
    RouterEvent,
    ToolCall,
    Usage,
    UsageReport,
    UsageRow,
)

__all__ = [
    "Attempt",
    "AttemptRecord",
    "Authentication",
    "CallRecord",
    "Cancelled",
    "CandidateHealth",
    "ConfigError",
    "ConnectionFailed",
    "ContentFiltered",
    "ContextOverflow",
    "EndEvent",
    "Event",
    "Explanation",
    "Finish",
    "InvalidRequest",
    "LocumError",
    "MalformedResponse",
    "Messages",
    "ModelNotFound",
    "NoCandidate",
    "Overloaded",
    "Partial",
    "PermissionDenied",
    "QuotaExceeded",
    "RateLimited",
    "ReasoningEvent",
    "Refused",
    "Reply",
    "RequestTooLarge",
    "RestartEvent",
    "Router",
    "RouterEvent",
    "ServerError",
    "StartEvent",
    "Stream",
    "TextEvent",
    "TextStream",
    "Timeout",
    "ToolCall",
    "ToolCallDeltaEvent",
    "ToolCallEvent",
    "Unsupported",
    "Usage",
    "UsageEvent",
    "UsageReport",
    "UsageRow",
    "__version__",
    "complete",
    "complete_sync",
    "httpx_client",
    "httpx_sync_client",
    "httpx_transport",
    "stream",
]

complete = _default.complete
"""``Router.complete`` of a router that ``Router.from_default`` makes when it is first needed."""

complete_sync = _default.complete_sync
"""``Router.complete_sync`` of the same router."""

stream = _default.stream
"""``Router.stream`` of the same router."""
