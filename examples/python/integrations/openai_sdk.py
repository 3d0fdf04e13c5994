"""The OpenAI SDK with Locum under it: one line differs, and ``model`` is a task. pip install locum openai httpx"""

import asyncio

import locum
import openai
from pydantic import BaseModel


class Invoice(BaseModel):
    number: str
    total: int


TOOL = {
    "type": "function",
    "function": {
        "name": "invoice_total",
        "parameters": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
    },
}


async def main() -> None:
    client = openai.AsyncOpenAI(http_client=locum.httpx_client(), api_key="unused")
    question = [{"role": "user", "content": "My invoice is wrong."}]

    answer = await client.chat.completions.create(model="support_chat", messages=question)
    print(answer.choices[0].message.content, "—", answer.model)

    async with client.chat.completions.stream(model="support_chat", messages=question) as stream:
        async for event in stream:
            if event.type == "content.delta":
                print(event.delta, end="", flush=True)
    print(" —", (await stream.get_final_completion()).choices[0].finish_reason)

    parsed = await client.chat.completions.parse(model="data_extraction", messages=question, response_format=Invoice)
    print(parsed.choices[0].message.parsed)

    called = await client.chat.completions.create(model="support_chat", messages=question, tools=[TOOL])
    call = called.choices[0].message.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": "42 EUR"}
    messages = [*question, called.choices[0].message, result]
    answer = await client.chat.completions.create(model="support_chat", messages=messages, tools=[TOOL])
    print(answer.choices[0].message.content)

    try:
        await client.chat.completions.create(model="support_chat", messages=question)
    except openai.AuthenticationError as error:
        # The primary's failure, and what became of the stand-in.
        print(error.code, error.response.headers["x-locum-attempts"])


asyncio.run(main())
