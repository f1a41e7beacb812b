"""Errors whose text is meant for people."""


class CliError(Exception):
    """A command can't do what it was asked to; the text says why and what to do."""

    exit_code = 1


def known_errors() -> tuple[type[Exception], ...]:
    """Errors of the rooms below whose text is one sentence for people."""
    from spanledger.config import ConfigError
    from spanledger.guard import AdminError, StoreUnavailable
    from spanledger.history import NoBrowser, UnknownAction
    from spanledger.pricing import PricesFileError
    from spanledger.stack import StackError
    from spanledger.warehouse import WarehouseError

    return (
        CliError,
        AdminError,
        ConfigError,
        NoBrowser,
        PricesFileError,
        StackError,
        StoreUnavailable,
        UnknownAction,
        WarehouseError,
    )
