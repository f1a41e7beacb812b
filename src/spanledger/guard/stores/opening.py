"""From a setting to a store."""

from pathlib import Path

from spanledger.config import ConfigError, GuardSettings
from spanledger.guard.stores._protocol import Store
from spanledger.guard.stores.memory import MemoryStore

LEDGER_FILE = "ledger.sqlite"
_REDIS = ("redis://", "rediss://", "valkey://", "unix://")


def open_store(settings: GuardSettings, data_dir: Path) -> Store:
    """The store that `guard.store` names; nothing is read or connected before its first use.

    ``memory``; ``sqlite`` (a file in `data_dir`) or ``sqlite:PATH``; an address of Redis or
    Valkey, whose journal is kept in `data_dir`. Raises `ConfigError` for anything else.
    """
    name = settings.store
    if settings.max_values < 1:
        raise ConfigError(
            "there must be room for somebody",
            key="guard.max_values",
            found=settings.max_values,
            allowed="1 or more",
        )
    if name == "memory":
        return MemoryStore(most_values=settings.max_values)
    if name == "sqlite" or name.startswith("sqlite:"):
        from spanledger.guard.stores.sqlite import SqliteStore

        path = name.removeprefix("sqlite").removeprefix(":")
        return SqliteStore(Path(path).expanduser() if path else data_dir / LEDGER_FILE)
    if name.startswith(_REDIS):
        return _redis(settings, data_dir)
    raise ConfigError(
        "no such store",
        key="guard.store",
        found=name,
        allowed="memory, sqlite, sqlite:PATH, redis://HOST:PORT/DB",
    )


def _redis(settings: GuardSettings, data_dir: Path) -> Store:
    from spanledger.guard.stores.redis import RedisStore

    return RedisStore(
        settings.store,
        directory=data_dir,
        on_down=settings.on_store_down,
        share=settings.store_share,
    )
