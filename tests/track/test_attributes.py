"""Attributes of one's own, and the tool that runs, for rules that ask for them."""

from spanledger.track import attributes, current_scope, session, tool


def test_attributes_hold_inside_and_only_there() -> None:
    with attributes(team="search", tier="gold"), attributes(tier="free"):
        assert dict(current_scope().attributes) == {"team": "search", "tier": "free"}
    assert dict(current_scope().attributes) == {}


def test_a_session_inside_keeps_the_attributes() -> None:
    with attributes(team="search"), session("s"):
        assert current_scope().attributes["team"] == "search"


def test_inside_a_tool_its_name_is_known() -> None:
    """So that budgets can count what model calls inside of it use."""

    @tool
    def research() -> str | None:
        return current_scope().tool

    assert research() == "research"
    assert current_scope().tool is None
