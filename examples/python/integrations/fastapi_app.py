"""A web service that streams answers: FastAPI. pip install locum fastapi uvicorn httpx

Run it with ``uvicorn fastapi_app:app``; as a script it starts itself and asks two questions.
"""

import asyncio
from collections.abc import AsyncIterator

import httpx
import locum
import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse

router = locum.Router.from_default()
app = FastAPI()


@app.post("/ask")
async def ask(question: str) -> dict[str, str]:
    try:
        reply = await router.complete("support_chat", question)
    except locum.LocumError as error:
        raise HTTPException(503 if error.retryable else 502, error.kind) from error
    return {"answer": reply.text, "model": reply.model}


@app.post("/stream")
async def stream(question: str) -> StreamingResponse:
    answer = router.stream("support_chat", question).text()

    async def pieces() -> AsyncIterator[str]:
        # A client that goes away ends this, and with it the connection to the provider.
        async with answer:
            async for piece in answer:
                yield piece

    return StreamingResponse(pieces(), media_type="text/plain")


async def main() -> None:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", params={"question": "My invoice is wrong."}) as web:
        print((await web.post("/ask")).json())
        async with web.stream("POST", "/stream") as response:
            async for piece in response.aiter_text():
                print(piece, end="", flush=True)
        print()
    server.should_exit = True
    await running


if __name__ == "__main__":
    asyncio.run(main())
