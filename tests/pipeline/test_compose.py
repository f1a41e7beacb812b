"""docker-compose.yml and what it mounts, as far as that goes without an engine."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from spanledger.warehouse import Warehouse, WarehouseError, allow_reader, connect, migrate
from tests._engines import ClickHouseServer, EngineUnavailable
from tests.pipeline import _otlp
from tests.pipeline._collector import CONFIGS, Collector, validate
from tests.pipeline._wait import wait_until

_REPOSITORY = Path(__file__).parents[2]
_COMPOSE: dict[str, Any] = yaml.safe_load((_REPOSITORY / "docker-compose.yml").read_text())
_SERVICES: dict[str, dict[str, Any]] = _COMPOSE["services"]
_PASSWORDS = {
    "SPANLEDGER_ADMIN_PASSWORD": "admin-of-the-test",
    "SPANLEDGER_WRITER_PASSWORD": "writer-of-the-test",
    "SPANLEDGER_READER_PASSWORD": "reader-of-the-test",
}

services = pytest.mark.parametrize("name", sorted(_SERVICES))


def make_env(file: Path) -> dict[str, str]:
    """What deploy/make-env.sh writes."""
    subprocess.run([_REPOSITORY / "deploy" / "make-env.sh", file], check=True, capture_output=True)
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_compose_itself_understands_the_file(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    compose = [docker or "docker", "compose"]
    if docker is None or subprocess.run([*compose, "version"], capture_output=True).returncode:  # noqa: PLW1510 - the code is what is asked for
        pytest.skip("there is no `docker compose` here; the other tests of this file still hold it")
    make_env(tmp_path / ".env")
    command = [*compose, "--env-file", str(tmp_path / ".env"), "--profile", "redis", "config"]
    done = subprocess.run(
        [*command, "--quiet"], cwd=_REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@services
def test_every_image_is_pinned_to_a_release(name: str) -> None:
    service = _SERVICES[name]
    if "build" not in service:
        assert re.search(r":\d+\.\d+\.\d+", service["image"]), service["image"]


@services
def test_every_port_is_on_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in _SERVICES[name].get("ports", []))


@services
def test_every_service_has_a_memory_limit_and_a_way_to_say_that_it_is_well(name: str) -> None:
    service = _SERVICES[name]
    assert "mem_limit" in service
    one_shot = service.get("restart") == "no"
    by_another = f"service:{name}" in {s.get("network_mode") for s in _SERVICES.values()}
    assert one_shot or by_another or "healthcheck" in service


@services
def test_everything_that_is_mounted_or_waited_for_exists(name: str) -> None:
    service = _SERVICES[name]
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        there = (
            (_REPOSITORY / source).exists() if source[0] == "." else source in _COMPOSE["volumes"]
        )
        assert there, source
    assert set(service.get("depends_on", {})) <= set(_SERVICES)
    if "build" in service:
        assert (_REPOSITORY / service["build"]["dockerfile"]).is_file()


def test_one_command_makes_every_password_that_is_needed(tmp_path: Path) -> None:
    made = make_env(tmp_path / ".env")
    text = (_REPOSITORY / "docker-compose.yml").read_text()
    assert set(made) == set(re.findall(r"\$\{(\w+):\?", text))
    assert len(set(made.values())) == len(made)
    assert all(re.fullmatch(r"[0-9a-f]{48}", password) for password in made.values())
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_passwords_that_are_in_use_are_not_replaced(tmp_path: Path) -> None:
    made = make_env(tmp_path / ".env")
    assert make_env(tmp_path / ".env") == made


def test_the_collectors_environment_is_what_its_configuration_reads(collector_binary: Path) -> None:
    service = _SERVICES["collector"]
    [command] = service["command"]
    name = Path(command.removeprefix("--config=")).name
    read = set(re.findall(r"env:(SPANLEDGER_\w+)", (CONFIGS / name).read_text()))
    given = {key for key in service["environment"] if key.startswith("SPANLEDGER_")}
    assert given <= read
    values = {key: str(value) for key, value in service["environment"].items()}
    values |= {"SPANLEDGER_CLICKHOUSE_PASSWORD": "secret", "SPANLEDGER_QUEUE_BYTES": "1073741824"}
    assert validate(name, environment=values) == ""


def test_the_collectors_image_is_of_the_version_that_is_tested() -> None:
    builder = yaml.safe_load((CONFIGS / "builder.yaml").read_text())
    assert _SERVICES["collector"]["image"].endswith(f":{builder['dist']['version']}")


def test_grafana_gets_all_that_its_provisioning_asks_for() -> None:
    given = _SERVICES["grafana"]["environment"]
    for file in (_REPOSITORY / "grafana" / "provisioning").rglob("*.yaml"):
        assert yaml.safe_load(file.read_text())["apiVersion"] == 1
        lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        # In small letters they are macros of queries, and labels of alerts.
        assert set(re.findall(r"\$\{?([A-Z]\w*)", "\n".join(lines))) <= set(given)


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A server with the configuration and the users of deploy/clickhouse."""
    directory = tmp_path_factory.mktemp("compose")
    for folder in ("config.d", "users.d"):
        shutil.copytree(_REPOSITORY / "deploy" / "clickhouse" / folder, directory / folder)
    # In the container it is a volume.
    config = directory / "config.d" / "spanledger.xml"
    config.write_text(config.read_text().replace("/backups/", f"{directory}/backups/"))
    admin = _PASSWORDS["SPANLEDGER_ADMIN_PASSWORD"]
    server = ClickHouseServer(directory, user="spanledger_admin", password=admin)
    previous = dict(os.environ)
    os.environ.update(_PASSWORDS)
    try:
        yield server.start()
    except EngineUnavailable as reason:
        pytest.skip(str(reason))
    finally:
        os.environ.clear()
        os.environ.update(previous)
        server.stop()


def url(server: ClickHouseServer, user: str) -> str:
    password = _PASSWORDS.get(f"{user.upper()}_PASSWORD", "")
    return f"http://{user}:{password}@127.0.0.1:{server.http_port}/spanledger"


@pytest.mark.storage
def test_nobody_gets_in_without_a_password(configured: ClickHouseServer) -> None:
    for user in ("default", "spanledger_admin"):
        address = f"http://{user}@127.0.0.1:{configured.http_port}/default"
        with pytest.raises(WarehouseError):
            connect(address)


@pytest.mark.storage
def test_each_user_may_do_its_work_and_no_more(
    configured: ClickHouseServer, collector_binary: Path, tmp_path: Path
) -> None:
    with connect(url(configured, "spanledger_admin")) as admin:
        migrate(admin)
        allow_reader(admin, _PASSWORDS["SPANLEDGER_READER_PASSWORD"])
    collector = Collector(
        tmp_path,
        ["agent.yaml"],
        {
            "SPANLEDGER_CLICKHOUSE_ENDPOINT": f"tcp://127.0.0.1:{configured.tcp_port}",
            "SPANLEDGER_CLICKHOUSE_PASSWORD": _PASSWORDS["SPANLEDGER_WRITER_PASSWORD"],
        },
    )
    call: dict[str, _otlp.Value] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o-mini",
        "spanledger.cost.nano_usd": 1000,
        "spanledger.billing": "call",
    }
    with connect(url(configured, "spanledger_reader")) as reader:
        try:
            collector.start()
            for request in (_otlp.traces(_otlp.span(1, call)), _otlp.logs(), _otlp.metrics()):
                assert _otlp.post(collector.endpoint, request) == 200
            assert wait_until(lambda: len(reader.query("SELECT * FROM calls")) == 1)
            assert wait_until(lambda: len(reader.query("SELECT * FROM logs")) == 2)
        finally:
            collector.kill()
        # As docs/pipeline.md has it ask.
        program = Path(sys.executable).with_name("spanledger")
        address = url(configured, "spanledger_admin")
        report = [str(program), "report", "--since", "2020-01-01", "--url", address]
        done = subprocess.run(report, capture_output=True, text=True, check=False)
        assert "gpt-4o-mini" in done.stdout, done.stderr
        assert reader.query("SELECT 1 AS one SETTINGS max_execution_time = 45")
        for forbidden in (
            "SELECT 1 SETTINGS max_execution_time = 90",
            "SELECT 1 SETTINGS max_memory_usage = 9000000000",
            "SELECT * FROM url('http://127.0.0.1:1/x', 'CSV', 'a String')",
            "SELECT * FROM file('/etc/passwd', 'LineAsString')",
            "SELECT * FROM system.query_log",
            "SELECT * FROM otel_logs",
        ):
            with pytest.raises(WarehouseError):
                reader.query(forbidden)
        with pytest.raises(WarehouseError):
            reader.command("DROP TABLE spanledger.otel_traces")
    with (
        connect(url(configured, "spanledger_writer")) as writer,
        pytest.raises(WarehouseError, match=r"(?i)not enough privileges|may not"),
    ):
        writer.query("SELECT * FROM otel_traces")


@pytest.mark.storage
def test_clickhouses_logs_about_itself_end_some_day(configured: ClickHouseServer) -> None:
    with connect(url(configured, "spanledger_admin")) as admin:
        admin.command("SYSTEM FLUSH LOGS", use_database=False)
        tables = admin.query(
            "SELECT name, create_table_query AS ddl FROM system.tables"
            " WHERE database = 'system' AND endsWith(name, '_log') AND engine LIKE '%MergeTree'"
        )
    assert {table["name"] for table in tables} >= {"query_log", "part_log"}
    assert [table["name"] for table in tables if "TTL" not in table["ddl"]] == []


@pytest.mark.storage
def test_the_way_back_from_a_backup_is_what_the_upgrade_guide_says(
    configured: ClickHouseServer,
) -> None:
    guide = (_REPOSITORY / "docs" / "upgrade.md").read_text()
    statements = re.findall(r"^    ((?:BACKUP|RESTORE|DROP|SELECT) [^;]+);$", guide, re.MULTILINE)
    assert [statement.split()[0] for statement in statements] == [
        "BACKUP", "RESTORE", "SELECT", "DROP",
    ]  # fmt: skip
    with connect(url(configured, "spanledger_admin")) as admin:
        migrate(admin)
        admin.insert(
            "llm_calls",
            ["ts", "trace_id", "span_id", "cost_usd"],
            [[datetime(2026, 11, day, tzinfo=UTC), b"t" * 16, b"s" * 8, 1] for day in (1, 2)],
        )
        backup, restore, compare, drop = statements
        admin.command(backup)
        admin.command(restore)
        assert admin.query(compare) == []
        assert _names_the_original(admin, "spanledger")
        assert not _names_the_original(admin, "trial"), "it would write into the original"
        admin.command("DELETE FROM trial.llm_calls WHERE toDate(ts) = '2026-11-02'")
        assert len(admin.query(compare)) == 1
        admin.command(drop)


def _names_the_original(admin: Warehouse, database: str) -> bool:
    """Whether a view of *database* reads or writes a table of `spanledger`."""
    (found,) = admin.query(
        "SELECT countIf(match(create_table_query, '(TO|FROM|JOIN|joinGet[(].?) ?spanledger[.]')) "
        "AS n FROM system.tables WHERE database = {database:String}",
        database=database,
    )
    return bool(found["n"])
