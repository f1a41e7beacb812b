"""``python -m spanledger.testing.providers``: the mock provider as a process of its own."""

import argparse
import importlib
import signal
import sys
import threading

from spanledger.testing.providers._server import MockProvider


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM (or, if asked to, until standard input closes)."""
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    provider = MockProvider(port=options.port)
    if options.setup:
        _setup(options.setup, provider)
    with provider:
        if options.print_url:
            sys.stdout.write(f"{provider.url}\n")
            sys.stdout.flush()
        if options.until_stdin_closes:
            threading.Thread(target=_wait_for_stdin, args=(stop,), daemon=True).start()
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m spanledger.testing.providers",
        description="A local mock of the APIs of OpenAI, Anthropic, Gemini and Bedrock; no key.",
    )
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--print-url", action="store_true", help="print the URL on one line")
    parser.add_argument(
        "--setup", metavar="MODULE:FUNCTION", help="called with the provider before it listens"
    )
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when the parent process does"
    )
    return parser


def _setup(name: str, provider: MockProvider) -> None:
    module, _, function = name.partition(":")
    if not function:
        raise SystemExit(f"--setup {name!r} names no function; write it as MODULE:FUNCTION.")
    getattr(importlib.import_module(module), function)(provider)


def _wait_for_stdin(stop: threading.Event) -> None:
    sys.stdin.buffer.read()
    stop.set()


if __name__ == "__main__":
    raise SystemExit(main())
