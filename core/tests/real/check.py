"""Plays calls.json through the Python API. LOCUM_CONFIG names the configuration."""

import asyncio
import json
import os
from pathlib import Path

import locum


async def main() -> None:
    router = locum.Router.from_file(os.environ["LOCUM_CONFIG"])
    for call in json.loads((Path(__file__).parent / "calls.json").read_text()):
        messages, expect = call["messages"], call["expect"]
        if isinstance(messages, dict):
            messages = messages["repeat"] * messages["times"]
        try:
            found = await router.complete(call["task"], messages, max_output_tokens=24, **call.get("options", {}))
        except locum.LocumError as error:
            found = error
        for name, wanted in expect.items():
            value = getattr(found, name)
            if name == "parsed":
                holds = isinstance(value, dict) and isinstance(value.get(wanted), bool)
            elif name == "usage":
                holds = value is not None and value.input > 0 and value.output > 0
            else:
                holds = value == wanted
            assert holds, f"FAILED {call['name']}: {name} is {value!r} in {found!r}"
        print(f"ok python: {call['name']}")


asyncio.run(main())
