"""The official client, for tests that are not asynchronous."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent, Tool

from tests.cli._program import clean_environment

TOKEN = "a-token-of-the-tests"


class VerbFailed(Exception):
    """The server answered with an error; its text is that."""


class Assistant:
    """Calls verbs as an assistant would."""

    def __init__(self, portal: BlockingPortal, client: Client) -> None:
        self._portal, self._client = portal, client

    def ask(self, verb: str, /, **arguments: object) -> dict[str, Any]:
        """The structured answer. Raises `VerbFailed`."""
        result = self._portal.call(self._client.call_tool, verb, arguments)
        text = "".join(part.text for part in result.content if isinstance(part, TextContent))
        if result.is_error:
            raise VerbFailed(text)
        assert isinstance(result.structured_content, dict)
        return result.structured_content

    def verbs(self) -> list[Tool]:
        return list(self._portal.call(self._client.list_tools).tools)


@contextmanager
def connected(server: Any) -> Iterator[Assistant]:
    """A client of a transport, open on a loop of its own."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(server)) as client,
    ):
        yield Assistant(portal, client)


@contextmanager
def over_stdio(folder: Path, *arguments: str, **environ: str) -> Iterator[Assistant]:
    """The server as a child of the client."""
    command = ["-m", "spanledger.cli", "mcp", *arguments]
    environment = clean_environment(folder, **environ)
    with connected(
        StdioServerParameters(command=sys.executable, args=command, env=environment, cwd=folder)
    ) as assistant:
        yield assistant


@contextmanager
def over_http(folder: Path, *arguments: str, **environ: str) -> Iterator[Assistant]:
    """The server on a free port, behind its token."""
    with (
        serving(folder, *arguments, **environ) as url,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_http_client(TOKEN)) as http,
        portal.wrap_async_context_manager(
            Client(streamable_http_client(url, http_client=http))
        ) as client,
    ):
        yield Assistant(portal, client)


def _http_client(token: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60)


@contextmanager
def serving(folder: Path, *arguments: str, **environ: str) -> Iterator[str]:
    """A server process; its address."""
    told: Mapping[str, str] = {"SPANLEDGER_MCP_TOKEN": TOKEN, **environ}
    command = [sys.executable, "-m", "spanledger.cli", "mcp", "--http", "--port", "0", *arguments]
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **clean_environment(folder, **told)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith("Serving MCP on http://127.0.0.1:"), line + process.stderr.read()
            yield line.split()[-1]
        finally:
            process.terminate()
