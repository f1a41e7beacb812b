"""What all questions about the history share: a period, whom it is about, a warehouse."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from spanledger.analytics import Scope, ScopeKind, require_known
from spanledger.cli import _locate
from spanledger.cli._errors import CliError
from spanledger.cli._since import FORMS, parse_since
from spanledger.warehouse import Warehouse

F = TypeVar("F", bound=Callable[..., Any])


def _moment(_context: click.Context, _parameter: click.Parameter, text: str) -> datetime | None:
    try:
        return parse_since(text, datetime.now(UTC))
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


def since_option(default: str = "all") -> Callable[[F], F]:
    """``--since``: from when on."""
    return click.option(
        "--since",
        metavar="WHEN",
        default=default,
        show_default=True,
        callback=_moment,
        help=f"From then on: {FORMS}.",
    )


def period_options(default: str = "all") -> Callable[[F], F]:
    """``--since`` and ``--until``."""
    until = click.option(
        "--until",
        metavar="WHEN",
        default="all",
        callback=_moment,
        help="Before then, in the same forms.  [default: up to now]",
    )
    return lambda function: since_option(default)(until(function))


def scope_options(*kinds: ScopeKind) -> Callable[[F], F]:
    """One option for each kind; the function gets them all as ``only``."""

    def decorate(function: F) -> F:
        @wraps(function)
        def called(**given: Any) -> Any:
            only = [Scope(kind, name) for kind in kinds for name in given.pop(f"only_{kind}")]
            return function(only=only, **given)

        found: Any = called
        for kind in reversed(kinds):
            found = _scope_option(kind)(found)
        return found  # type: ignore[no-any-return]  # click's decorators keep what they wrap

    return decorate


def _scope_option(kind: ScopeKind) -> Callable[[F], F]:
    def checked(
        _context: click.Context, _parameter: click.Parameter, names: Sequence[str]
    ) -> Sequence[str]:
        try:
            return [Scope(kind, name).name for name in names]
        except ValueError as error:
            raise click.BadParameter(f"{error}.") from None

    return click.option(
        f"--{kind}",
        f"only_{kind}",
        multiple=True,
        metavar="NAME",
        callback=checked,
        help=f"Only this {kind}; may be given again.",
    )


def require_any(warehouse: Warehouse, found: Sequence[object], only: Sequence[Scope]) -> None:
    """After an answer that is empty: whoever had no failure, or was always refused, is still known.

    Raises:
        UnknownName: nothing was found, and nothing is recorded of one of `only`.
        WarehouseError: it can't be asked.
    """
    for scope in only if not found else ():
        require_known(warehouse, scope)


@contextmanager
def asking(
    url: str | None, data_dir: Path | None, only: Sequence[Scope] = ()
) -> Iterator[Warehouse]:
    """A warehouse in which all of `only` is recorded.

    Raises:
        CliError: a name is unknown, or the question makes no sense.
        WarehouseError: it can't be reached or is not migrated.
    """
    try:
        with _locate.open_warehouse(url, data_dir) as warehouse:
            for scope in only:
                if scope.name:
                    require_known(warehouse, scope)
            yield warehouse
    except ValueError as error:
        raise CliError(str(error)) from error
