"""Plays calls.json through the Python API. LOCUM_CONFIG names the configuration."""

import asyncio
import json
import os
from pathlib import Path

import locum


async def main() -> None:
    router = locum.Router.from_file(os.environ["LOCUM_CONFIG"])
    for call in json.loads((Path(__file__).parent / "calls.json").read_text()):
        messages = call["messages"]
        if isinstance(messages, dict):
            messages = messages["repeat"] * messages["times"]
        for how in "whole", "streamed":
            options = {"max_output_tokens": 24, **call.get("options", {})}
            try:
                if how == "whole":
                    found = await router.complete(call["task"], messages, **options)
                else:
                    found = await router.stream(call["task"], messages, **options).collect()
            except locum.LocumError as error:
                found = error
            # Where a stream of this server says something else, as when it can only break off.
            expect = call.get("expect_streamed", call["expect"]) if how == "streamed" else call["expect"]
            for name, wanted in expect.items():
                value = getattr(found, name)
                if name == "parsed":
                    holds = isinstance(value, dict) and isinstance(value.get(wanted), bool)
                elif name == "usage":
                    # This server's streams do not tell.
                    holds = how == "streamed" if value is None else value.input > 0 and value.output > 0
                else:
                    holds = value == wanted
                assert holds, f"FAILED {call['name']}, {how}: {name} is {value!r} in {found!r}"
            print(f"ok python: {call['name']}, {how}")


asyncio.run(main())
