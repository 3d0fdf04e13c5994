"""A chat in the terminal that survives a cut: the stand-in goes on where the primary broke off."""

import asyncio
import sys
from typing import Any

import locum


async def main() -> None:
    chat: list[dict[str, Any]] = [{"role": "system", "content": "You help with invoices."}]
    for line in sys.stdin:
        print(f"> {line.strip()}")
        chat.append({"role": "user", "content": line.strip()})
        async for event in locum.stream("support_chat", chat):
            match event:
                case locum.TextEvent(text):
                    print(text, end="", flush=True)
                case locum.RestartEvent(model, _, reason):
                    print(f"\n[{reason}; {model} begins anew]")
                case locum.EndEvent(reply):
                    print(f"\n\n{reply.trail()}")
                    chat.append(reply.message)
                case _:
                    pass


asyncio.run(main())
