"""What calls did and cost: told to the program as they end, held to a quota, and kept in a file."""

import asyncio

from locum import QuotaExceeded, Router, RouterEvent


def tell(event: RouterEvent) -> None:
    if event.type == "breaker_opened" or event.type == "cooled":
        print(f"  ! {event.message}")
    if (record := event.record) is not None:
        cost = "unknown" if record.cost is None else f"{record.cost:.6f}"
        print(f"  {record.customer}: {record.outcome} by {record.model}, {len(record.attempts)} attempts, {cost} USD")
        for attempt in record.attempts:
            tokens = attempt.usage and attempt.usage.input + attempt.usage.output
            print(f"    {attempt.model} {attempt.outcome} {attempt.kind or ''} {tokens or 0} tokens")


async def main() -> None:
    router = Router.from_default()
    router.on_event(tell)
    for customer in ("acme", "free:ida", "free:ida", "free:ida"):
        try:
            await router.complete("support_chat", "My invoice is wrong", customer=customer)
        except QuotaExceeded as error:
            print(f"  {customer}: refused: {str(error).split(';')[0]}")
    print("written" if router.flush() else "not written")


asyncio.run(main())
