"""What several migrations have in common is written once."""

import pytest

from spanledger.warehouse import InvalidStatement, available
from spanledger.warehouse._macros import expand, macros_of

MACROS = macros_of(
    "-- Beside them there is room for words.\n"
    "-- macro counted table which\n"
    "SELECT count() FROM ${database}.${table} WHERE ${which}\n"
    "-- end\n"
    "-- macro keys\n"
    "hour,\n"
    "service\n"
    "-- end\n"
)


def test_a_use_stands_for_the_text_with_its_arguments() -> None:
    sql = expand("${counted: llm_calls | a IN (1, 2)};\nGROUP BY ${keys}", MACROS)
    assert (
        sql
        == "SELECT count() FROM ${database}.llm_calls WHERE a IN (1, 2);\nGROUP BY hour,\nservice"
    )


def test_what_is_no_macro_is_left_to_the_renderer() -> None:
    assert expand("${database}.t ${engine:MergeTree} ${keyss}", MACROS) == (
        "${database}.t ${engine:MergeTree} ${keyss}"
    )


@pytest.mark.parametrize(
    "use", ["${counted}", "${counted: a}", "${counted: a | b | c}", "${keys: a}"]
)
def test_too_many_arguments_and_too_few_are_refused(use: str) -> None:
    with pytest.raises(InvalidStatement, match=r"takes \d arguments"):
        expand(use, MACROS)


def test_a_shipped_migration_is_what_it_says_with_its_macros() -> None:
    """So that a macro that changes changes the checksums of all that use it."""
    sql = {migration.name: migration.sql for migration in available()}
    assert "${call_sums}" not in sql["rollups"]
    assert "CREATE VIEW IF NOT EXISTS ${database}.stale_tool_hours" in sql["dashboards"]
