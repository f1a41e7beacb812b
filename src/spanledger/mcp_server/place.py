"""What the verbs are about: a warehouse, a ledger, and whether they may be changed."""

import threading
from collections.abc import Callable

from spanledger.guard import Admin
from spanledger.warehouse import Warehouse


class ReadOnly(Exception):
    """The server may not change anything; the text says how it could."""


class Place:
    """Opened with the first question, and opened again after a failure to open.

    Args:
        open_warehouse: Connects to a migrated warehouse.
        open_admin: The guard's verbs over the ledger, with the rules as they are now.
        errors: What both raise with a text for people, beside the errors of the rooms.
        allow_writes: Whether limits may be changed and history deleted.
    """

    def __init__(
        self,
        open_warehouse: Callable[[], Warehouse],
        open_admin: Callable[[], Admin],
        *,
        errors: tuple[type[Exception], ...] = (),
        allow_writes: bool = False,
    ) -> None:
        self._open_warehouse = open_warehouse
        self._open_admin = open_admin
        self._opened: Warehouse | None = None
        self._lock = threading.Lock()
        self.errors = errors
        self.allow_writes = allow_writes

    @property
    def warehouse(self) -> Warehouse:
        with self._lock:
            if self._opened is None:
                self._opened = self._open_warehouse()
            return self._opened

    @property
    def admin(self) -> Admin:
        """Anew for each question: the policy file may have changed."""
        return self._open_admin()

    def require_writes(self) -> None:
        """Raises `ReadOnly` unless changes are allowed."""
        if not self.allow_writes:
            raise ReadOnly(
                "this server is read-only; start it with `spanledger mcp --allow-writes` to let "
                "it change limits and delete history"
            )

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.close()
            self._opened = None
