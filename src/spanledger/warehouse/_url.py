"""The address of a warehouse, from its URL. Pure."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from spanledger.warehouse.errors import InvalidUrl

DEFAULT_DATABASE = "spanledger"
_DEFAULT_PORTS = {"http": 8123, "https": 8443}
_FORM = "http://user:password@host:8123/database"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the warehouse is and who asks."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    secure: bool

    def __str__(self) -> str:
        """Without the password, for messages and logs."""
        return f"{'https' if self.secure else 'http'}://{self.host}:{self.port}/{self.database}"


def parse_url(url: str) -> Address:
    """Read ``http(s)://user:password@host:port/database``.

    The user is ``default``, the password empty, the port ClickHouse's own and the database
    ``spanledger`` where the URL leaves them out.

    Raises:
        InvalidUrl: another scheme, no host, a bad port, or parts that have no meaning here.
    """
    parts, port = _split(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise InvalidUrl(
            f"the ClickHouse URL has the scheme {parts.scheme!r}, not http or https; "
            f"give ClickHouse's HTTP interface as {_FORM}"
        )
    if not parts.hostname or parts.query or parts.fragment or "/" in parts.path.strip("/"):
        raise InvalidUrl(f"the ClickHouse URL has no host, or too many parts; give it as {_FORM}")
    return Address(
        host=parts.hostname,
        port=port or _DEFAULT_PORTS[parts.scheme],
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.strip("/")) or DEFAULT_DATABASE,
        secure=parts.scheme == "https",
    )


def _split(url: str) -> tuple[SplitResult, int | None]:
    """The URL is not repeated in the message: it may hold a password."""
    try:
        parts = urlsplit(url.strip())
        return parts, parts.port
    except ValueError as error:
        raise InvalidUrl(f"the ClickHouse URL is broken ({error}); give it as {_FORM}") from None
