"""The official Python SDKs as judges of the mock: what they accept is the providers' format.

Usage: python judge.py http://127.0.0.1:PORT

The mock plays `script.json`. Needs the packages `openai`, `anthropic` and `google-genai`. Prints one line per check; the first one
that fails ends the run with an error.
"""

import json
import sys
import urllib.request

import anthropic
import httpx2
import openai
import pydantic
from google import genai

QUESTION = [{"role": "user", "content": "What is the weather in Oslo?"}]


def check(what, found, expected):
    if found != expected:
        raise SystemExit(f"FAILED {what}: expected {expected!r}, found {found!r}")
    print(f"ok {what}")


def raises(what, error, call):
    try:
        call()
    except error as caught:
        print(f"ok {what}")
        return caught
    raise SystemExit(f"FAILED {what}: nothing was raised")


def judge_openai(root):
    with openai.OpenAI(base_url=f"{root}/openai/v1", api_key="unused", max_retries=0) as client:

        def ask():
            return client.chat.completions.create(model="gpt-judged", messages=QUESTION)

        reply = ask()
        # The SDK builds its types without looking; this looks.
        openai.types.chat.ChatCompletion.model_validate(reply.to_dict(), strict=False)
        check("openai text", reply.choices[0].message.content, "It rains.")
        check("openai finish", reply.choices[0].finish_reason, "stop")
        check("openai model", reply.model, "gpt-judged")
        check("openai usage", (reply.usage.prompt_tokens, reply.usage.completion_tokens), (12, 5))
        check("openai cached", reply.usage.prompt_tokens_details.cached_tokens, 8)
        check("openai request id", reply._request_id, "req_openai_0")

        reply = ask()
        openai.types.chat.ChatCompletion.model_validate(reply.to_dict(), strict=False)
        call = reply.choices[0].message.tool_calls[0]
        check("openai tool finish", reply.choices[0].finish_reason, "tool_calls")
        check("openai tool call", (call.type, call.function.name), ("function", "get_weather"))
        check("openai tool arguments", call.function.arguments, '{"city":"Oslo"}')

        error = raises("openai 429", openai.RateLimitError, ask)
        check("openai 429 code", error.code, "rate_limit_exceeded")
        raises("openai 503", openai.InternalServerError, ask)
        check("openai models", [m.id for m in client.models.list()], ["mock-large", "mock-small"])


def judge_openai_streams(root):
    with openai.OpenAI(base_url=f"{root}/openai-streams/v1", api_key="unused", max_retries=0) as client:
        asked = {"model": "gpt-judged", "messages": QUESTION, "stream_options": {"include_usage": True}}

        def chunks():
            return client.chat.completions.create(stream=True, **asked)

        def final():
            with client.chat.completions.stream(**asked) as stream:
                for _ in stream:
                    pass
                return stream.get_final_completion()

        said, usage = "", []
        for chunk in chunks():
            openai.types.chat.ChatCompletionChunk.model_validate(chunk.to_dict(), strict=False)
            usage.append(chunk.usage)
            said += "".join(choice.delta.content or "" for choice in chunk.choices)
        check("openai stream text", said, "It rains in Oslo.")
        check("openai stream usage", (usage[:-1], usage[-1].total_tokens), ([None] * (len(usage) - 1), 17))
        reply = final()
        check("openai stream final", reply.choices[0].message.content, "It rains in Oslo.")
        check("openai stream finish", (reply.choices[0].finish_reason, reply.usage.prompt_tokens), ("stop", 12))

        reasoning = "".join(
            getattr(choice.delta, "reasoning_content", None) or "" for chunk in chunks() for choice in chunk.choices
        )
        check("openai stream reasoning", reasoning, "The weather is asked for.")
        reply = final()
        check("openai stream tool text", reply.choices[0].message.content, "Let me look.")
        check("openai stream tool finish", reply.choices[0].finish_reason, "tool_calls")
        calls = [(call.type, call.function.name, call.function.arguments) for call in reply.choices[0].message.tool_calls]
        expected = [("function", "get_weather", f'{{"city":"{city}"}}') for city in ("Oslo", "Bergen")]
        check("openai stream tool calls", calls, expected)

        error = raises("openai stream error", openai.APIError, final)
        check("openai stream error code", error.code, "server_is_overloaded")
        raises("openai stream cut", openai.APIConnectionError, final)
        raises("openai stream malformed", json.JSONDecodeError, final)


def judge_anthropic(root):
    with anthropic.Anthropic(base_url=f"{root}/anthropic", api_key="unused", max_retries=0) as client:

        def ask():
            return client.messages.create(model="claude-judged", max_tokens=64, messages=QUESTION)

        reply = ask()
        anthropic.types.Message.model_validate(reply.to_dict(), strict=False)
        check("anthropic text", reply.content[0].text, "It rains.")
        check("anthropic finish", reply.stop_reason, "end_turn")
        check("anthropic model", reply.model, "claude-judged")
        check("anthropic usage", (reply.usage.input_tokens, reply.usage.output_tokens), (4, 5))
        check("anthropic cached", reply.usage.cache_read_input_tokens, 8)
        check("anthropic request id", reply._request_id, "req_anthropic_0")

        reply = ask()
        anthropic.types.Message.model_validate(reply.to_dict(), strict=False)
        call = reply.content[0]
        check("anthropic tool finish", reply.stop_reason, "tool_use")
        check("anthropic tool call", (call.type, call.name), ("tool_use", "get_weather"))
        check("anthropic tool arguments", call.input, {"city": "Oslo"})

        error = raises("anthropic 429", anthropic.RateLimitError, ask)
        check("anthropic 429 type", error.body["error"]["type"], "rate_limit_error")
        error = raises("anthropic 529", anthropic.APIStatusError, ask)
        check("anthropic 529 status", error.status_code, 529)
        check("anthropic models", [m.id for m in client.models.list()], ["mock-large", "mock-small"])


def judge_anthropic_streams(root):
    with anthropic.Anthropic(base_url=f"{root}/anthropic-streams", api_key="unused", max_retries=0) as client:
        asked = {"model": "claude-judged", "max_tokens": 64, "messages": QUESTION}

        def events():
            return client.messages.create(stream=True, **asked)

        def final():
            with client.messages.stream(**asked) as stream:
                return "".join(stream.text_stream), stream.get_final_message()

        one_of = pydantic.TypeAdapter(anthropic.types.RawMessageStreamEvent)
        said = ""
        for event in events():
            one_of.validate_python(event.to_dict(), strict=False)
            if event.type == "content_block_delta":
                said += event.delta.text
        check("anthropic stream text", said, "It rains in Oslo.")
        said, reply = final()
        anthropic.types.Message.model_validate(reply.to_dict(), strict=False)
        check("anthropic stream final", (said, reply.content[0].text), ("It rains in Oslo.",) * 2)
        check("anthropic stream finish", reply.stop_reason, "end_turn")
        usage = reply.usage
        counts = (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens)
        check("anthropic stream usage", counts, (4, 8, 5))

        for event in events():
            one_of.validate_python(event.to_dict(), strict=False)
        _, reply = final()
        check("anthropic stream blocks", [b.type for b in reply.content], ["thinking", "text", "tool_use", "tool_use"])
        thinking = reply.content[0]
        check("anthropic stream thinking", (thinking.thinking, bool(thinking.signature)), ("The weather is asked for.", True))
        calls = [(call.name, call.input) for call in reply.content[2:]]
        expected = [("get_weather", {"city": city}) for city in ("Oslo", "Bergen")]
        check("anthropic stream tool calls", calls, expected)
        check("anthropic stream tool finish", reply.stop_reason, "tool_use")

        error = raises("anthropic stream error", anthropic.APIStatusError, final)
        check("anthropic stream error type", error.body["error"]["type"], "overloaded_error")
        raises("anthropic stream cut", httpx2.RemoteProtocolError, final)
        raises("anthropic stream malformed", json.JSONDecodeError, final)


def judge_gemini(root):
    # Google's types are read strictly as they are: a member that they do not know is an error.
    address = genai.types.HttpOptions(base_url=f"{root}/gemini", api_version="v1beta", retry_options=None)
    client = genai.Client(api_key="unused", http_options=address)
    asked = {"model": "gemini-judged", "contents": "What is the weather in Oslo?"}

    reply = client.models.generate_content(**asked)
    check("gemini text", reply.text, "It rains.")
    check("gemini finish", reply.candidates[0].finish_reason, genai.types.FinishReason.STOP)
    check("gemini model", reply.model_version, "gemini-judged")
    usage = reply.usage_metadata
    counts = (usage.prompt_token_count, usage.candidates_token_count, usage.cached_content_token_count)
    check("gemini usage", counts, (12, 5, 8))

    reply = client.models.generate_content(**asked)
    call = reply.function_calls[0]
    check("gemini tool call", (call.name, call.args), ("get_weather", {"city": "Oslo"}))
    parts = reply.candidates[0].content.parts
    check("gemini thought", (parts[0].thought, bool(parts[-1].thought_signature)), (True, True))

    error = raises("gemini 429", genai.errors.ClientError, lambda: client.models.generate_content(**asked))
    check("gemini 429 status", (error.code, error.status), (429, "RESOURCE_EXHAUSTED"))
    error = raises("gemini 503", genai.errors.ServerError, lambda: client.models.generate_content(**asked))
    check("gemini 503 status", (error.code, error.status), (503, "UNAVAILABLE"))

    chunks = list(client.models.generate_content_stream(**asked))
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    said = ["".join(part.text for part in parts if bool(part.thought) is thought) for thought in (True, False)]
    check("gemini stream", said, ["The weather is asked for.", "It rains in Oslo."])
    usage = chunks[-1].usage_metadata
    check("gemini stream usage", (usage.candidates_token_count, usage.thoughts_token_count), (2, 3))
    chunks = list(client.models.generate_content_stream(**asked))
    calls = [call for chunk in chunks for call in chunk.function_calls or []]
    check("gemini stream tool call", [(call.name, call.args) for call in calls], [("get_weather", {"city": "Oslo"})])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    root = sys.argv[1]
    # Each judge starts the script from its first step.
    urllib.request.urlopen(urllib.request.Request(f"{root}/_reset", method="POST")).close()
    judge_openai(root)
    judge_openai_streams(root)
    judge_anthropic(root)
    judge_anthropic_streams(root)
    judge_gemini(root)
