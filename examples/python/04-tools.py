"""An agent with two tools, whose model fails between two turns: the stand-in goes on with the conversation."""

import asyncio
import json
from typing import Any

import locum


def tool(name: str, description: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS = [
    tool("find_invoice", "The open amount of an invoice, in EUR", number={"type": "integer"}),
    tool("add", "The sum of amounts", amounts={"type": "array", "items": {"type": "number"}}),
]


def run(name: str, arguments: dict[str, Any]) -> Any:
    if name == "find_invoice":
        return {"open": 120 if arguments["number"] == 1041 else 80}
    return {"sum": sum(arguments["amounts"])}


async def main() -> None:
    chat: list[dict[str, Any]] = [{"role": "user", "content": "How much do I owe for invoices 1041 and 1042?"}]
    while True:
        reply = await locum.complete("support_chat", chat, tools=TOOLS)
        print(reply.trail(), end="")
        chat.append(reply.message)
        if not reply.tool_calls:
            print(f"{reply.text} — {reply.model}")
            return
        for call in reply.tool_calls:
            result = json.dumps(run(call.name, json.loads(call.arguments)))
            print(f"  {reply.model} calls {call.name}({call.arguments}) = {result}")
            chat.append({"role": "tool", "tool_call_id": call.id, "content": result})


asyncio.run(main())
