"""`spanledger prices`: what models cost, and where that is known from."""

import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click

from spanledger import pricing
from spanledger.cli import _locate, _options, _output
from spanledger.cli._errors import CliError
from spanledger.cli._format import show_usd
from spanledger.pricing import Price

#: pico-USD for one token → US dollars for a million.
_PER_MILLION = Decimal(10) ** -6
_PICO = Decimal(10) ** -12
#: Places in a band's rates, for what people ask about.
_CLASSES = (
    ("input", 0),
    ("cache read", 1),
    ("cache write (5 min)", 2),
    ("cache write (1 h)", 3),
    ("output", 8),
    ("reasoning", 9),
)


@click.group("prices")
def command() -> None:
    """Show what a model costs, or regenerate the price file.

    Example: spanledger prices show gpt-4.1-mini
    """


@command.command("show")
@click.argument("model")
@click.option("--provider", default="", help="As in gen_ai.provider.name; default: by the model.")
@click.option("--tier", default=None, metavar="NAME", help="Service tier: flex, priority, batch.")
@_options.json_option
def show(model: str, provider: str, tier: str | None, as_json: bool) -> int:
    """Show the price of a model, in US dollars for a million tokens.

    Exit code 1 if no price is known: its calls are recorded as unpriced, never as $0.

    Example: spanledger prices show claude-sonnet-4-5 --provider anthropic
    """
    pricing.configure(_locate.settings().pricing.overrides)
    found = pricing.find(provider, model, at=datetime.now(UTC), service_tier=tier)
    if found is None:
        raise CliError(
            f"no price is known for {model[:100]!r}; give one in the file that SPANLEDGER_PRICES "
            "names, or check the name and --provider"
        )
    facts = _facts(found)
    if as_json:
        _output.print_json(facts)
    else:
        click.echo(_text(facts))
    return 0


def _facts(found: Price) -> dict[str, Any]:
    return {
        "provider": found.provider,
        "model": found.model,
        "price_version": found.version,
        "bands": [
            {
                "above_input_tokens": band.start,
                "usd_per_million_tokens": {
                    name: None if place in band.uncovered else band.rates[place] * _PER_MILLION
                    for name, place in _CLASSES
                },
                "usd_per_request": band.request * _PICO,
            }
            for band in found.bands
        ],
    }


def _text(facts: dict[str, Any]) -> str:
    lines = [f"{facts['provider']} {facts['model']}  ({facts['price_version']})"]
    for band in facts["bands"]:
        if band["above_input_tokens"]:
            lines.append(f"above {band['above_input_tokens']:,} input tokens")
        for name, amount in band["usd_per_million_tokens"].items():
            price = "not known" if amount is None else show_usd(amount)
            lines.append(f"  {name:20} {price} per million tokens")
        if band["usd_per_request"]:
            lines.append(f"  {'each request':20} {show_usd(band['usd_per_request'])}")
    return "\n".join(lines)


@command.command("update")
@_options.json_option
def update(as_json: bool) -> int:
    """Regenerate the built-in price file from the installed genai-prices.

    For work on Spanledger itself: the file is part of the release. Prices of your own belong
    in the file that SPANLEDGER_PRICES names.

    Example: spanledger prices update
    """
    from spanledger.pricing import generate

    before = generate.DATA_PATH.read_text(encoding="utf-8") if generate.DATA_PATH.exists() else ""
    try:
        text = generate.generate()
    except ImportError:
        raise CliError(
            "genai-prices, the source of the prices, is not installed; "
            f"run `pip install genai-prices=={generate.SOURCE_VERSION}`"
        ) from None
    except (RuntimeError, ValueError) as error:
        raise CliError(str(error)) from error
    _write(generate.DATA_PATH, text, changed=text != before)
    pricing.configure(None)
    facts = {"changed": text != before, "price_version": pricing.book().version}
    if as_json:
        _output.print_json(facts)
    else:
        state = "written" if facts["changed"] else "unchanged"
        sys.stdout.write(f"{generate.DATA_PATH.name}: {state}, {facts['price_version']}\n")
    return 0


def _write(path: Any, text: str, *, changed: bool) -> None:
    if not changed:
        return
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"{path} can't be written ({error.strerror})") from error
