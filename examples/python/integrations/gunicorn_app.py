"""A prefork server: the router is made, and used, before gunicorn forks its workers. pip install locum gunicorn

Run it with ``gunicorn --preload --workers 2 gunicorn_app:app``; as a script it starts that and asks both workers.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.request import urlopen

import locum

router = locum.Router.from_default()


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    reply = router.complete_sync("support_chat", "My invoice is wrong.")
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps({"answer": reply.text, "worker": os.getpid()}).encode()]


def main() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    here = os.path.dirname(os.path.abspath(__file__))
    command = ["gunicorn", "--preload", "--workers", "2", "--bind", address, "--log-level", "error", "gunicorn_app:app"]
    server = subprocess.Popen([sys.executable, "-m", *command], cwd=here)
    try:
        answers: dict[int, str] = {}
        end = time.monotonic() + 30
        while len(answers) < 2 and time.monotonic() < end:
            try:
                with urlopen(f"http://{address}/", timeout=10) as response:
                    said = json.load(response)
                answers[said["worker"]] = said["answer"]
            except OSError:
                time.sleep(0.05)
        print(f"{len(answers)} workers answered:", *sorted(answers.values()))
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    # The parent has used the router before it forks.
    router.complete_sync("support_chat", "Are you there?")
    main()
