"""The embedded engine's configuration files and its version rule. Pure."""

from typing import Final

# What the query port may do. Everything that reaches outside the data directory (files, URLs,
# other servers, executables) and everything that ends the process is missing on purpose:
# `readonly` does not stop `INSERT INTO FUNCTION file()`, and SYSTEM SHUTDOWN would send
# SIGTERM to the whole process group.
_GRANTS: Final = (
    "SELECT, INSERT, ALTER, DROP, TRUNCATE, OPTIMIZE, SHOW, KILL QUERY, dictGet, "
    "CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, CREATE TEMPORARY TABLE, "
    "SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM VIEWS, SYSTEM RELOAD DICTIONARY"
)


def users_xml() -> str:
    """The engine's only user, with the grants above."""
    return f"""<clickhouse>
  <profiles><default>
    <async_insert>0</async_insert>
    <max_partitions_per_insert_block>0</max_partitions_per_insert_block>
  </default></profiles>
  <quotas><default/></quotas>
  <users><default>
    <password></password>
    <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants><query>GRANT {_GRANTS} ON *.*</query></grants>
  </default></users>
</clickhouse>
"""


def server_xml(users_file: str, max_memory_bytes: int) -> str:
    """Server settings: memory under a lid, small caches, every timestamp in UTC."""
    cache_bytes = max_memory_bytes // 16
    return f"""<clickhouse>
  <users_config>{users_file}</users_config>
  <timezone>UTC</timezone>
  <max_server_memory_usage>{max_memory_bytes}</max_server_memory_usage>
  <mark_cache_size>{cache_bytes}</mark_cache_size>
  <index_mark_cache_size>{cache_bytes}</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <query_cache><max_size_in_bytes>0</max_size_in_bytes></query_cache>
  <background_pool_size>2</background_pool_size>
  <user_files_path>user_files/</user_files_path>
</clickhouse>
"""


def is_newer(stored: str, running: str) -> bool:
    """Whether *stored* is a later engine release (year.month) than *running*.

    An older engine opens such a directory without complaint and sees no rows, so this is
    compared before it may try. Patch releases share a format.
    """
    return _release(stored) > _release(running)


def _release(version: str) -> tuple[int, int]:
    year, _, rest = version.partition(".")
    month = rest.partition(".")[0]
    return int(year), int(month or 0)
