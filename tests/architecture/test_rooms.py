"""Who may import whom."""

from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.architecture._imports import (
    REPOSITORY,
    ROOTS,
    imported,
    modules,
    public_names,
    room_of,
    rooms,
)

EVERYTHING = frozenset({"*"})
#: Rooms and what they may import beside `config`, `lean` and `semconv`, which are open to all.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "lean": frozenset(),
    "semconv": frozenset(),
    "config": frozenset(),
    "usage": frozenset(),
    "pricing": frozenset({"usage"}),
    "guard": frozenset({"usage", "pricing"}),
    "track": frozenset({"guard", "usage", "pricing"}),
    "processors": frozenset({"guard", "health", "usage", "pricing", "track", "history"}),
    "instrumentation": frozenset({"guard", "health", "usage", "pricing", "processors", "track"}),
    "recovery": frozenset({"guard", "track"}),
    "history": frozenset({"track", "warehouse"}),
    "context": frozenset({"usage", "pricing", "track", "warehouse"}),
    "health": frozenset({"guard", "track"}),
    "warehouse": frozenset(),
    "stack": frozenset({"health", "warehouse"}),
    "analytics": frozenset({"warehouse"}),
    "cli": EVERYTHING,
    "mcp_server": EVERYTHING,
    "testing": frozenset(),
}
OPEN_TO_ALL = frozenset({"config", "lean", "semconv"})


def _imported_rooms(path: Path) -> list[tuple[int, str]]:
    return [
        (line, room_of(name))
        for line, name in imported(path)
        if name.startswith("spanledger.") and name.count(".") >= 1
    ]


def test_no_root_has_an_init_file_that_would_hide_the_other_roots() -> None:
    """One file there, and two thirds of the package can't be imported any more."""
    assert not [root for root in ROOTS if (root / "spanledger" / "__init__.py").exists()]


def test_every_room_on_disk_stands_in_the_table() -> None:
    """A new room needs a line that says what it may import."""
    assert {room.name for room in rooms()} <= MAY_IMPORT.keys()


def test_rooms_import_only_what_their_line_of_the_table_allows() -> None:
    """Imports go down, in every module and every function."""
    wrong = []
    for module, path in modules():
        room = room_of(module)
        allowed = MAY_IMPORT[room] | OPEN_TO_ALL | {room}
        wrong += [
            f"{path.relative_to(REPOSITORY)}:{line} imports spanledger.{other}"
            for line, other in _imported_rooms(path)
            if other not in allowed and "*" not in allowed
        ]
    assert wrong == []


def test_no_circle_runs_through_the_rooms() -> None:
    """`TopologicalSorter.prepare` raises `CycleError` with the circle, if there is one."""
    graph: dict[str, set[str]] = {}
    for module, path in modules():
        room = room_of(module)
        others = {other for _, other in _imported_rooms(path)} - {room}
        graph.setdefault(room, set()).update(others)
    TopologicalSorter(graph).prepare()
    assert {"guard", "instrumentation", "processors", "track"} <= graph.keys()


def test_imports_are_absolute() -> None:
    """Else the table above would not see them."""
    relative = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for _, path in modules()
        for line, name in imported(path)
        if name.startswith(".")
    ]
    assert relative == []


@pytest.mark.parametrize("room", rooms(), ids=lambda room: str(room.name))
def test_a_room_is_typed(room: Path) -> None:
    """Type checkers of users look for this file."""
    assert (room / "py.typed").is_file()


@pytest.mark.parametrize("room", rooms(), ids=lambda room: str(room.name))
def test_a_room_that_offers_names_lists_them(room: Path) -> None:
    """The surface of a room is its `__all__`."""
    init = room / "__init__.py"
    if any(name.startswith("spanledger.") for _, name in imported(init)):
        assert public_names(init)


def _by_kind(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions: the order in which imports are sorted too."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def test_public_names_are_sorted_and_listed_once() -> None:
    """So that two branches add names without a conflict, and a reader finds them."""
    wrong = []
    for module, path in modules():
        names = public_names(path)
        if names is not None and names != sorted(set(names), key=_by_kind):
            wrong.append(module)
    assert wrong == []
