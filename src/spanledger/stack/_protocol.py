"""ClickHouse's HTTP protocol as data: what a request asks, how an error is answered. Pure."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from hmac import compare_digest
from typing import Final
from urllib.parse import parse_qsl

HELLO: Final = "SELECT displayName(), version(), revision(), timezone()"
DISPLAY_NAME: Final = b"spanledger"

_PREFIX: Final = "param_"
_SETTING_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# URL parameters that are not settings of the engine.
_TRANSPORT: Final = frozenset(
    {
        "add_http_cors_header", "buffer_size", "client_protocol_version", "close_session",
        "compress", "database", "decompress", "default_format", "enable_http_compression",
        "http_headers_progress_interval_ms", "password", "query", "query_id", "quota_key",
        "role", "send_progress_in_http_headers", "session_check", "session_id",
        "session_timeout", "stacktrace", "user", "wait_end_of_query",
    }
)  # fmt: skip
_BLOCKWISE: Final = frozenset(
    {"Native", "TabSeparated", "TSV", "TSVRaw", "CSV", "RowBinary", "JSONEachRow"}
)
_BINARY: Final = frozenset(
    {
        "Native",
        "RowBinary",
        "RowBinaryWithNames",
        "RowBinaryWithNamesAndTypes",
        "Parquet",
        "Arrow",
        "ArrowStream",
        "ORC",
        "Npy",
    }
)
_STATUS: Final = {
    6: 400, 26: 400, 27: 400, 38: 400, 41: 400, 62: 400, 117: 400, 472: 400,
    46: 404, 47: 404, 16: 404, 60: 404, 81: 404, 115: 404,
    48: 501, 159: 408, 241: 500, 202: 503,
    497: 403, 516: 403, 164: 500,
}  # fmt: skip


class RequestError(Exception):
    """A request that is refused or can't be read. ``code`` is ClickHouse's error number."""

    def __init__(self, code: int, name: str, message: str, status: int | None = None) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message} ({name})")
        self.code = code
        self.status = status or status_of(code)


@dataclass(frozen=True, slots=True)
class Query:
    """One request to run one statement."""

    sql: bytes
    """The statement as it stands in the URL, empty if the body holds it."""
    body: bytes
    default_format: str
    database: str | None
    settings: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    session_id: str | None = None
    session_timeout_s: float = 60.0
    read_only: bool = False
    may_stream: bool = True
    speaks_hello: bool = False

    @property
    def text(self) -> bytes:
        """Statement and data as one text."""
        return self.sql + b"\n" + self.body if self.sql and self.body else self.sql or self.body


def credentials(headers: Mapping[str, str], url: Mapping[str, str]) -> tuple[str, str]:
    """User and password: ClickHouse's own headers, HTTP Basic, or the URL, in that order."""
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        user, _, password = _unbase64(value).partition(":")
        return user, password
    return url.get("user", "default"), url.get("password", "")


def authorise(given: tuple[str, str], user: str, token: str) -> None:
    """Compare *given* with the stack's only user.

    Raises:
        RequestError: 516, as ClickHouse answers it.
    """
    same_user = compare_digest(given[0].encode(), user.encode())
    if not (compare_digest(given[1].encode(), token.encode()) and same_user):
        raise RequestError(
            516,
            "AUTHENTICATION_FAILED",
            f"{given[0]}: Authentication failed: password is incorrect, or there is no user with "
            f"such name. The local stack's user is `{user}`, its password the content of the "
            "file `token` in its data directory.",
        )


def url_parameters(query_string: bytes) -> dict[str, str]:
    """The URL's parameters; of a repeated one the last."""
    return dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))


def parse(method: str, url: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Query:
    """The query in a request whose *body* is already decompressed.

    Raises:
        RequestError: for what the local stack does not speak.
    """
    if url.get("decompress") in ("1", "true") or url.get("compress") in ("1", "true"):
        raise RequestError(
            48,
            "NOT_IMPLEMENTED",
            "ClickHouse's own block compression (compress=1, decompress=1) is not supported by "
            "the local stack: use HTTP compression (gzip, lz4) or none.",
        )
    form, body = _form(headers.get("content-type", ""), body)
    url = {**url, **form}
    settings = {name: value for name, value in url.items() if _is_setting(name)}
    forced = settings.pop("readonly", "0")
    return Query(
        sql=url.get("query", "").encode(),
        body=body,
        default_format=url.get("default_format")
        or headers.get("x-clickhouse-format")
        or "TabSeparated",
        database=url.get("database") or headers.get("x-clickhouse-database"),
        settings=settings,
        params={n.removeprefix(_PREFIX): v for n, v in url.items() if n.startswith(_PREFIX)},
        session_id=url.get("session_id"),
        session_timeout_s=_seconds(url.get("session_timeout", "60")),
        read_only=method != "POST" or forced not in ("", "0"),
        may_stream=url.get("wait_end_of_query") not in ("1", "true"),
        speaks_hello="client_protocol_version" in url,
    )


def streams(fmt: str) -> bool:
    """Whether pieces of *fmt* may simply follow one another (no header or footer)."""
    return fmt in _BLOCKWISE


def content_type(fmt: str) -> str:
    """The Content-Type of an answer in *fmt*."""
    if fmt.startswith("JSON"):
        return "application/json; charset=UTF-8"
    if fmt.startswith("CSV"):
        return "text/csv; charset=UTF-8"
    return "application/octet-stream" if fmt in _BINARY else "text/plain; charset=UTF-8"


def status_of(code: int) -> int:
    """The HTTP status ClickHouse answers for error *code*."""
    return _STATUS.get(code, 500)


def trailing_exception(tag: str, message: str) -> bytes:
    """An error after the answer has begun: ClickHouse's frame, which clients look for."""
    text = message.encode()
    return b"\r\n__exception__\r\n%b\r\n%b\n%d %b\r\n__exception__\r\n" % (
        tag.encode(),
        text,
        len(text) + 1,
        tag.encode(),
    )


def hello_block(version: str, timezone: str) -> bytes:
    """The answer to clickhouse-go's greeting, which it decodes at its own revision (block
    info, one more byte a column). It names revision 0: from then on the client reads plain
    Native, the only kind that the engine writes."""
    columns = (
        (b"displayName()", b"String", _string(DISPLAY_NAME)),
        (b"version()", b"String", _string(version.encode())),
        (b"revision()", b"UInt32", bytes(4)),
        (b"timezone()", b"String", _string(timezone.encode())),
    )
    info = b"\x01\x00\x02\xff\xff\xff\xff\x00"
    data = b"".join(
        _string(name) + _string(kind) + b"\x00" + value for name, kind, value in columns
    )
    return info + bytes((len(columns), 1)) + data


def native_rows(data: bytes) -> int | None:
    """The row count that the first block of a Native body announces."""
    columns, position = _varint(data, 0)
    rows, position = _varint(data, position)
    return rows if columns and position <= len(data) else None


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
    return 0, position + 1


def _string(data: bytes) -> bytes:
    return bytes((len(data),)) + data


def _unbase64(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _seconds(text: str) -> float:
    return min(float(text), 3600.0) if text.isdigit() else 60.0


def _is_setting(name: str) -> bool:
    if name in _TRANSPORT or name.startswith(_PREFIX):
        return False
    if not _SETTING_NAME.fullmatch(name):
        raise RequestError(115, "UNKNOWN_SETTING", f"{name!r} is not the name of a setting.")
    return True


def _form(content_type_header: str, body: bytes) -> tuple[dict[str, str], bytes]:
    if "multipart/form-data" not in content_type_header.lower():
        return {}, body
    head = f"Content-Type: {content_type_header}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    fields: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        value = part.get_payload(decode=True)
        if part.get_filename() is not None or not isinstance(value, bytes) or not name:
            raise RequestError(
                48,
                "NOT_IMPLEMENTED",
                "External data (tables sent along as form files) is not supported by the local "
                "stack: insert it into a table first.",
            )
        fields[str(name)] = value.decode()
    return fields, b""
