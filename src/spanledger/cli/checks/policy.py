"""The configuration file and the limits in it."""

from collections.abc import Mapping
from pathlib import Path

from spanledger.cli.checks._result import Result, fail, ok, warn
from spanledger.config import ConfigError, find_file, load_settings, read_document
from spanledger.guard import Policy, read_policy, show_amount
from spanledger.pricing import PricesFileError, configure


def check(environ: Mapping[str, str]) -> list[Result]:
    """Whether settings, limits and prices can be read, and whether there are any limits."""
    path = find_file(environ, Path.cwd())
    try:
        document = read_document(path)
        settings = load_settings(document, environ=environ)
        policy = read_policy(document, settings.budget)
        configure(settings.pricing.overrides)
    except (ConfigError, PricesFileError) as error:
        return [fail("policy", f"{error} Every call is refused.", "Correct what it names.")]
    return [_limits(policy, str(path) if path else "")]


def _limits(policy: Policy, source: str) -> Result:
    where = source or "the environment"
    if not policy:
        return warn(
            "policy",
            f"No limit is set{f' in {source}' if source else ''}: Spanledger only meters.",
            "Write a [[budgets]] table into spanledger.toml, or set SPANLEDGER_BUDGET_USD.",
        )
    rules = "; ".join(
        f"{b.name}: {show_amount(b.metric, b.limit)} per {b.scope} and {b.window}"
        for b in policy.budgets
    )
    return ok("policy", f"{where}: {rules}.")
