"""`spanledger verify`: does the history hold what happened, once?"""

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from spanledger.analytics import VerifiedHour, call_records, verified_hours
from spanledger.cli import _locate, _options, _output
from spanledger.cli._errors import CliError
from spanledger.cli._ledger import open_ledger
from spanledger.cli._since import FORMS, parse_since
from spanledger.cli._verify import (
    MEANINGS,
    UNEXPLAINED,
    Findings,
    Period,
    compare_hours,
    compare_ledger,
)
from spanledger.guard.stores import Change

_OVERLAP = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _since(_context: click.Context, _parameter: click.Parameter, text: str) -> datetime:
    try:
        found = parse_since(text, datetime.now(UTC))
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None
    return max(found or _EPOCH, _EPOCH)


@click.command("verify")
@click.option(
    "--since",
    metavar="WHEN",
    default="24h",
    show_default=True,
    callback=_since,
    help=f"How far back, from the beginning of that hour: {FORMS}.",
)
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(since: datetime, url: str | None, data_dir: Path | None, as_json: bool) -> int:
    """Compare spans landed, calls typed and roll-ups by the hour, and the ledger with the records.

    Each difference is explained (not sent, lease charged, open or too new …) or not. Exit code 1
    if one is not explained.

    Example: spanledger verify --since 7d
    """
    now = datetime.now(UTC)
    first = since.replace(minute=0, second=0, microsecond=0)
    last = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    findings = Findings()
    with _locate.open_warehouse(url, data_dir) as warehouse:
        hours = verified_hours(warehouse, since=first, until=last)
        compare_hours(hours, now, findings)
        # A call may have begun in the hour before, and be settled in this one.
        settlements, note = _settlements(first - _OVERLAP)
        if settlements is not None:
            records = call_records(warehouse, since=first - _OVERLAP, until=last)
            compare_ledger(settlements, records, _period(first, last, now), findings)
    facts = _facts(first, hours, findings, settlements, note)
    if as_json:
        _output.print_json(facts)
    else:
        click.echo(_text(facts))
    return 1 if findings.unexplained else 0


def _settlements(since: datetime) -> tuple[Sequence[Change] | None, str]:
    """The ledger's journal; None, and why, where there is none that others can read."""
    try:
        store = open_ledger().store
    except CliError as error:
        return None, str(error)
    journal = getattr(store, "settlements", None)
    if journal is None:
        return None, "this kind of store keeps no journal of settlements"
    found: Sequence[Change] = journal(since.timestamp())
    return found, ""


def _period(since: datetime, until: datetime, now: datetime) -> Period:
    sampler = os.environ.get("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    return Period(
        since,
        until,
        now,
        sdk_off=os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true",
        sampler="always_on" not in sampler,
    )


def _facts(
    since: datetime,
    hours: Sequence[VerifiedHour],
    findings: Findings,
    settlements: Sequence[Change] | None,
    note: str,
) -> dict[str, Any]:
    return {
        "since": since,
        "hours": [asdict(hour) for hour in hours],
        "settled_calls": _settled(settlements, since),
        "ledger_note": note or None,
        "differences": [
            {
                "kind": kind,
                "calls": number,
                "explained": kind not in UNEXPLAINED,
                "meaning": MEANINGS[kind],
                "examples": findings.examples[kind],
            }
            for kind, number in findings.counts.items()
        ],
        "unexplained": findings.unexplained,
    }


def _settled(settlements: Sequence[Change] | None, since: datetime) -> int | None:
    """How many calls were settled in the period."""
    if settlements is None:
        return None
    return len({change.reservation_id for change in settlements if change.at >= since.timestamp()})


def _text(facts: dict[str, Any]) -> str:
    hours = facts["hours"]
    landed, typed, rolled = (
        sum(hour[name] for hour in hours) for name in ("landed", "typed", "rolled_up")
    )
    again = sum(hour["sent_again"] for hour in hours)
    lines = [
        f"since {facts['since']:%Y-%m-%d %H:00} UTC, {len(hours)} hours with calls",
        f"calls landed {landed:,} (and {again:,} sent again), typed {typed:,}, "
        f"rolled up {rolled:,}",
    ]
    if facts["settled_calls"] is None:
        lines.append(f"the ledger was not compared: {facts['ledger_note']}")
    else:
        lines.append(f"calls settled by the ledger {facts['settled_calls']:,}")
    for found in facts["differences"]:
        state = "explained" if found["explained"] else "UNEXPLAINED"
        examples = ", ".join(found["examples"])
        what = f"{found['calls']:,} {found['kind']} ({state})"
        lines.append(f"  {what}: {found['meaning']}; {examples}")
    lines.append(f"unexplained: {facts['unexplained']:,}")
    return "\n".join(lines)
