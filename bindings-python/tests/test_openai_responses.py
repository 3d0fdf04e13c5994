"""The OpenAI SDK's Responses API over Locum, in process: every event and object is one that the SDK's own types take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from openai import APIError, AsyncOpenAI, BadRequestError, OpenAI, RateLimitError
from openai.types.responses import FunctionToolParam, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter
from support import HELLO, two_formats

import locum
from locum import Router

WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "strict": False,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CALL: dict[str, Any] = {"answer": {"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}]}}
EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)


class Invoice(BaseModel):
    number: str
    total: int


def run(router: Router, work: Callable[[AsyncOpenAI], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with AsyncOpenAI(http_client=locum.httpx_client(router), api_key="unused") as client:
            return await work(client)

    return asyncio.run(main())


def check_types(answer: BaseModel) -> None:
    """The SDK builds its types without looking; this looks."""
    type(answer).model_validate(answer.to_dict())  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def test_a_whole_response() -> None:
    with two_formats({"main": [HELLO]}) as (mock, router):
        client = OpenAI(http_client=locum.httpx_sync_client(router), api_key="unused")
        response = client.responses.create(
            model="chat", input="Hi", instructions="Be kind.", max_output_tokens=20, tools=[WEATHER], metadata={"team": "x"}
        )
        check_types(response)
        assert (response.output_text, response.status, response.model) == ("Hello you there", "completed", "main/big")
        assert (response.instructions, response.metadata) == ("Be kind.", {"team": "x"})
        assert response.usage is not None and response.usage.total_tokens > 0
        body = mock.log()[0]["body"]
        assert [message["role"] for message in body["messages"]] == ["system", "user"]
        assert (body["max_completion_tokens"], body["tools"][0]["function"]["name"]) == (20, "weather")


def test_every_event_of_a_stream_is_one_of_the_sdks() -> None:
    async def work(client: AsyncOpenAI) -> list[ResponseStreamEvent]:
        stream = await client.responses.create(model="chat", input="Hi", stream=True, tools=[WEATHER])
        return [event async for event in stream]

    spoken = {"answer": {"reasoning": "Hm. ", "text": "I look. ", **CALL["answer"]}}
    for script in ({"main": [spoken]}, {"main": [{"status": 500, "times": 2}], "spare": [spoken]}):
        with two_formats(script) as (_, router):
            events = run(router, work)
            for event in events:
                EVENT.validate_python(event.to_dict())
            assert [event.sequence_number for event in events] == list(range(len(events)))
            deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
            assert "".join(deltas) == "I look. "
            whole = events[-1].response
            check_types(whole)
            assert (events[-1].type, [item.type for item in whole.output][-2:]) == (
                "response.completed",
                ["message", "function_call"],
            )


def test_the_stream_helper_puts_the_response_together() -> None:
    async def work(client: AsyncOpenAI) -> Any:
        async with client.responses.stream(model="chat", input="Hi", text_format=Invoice) as stream:
            async for _ in stream:
                pass
            return await stream.get_final_response()

    with two_formats({"main": [{"answer": '{"number": "R-17", "total": 42}'}]}) as (mock, router):
        assert run(router, work).output_parsed == Invoice(number="R-17", total=42)
        assert mock.log()[0]["body"]["response_format"]["type"] == "json_schema"


def test_parse_with_a_pydantic_model() -> None:
    async def work(client: AsyncOpenAI) -> Any:
        return await client.responses.parse(model="chat", input="Hi", text_format=Invoice)

    with two_formats({"main": [{"answer": '{"number": "R-17", "total": 42}'}]}) as (_, router):
        assert run(router, work).output_parsed == Invoice(number="R-17", total=42)


def test_a_tool_is_called_and_its_result_goes_to_a_stand_in() -> None:
    async def work(client: AsyncOpenAI) -> str:
        asked: list[Any] = [{"role": "user", "content": "Oslo?"}]
        first = await client.responses.create(model="chat", input=asked, tools=[WEATHER])
        (call,) = first.output
        assert call.type == "function_call"
        asked += [call, {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}]
        return (await client.responses.create(model="chat", input=asked, tools=[WEATHER])).output_text

    script = {"main": [CALL, {"status": 500, "times": 2}], "spare": [{"answer": "It rains."}]}
    with two_formats(script) as (mock, router):
        assert run(router, work) == "It rains."
        turns = mock.log()[-1]["body"]["messages"]
        assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
        assert turns[2]["content"][0]["content"] in ("rain", [{"type": "text", "text": "rain"}])


def test_a_stream_that_breaks_off_raises() -> None:
    async def work(client: AsyncOpenAI) -> str:
        text = ""
        with pytest.raises(APIError) as broken:
            async for event in await client.responses.create(model="chat", input="Hi", stream=True):
                assert event.type != "response.completed"
                text += event.delta if event.type == "response.output_text.delta" else ""
        assert cast("dict[str, Any]", broken.value.body)["code"] == "truncated_stream"
        return text

    with two_formats({"main": [{"answer": "one two three four", "stream": {"cut_after": 2, "cut": "fin"}}]}) as (_, router):
        assert run(router, work).startswith("one two")


def test_errors_have_their_classes() -> None:
    with two_formats({"main": [{"error": "rate_limit_exceeded"}] * 9, "spare": [{"error": "rate_limit_error"}] * 9}) as (_, router):
        client = OpenAI(http_client=locum.httpx_sync_client(router), api_key="unused")
        with pytest.raises(RateLimitError):
            client.responses.create(model="chat", input="Hi")
        with pytest.raises(BadRequestError, match="previous_response_id") as refused:
            client.responses.create(model="chat", input="Hi", previous_response_id="resp_1")
        assert refused.value.param == "previous_response_id"
