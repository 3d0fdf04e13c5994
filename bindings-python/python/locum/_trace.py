"""The trace that a caller has, where the program itself uses OpenTelemetry. It is never imported here."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["parent"]


def parent() -> str | None:
    """The current span as W3C's ``traceparent``; ``None`` where there is none."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    try:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
    except Exception:  # Half imported, or another thing of that name: a call never fails for its trace.
        return None
