"""`spanledger usage cache`: what prompt caches saved."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import click

from spanledger import pricing
from spanledger.analytics import CacheSaving, CacheUse, Scope, cache_savings, cache_use
from spanledger.cli import _asking, _locate, _options, _output
from spanledger.cli._format import show_about, show_count
from spanledger.cli._output import plain
from spanledger.cli._tables import percent, table
from spanledger.usage import Usage


@click.command("cache")
@_asking.period_options("30d")
@_asking.scope_options("agent", "model", "provider", "service")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    since: datetime | None,
    until: datetime | None,
    only: Sequence[Scope],
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Show how much input came from providers' prompt caches, and what that saved.

    The saving is an estimate at the prices of today: each call is taken for an average one.

    Example: spanledger usage cache --agent planner
    """
    pricing.configure(_locate.settings().pricing.overrides)
    with _asking.asking(url, data_dir, only) as warehouse:
        found = savings(cache_use(warehouse, only=only, since=since, until=until))
    if as_json:
        rows = [
            {**plain(row.use), "read_share": row.use.read_share, "saved_usd": plain(row.saved_usd)}
            for row in found
        ]
        _output.print_json({"since": since, "until": until, "models": rows})
    elif found:
        headings = ["provider", "model", "tokens in", "from cache", "share", "written", "saved"]
        _output.console().print(table(headings, [_cells(row) for row in found], words=2))
        click.echo(f"\n{sentence(found)}")
    else:
        click.echo("No calls are recorded for this choice.")
    return 0


def savings(uses: Sequence[CacheUse]) -> list[CacheSaving]:
    """What each use saved, at the prices of now."""
    now = datetime.now(UTC)

    def of_input(provider: str, model: str, tokens: int, read: int, written: int) -> int | None:
        use = Usage(input_tokens=tokens, cache_read_tokens=read, cache_write_tokens=written)
        return pricing.price(provider, model, use, at=now).nano_usd

    return cache_savings(uses, of_input)


def sentence(found: Sequence[CacheSaving]) -> str:
    """All savings together, in words."""
    saved = sum((row.saved_usd for row in found if row.saved_usd is not None), Decimal(0))
    tokens = sum(row.use.input_tokens for row in found)
    read = sum(row.use.cache_read_tokens for row in found)
    text = f"{percent(read / max(tokens, 1))} of the input came from a cache"
    amount = show_about(abs(saved))
    if saved < 0:
        return f"{text}; writing to caches cost about {amount} more than reading from them saved."
    return f"{text}; that saved about {amount}."


def _cells(row: CacheSaving) -> list[str]:
    return [
        row.use.provider,
        row.use.model,
        show_count(row.use.input_tokens),
        show_count(row.use.cache_read_tokens),
        percent(row.use.read_share),
        show_count(row.use.cache_write_tokens),
        "no price" if row.saved_usd is None else show_about(row.saved_usd),
    ]
