"""What the owner of the stack may ask its daemon, with the token: to pause, and to back up."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from hmac import compare_digest
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from spanledger.stack._engine_config import BACKUPS_DISK
from spanledger.stack._info import DATABASE, StackInfo
from spanledger.stack._intake import Intake
from spanledger.stack.engine import EngineError, EngineLike
from spanledger.stack.errors import StackError

PREFIX: Final = "/admin/"
_MAX_PAUSE_S: Final = 600.0
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")

Answer = tuple[int, dict[str, Any]]


class Admin:
    """The daemon's side."""

    def __init__(self, intake: Intake, engine: EngineLike, token: str) -> None:
        self._intake = intake
        self._engine = engine
        self._token = token
        self._verbs: dict[str, Callable[[dict[str, str]], dict[str, Any]]] = {
            "pause": self._pause,
            "backup": self._backup,
        }

    async def run(self, path: str, query: bytes, headers: Mapping[str, str]) -> Answer:
        """Do what *path* says, on a thread."""
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if not compare_digest(given.encode(), self._token.encode()):
            return 403, {"error": "This needs the token of the data directory."}
        verb = self._verbs.get(path.removeprefix(PREFIX))
        if verb is None:
            return 404, {"error": f"There are: {', '.join(sorted(self._verbs))}."}
        arguments = dict(parse_qsl(query.decode("latin-1")))
        try:
            return 200, await asyncio.to_thread(verb, arguments)
        except (EngineError, ValueError) as error:
            return 500, {"error": str(error)}

    def _pause(self, arguments: dict[str, str]) -> dict[str, Any]:
        seconds = min(max(0.0, float(arguments["for_s"])), _MAX_PAUSE_S)
        self._intake.pause(seconds)
        return {"waiting": self._intake.waiting_requests}

    def _backup(self, arguments: dict[str, str]) -> dict[str, Any]:
        name = arguments["name"]
        if not _NAME.fullmatch(name) or name.startswith("."):
            raise ValueError(f"{name!r} can't be the name of a backup")
        with self._engine.connect() as session:
            session.text(f"BACKUP DATABASE {DATABASE} TO Disk('{BACKUPS_DISK}', '{name}')")
        return {"name": name}


def ask(info: StackInfo, verb: str, *, timeout_s: float = 3600, **arguments: object) -> Any:
    """Ask the daemon of *info*.

    Raises:
        StackError: if it can't, or does not answer.
    """
    otlp, token = urlsplit(info.otlp_endpoint), urlsplit(info.clickhouse_url).password or ""
    connection = HTTPConnection(otlp.hostname or "", otlp.port, timeout=timeout_s)
    try:
        target = f"{PREFIX}{verb}?{urlencode(arguments)}"
        connection.request("POST", target, headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, HTTPException, ValueError) as error:
        raise StackError(f"The stack (process {info.pid}) does not answer: {error}.") from error
    finally:
        connection.close()
    if response.status != 200:
        raise StackError(f"The stack could not {verb}: {answer['error']}")
    return answer
