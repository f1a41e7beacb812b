"""`spanledger reprice`: price recorded calls anew, keeping what they cost before."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import click

from spanledger import pricing
from spanledger.analytics import NewPrice, PricedCall, calls_to_price, write_prices
from spanledger.cli import _locate, _options, _output
from spanledger.cli._format import counted, harmless, show_usd
from spanledger.cli._since import FORMS, parse_since
from spanledger.usage import Usage

_NANO = Decimal(10) ** -9


@dataclass(slots=True)
class Changed:
    """What re-pricing changes for one model."""

    provider: str
    model: str
    calls: int = 0
    before_usd: Decimal = Decimal(0)
    """Of the calls that had a price."""
    after_usd: Decimal = Decimal(0)
    unpriced_before: int = 0


def _since(_context: click.Context, _parameter: click.Parameter, text: str) -> datetime | None:
    try:
        return parse_since(text, datetime.now(UTC))
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


@click.command("reprice")
@click.option(
    "--since", metavar="WHEN", required=True, callback=_since, help=f"How far back: {FORMS}."
)
@click.option(
    "--all",
    "priced_too",
    is_flag=True,
    help="Also calls that have a price. Audio, images and searches of calls by our gate are not "
    "recorded, so such calls would become cheaper: look at --dry-run first.",
)
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    since: datetime | None,
    priced_too: bool,
    dry_run: bool,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Price recorded calls with the prices of now, your own included (SPANLEDGER_PRICES).

    By default calls without a price only. What a call cost before stays in previous_cost_usd; an
    amount that the provider told is never touched, and a model without a price stays unpriced.

    Example: spanledger reprice --since 30d --dry-run
    """
    pricing.configure(_locate.settings().pricing.overrides)
    changed: dict[tuple[str, str], Changed] = {}
    with _locate.open_warehouse(url, data_dir) as warehouse:
        for calls in calls_to_price(warehouse, since=since, priced_too=priced_too):
            prices = list(_new_prices(calls))
            _add(changed, prices)
            if not dry_run:
                write_prices(warehouse, prices)
    rows = sorted(changed.values(), key=lambda row: (row.provider, row.model))
    if as_json:
        _output.print_json({"since": since, "dry_run": dry_run, "changed": rows})
    else:
        click.echo(_text(rows, dry_run=dry_run))
    return 0


def _new_prices(calls: Iterable[PricedCall]) -> Iterator[NewPrice]:
    """Of the calls whose cost is another one now."""
    for call in calls:
        tier = call.service_tier or None
        cost = pricing.price(
            call.provider, call.model, _usage(call), at=call.at_s, service_tier=tier
        )
        if cost.nano_usd is not None and cost.nano_usd != call.cost_nano_usd:
            yield NewPrice(call, cost.nano_usd, cost.provenance, cost.price_version)


def _usage(call: PricedCall) -> Usage:
    audio_in, audio_out, image_in, image_out = call.media_counts or (0, 0, 0, 0)
    return Usage(
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        cache_read_tokens=call.cache_read_tokens,
        cache_write_tokens=call.cache_write_tokens,
        cache_write_1h_tokens=call.cache_write_1h_tokens,
        reasoning_tokens=call.reasoning_tokens,
        input_audio_tokens=audio_in,
        output_audio_tokens=audio_out,
        input_image_tokens=image_in,
        output_image_tokens=image_out,
        source="estimated" if call.usage_source == "estimated" else "provider",
    )


def _add(changed: dict[tuple[str, str], Changed], prices: Iterable[NewPrice]) -> None:
    by_model: dict[tuple[str, str], list[NewPrice]] = defaultdict(list)
    for price in prices:
        by_model[price.call.provider, price.call.model].append(price)
    for name, group in by_model.items():
        row = changed.setdefault(name, Changed(*name))
        row.calls += len(group)
        row.before_usd += sum(price.call.cost_nano_usd or 0 for price in group) * _NANO
        row.after_usd += sum(price.cost_nano_usd for price in group) * _NANO
        row.unpriced_before += sum(price.call.cost_nano_usd is None for price in group)


def _text(rows: Iterable[Changed], *, dry_run: bool) -> str:
    lines = [
        f"{harmless(row.provider)} {harmless(row.model)}: {counted(row.calls, 'call')}"
        f" ({row.unpriced_before:,} had no price), {show_usd(row.before_usd)} → "
        f"{show_usd(row.after_usd)}"
        for row in rows
    ]
    if not lines:
        return "nothing to change: no call of this choice has another price now"
    ending = "nothing was changed (--dry-run)" if dry_run else "changed; roll-ups follow in minutes"
    return "\n".join([*lines, ending])
