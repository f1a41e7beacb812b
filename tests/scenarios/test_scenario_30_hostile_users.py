"""User ids as an attacker would choose them. (What the warehouse does with them: elsewhere.)"""

from pathlib import Path

import pytest

from spanledger import track
from spanledger.guard import Budget, BudgetExceeded, Policy, Store
from spanledger.guard import Guard as AnyGuard
from spanledger.testing.providers import MockProvider
from tests.gate._gate import gated
from tests.scenarios._shared import DEMO, ask, books, client, held_by, used

USERS = {
    "sql": "'; DROP TABLE counters; --",
    "wildcards": "%_*?[a-z]",
    "10 KB": "u" * 10_240,
    "NUL": "a\0b",
    "right to left": "\u202eadmin\u202c",
    "half a surrogate": "\ud800",
    "line breaks": "a\r\nDEL x\r\n",
    "separators": "a/b:c|{d}",
    "blank": " ",
}


@pytest.mark.parametrize("user", USERS)
def test_scenario_30_a_hostile_user_id_is_stored_as_it_is_and_counted_apart(
    provider: MockProvider, any_store: Store, user: str
) -> None:
    provider.on(DEMO, used(5))
    policy = Policy((Budget("each", "calls", 1, scope="user"),))
    with held_by(provider, AnyGuard(policy, store=any_store)):
        for name in (USERS[user], "somebody else"):
            with track.user(name):
                ask(client(provider))
                with pytest.raises(BudgetExceeded) as refused:
                    ask(client(provider))
            assert refused.value.scope in {f"user {shown}" for shown in _written(name)}
        counted = books()
        assert set(counted.values()) == {(1, 0)}
        (name,) = {value for _rule, value in counted} - {"somebody else"}
        assert name in _written(USERS[user])
    assert provider.calls() == 2


def _written(name: str) -> set[str]:
    """As it is. Half a surrogate is no text: SQLite can only keep it spelled out."""
    return {name, name.encode("utf-8", "backslashreplace").decode()}


@pytest.mark.parametrize("pattern", ["ada*", "*"])
def test_scenario_30_a_user_id_is_no_pattern(
    provider: MockProvider, demo_prices: Path, pattern: str
) -> None:
    """Patterns stand in rules, not in names."""
    provider.on(DEMO, used(5))
    rule = Budget("ada", "calls", 1, scope="user", match=(("user", "ada"),))
    with held_by(provider, AnyGuard(Policy((rule,)))):
        with track.user(pattern):
            ask(client(provider))
        assert books() == {}


def test_scenario_30_more_users_than_there_is_room_for_share_one_counter_and_one_limit(
    provider: MockProvider,
) -> None:
    """So that made-up ids neither fill the memory nor get around the limit."""
    provider.on(DEMO, used(5))
    policy = Policy((Budget("each", "calls", 2, scope="user"),))
    scopes: list[str] = []
    with gated(provider, policy, guard__max_values=10):
        for number in range(30):
            with track.user(f"made-up-{number}"):
                try:
                    ask(client(provider))
                except BudgetExceeded as refusal:
                    scopes.append(refusal.scope)
        assert scopes == ["user (overflow)"] * 18
        assert len(books()) == 11
        assert books()["each", "(overflow)"] == (2, 0)
        with track.user("made-up-3"):
            ask(client(provider))  # who has a counter keeps it
    assert provider.calls() == 13
