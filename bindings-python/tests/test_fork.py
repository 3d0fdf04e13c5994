"""A child that was forked after calls makes its own: prefork servers and multiprocessing."""

from __future__ import annotations

import os
import sys

import pytest
from support import run_python

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# Python warns of forking beside threads, of which the parent has some; that the child can live with it is what is tested.
PREPARE = """
    import asyncio, gc, multiprocessing, os, sys, threading, warnings
    from support import Router, config, playing, seen
    warnings.filterwarnings("ignore", category=DeprecationWarning)

    def both(router):
        assert router.complete_sync("chat", "Hi").text == "Hello"
        assert asyncio.run(router.complete("chat", "Hi")).text == "Hello"
        gc.collect()

    def wait(child):
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status

    def in_child(work, *arguments):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(*arguments)
                code = 0
            finally:
                os._exit(code)
        return child
"""

PROGRAMS = {
    "os.fork": """
    with playing({"a": [{"answer": "Hello"}]}) as (mock, router):
        both(router)
        wait(in_child(both, router))
        both(router)
    """,
    "a child's child": """
    def generations(router, left):
        both(router)
        if left:
            wait(in_child(generations, router, left - 1))
        both(router)

    with playing({"a": [{"answer": "Hello"}]}) as (mock, router):
        generations(router, 2)
    """,
    "several children at once, with calls under way": """
    with playing({"a": [{"silence": True, "times": 8}, {"answer": "Hello"}]}) as (mock, router):
        async def main():
            tasks = [asyncio.create_task(router.complete("chat", "Hi")) for _ in range(8)]
            await asyncio.get_running_loop().run_in_executor(None, seen, mock, 8)
            children = [in_child(both, router) for _ in range(4)]
            for child in children:
                await asyncio.get_running_loop().run_in_executor(None, wait, child)
            # The parent's calls go on.
            assert not any(task.done() for task in tasks)
            assert (await router.complete("chat", "Hi")).text == "Hello"
        asyncio.run(main())
    """,
    "forks beside threads that make calls": """
    with playing({"a": [{"answer": "Hello"}]}) as (mock, router):
        over = threading.Event()

        async def calls():
            while not over.is_set():
                await asyncio.gather(*(router.complete("chat", "Hi") for _ in range(10)))

        threads = [threading.Thread(target=asyncio.run, args=(calls(),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            wait(in_child(both, router))
        over.set()
        for thread in threads:
            thread.join()
    """,
    "a fork while another thread looks something up in a module": """
    class Slow:
        def __getattr__(self, name):
            if name == "get_running_loop":
                sys.modules["asyncio"] = asyncio
                looking.set()
                forked.wait()
            return getattr(asyncio, name)

    with playing({"a": [{"answer": "Hello"}]}) as (mock, router):
        looking, forked = threading.Event(), threading.Event()
        sys.modules["asyncio"] = Slow()
        thread = threading.Thread(target=both, args=(router,))
        thread.start()
        looking.wait()
        child = in_child(both, router)
        forked.set()
        wait(child)
        thread.join()
    """,
    "a router that the child throws away": """
    with playing({"a": [{"answer": "Hello"}]}) as (mock, router):
        both(router)
        another = Router(config(mock, "a"))
        loop = asyncio.new_event_loop()
        loop.run_until_complete(router.complete("chat", "Hi"))

        def throw_away():
            global router, loop
            warnings.simplefilter("ignore", ResourceWarning)  # To close the loop would disturb the parent's.
            del router, loop
            gc.collect()
            both(another)

        wait(in_child(throw_away))
        assert loop.run_until_complete(router.complete("chat", "Hi")).text == "Hello"
        loop.close()
    """,
    "multiprocessing": """
    with playing({"a": [{"answer": "Hello"}]}) as (mock, router):
        both(router)
        with multiprocessing.get_context("fork").Pool(2, initializer=both, initargs=(router,)) as pool:
            assert pool.map(len, ["abc", "de"]) == [3, 2]
        process = multiprocessing.get_context("fork").Process(target=both, args=(router,))
        process.start()
        process.join()
        assert process.exitcode == 0
    """,
}


@pytest.mark.parametrize("body", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_forked_child_makes_calls(body: str) -> None:
    program = run_python(PREPARE + body, timeout=60.0)
    assert (program.returncode, program.stdout, program.stderr) == (0, "", "")


def test_a_spawned_child_makes_calls() -> None:
    assert sys.executable
    program = run_python(
        """
        from support import playing, run_python
        with playing({"a": [{"answer": "Hello"}]}) as (mock, router):
            assert router.complete_sync("chat", "Hi").text == "Hello"
            child = run_python(
                "import sys, support; assert support.Router(eval(sys.argv[1])).complete_sync('chat', 'Hi').text == 'Hello'",
                repr(__import__("support").config(mock, "a")),
            )
            assert (child.returncode, child.stderr) == (0, ""), child
        """
    )
    assert (program.returncode, program.stdout, program.stderr) == (0, "", "")
