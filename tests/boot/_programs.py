"""Small programs, each run in a process of its own by its function's name: they print JSON."""

import builtins
import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from tests.boot._agent import outcomes


def client_before_install() -> dict[str, Any]:
    import openai  # noqa: F401 - the point is that it is there

    from spanledger.instrumentation import install

    install()
    return {"outcomes": outcomes()}


def instance_before_install() -> dict[str, Any]:
    import openai

    from spanledger.instrumentation import install

    client = openai.OpenAI(base_url=f"{os.environ['MOCK_URL']}/v1", api_key="none", max_retries=0)
    create: Callable[..., Any] = client.chat.completions.create
    install()
    results = []
    for _ in range(4):
        try:
            create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
        except Exception as error:  # noqa: BLE001 - its type is the result
            results.append(type(error).__name__)
        else:
            results.append("ok")
    return {"outcomes": results}


def install_twice() -> dict[str, Any]:
    from opentelemetry.sdk.trace import TracerProvider

    from spanledger.instrumentation import install
    from spanledger.processors.providers import processors_of

    first, second = install(), install()
    found = outcomes()
    provider = TracerProvider()
    names = [type(processor).__name__ for processor in processors_of(provider)]
    return {"outcomes": found, "same": first is second, "processors": names}


def install_while_the_client_is_imported() -> dict[str, Any]:
    """Something that the client imports on its way installs us."""
    from spanledger.instrumentation import install

    real_import, pending = builtins.__import__, [install]

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        if pending and "openai" in sys.modules and "openai._base_client" not in sys.modules:
            pending.pop()()
        return real_import(name, *args, **kwargs)

    builtins.__import__ = importing
    try:
        found = outcomes()
    finally:
        builtins.__import__ = real_import
    from spanledger.instrumentation._hooks import reports

    return {"outcomes": found, "gate": reports["openai"].state}


def _with_own_provider(then: Callable[[], object]) -> dict[str, Any]:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from spanledger import track
    from spanledger.processors.providers import processors_of

    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
    then()
    with track.session("ticket-1"):
        found = outcomes()
    spans = [dict(span.attributes or {}) for span in memory.get_finished_spans()]
    order = [type(processor).__name__ for processor in processors_of(provider)]
    return {"outcomes": found, "spans": spans, "processors": order}


def providers_that_come_later() -> dict[str, Any]:
    """The user's own provider, made and set after we are installed."""
    return _with_own_provider(lambda: None)


def install_after_the_provider() -> dict[str, Any]:
    from spanledger.instrumentation import install

    return _with_own_provider(install)


def fork_after_a_call() -> dict[str, Any]:
    """One call in the parent, then four asked in a child and four in the parent."""
    from spanledger.instrumentation import install

    install()
    before = outcomes(1)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, json.dumps(outcomes()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        in_child = json.loads(pipe.read())
    os.waitpid(child, 0)
    return {"outcomes": before, "child": in_child, "parent": outcomes()}


def calls_of_many_threads() -> dict[str, Any]:
    """Forty calls asked by eight threads at once, in an agent that was just started."""
    from spanledger.instrumentation import install

    install()
    found: list[str] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        found.extend(outcomes(5))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"outcomes": sorted(found)}


def end_with_open_streams() -> dict[str, Any]:
    """Two streams, begun and still held when the process ends."""
    import anthropic
    import openai

    url, say = os.environ["MOCK_URL"], [{"role": "user", "content": "one two three"}]
    chat: Any = openai.OpenAI(base_url=f"{url}/v1", api_key="none").chat.completions
    messages: Any = anthropic.Anthropic(base_url=url, api_key="none").messages
    streams = [
        chat.create(model="gpt-4o-mini", messages=say, stream=True),
        messages.create(model="claude-haiku-4-5", max_tokens=16, messages=say, stream=True),
    ]
    builtins.held = streams  # type: ignore[attr-defined]  # outlives every module
    for stream in streams:
        next(stream)
    return {"outcomes": ["open"] * len(streams)}


def nothing_but_install() -> dict[str, Any]:
    from spanledger.instrumentation import install

    install()
    heavy = {
        "openai", "anthropic", "tiktoken", "chdb", "clickhouse_connect", "click", "rich",
        "uvicorn", "httpx", "httpx2", "pydantic", "grpc",
    }  # fmt: skip
    return {"outcomes": [], "loaded": sorted(sys.modules.keys() & heavy)}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]]()))
