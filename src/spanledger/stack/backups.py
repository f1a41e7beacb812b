"""Back up the local stack while it runs, and begin a new one from a backup."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from spanledger.config import default_data_dir
from spanledger.stack import _manifest
from spanledger.stack._engine_config import BACKUPS_DISK
from spanledger.stack._files import DataDir, write_private
from spanledger.stack._holdings import cost_per_day, count_rows, schema_version
from spanledger.stack._info import DATABASE, StackInfo
from spanledger.stack._lifecycle import start, status, stop
from spanledger.stack._manifest import Manifest
from spanledger.stack.engine import EngineError, EngineLike
from spanledger.stack.errors import BackupInvalid, StackError, TargetNotEmpty
from spanledger.warehouse import available, connect

_LEASE_S: Final = 60
_RENEW_S: Final = 15.0
_RESTORING: Final = "restoring"
_LONG_S: Final = 4 * 3600.0

Progress = Callable[[str], None]


def backup(
    target: Path, data_dir: Path | None = None, *, progress: Progress = lambda _: None
) -> Manifest:
    """Write a backup of the stack of *data_dir* into the new folder *target*.

    All tables are as of one moment: meanwhile requests are told to come again. A stack that does
    not run is started for it, on free ports.

    Raises:
        TargetNotEmpty: if there is something at *target*.
        StackError: if the backup can't be made. Nothing is left at *target* then.
    """
    target = target.expanduser().absolute()
    if target.exists():
        raise TargetNotEmpty(f"{target} exists already: name a folder that does not.")
    data = DataDir(data_dir or default_data_dir())
    with _running(data.path) as info:
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
        try:
            manifest = _write(info, name, progress)
            write_private(data.backups / name / _manifest.FILE_NAME, _manifest.encode(manifest))
            progress("moving it into place")
            _move(data.backups / name, target)
        finally:
            shutil.rmtree(data.backups / name, ignore_errors=True)
    return manifest


def restore(
    source: Path, data_dir: Path | None = None, *, progress: Progress = lambda _: None
) -> Manifest:
    """Begin the data directory *data_dir*, which must hold nothing, from the backup in *source*,
    and see that all is there. The stack is not left running.

    Raises:
        BackupInvalid: if *source* is no whole backup, or needs a newer engine or Spanledger.
        TargetNotEmpty: if *data_dir* holds data.
        StackError: if it can't be restored. The directory is empty again then.
    """
    source = source.expanduser().absolute()
    manifest = read_manifest(source)
    data = DataDir(data_dir or default_data_dir())
    _refuse_data(data)
    progress("reading the backup")
    try:
        info = start(
            data.path, clickhouse_port=0, otlp_port=0, grpc_port=None, restore_from=source,
            timeout_s=_LONG_S,
        )  # fmt: skip
        try:
            progress("comparing")
            _compare(info, manifest, source)
        finally:
            stop(data.path)
    except BaseException:
        _empty(data)
        raise
    return manifest


def read_manifest(source: Path) -> Manifest:
    """What the backup in *source* says about itself.

    Raises:
        BackupInvalid: if it is none, or not whole.
    """
    try:
        text = (source / _manifest.FILE_NAME).read_text()
    except OSError as error:
        raise BackupInvalid(
            f"{source} is not a whole backup of the local stack (no {_manifest.FILE_NAME})."
        ) from error
    return _manifest.decode(text, str(source))


def restore_into(engine: EngineLike, data: DataDir, source: Path) -> None:
    """The daemon's part: the tables of *source* into an engine that has none.

    Raises:
        BackupInvalid: if this engine or Spanledger is too old for it, or it is damaged.
    """
    newest = max(migration.number for migration in available())
    _manifest.check(read_manifest(source), str(source), engine.version, newest)
    link = data.backups / _RESTORING
    link.unlink(missing_ok=True)
    link.symlink_to(source, target_is_directory=True)
    try:
        with engine.connect() as session:
            session.text(f"RESTORE DATABASE {DATABASE} FROM Disk('{BACKUPS_DISK}', '{_RESTORING}')")
    except EngineError as error:
        raise BackupInvalid(f"The backup in {source} can't be restored: {error}") from error
    finally:
        link.unlink(missing_ok=True)


@contextlib.contextmanager
def paused(info: StackInfo) -> Iterator[None]:
    """The stack takes no requests within this block. If we die, it does again after a minute.

    Raises:
        StackError: if what it took can't be stored at the moment.
    """
    from spanledger.stack.admin import ask

    done = threading.Event()

    def renew() -> None:
        while not done.wait(_RENEW_S):
            with contextlib.suppress(StackError):
                ask(info, "pause", for_s=_LEASE_S)

    if ask(info, "pause", for_s=_LEASE_S)["waiting"]:
        raise StackError("The stack can't store what it was sent at the moment: see `status`.")
    renewing = threading.Thread(target=renew, daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        ask(info, "pause", for_s=0)


def _write(info: StackInfo, name: str, progress: Progress) -> Manifest:
    progress("waiting until all that was taken is stored")
    with paused(info), connect(info.clickhouse_url) as warehouse:
        manifest = Manifest(
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            spanledger_version=version("spanledger"),
            engine_version=info.engine_version,
            schema_version=schema_version(warehouse),
            rows=count_rows(warehouse),
            cost_nano_usd=sum(cost for _, cost in cost_per_day(warehouse).values()),
        )
        _run_backup(info, name, progress)
    return manifest


def _run_backup(info: StackInfo, name: str, progress: Progress) -> None:
    from spanledger.stack.admin import ask

    failures: list[StackError] = []

    def run() -> None:
        try:
            ask(info, "backup", name=name)
        except StackError as error:
            failures.append(error)

    running = threading.Thread(target=run)
    running.start()
    folder, began = info.data_dir / "backups" / name, time.monotonic()
    while running.is_alive():
        running.join(0.5)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        progress(f"{size / 2**20:,.0f} MB after {time.monotonic() - began:.0f} s")
    if failures:
        raise failures[0]


@contextlib.contextmanager
def _running(data_dir: Path) -> Iterator[StackInfo]:
    info = status(data_dir)
    if info is not None:
        yield info
        return
    if not DataDir(data_dir).engine_version.exists():
        raise StackError(f"There is no data in {data_dir}: name the folder with --data-dir.")
    info = start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None)
    try:
        yield info
    finally:
        stop(data_dir)


def _move(source: Path, target: Path) -> None:
    """In one step if it is the same file system, else copied beside and renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError:
        part = target.with_name(f".{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            shutil.copytree(source, part)
            part.rename(target)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise StackError(
                f"The backup can't be written to {target} ({error.strerror})."
            ) from error


def _refuse_data(data: DataDir) -> None:
    if status(data.path) or data.engine_version.exists() or any(data.engine.glob("*")):
        raise TargetNotEmpty(
            f"The data directory {data.path} holds data already: choose another with --data-dir, "
            "or move it away."
        )


def _compare(info: StackInfo, manifest: Manifest, source: Path) -> None:
    with connect(info.clickhouse_url) as warehouse:
        found = count_rows(warehouse)
        cost = sum(cost for _, cost in cost_per_day(warehouse).values())
    wrong = [name for name, rows in manifest.rows.items() if found.get(name) != rows]
    if wrong or cost != manifest.cost_nano_usd:
        raise BackupInvalid(
            f"What came out of {source} is not what went in ({', '.join(wrong) or 'the cost'} "
            "differs): the backup is damaged."
        )


def _empty(data: DataDir) -> None:
    for folder in (data.engine, data.journal):
        shutil.rmtree(folder, ignore_errors=True)
    data.engine_version.unlink(missing_ok=True)
