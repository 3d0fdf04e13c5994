"""LlamaIndex with Locum under it. pip install locum llama-index-llms-openai-like httpx"""

import asyncio

import locum
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike


def invoice_total(number: str) -> str:
    """The total of an invoice."""
    return "42 EUR"


async def main() -> None:
    llm = OpenAILike(
        model="support_chat",
        api_base="http://locum/v1",
        api_key="unused",
        is_chat_model=True,
        is_function_calling_model=True,
        http_client=locum.httpx_sync_client(),
        async_http_client=locum.httpx_client(),
    )
    question = [ChatMessage(role="user", content="My invoice is wrong.")]

    print(llm.chat(question).message.content)
    async for piece in await llm.astream_chat(question):
        print(piece.delta, end="", flush=True)
    print()

    tool = FunctionTool.from_defaults(invoice_total)
    print(llm.predict_and_call([tool], "What does invoice R-17 come to?"))


asyncio.run(main())
