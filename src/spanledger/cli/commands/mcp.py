"""`spanledger mcp`: the ledger and the history for assistants."""

import os
import secrets
from pathlib import Path

import click

from spanledger import pricing
from spanledger.cli import _locate, _options
from spanledger.cli._errors import CliError, known_errors
from spanledger.cli._ledger import open_ledger
from spanledger.guard import Admin
from spanledger.warehouse import Warehouse, connect, require_migrated

_DEFAULT_PORT = 8765


@click.command("mcp")
@click.option("--http", is_flag=True, help="Streamable HTTP on 127.0.0.1 instead of stdio.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_DEFAULT_PORT,
    show_default=True,
    help="For HTTP; 0: any that is free.",
)
@click.option(
    "--allow-writes", is_flag=True, help="Let assistants change limits and delete history."
)
@_options.url_option
@_options.data_dir_option
def command(
    http: bool, port: int, allow_writes: bool, url: str | None, data_dir: Path | None
) -> int:
    """Serve the Model Context Protocol: assistants ask by fixed verbs, not by SQL.

    Over stdin and stdout, as assistants start it; with --http behind a bearer token:
    $SPANLEDGER_MCP_TOKEN, or one that is made and shown at the start.

    Example: spanledger mcp --http --port 8765
    """
    try:
        from spanledger.mcp_server import TOKEN_VARIABLE, Place, make_server, serve_http
    except ImportError as error:
        raise CliError(f"{error.name} is missing; run `pip install 'spanledger[mcp]'`") from error

    pricing.configure(_locate.settings().pricing.overrides)

    def warehouse() -> Warehouse:
        found = connect(_locate.warehouse_url(url, data_dir))
        try:
            require_migrated(found)
        except BaseException:
            found.close()
            raise
        return found

    def admin() -> Admin:
        return open_ledger().admin()

    place = Place(warehouse, admin, errors=known_errors(), allow_writes=allow_writes)
    server = make_server(place)
    try:
        if not http:
            server.run("stdio")
            return 0
        token = os.environ.get(TOKEN_VARIABLE) or _made(TOKEN_VARIABLE)
        serve_http(server, token, port=port, ready=lambda at: _say(f"Serving MCP on {at}"))
    except (OSError, ValueError) as error:
        raise CliError(str(error)) from error
    finally:
        place.close()
    return 0


def _made(name: str) -> str:
    token = secrets.token_urlsafe(32)
    _say(f"{name}={token}")
    return token


def _say(text: str) -> None:
    """Not on stdout: that is the protocol's."""
    click.echo(text, err=True)
