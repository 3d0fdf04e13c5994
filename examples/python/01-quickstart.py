"""One completion. Run it with keys in the environment: python 01-quickstart.py"""

import asyncio

import locum


async def main() -> None:
    messages = [
        {"role": "system", "content": "You are a friendly support agent."},
        {"role": "user", "content": "My invoice is wrong."},
    ]
    reply = await locum.complete("support_chat", messages, customer="acme")
    print(reply.text)
    print(f"— {reply.model} in {reply.latency_ms:.0f} ms, finish {reply.finish.unified}")


asyncio.run(main())
