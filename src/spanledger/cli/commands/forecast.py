"""`spanledger forecast`: what the next days will cost, and when a budget will end."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import click

from spanledger.analytics import (
    FORECAST_METRICS,
    LONGEST_FORECAST_DAYS,
    BudgetEnd,
    BurnAlarm,
    BurnRate,
    Forecast,
    ForecastMetric,
    Scope,
    budget_end,
    burn_alarms,
    burn_rates,
    forecast,
    usage_stats,
)
from spanledger.cli import _asking, _options, _output
from spanledger.cli._errors import CliError
from spanledger.cli._forecast import (
    Window,
    forecast_table,
    rates_table,
    show_amount,
    window_of,
)
from spanledger.cli._output import plain
from spanledger.warehouse import Warehouse


@click.command("forecast")
@click.option(
    "--metric",
    type=click.Choice(FORECAST_METRICS),
    default="cost",
    show_default=True,
    help="What to forecast; cost is in US dollars.",
)
@click.option(
    "--days",
    type=click.IntRange(1, LONGEST_FORECAST_DAYS),
    default=14,
    show_default=True,
    help="How far ahead; today is the first day.",
)
@click.option("--budget", type=click.FloatRange(min=0, min_open=True), metavar="AMOUNT",
              help="A limit in the metric's unit: say when it ends.")  # fmt: skip
@click.option(
    "--window",
    type=click.Choice(["day", "week", "month"]),
    default="month",
    show_default=True,
    help="When the budget begins anew (UTC; weeks on Monday).",
)
@_asking.scope_options("agent", "model", "service", "provider")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    metric: ForecastMetric,
    days: int,
    budget: float | None,
    window: Literal["day", "week", "month"],
    only: Sequence[Scope],
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Forecast cost, tokens or calls day by day, with a band that holds four days of five.

    With --budget: when it ends at this rate, and whether the last hours burn it too fast.

    Example: spanledger forecast --agent planner --budget 500 --window month
    """
    if len(only) > 1:
        raise click.UsageError("a forecast is of everything, or of one --agent, --model, …")
    scope = only[0] if only else Scope()
    now = datetime.now(UTC)
    with _asking.asking(url, data_dir, only) as warehouse:
        found = forecast(warehouse, metric, scope=scope, days=LONGEST_FORECAST_DAYS)
        rates = burn_rates(warehouse, scope=scope)
        span = window_of(window, now)
        end = None if budget is None else _end(warehouse, found, budget, span, now)
    if not found.points:
        raise CliError(f"nothing is recorded of {scope} in the last 16 weeks; there is no forecast")
    hours = (span.end - span.start) / timedelta(hours=1)
    alarms = burn_alarms(rates, budget / hours) if budget and metric == "cost" else []
    shown = Forecast(metric, scope, found.history, found.points[:days])
    if as_json:
        _output.print_json(_facts(shown, rates, end, alarms))
    else:
        _print(shown, rates, end, alarms)
    return 0


def _end(
    warehouse: Warehouse, found: Forecast, limit: float, span: Window, now: datetime
) -> BudgetEnd:
    only = [] if found.scope.by == "all" else [found.scope]
    rows = usage_stats(warehouse, "all", only=only, since=span.start)
    spent = 0.0
    if rows:
        amounts = {"cost": rows[0].cost_usd or 0, "tokens": rows[0].tokens, "calls": rows[0].calls}
        spent = float(amounts[found.metric])
    return budget_end(found, limit=limit, spent=spent, now=now, window_end=span.end)


def _facts(
    found: Forecast, rates: Sequence[BurnRate], end: BudgetEnd | None, alarms: Sequence[BurnAlarm]
) -> dict[str, object]:
    return {
        **plain(found),
        "expected_total": found.expected_total,
        "burn_rates": rates,
        "budget": None if end is None else {**plain(end), "sentence": end.sentence},
        "alarms": [{**plain(alarm), "sentence": alarm.sentence} for alarm in alarms],
    }


def _print(
    found: Forecast, rates: Sequence[BurnRate], end: BudgetEnd | None, alarms: Sequence[BurnAlarm]
) -> None:
    console = _output.console()
    console.print(forecast_table(found))
    total = show_amount(found.metric, found.expected_total)
    console.print(f"\nexpected in these {len(found.points)} days: {total}")
    if len(found.history) < 14:
        console.print("less than two weeks are recorded: weekdays are not known yet")
    if end is not None:
        spent, limit = (show_amount(found.metric, amount) for amount in (end.spent, end.limit))
        console.print(f"{spent} of {limit} spent: {end.sentence}")
    for alarm in alarms:
        console.print(f"warning: {alarm.sentence}")
    if rates:
        console.print()
        console.print(rates_table(rates))
