"""The providers' own packages as judges of what Locum sends: every recorded request, in every format it can be sent in.

Usage: python requests.py FILE

FILE holds a JSON object per line with `format`, `kind`, `id` and `body`, as `cargo test --test recordings` writes them
to the file that LOCUM_WRITTEN names. Prints a count per format; any body that a package refuses ends the run with an
error. What a package publishes is looked at strictly: a member that it does not know is refused.
"""

import collections
import inspect
import json
import pathlib
import sys
import typing

import jsonschema
import pydantic


def closed(schema, leave):
    """The schema with every object refusing members that it does not name, but for those of the titles in `leave`."""
    if isinstance(schema, list):
        return [closed(item, leave) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(value, leave) for key, value in schema.items()}
    if "properties" in schema and "additionalProperties" not in schema:
        schema["additionalProperties"] = schema.get("title") in leave
    return schema


def by_schema(kind, leave=(), also=None):
    """A judge from the type of a package's request; `also` are members that it has no longer."""
    schema = closed(pydantic.TypeAdapter(kind).json_schema(mode="validation"), leave)
    schema["properties"].update(also or {})
    validator = jsonschema.Draft202012Validator(schema)

    def judge(body):
        error = jsonschema.exceptions.best_match(validator.iter_errors(body))
        return error and f"{error.json_path}: {error.message[:300]}"

    return judge


def by_model(validate):
    """A judge from something that raises."""

    def judge(body):
        try:
            validate(body)
        except (ValueError, TypeError) as error:
            return str(error)[:400]
        return None

    return judge


def openai_chat():
    from openai.types.chat import completion_create_params

    # Further members of messages are the caller's own, and were answered when they were recorded.
    leave = ("ChatCompletionAssistantMessageParam", "ChatCompletionToolMessageParam")
    return by_schema(completion_create_params.CompletionCreateParamsNonStreaming, leave)


def openai_responses():
    from openai.types.responses import response_create_params

    return by_schema(response_create_params.ResponseCreateParamsNonStreaming)


def anthropic_messages():
    from anthropic.types import message_create_params

    # The newest models take no sampling parameters, and the package has dropped them; older models still take them.
    number = {"type": "number", "minimum": 0, "maximum": 1}
    return by_schema(message_create_params.MessageCreateParamsNonStreaming, also={"temperature": number, "top_p": number})


def mistral():
    from mistralai.client.models import ChatCompletionRequest

    known = set(ChatCompletionRequest.model_fields)

    def validate(body):
        if unknown := set(body) - known:
            raise ValueError(f"unknown members {unknown}")
        ChatCompletionRequest.model_validate(body)

    return by_model(validate)


def gemini_generate():
    from google.genai import types

    parts = {
        "contents": pydantic.TypeAdapter(list[types.Content]),
        "systemInstruction": pydantic.TypeAdapter(types.Content),
        "tools": pydantic.TypeAdapter(list[types.Tool]),
        "toolConfig": pydantic.TypeAdapter(types.ToolConfig),
        "generationConfig": pydantic.TypeAdapter(types.GenerationConfig),
    }

    def validate(body):
        if unknown := set(body) - set(parts):
            raise ValueError(f"unknown members {unknown}")
        for name, value in body.items():
            # The bytes of images are base64 text on the wire.
            parts[name].validate_json(json.dumps(value))

    return by_model(validate)


def cohere_chat():
    from cohere.v2.client import V2Client

    hints = typing.get_type_hints(V2Client.chat)
    required = {
        name
        for name, parameter in inspect.signature(V2Client.chat).parameters.items()
        if parameter.default is inspect.Parameter.empty and name != "self"
    }
    judges = {name: pydantic.TypeAdapter(hint) for name, hint in hints.items() if name not in ("return", "request_options")}

    def validate(body):
        body = {name: value for name, value in body.items() if name != "stream"}
        if unknown := set(body) - set(judges):
            raise ValueError(f"unknown members {unknown}")
        if missing := required - set(body):
            raise ValueError(f"missing members {missing}")
        for name, value in body.items():
            judges[name].validate_python(value)

    return by_model(validate)


def bedrock_converse():
    import botocore.loaders
    import botocore.model
    import botocore.validate

    service = botocore.loaders.Loader().load_service_model("bedrock-runtime", "service-2")
    shape = botocore.model.ServiceModel(service, "bedrock-runtime").operation_model("Converse").input_shape
    validator = botocore.validate.ParamValidator()

    def judge(body):
        report = validator.validate({"modelId": "model", **body}, shape)
        return report.generate_report()[:400] if report.has_errors() else None

    return judge


JUDGES = {
    ("openai_chat", "openai"): openai_chat,
    ("openai_chat", "azure"): openai_chat,
    ("openai_chat", "mistral"): mistral,
    ("openai_responses", "openai"): openai_responses,
    ("anthropic_messages", "anthropic"): anthropic_messages,
    ("gemini_generate", "gemini"): gemini_generate,
    ("cohere_chat", "cohere"): cohere_chat,
    ("bedrock_converse", "bedrock"): bedrock_converse,
}
# Compatible servers, whose requests no package describes.
UNJUDGED = {"openai_chat"}


def main():
    judges, read, refused = {}, collections.Counter(), []
    for line in pathlib.Path(sys.argv[1]).read_text().splitlines():
        record = json.loads(line)
        key = (record["format"], record["kind"])
        if key not in JUDGES:
            if record["format"] not in UNJUDGED:
                raise SystemExit(f"no judge for {key}")
            continue
        judge = judges.setdefault(key, None) or judges.__setitem__(key, JUDGES[key]()) or judges[key]
        read[key] += 1
        if problem := judge(record["body"]):
            refused.append(f"{key[0]} {record['id']}: {problem}")
    for (name, kind), count in sorted(read.items()):
        print(f"requests {name} as {kind}: {count} read")
    for line in refused:
        print(f"    {line}")
    if refused or not read:
        raise SystemExit(f"{len(refused)} requests are refused by the providers' own packages")


main()
