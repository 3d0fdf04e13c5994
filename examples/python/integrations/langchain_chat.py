"""LangChain's ChatOpenAI with Locum under it. pip install locum langchain-openai httpx"""

import asyncio

import locum
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


@tool
def invoice_total(number: str) -> str:
    """The total of an invoice."""
    return "42 EUR"


async def main() -> None:
    chat = ChatOpenAI(
        model="support_chat",
        api_key="unused",
        http_client=locum.httpx_sync_client(),
        http_async_client=locum.httpx_client(),
    )

    print(chat.invoke("My invoice is wrong.").content)
    async for piece in chat.astream("My invoice is wrong."):
        print(piece.content, end="", flush=True)
    print()

    asked = [("user", "What does invoice R-17 come to?")]
    call = await chat.bind_tools([invoice_total]).ainvoke(asked)
    result = invoice_total.invoke(call.tool_calls[0])
    print((await chat.ainvoke([*asked, call, result])).content)


asyncio.run(main())
