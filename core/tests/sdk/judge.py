"""The official Python SDKs as judges of the mock: what they accept is the providers' format.

Usage: python judge.py http://127.0.0.1:PORT

The mock plays `script.json`. Needs the packages `openai` and `anthropic`. Prints one line per check; the first one
that fails ends the run with an error.
"""

import sys
import urllib.request

import anthropic
import openai

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


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    root = sys.argv[1]
    # Each judge starts the script from its first step.
    urllib.request.urlopen(urllib.request.Request(f"{root}/_reset", method="POST")).close()
    judge_openai(root)
    judge_anthropic(root)
