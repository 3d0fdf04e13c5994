"""The usual failures of a primary, one after the other, and what becomes of each call."""

import asyncio

import locum

SITUATIONS = [
    "all is well",
    "the primary is overloaded",
    "the primary is rate limited",
    "the primary's key is dead",
    "the primary is silent",
    "everything fails",
]


async def main() -> None:
    router = locum.Router.from_default()
    for what in SITUATIONS:
        print(f"\n▸ {what}")
        # Otherwise a primary that just failed would be passed over for a while.
        router.reset_health()
        try:
            reply = await router.complete("support_chat", "My invoice is wrong.", timeout_ms=1000)
            print(f"{reply.trail()}{reply.text} — {reply.model}")
        except locum.LocumError as error:
            print(f"{error.trail()}{error}")


asyncio.run(main())
