"""`spanledger usage track`: write down a call that no program recorded."""

from datetime import UTC, datetime
from pathlib import Path

import click

from spanledger import pricing
from spanledger.analytics import TrackedCall, track_call
from spanledger.cli import _asking, _locate, _options, _output
from spanledger.cli._format import show_usd
from spanledger.cli._since import parse_since
from spanledger.usage import Usage

_TOKENS = click.IntRange(min=0)


def _at(_context: click.Context, _parameter: click.Parameter, text: str | None) -> datetime:
    now = datetime.now(UTC)
    try:
        return parse_since(text, now) or now if text else now
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


@click.command("track")
@click.option("--provider", required=True, metavar="NAME", help="Such as openai or anthropic.")
@click.option("--model", required=True, metavar="NAME", help="Such as gpt-4o.")
@click.option("--input-tokens", type=_TOKENS, required=True, help="Cached tokens included.")
@click.option("--output-tokens", type=_TOKENS, required=True, help="Reasoning included.")
@click.option("--cache-read-tokens", type=_TOKENS, default=0, help="Of the input.")
@click.option("--cache-write-tokens", type=_TOKENS, default=0, help="Of the input.")
@click.option("--reasoning-tokens", type=_TOKENS, default=0, help="Of the output.")
@click.option("--agent", default="", metavar="NAME", help="Who called.")
@click.option("--session", default="", metavar="ID", help="In which session.")
@click.option("--user", default="", metavar="ID", help="For whom.")
@click.option("--service", default="by-hand", show_default=True, metavar="NAME",
              help="Which program.")  # fmt: skip
@click.option("--at", metavar="WHEN", callback=_at,
              help="When: 30m, 24h or 7d ago, or a date.  [default: now]")  # fmt: skip
@click.option("--duration", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
              help="How long it took.")  # fmt: skip
@click.option("--failed", is_flag=True, help="The call failed.")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    provider: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
    cache_read_tokens: int,
    cache_write_tokens: int,
    reasoning_tokens: int,
    agent: str,
    session: str,
    user: str,
    service: str,
    at: datetime,
    duration: float,
    failed: bool,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Record a call by hand, priced as if a program had made it. Budgets don't count it.

    Example: spanledger usage track --provider openai --model gpt-4o --input-tokens 1200
    --output-tokens 300 --agent planner
    """
    pricing.configure(_locate.settings().pricing.overrides)
    usage = Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=cache_read_tokens,
        cache_write_tokens=cache_write_tokens,
        reasoning_tokens=reasoning_tokens,
    )
    with _asking.asking(url, data_dir) as warehouse:
        cost = pricing.price(provider, model, usage, at=at)
        call = TrackedCall(
            provider=provider,
            model=model,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
            reasoning_tokens=reasoning_tokens,
            cost_nano_usd=cost.nano_usd,
            price_version=cost.price_version,
            agent=agent,
            session=session,
            user=user,
            service=service,
            duration_s=duration,
            failed=failed,
        )
        trace_id = track_call(warehouse, call, at=at)
    if as_json:
        _output.print_json({"trace_id": trace_id, "at": at, "cost_usd": call.cost_usd})
    else:
        click.echo(f"Recorded as trace {trace_id}: {show_usd(call.cost_usd)}.")
    return 0
