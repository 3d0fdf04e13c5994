"""Wakes event loops that cannot watch a pipe, such as the default one of Windows."""

from __future__ import annotations

import asyncio
import threading
import weakref

from locum import _core

# The mailbox lives as long as its loop: when the loop is collected, the mailbox is, which ends the thread.
_mailboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _core.Mailbox] = weakref.WeakKeyDictionary()


def watch(loop: asyncio.AbstractEventLoop, mailbox: _core.Mailbox, bell: _core.Bell) -> None:
    """Lets ``loop`` drain ``mailbox`` whenever ``bell`` rings, for as long as the loop is open."""
    _mailboxes[loop] = mailbox
    arguments = (weakref.ref(loop), weakref.ref(mailbox), bell)
    threading.Thread(target=_ring, args=arguments, name="locum-bell", daemon=True).start()


def _ring(
    loop_ref: weakref.ref[asyncio.AbstractEventLoop], mailbox_ref: weakref.ref[_core.Mailbox], bell: _core.Bell
) -> None:
    while bell.wait():
        loop, mailbox = loop_ref(), mailbox_ref()
        if loop is None or mailbox is None:
            return
        try:
            loop.call_soon_threadsafe(mailbox.drain)
        except RuntimeError:  # The loop was closed.
            _mailboxes.pop(loop, None)
            return
        # Held across the wait, they would keep the loop and its mailbox alive.
        del loop, mailbox
