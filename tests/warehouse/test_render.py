"""One SQL source, three deployments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.warehouse import InvalidStatement, Target, available, bootstrap
from spanledger.warehouse._render import quote_name, quote_text, render, statements

ALONE = Target("ledger")
CLUSTER = Target("ledger", cluster="c1")


def test_statements_end_at_semicolons_that_are_not_quoted_or_in_comments() -> None:
    sql = """
    SELECT 'a;b', "c;d", `e;f`, 'it''s; \\'; fine'; -- one; two
    /* three; four */ SELECT 5 - 4 / 2;
    """
    assert statements(sql) == [
        """SELECT 'a;b', "c;d", `e;f`, 'it''s; \\'; fine'""",
        "SELECT 5 - 4 / 2",
    ]


def test_a_source_of_nothing_but_comments_has_no_statements() -> None:
    assert statements("-- nothing\n;;\n/* here */ -- at all") == []


@given(st.lists(st.text(alphabet="ab '`\"\\;-/*\n", max_size=20), max_size=5))
def test_quoted_texts_survive_splitting_whatever_they_hold(texts: list[str]) -> None:
    sources = [f"SELECT {quote_text(text)}" for text in texts]
    assert statements(";\n".join(sources)) == sources


def test_alone_the_cluster_clause_leaves_no_trace() -> None:
    sql = (
        "CREATE TABLE ${database}.t ${on_cluster} (a UInt8) ENGINE = ${engine:MergeTree} "
        "SETTINGS ${deduplication}"
    )
    assert render(sql, ALONE) == (
        "CREATE TABLE `ledger`.t (a UInt8) ENGINE = MergeTree "
        "SETTINGS non_replicated_deduplication_window = 10000"
    )


def test_on_a_cluster_ddl_is_distributed_and_tables_are_replicated() -> None:
    sql = (
        "CREATE TABLE t ${on_cluster} ENGINE = ${engine:ReplacingMergeTree(revision)} "
        "SETTINGS ${deduplication}"
    )
    assert render(sql, CLUSTER) == (
        "CREATE TABLE t ON CLUSTER 'c1' ENGINE = ReplicatedReplacingMergeTree(revision) "
        "SETTINGS replicated_deduplication_window = 10000, "
        "replicated_deduplication_window_seconds = 604800"
    )


def test_a_table_for_every_node_does_not_name_the_shard_in_its_path() -> None:
    rendered = render("${engine_everywhere:ReplacingMergeTree(applied_at)}", CLUSTER)
    assert rendered == (
        "ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}', '{shard}_{replica}', applied_at)"
    )
    assert "everywhere" not in render("${engine_everywhere:MergeTree}", ALONE)


def test_an_unknown_placeholder_is_refused() -> None:
    with pytest.raises(InvalidStatement, match=r"\$\{clutser\}"):
        render("CREATE DATABASE x ${clutser}", ALONE)


def test_names_are_quoted_so_that_they_cannot_end_early() -> None:
    assert quote_name("a`; DROP TABLE b") == "`a\\`; DROP TABLE b`"
    assert quote_text("c'1\\") == "'c\\'1\\\\'"


@pytest.mark.parametrize("target", [ALONE, CLUSTER])
def test_no_placeholder_is_left_in_the_shipped_schema(target: Target) -> None:
    rendered = [*bootstrap(target), *(sql for m in available() for sql in m.rendered(target))]
    assert not [sql for sql in rendered if "${" in sql]
    assert all(("ON CLUSTER" in sql) == (target.cluster is not None) for sql in rendered)


def test_every_table_behind_the_landing_tables_forgets_no_block() -> None:
    """A retry must be a no-op along the whole chain, not only at its first table."""
    rendered = [sql for m in available() for sql in m.rendered(ALONE)]
    # Null keeps nothing; what a Join table or a view's own build holds is never inserted twice.
    keeps_nothing = ("ENGINE = Null", "ENGINE = Join", "_builds (")
    tables = [
        sql
        for sql in rendered
        if sql.startswith("CREATE TABLE") and not any(mark in sql for mark in keeps_nothing)
    ]
    assert tables
    assert all("non_replicated_deduplication_window" in sql for sql in tables)


def test_every_shipped_statement_can_be_run_twice() -> None:
    rendered = [*bootstrap(ALONE), *(sql for m in available() for sql in m.rendered(ALONE))]
    assert not [sql for sql in rendered if " IF NOT EXISTS " not in sql]


def test_what_spans_shards_exists_only_on_a_cluster() -> None:
    statement = "${distributed:llm_calls cityHash64(trace_id)}"
    assert render(statement, ALONE) == ""
    sql = render(statement, CLUSTER)
    assert sql.endswith(f"ENGINE = Distributed('{CLUSTER.cluster}', '{CLUSTER.database}', llm_calls, cityHash64(trace_id))")  # fmt: skip  # noqa: E501
    assert render("FROM calls${all}", ALONE) == "FROM calls"
    assert render("FROM calls${all}", CLUSTER) == "FROM calls_all"
