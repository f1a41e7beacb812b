"""What can go wrong between us and ClickHouse; each message is one sentence on what to do."""


class WarehouseError(Exception):
    """Base of every error of this room."""


class InvalidUrl(WarehouseError):
    """The address of the warehouse cannot be understood, or none was given."""


class DriverMissing(WarehouseError):
    """The ClickHouse driver is not installed."""


class WarehouseUnreachable(WarehouseError):
    """Nothing that speaks ClickHouse answers at the address, or not in time."""


class AccessDenied(WarehouseError):
    """ClickHouse refuses the user, the password, or what the user asked for."""


class NotMigrated(WarehouseError):
    """The database, or a table of it, is not there yet, or migrations are pending."""


class NewerSchema(WarehouseError):
    """The database was migrated by a newer Spanledger than this one."""


class ChangedMigration(WarehouseError):
    """The record of applied migrations contradicts the files of this Spanledger."""


class MigrationFailed(WarehouseError):
    """One statement of a migration failed; what is done is kept, and it can be run again."""


class InvalidStatement(WarehouseError):
    """A statement and its parameters, or a template and its placeholders, do not fit."""


class QueryFailed(WarehouseError):
    """ClickHouse could not run a statement."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        """ClickHouse's number of the error (``system.errors``), if it told one."""
