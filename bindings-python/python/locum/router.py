"""The handle users hold: :class:`Router`."""

from __future__ import annotations

import atexit
import time
import weakref
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias

from locum import _core, _trace
from locum.stream import Stream
from locum.types import candidate_health, explanation, usage_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from locum.types import (
        CandidateHealth,
        CredentialCallback,
        Explanation,
        Messages,
        OnBreak,
        RouterEvent,
        Upstream,
        UsageBy,
        UsageReport,
    )

__all__ = ["Config", "Router"]


class Router:
    """Completes tasks as one configuration says. Share it: between tasks, threads and event loops, and across forks."""

    def __init__(
        self, config: Mapping[str, Any], *, credentials: Mapping[str, CredentialCallback] | None = None
    ) -> None:
        """A router for a configuration as plain data, in snake_case or camelCase.

        Args:
            config: What ``locum.toml`` would hold.
            credentials: What gives the credentials of providers whose ``auth`` is ``callback``, by provider: functions
                without arguments, also async ones. They run on threads of their own, async ones on an event loop of their
                own.

        Raises:
            ConfigError: listing every problem with its path.
        """
        self._native = _kept(_core.Router.from_config(config, _callbacks(credentials)))

    @classmethod
    def from_file(
        cls, path: str | PathLike[str], *, credentials: Mapping[str, CredentialCallback] | None = None
    ) -> Router:
        """Reads ``locum.toml``, or the same as ``.json``.

        Raises:
            ConfigError: listing every problem with its path and line.
        """
        return cls._of(_core.Router.from_file(path, _callbacks(credentials)))

    @classmethod
    def from_default(cls, *, credentials: Mapping[str, CredentialCallback] | None = None) -> Router:
        """Reads the file that the variable ``LOCUM_CONFIG`` names, else ``./locum.toml``.

        Raises:
            ConfigError: neither is there, or the file has problems.
        """
        return cls._of(_core.Router.from_default(_callbacks(credentials)))

    @classmethod
    def _of(cls, native: _core.Router) -> Router:
        router = cls.__new__(cls)
        router._native = _kept(native)
        return router

    @property
    def tasks(self) -> list[str]:
        """The names of the tasks."""
        return self._native.tasks()

    async def complete(
        self,
        task: str,
        messages: Messages | None = None,
        *,
        customer: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        response_format: Mapping[str, Any] | None = None,
        variables: Mapping[str, Any] | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_output_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        reasoning_effort: str | None = None,
        timeout_ms: int | None = None,
        model: str | None = None,
        allow_fallback: bool | None = None,
        extra_body: Mapping[str, Mapping[str, Any]] | None = None,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
        upstream: Upstream | None = None,
        on_break: OnBreak | None = None,
    ) -> _core.Reply:
        """Completes ``messages`` as ``task`` says: the primary, and its stand-ins where it fails.

        Cancelling the task that waits, also by a timeout, closes the connection to the provider at once.

        Args:
            task: A task of the configuration.
            messages: OpenAI chat messages as dicts, dataclasses or pydantic models; or one string for a single
                message of the user. May be left out where the task's prompt says it all.
            customer: For whom the call is made.
            metadata: Free labels of the call.
            tools: Functions the model may call, as OpenAI writes them.
            tool_choice: ``auto``, ``none``, ``required``, or an object naming a function.
            response_format: ``{"type": "json_object"}`` or a JSON Schema, as OpenAI writes them; the answer is then
                in ``reply.parsed``, where it is what was asked for.
            variables: What fills in the task's prompt, by name.
            temperature: 0 is the most likely answer; the upper end depends on the provider.
            top_p: Nucleus sampling, 0 to 1.
            max_output_tokens: The most tokens the answer may have, reasoning included.
            stop: Texts that end the answer.
            seed: Asks for the same answer again, where the provider supports it.
            reasoning_effort: ``none``, ``low``, ``medium``, ``high``, … as the model understands it.
            timeout_ms: Tightens the task's deadline, never loosens it.
            model: Pins one candidate of the task: an alias or ``provider/model``.
            allow_fallback: Whether stand-ins may serve this call; a pinned model implies they may not.
            extra_body: Members to set in the request body, by provider name.
            idempotency_key: Sent as ``Idempotency-Key`` with every attempt.
            traceparent: The trace that the call belongs to, as W3C's header names it. Left out, it is the current span's
                where the program uses OpenTelemetry.
            upstream: ``unary`` or ``stream``: how the provider is asked, whatever the task says.
            on_break: What follows when a streamed answer breaks off: ``error``, ``restart`` or ``resume``.

        Raises:
            LocumError: by kind, with the whole trail in ``attempts``.
        """
        future, ticket = self._native.submit(
            task,
            messages,
            {
                "customer": customer,
                "metadata": metadata,
                "tools": tools,
                "tool_choice": tool_choice,
                "response_format": response_format,
                "variables": variables,
                "temperature": temperature,
                "top_p": top_p,
                "max_output_tokens": max_output_tokens,
                "stop": stop,
                "seed": seed,
                "reasoning_effort": reasoning_effort,
                "timeout_ms": timeout_ms,
                "model": model,
                "allow_fallback": allow_fallback,
                "extra_body": extra_body,
                "idempotency_key": idempotency_key,
                "traceparent": _trace.parent() if traceparent is None else traceparent,
                "upstream": upstream,
                "on_break": on_break,
            },
        )
        try:
            return await future
        except BaseException:  # Cancelled, or the coroutine was closed; after an error of the call it does nothing.
            ticket.cancel()
            raise

    def complete_sync(
        self,
        task: str,
        messages: Messages | None = None,
        *,
        customer: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        response_format: Mapping[str, Any] | None = None,
        variables: Mapping[str, Any] | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_output_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        reasoning_effort: str | None = None,
        timeout_ms: int | None = None,
        model: str | None = None,
        allow_fallback: bool | None = None,
        extra_body: Mapping[str, Mapping[str, Any]] | None = None,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
        upstream: Upstream | None = None,
        on_break: OnBreak | None = None,
    ) -> _core.Reply:
        """The same as :meth:`complete` for code without an event loop: blocks until the reply is there.

        Other threads run meanwhile, and Ctrl-C ends it. Inside a coroutine it would hold up the loop.
        """
        return self._native.complete_sync(
            task,
            messages,
            {
                "customer": customer,
                "metadata": metadata,
                "tools": tools,
                "tool_choice": tool_choice,
                "response_format": response_format,
                "variables": variables,
                "temperature": temperature,
                "top_p": top_p,
                "max_output_tokens": max_output_tokens,
                "stop": stop,
                "seed": seed,
                "reasoning_effort": reasoning_effort,
                "timeout_ms": timeout_ms,
                "model": model,
                "allow_fallback": allow_fallback,
                "extra_body": extra_body,
                "idempotency_key": idempotency_key,
                "traceparent": _trace.parent() if traceparent is None else traceparent,
                "upstream": upstream,
                "on_break": on_break,
            },
        )

    def stream(
        self,
        task: str,
        messages: Messages | None = None,
        *,
        customer: str | None = None,
        metadata: Mapping[str, str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        response_format: Mapping[str, Any] | None = None,
        variables: Mapping[str, Any] | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_output_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        reasoning_effort: str | None = None,
        timeout_ms: int | None = None,
        model: str | None = None,
        allow_fallback: bool | None = None,
        extra_body: Mapping[str, Mapping[str, Any]] | None = None,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
        on_break: OnBreak | None = None,
        reasoning_events: bool | None = None,
        tool_call_deltas: bool | None = None,
    ) -> Stream:
        """Streams the answer to ``messages``, as ``task`` says: events, or with ``.text()`` nothing but the text.

        Until the first content a failing candidate is replaced unseen; what follows when an answer breaks off later is
        ``on_break``. Nothing is asked before the stream is read, and failures are raised where the next event would have
        come.

        Args:
            task: As for :meth:`complete`, and so are all arguments but these:
            messages: OpenAI chat messages.
            on_break: ``error`` raises with what came so far in ``partial``. ``restart`` lets another candidate answer
                from the beginning, after a :class:`RestartEvent`. ``resume`` lets another go on from there.
            reasoning_events: Whether visible reasoning comes as events, as it does by default. Without them, reasoning
                does not keep a failing candidate from being replaced unseen.
            tool_call_deltas: Whether tool calls also come piece by piece; by default they come when they are complete.

        Raises:
            InvalidRequest: the arguments are no JSON data. Everything else is raised when the stream is read.
        """
        native = self._native.stream(
            task,
            messages,
            {
                "customer": customer,
                "metadata": metadata,
                "tools": tools,
                "tool_choice": tool_choice,
                "response_format": response_format,
                "variables": variables,
                "temperature": temperature,
                "top_p": top_p,
                "max_output_tokens": max_output_tokens,
                "stop": stop,
                "seed": seed,
                "reasoning_effort": reasoning_effort,
                "timeout_ms": timeout_ms,
                "model": model,
                "allow_fallback": allow_fallback,
                "extra_body": extra_body,
                "idempotency_key": idempotency_key,
                "traceparent": _trace.parent() if traceparent is None else traceparent,
                "on_break": on_break,
                "reasoning_events": reasoning_events,
                "tool_call_deltas": tool_call_deltas,
            },
        )
        return Stream(native, self._native)

    def explain(
        self,
        task: str,
        messages: Messages | None = None,
        *,
        customer: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        response_format: Mapping[str, Any] | None = None,
        variables: Mapping[str, Any] | None = None,
        max_output_tokens: int | None = None,
        reasoning_effort: str | None = None,
        timeout_ms: int | None = None,
        model: str | None = None,
        allow_fallback: bool | None = None,
        extra_body: Mapping[str, Mapping[str, Any]] | None = None,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
    ) -> Explanation:
        """Tells what a call would do at this moment: which candidates it would ask, in which order, within which limits,
        whom it would pass over and why, and how long it takes and what it costs at worst.

        Nothing is sent, and nothing changes. The arguments are those of :meth:`complete` that make a difference.

        Raises:
            LocumError: as the call itself would before it asks anybody: unknown task, wrong options, input too long.
        """
        fields = self._native.explain(
            task,
            messages,
            {
                "customer": customer,
                "tools": tools,
                "response_format": response_format,
                "variables": variables,
                "max_output_tokens": max_output_tokens,
                "reasoning_effort": reasoning_effort,
                "timeout_ms": timeout_ms,
                "model": model,
                "allow_fallback": allow_fallback,
                "extra_body": extra_body,
                "idempotency_key": idempotency_key,
                "traceparent": _trace.parent() if traceparent is None else traceparent,
            },
        )
        return explanation(**fields)

    def health(self) -> list[CandidateHealth]:
        """How every candidate is, with each of its keys: circuit breaker, cooldown, last error, measured times."""
        return [candidate_health(**fields) for fields in self._native.health()]

    def reset_health(self, model: str | None = None) -> None:
        """Forgets what speaks against candidates: cooldowns, open breakers, last errors.

        For whoever has mended what was wrong (paid a bill, allowed a key) and does not want to wait.

        Args:
            model: Only this one, as ``provider/model``.
        """
        self._native.reset_health(model)

    def flush(self, timeout_ms: float | None = None) -> bool:
        """Waits until the records of all calls that have ended are written where ``[accounting]`` says.

        It blocks its thread. At the end of the program this is done for two seconds at most.

        Args:
            timeout_ms: How long to wait at most; five seconds where it is not given.

        Returns:
            Whether they are all written.
        """
        return self._native.flush(timeout_ms)

    async def usage(self, by: UsageBy = "task", *, since: str | None = None, until: str | None = None) -> UsageReport:
        """What calls did and cost, as rows: the report of ``locum report``.

        It reads the records that ``[accounting]`` keeps, those of other processes too, after those that wait are
        written. That is done on another thread, so the event loop goes on.

        Args:
            by: What rows are made by. By ``model`` and ``provider`` they count attempts, else calls.
            since: Calls that began on this day (``2026-11-24``, UTC) or later.
            until: Calls that began on this day or earlier.

        Raises:
            InvalidRequest: this is no day, or nothing that rows are made by.
            ConfigError: no records are kept, or those that are cannot be read.
        """
        import asyncio  # It is there already where this runs; loading it would double the time of `import locum`.

        return await asyncio.to_thread(self.usage_sync, by, since=since, until=until)

    def usage_sync(self, by: UsageBy = "task", *, since: str | None = None, until: str | None = None) -> UsageReport:
        """The same, on the caller's own thread."""
        return usage_report(**self._native.usage({"by": by, "since": since, "until": until}))

    def on_event(self, listener: Callable[[RouterEvent], object]) -> Callable[[], None]:
        """Calls ``listener`` with everything that happens in this router's calls, until what is returned is called.

        It is called on the thread of an event loop that makes calls, while they run, or on the thread of a blocking
        call; in batches and in order. What it raises is logged. Events from ``info`` on also go to the logger ``locum``,
        and all of them where that is to log everything, with their fields as ``record.event``.
        """
        number = self._native.listen(listener)

        def unlisten() -> None:
            self._native.unlisten(number)

        return unlisten

    def __repr__(self) -> str:
        """Names the tasks."""
        return f"Router(tasks={self.tasks!r})"


class DefaultRouter(Router):
    """The router of ``locum.complete``: reads its configuration when it is first used."""

    def __init__(self) -> None:
        pass

    def __getattr__(self, name: str) -> _core.Router:
        if name != "_native":
            raise AttributeError(name)
        self._native = _kept(_core.Router.from_default({}))
        return self._native

    def __repr__(self) -> str:
        """Reads nothing."""
        return "DefaultRouter()"


# Those whose records are flushed at the end of the program.
_routers: weakref.WeakSet[_core.Router] = weakref.WeakSet()


def _kept(router: _core.Router) -> _core.Router:
    _routers.add(router)
    return router


@atexit.register
def _flush() -> None:
    end = time.monotonic() + _core.LAST_FLUSH
    for router in list(_routers):
        router.flush(max(0.0, end - time.monotonic()) * 1000)


def _callbacks(credentials: Mapping[str, CredentialCallback] | None) -> dict[str, CredentialCallback]:
    callbacks = dict(credentials or {})
    for provider, callback in callbacks.items():
        if not isinstance(provider, str) or not callable(callback):  # pyright: ignore[reportUnnecessaryIsInstance]
            problem = f"credentials: expected functions by provider, found {type(callback).__name__} for {provider!r}"
            raise TypeError(problem)
    return callbacks


Config: TypeAlias = "Router | Mapping[str, Any] | str | PathLike[str] | None"
"""Where tasks come from: a router, a configuration as plain data, the path of a file; None is the default router."""

default = DefaultRouter()
"""The router of ``locum.complete``."""


def native(config: Config) -> _core.Router:
    """The native half of the router that ``config`` is or describes."""
    if config is None:
        config = default
    elif isinstance(config, (str, PathLike)):
        config = Router.from_file(config)
    elif not isinstance(config, Router):
        config = Router(config)
    return config._native  # pyright: ignore[reportPrivateUsage]
