"""Requests to the OpenAI face, as scenarios make them and compare what comes."""

from __future__ import annotations

import json
from typing import Any

import httpx

import locum
from locum import LocumError, Router


async def fetch(router: Router, request: dict[str, Any]) -> dict[str, Any] | LocumError:
    """The outcome of an HTTP request to the OpenAI face."""
    transport = locum.httpx_transport(router)
    async with httpx.AsyncClient(transport=transport, base_url="http://locum", timeout=None) as client:
        body = {"json": request["body"]} if "body" in request else {}
        try:
            response = await client.request(
                request.get("method", "POST"), request["path"], headers=request.get("headers"), **body
            )
        except httpx.ReadTimeout as late:
            assert isinstance(late.__cause__, LocumError)
            return late.__cause__
    if response.headers["content-type"].startswith("text/event-stream"):
        said = spoken(response.text)
    else:
        said = {"body": response.json()}
    return {"status": response.status_code, "headers": dict(response.headers), **said}


def spoken(stream: str) -> dict[str, Any]:
    """What is compared of a stream of events."""
    types: list[str] = []
    data: list[Any] = []
    text, done = "", False
    assert stream.endswith("\n\n"), f"ends inside an event: {stream[-100:]!r}"
    for event in stream.removesuffix("\n\n").split("\n\n"):
        assert not done, f"after the end: {event!r}"
        for line in event.split("\n"):
            field, value = line.split(": ", 1)
            if field == "event":
                types += [value] if types[-1:] != [value] else []
            elif value == "[DONE]":
                done = True
            else:
                assert field == "data", line
                data.append(json.loads(value))
                text += words(data[-1])
    return {"text": text, "done": done, "types": types, "first": data[0], "last": data[-1]}


def words(data: dict[str, Any]) -> str:
    """The text that an event of a stream adds, in either of OpenAI's formats."""
    if data.get("type") == "response.output_text.delta":
        return data["delta"]
    return "".join(choice["delta"].get("content") or "" for choice in data.get("choices", [])[:1])
