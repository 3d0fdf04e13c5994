"""The OpenAI SDK over Locum, in process: what it asks reaches the task, and what comes back is what it expects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpx
import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessageParam,
    ChatCompletionToolUnionParam,
)
from pydantic import BaseModel
from support import HELLO, KEY, SILENT, dumps, playing, two_formats

import locum
from locum import LocumError, Router
from locum.testing import Mock

ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "My invoice is wrong"}]

WEATHER: list[ChatCompletionToolUnionParam] = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
]

NewClient = Callable[[Router], AsyncOpenAI]


def over_httpx2(router: Router) -> AsyncOpenAI:
    client = locum.httpx_client(router)
    assert isinstance(client, httpx2.AsyncClient)
    return AsyncOpenAI(http_client=client, api_key="unused")


def over_httpx(router: Router) -> AsyncOpenAI:
    client: Any = httpx.AsyncClient(transport=locum.httpx_transport(router))
    return AsyncOpenAI(http_client=client, api_key="unused")


@pytest.fixture(params=[over_httpx2, over_httpx])
def new_client(request: pytest.FixtureRequest) -> NewClient:
    return request.param


def blocking(router: Router) -> OpenAI:
    return OpenAI(http_client=locum.httpx_sync_client(router), api_key="unused")


def run(new_client: NewClient, router: Router, work: Callable[[AsyncOpenAI], Awaitable[Any]]) -> Any:
    """Works with a client in a loop of its own, as an application does."""

    async def main() -> Any:
        async with new_client(router) as client:
            return await work(client)

    return asyncio.run(main())


def said(chunks: Iterable[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def finish(chunks: Iterable[ChatCompletionChunk]) -> list[str]:
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


def check_types(answer: BaseModel) -> None:
    """The SDK builds its types without looking; this looks."""
    type(answer).model_validate(answer.to_dict())  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def asked(mock: Mock) -> list[str]:
    return [entry["upstream"] for entry in mock.log()]


def extra(answer: BaseModel) -> Any:
    """The member ``locum``."""
    assert answer.model_extra is not None
    return answer.model_extra["locum"]


def test_a_whole_answer(new_client: NewClient) -> None:
    async def work(client: AsyncOpenAI) -> ChatCompletion:
        return await client.chat.completions.create(
            model="chat", messages=ASK, temperature=0.5, max_completion_tokens=20, logit_bias={"50256": -100}
        )

    with two_formats({"main": [HELLO]}) as (mock, router):
        answer = run(new_client, router, work)
        check_types(answer)
        assert answer.choices[0].message.content == "Hello you there"
        assert (answer.choices[0].finish_reason, answer.model) == ("stop", "main/big")
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
        assert (extra(answer)["task"], extra(answer)["fallback_used"]) == ("chat", False)
        (entry,) = mock.log()
        body = entry["body"]
        assert (body["model"], body["messages"], body["temperature"]) == ("big", ASK, 0.5)
        assert (body["max_completion_tokens"], body["logit_bias"]) == (20, {"50256": -100})


def test_a_stream(new_client: NewClient) -> None:
    async def work(client: AsyncOpenAI) -> list[ChatCompletionChunk]:
        stream = await client.chat.completions.create(
            model="chat", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
        return [chunk async for chunk in stream]

    with two_formats({"main": [{"status": 503}], "spare": [HELLO]}, retries=0) as (mock, router):
        chunks = run(new_client, router, work)
        for chunk in chunks:
            check_types(chunk)
        assert (said(chunks), finish(chunks)) == ("Hello you there", ["stop"])
        assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        assert chunks[-1].usage.total_tokens > 0
        assert {chunk.model for chunk in chunks} == {"spare/small"}
        trail = extra(next(chunk for chunk in chunks if finish([chunk])))
        assert [line["outcome"] for line in trail["attempts"]] == ["failed", "ok"]
        assert asked(mock) == ["main", "spare"]


def test_the_stream_helper(new_client: NewClient) -> None:
    async def work(client: AsyncOpenAI) -> tuple[list[str], ChatCompletion]:
        async with client.chat.completions.stream(model="chat", messages=ASK) as stream:
            pieces = [event.delta async for event in stream if event.type == "content.delta"]
            return pieces, await stream.get_final_completion()

    with two_formats({"main": [HELLO]}) as (_, router):
        pieces, answer = run(new_client, router, work)
        assert [piece for piece in pieces if piece] == ["Hello ", "you ", "there"]
        assert answer.choices[0].message.content == "Hello you there"
        assert answer.choices[0].finish_reason == "stop"


class Invoice(BaseModel):
    number: str
    total: float


@pytest.mark.parametrize("upstreams", [{}, {"main": [{"status": 503}]}], ids=["OpenAI", "Anthropic"])
def test_parse(new_client: NewClient, upstreams: dict[str, Any]) -> None:
    async def work(client: AsyncOpenAI) -> Invoice | None:
        answer = await client.chat.completions.parse(model="chat", messages=ASK, response_format=Invoice)
        return answer.choices[0].message.parsed

    answer = [{"answer": '{"number": "A7", "total": 12.5}'}]
    with two_formats({"main": answer, "spare": answer, **upstreams}, retries=0) as (mock, router):
        assert run(new_client, router, work) == Invoice(number="A7", total=12.5)
        if "main" not in upstreams:
            (entry,) = mock.log()
            assert entry["body"]["response_format"]["json_schema"]["schema"]["required"] == ["number", "total"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["main", "spare"])
def test_tools(new_client: NewClient, name: str, stream: bool) -> None:
    async def work(client: AsyncOpenAI) -> str | None:
        messages = list(ASK)
        if stream:
            async with client.chat.completions.stream(model="chat", messages=messages, tools=WEATHER) as events:
                answer: ChatCompletion = await events.get_final_completion()
        else:
            answer = await client.chat.completions.create(model="chat", messages=messages, tools=WEATHER)
        message = answer.choices[0].message
        assert answer.choices[0].finish_reason == "tool_calls"
        assert message.tool_calls is not None
        for call in message.tool_calls:
            assert call.type == "function"
            assert json.loads(call.function.arguments) == {"city": call.id}
        # As it came, with whatever the SDK adds to it.
        messages.append(message)  # pyright: ignore[reportArgumentType]
        for call in message.tool_calls:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "rain"})
        answer = await client.chat.completions.create(model="chat", messages=messages, tools=WEATHER)
        return answer.choices[0].message.content

    calls = [{"id": city, "name": "weather", "arguments": {"city": city}} for city in ("Oslo", "Bergen")]
    steps = [{"answer": {"text": "Let me see. ", "tool_calls": calls}}, {"answer": "It rains."}]
    upstreams = {"main": [{"status": 503}], name: steps}
    with two_formats(upstreams, retries=0) as (mock, router):
        assert run(new_client, router, work) == "It rains."
        bodies = [entry["body"]["messages"] for entry in mock.log() if entry["upstream"] == name]
        assert len(bodies) == 2
        assert all(f'"{city}"' in dumps(bodies[1]) for city in ("Oslo", "Bergen"))
        assert dumps(bodies[1]).count('"rain"') == 2


def test_raw_responses(new_client: NewClient) -> None:
    async def work(client: AsyncOpenAI) -> None:
        raw = await client.chat.completions.with_raw_response.create(model="chat", messages=ASK)
        assert raw.headers["x-locum-model"] == "spare/small"
        assert raw.headers["x-locum-attempts"] == "main/big overloaded, spare/small ok"
        assert raw.headers["content-type"] == "application/json"
        assert raw.headers["x-request-id"].startswith("req_")
        answer = raw.parse()
        assert answer.choices[0].message.content == "Hello you there"
        assert answer._request_id == raw.headers["x-request-id"]  # pyright: ignore[reportPrivateUsage]
        async with client.chat.completions.with_streaming_response.create(
            model="chat", messages=ASK, stream=True
        ) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = [line async for line in response.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        assert all(line.startswith("data: ") for line in lines)

    with two_formats({"main": [{"error": "server_is_overloaded"}], "spare": [HELLO]}, retries=0) as (_, router):
        run(new_client, router, work)


ERRORS: dict[str, tuple[type[openai.APIStatusError], int, str]] = {
    "rate_limit_exceeded": (openai.RateLimitError, 429, "rate_limit_exceeded"),
    "insufficient_quota": (openai.RateLimitError, 429, "insufficient_quota"),
    "invalid_request_error": (openai.BadRequestError, 400, "invalid_request"),
    "context_length_exceeded": (openai.BadRequestError, 400, "context_length_exceeded"),
    "invalid_api_key": (openai.AuthenticationError, 401, "invalid_api_key"),
    "permission_error": (openai.PermissionDeniedError, 403, "permission"),
    "model_not_found": (openai.NotFoundError, 404, "model_not_found"),
    "server_is_overloaded": (openai.InternalServerError, 503, "server_is_overloaded"),
    "server_error": (openai.InternalServerError, 502, "server_error"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("code", ERRORS)
def test_errors_have_their_classes_after_one_ladder(new_client: NewClient, code: str, stream: bool) -> None:
    expected, status, word = ERRORS[code]

    async def work(client: AsyncOpenAI) -> openai.APIStatusError:
        assert client.max_retries == 2
        with pytest.raises(expected) as caught:
            await client.chat.completions.create(model="chat", messages=ASK, stream=stream)
        return caught.value

    # Where the error is the request's own, the stand-in is not asked.
    surfaces = code == "invalid_request_error"
    with two_formats({"main": [{"error": code}], "spare": [{"error": code}]}, retries=0) as (mock, router):
        error = run(new_client, router, work)
        assert (type(error), error.status_code, error.code) == (expected, status, word)
        assert error.response.headers["x-locum-model"] == "main/big"
        assert asked(mock) == (["main"] if surfaces else ["main", "spare"])
        assert KEY not in dumps([str(error), error.body, dict(error.response.headers)])


def test_unknown_tasks_and_addresses(new_client: NewClient) -> None:
    async def work(client: AsyncOpenAI) -> None:
        with pytest.raises(openai.NotFoundError, match='"chta" is not a task.*"chat"') as unknown:
            await client.chat.completions.create(model="chta", messages=ASK)
        assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.NotFoundError, match="/v1/embeddings is not served") as unserved:
            await client.embeddings.create(model="chat", input="Hi")
        assert unserved.value.code == "unsupported_endpoint"
        with pytest.raises(openai.BadRequestError, match="one answer"):
            await client.chat.completions.create(model="chat", messages=ASK, n=2)

    with two_formats({}) as (mock, router):
        run(new_client, router, work)
        assert mock.log() == []


@pytest.mark.parametrize("whose", ["task", "client", "call", "header"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_late_is_the_sdks_own_timeout(
    new_client: NewClient, whose: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It asks again after this error, whatever it is told, and rests before.
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    async def work(client: AsyncOpenAI) -> openai.APITimeoutError:
        if whose == "client":
            client = client.with_options(timeout=0.2)
        options: dict[str, Any] = {"timeout": 0.2} if whose == "call" else {}
        if whose == "header":
            options["extra_headers"] = {"x-locum-timeout-ms": "200"}
        with pytest.raises(openai.APITimeoutError) as caught:
            await client.chat.completions.create(model="chat", messages=ASK, stream=stream, **options)
        return caught.value

    task: dict[str, Any] = {"max_latency_ms": 200} if whose == "task" else {}
    with playing({"a": [SILENT if stream else {"silence": True}]}, retries=0, **task) as (mock, router):
        error = run(new_client, router, work)
        late = error.__cause__
        assert isinstance(late, (httpx.ReadTimeout, httpx2.ReadTimeout))
        assert str(late.request.url).endswith("/chat/completions")
        reason = late.__cause__
        assert isinstance(reason, LocumError)
        assert reason.kind == "deadline_exceeded"
        # The last of the SDK's own tries has the trail of the first, and none of them climbed the ladder again.
        assert [attempt.model for attempt in reason.attempts] == ["a/model"]
        assert asked(mock) == ["a"]


@pytest.mark.parametrize("fault", [{"cut_after": 2}, {"cut_after": 2, "cut": "rst"}, {"error_after": 2, "error": "server_error"}])
def test_a_stream_that_breaks_off_is_an_error(new_client: NewClient, fault: dict[str, Any]) -> None:
    async def work(client: AsyncOpenAI) -> list[ChatCompletionChunk]:
        chunks: list[ChatCompletionChunk] = []
        with pytest.raises(openai.APIError) as caught:
            async for chunk in await client.chat.completions.create(model="chat", messages=ASK, stream=True):
                chunks.append(chunk)
        assert type(caught.value) is openai.APIError
        assert caught.value.code in ("truncated_stream", "connection", "server_error")
        with pytest.raises(openai.APIError):
            async with client.chat.completions.stream(model="chat", messages=ASK) as stream:
                await stream.get_final_completion()
        return chunks

    broken = {"answer": "Hello you there", "stream": fault}
    with two_formats({"main": [broken]}) as (_, router):
        chunks = run(new_client, router, work)
        assert (said(chunks), finish(chunks)) == ("Hello you ", [])


def test_options_of_a_call(new_client: NewClient) -> None:
    async def work(client: AsyncOpenAI) -> None:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(
                model="chat", messages=ASK, extra_headers={"x-locum-fallback": "false", "x-locum-customer": "acme"}
            )
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="chat", messages=ASK, metadata={"locum_fallback": "false"})
        answer = await client.chat.completions.create(
            model="chat/spare/small", messages=ASK, metadata={"locum_customer": "acme", "origin": "test"}
        )
        assert answer.model == "spare/small"
        with pytest.raises(openai.BadRequestError, match="x-locum-fallback: expected true or false"):
            await client.chat.completions.create(model="chat", messages=ASK, extra_headers={"x-locum-fallback": "no"})

    with two_formats({"main": [{"error": "server_is_overloaded"}], "spare": [HELLO]}, retries=0) as (mock, router):
        run(new_client, router, work)
        assert asked(mock) == ["main", "main", "spare"]


def test_models(new_client: NewClient) -> None:
    async def work(client: AsyncOpenAI) -> None:
        assert sorted([model.id async for model in client.models.list()]) == ["chat", "title"]
        model = await client.models.retrieve("chat")
        check_types(model)
        assert (model.id, model.owned_by) == ("chat", "locum")
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("chta")

    with two_formats({}) as (mock, router):
        run(new_client, router, work)
        assert mock.log() == []


def test_blocking() -> None:
    script = {"main": [{"status": 503}], "spare": [HELLO]}
    with two_formats(script, retries=0) as (mock, router), blocking(router) as client:
        answer = client.chat.completions.create(model="chat", messages=ASK)
        assert (answer.choices[0].message.content, answer.model) == ("Hello you there", "spare/small")
        chunks = list(
            client.chat.completions.create(
                model="chat", messages=ASK, stream=True, stream_options={"include_usage": True}
            )
        )
        assert (said(chunks), finish(chunks)) == ("Hello you there", ["stop"])
        assert chunks[-1].usage is not None
        with client.chat.completions.stream(model="chat", messages=ASK) as stream:
            assert stream.get_final_completion().choices[0].message.content == "Hello you there"
        # The primary is left alone for a while.
        assert asked(mock) == ["main", "spare", "spare", "spare"]
        assert sorted(model.id for model in client.models.list()) == ["chat", "title"]


def test_blocking_errors() -> None:
    breaks = {"answer": "Hello you there", "stream": {"cut_after": 2}}
    with playing({"a": [{"error": "rate_limit_exceeded"}, {"silence": True}, breaks]}, retries=0) as (mock, router):
        client = blocking(router)
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="chat", messages=ASK)
        router.reset_health()
        with pytest.raises(openai.APITimeoutError) as late:
            client.chat.completions.create(model="chat", messages=ASK, timeout=0.2)
        assert isinstance(late.value.__cause__, Exception)
        assert isinstance(late.value.__cause__.__cause__, locum.Timeout)
        text = ""
        with pytest.raises(openai.APIError):
            for chunk in client.chat.completions.create(model="chat", messages=ASK, stream=True):
                text += said([chunk])
        assert text == "Hello you "
        assert asked(mock) == ["a"] * 3
