"""The engines' configuration files and the version rule. Pure."""

import re
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from spanledger.stack._info import HOST

BACKUPS_DISK: Final = "backups"
"""The engine's name for the only place that a backup can be written to or read from."""

_VERSION: Final = re.compile(r"(\d+)\.(\d+)")
# What the query port may do. Everything that reaches outside the data directory (files, URLs,
# other servers, executables) and everything that ends the process is missing on purpose:
# `readonly` does not stop `INSERT INTO FUNCTION file()`, and SYSTEM SHUTDOWN would send
# SIGTERM to the whole process group.
_GRANTS: Final = (
    "SELECT, INSERT, ALTER, DROP, TRUNCATE, OPTIMIZE, SHOW, KILL QUERY, dictGet, "
    "CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, CREATE TEMPORARY TABLE, "
    "SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM VIEWS, SYSTEM RELOAD DICTIONARY"
)
# Newer releases take no notice of `insert_deduplicate` otherwise; older ones don't know this.
_HEEDS_INSERT_DEDUPLICATE: Final = (
    "\n    <deduplicate_insert>backward_compatible_choice</deduplicate_insert>"
)


def users_xml() -> str:
    """The embedded engine's only user, `default`, with the grants above: nothing reaches it but
    our own query port, which has a token and looks at statements."""
    grants = (f"GRANT BACKUP, {_GRANTS} ON *.*", "GRANT READ, WRITE ON DISK")
    return _users_xml(_user_xml("default", "", grants), _HEEDS_INSERT_DEDUPLICATE)


def standalone_users_xml(user: str, password: str, daemon: str, daemon_password: str) -> str:
    """The users of a server: people, with the grants above, and the daemon, who may do all
    (which grant a backup needs depends on the release)."""
    people = _user_xml(user, password, (f"GRANT {_GRANTS} ON *.*",))
    return _users_xml(people + _user_xml(daemon, daemon_password, ()))


def _users_xml(users: str, settings: str = "") -> str:
    return f"""<clickhouse>
  <profiles><default>{settings}
    <async_insert>0</async_insert>
    <max_partitions_per_insert_block>0</max_partitions_per_insert_block>
  </default></profiles>
  <quotas><default/></quotas>
  <users>
{users}  </users>
</clickhouse>
"""


def _user_xml(name: str, password: str, grants: tuple[str, ...]) -> str:
    """Without *grants* a user may do everything."""
    queries = "".join(f"<query>{grant}</query>" for grant in grants)
    granted = f"\n    <grants>{queries}</grants>" if grants else ""
    return f"""    <{name}>
    <password>{escape(password)}</password>
    <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
    <profile>default</profile>
    <quota>default</quota>{granted}
    </{name}>
"""


def server_xml(users_file: str, backups: Path, max_memory_bytes: int) -> str:
    """Settings of the embedded engine: memory under a lid, small caches, every timestamp in
    UTC."""
    return f"""<clickhouse>
  <users_config>{users_file}</users_config>
{_common_xml(backups, max_memory_bytes)}
  <user_files_path>user_files/</user_files_path>
</clickhouse>
"""


def standalone_xml(
    users_file: Path, data: Path, backups: Path, port: int, max_memory_bytes: int
) -> str:
    """Settings of a server of its own over the same files: HTTP on loopback, nothing else."""
    below = escape(str(data))
    return f"""<clickhouse>
  <logger><level>warning</level><console>1</console></logger>
  <listen_host>{HOST}</listen_host>
  <shutdown_wait_unfinished>1</shutdown_wait_unfinished>
  <http_port>{port}</http_port>
  <path>{below}/</path>
  <tmp_path>{below}/scratch/</tmp_path>
  <user_files_path>{below}/user_files/</user_files_path>
  <format_schema_path>{below}/format_schemas/</format_schema_path>
  <user_directories><users_xml><path>{escape(str(users_file))}</path></users_xml></user_directories>
  <default_profile>default</default_profile>
{_common_xml(backups, max_memory_bytes)}
</clickhouse>
"""


def _common_xml(backups: Path, max_memory_bytes: int) -> str:
    cache_bytes = max_memory_bytes // 16
    disk = (
        f"<{BACKUPS_DISK}><type>local</type><path>{escape(str(backups))}/</path></{BACKUPS_DISK}>"
    )
    return f"""  <timezone>UTC</timezone>
  <max_server_memory_usage>{max_memory_bytes}</max_server_memory_usage>
  <mark_cache_size>{cache_bytes}</mark_cache_size>
  <index_mark_cache_size>{cache_bytes}</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <query_cache><max_size_in_bytes>0</max_size_in_bytes></query_cache>
  <background_pool_size>2</background_pool_size>
  <storage_configuration><disks>{disk}</disks></storage_configuration>
  <backups><allowed_disk>{BACKUPS_DISK}</allowed_disk></backups>"""


def is_newer(stored: str, running: str) -> bool:
    """Whether *stored* is a later engine release (year.month) than *running*.

    An older engine opens such a directory without complaint and sees no rows, so this is
    compared before it may try. Patch releases share a format.
    """
    return _release(stored) > _release(running)


def _release(version: str) -> tuple[int, int]:
    """Of a text that is no version: before all others."""
    found = _VERSION.match(version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
