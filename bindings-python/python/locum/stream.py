"""Answers as they come: :class:`Stream` and :class:`TextStream`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

from locum.errors import Cancelled
from locum.types import Event

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from locum import _core
    from locum.types import Attempt

__all__ = ["Stream", "TextStream"]

T = TypeVar("T")


class Reading(Generic[T]):
    """What is read piece by piece, in a coroutine or by blocking, by one reader at a time."""

    _only_text = False

    def __init__(self, native: _core.Stream, router: _core.Router | None = None) -> None:
        self._native = native
        # Those who listen to its events are known to the router, which the caller may let go of.
        self._router = router

    def __aiter__(self) -> Self:
        """Itself."""
        return self

    async def __anext__(self) -> T:
        """The next piece. Cancelling the task that waits for it closes the stream.

        Raises:
            LocumError: the answer failed, or broke off.
            Cancelled: an earlier wait was cancelled, which closed the stream.
            RuntimeError: another task or thread waits for it already.
        """
        while (piece := self._native.take(self._only_text)) is None:
            more = self._native.wait()
            if more is None:
                self._check()
                raise StopAsyncIteration
            try:
                await more
            except BaseException:  # Cancelled, or the coroutine was closed.
                self._native.cut()
                raise
        return cast("T", piece)

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> T:
        """The same as :meth:`__anext__` for code without an event loop: blocks until the next piece is there.

        Other threads run meanwhile, and Ctrl-C ends the stream.
        """
        while (piece := self._native.take(self._only_text)) is None:
            if not self._native.wait_sync():
                self._check()
                raise StopIteration
        return cast("T", piece)

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Closes the connection at once; nothing more comes. Whoever waits for the next piece finds the stream at its end."""
        self._native.close()

    async def aclose(self) -> None:
        """The same as :meth:`close`, for those who expect a coroutine."""
        self.close()

    async def collect(self) -> _core.Reply:
        """Reads to the end; the reply.

        Raises:
            LocumError: the answer failed, or broke off.
        """
        async for _ in self:
            pass
        return self._whole()

    def collect_sync(self) -> _core.Reply:
        """The same as :meth:`collect` for code without an event loop."""
        for _ in self:
            pass
        return self._whole()

    @property
    def reply(self) -> _core.Reply | None:
        """The whole answer once all of it has been read; None before, and after a failure."""
        return self._native.reply

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """What was tried and what was passed over so far, in order; after closing, with what was spent as far as known."""
        return self._native.attempts

    def _check(self) -> None:
        """A stream that broke off in a reader's hands must not look like one that is whole."""
        if self._native.was_cut:
            message = "cancelled: the stream was closed when a wait for it was cancelled"
            raise Cancelled(message, kind="cancelled", attempts=self.attempts)

    def _whole(self) -> _core.Reply:
        reply = self.reply
        if reply is None:
            raise RuntimeError("the stream has failed or was closed before its end, so there is no reply")
        return reply


class TextStream(Reading[str]):
    """The text of an answer as it comes, with ``async for`` or ``for``; made by :meth:`Stream.text`."""

    _only_text = True

    def __repr__(self) -> str:
        """Shows nothing of the text."""
        return f"TextStream(reply={self.reply!r})"


class Stream(Reading[Event]):
    """The events of an answer as it comes, with ``async for`` or ``for``.

    Nothing is asked before the first event is waited for, and the provider is read only as far as the stream is. It is
    closed by ``with`` and ``async with``, by :meth:`close`, by cancelling the task that waits for it, or by letting go of
    it: each closes the connection at once.

    >>> async with router.stream("support_chat", "My invoice is wrong") as stream:
    ...     async for event in stream:
    ...         match event:
    ...             case TextEvent(text):
    ...                 print(text, end="")
    ...             case EndEvent(reply):
    ...                 print(reply.model)
    """

    def __init__(self, native: _core.Stream, router: _core.Router | None = None) -> None:
        super().__init__(native, router)
        self._text: TextStream | None = None

    def text(self) -> TextStream:
        """Nothing but the text, piece by piece, instead of the events; the reply is there at the end.

        An answer that would have to begin anew ends in the error of its break instead.

        Raises:
            RuntimeError: events were read already.
        """
        if self._text is None:
            self._native.choose_text()
            self._text = TextStream(self._native, self._router)
        return self._text

    def __repr__(self) -> str:
        """Shows nothing of the answer."""
        return f"Stream(reply={self.reply!r})"
