"""Our dataclasses are made in less time; in all else they are the standard ones."""

import ast
import copy
import dataclasses
import importlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spanledger import lean


@lean.dataclass(frozen=True, slots=True)
class Frozen:
    """A value."""

    name: str
    limit: int = 3
    tags: list[str] = dataclasses.field(default_factory=list)


@lean.dataclass(slots=True)
class Counting:
    """Something that changes."""

    start: int
    seen: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.seen = self.start


@lean.dataclass(slots=True, eq=False)
class Alone:
    """Something that is equal to itself only."""

    number: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Standard:
    """`Frozen` as the standard decorator makes it."""

    name: str
    limit: int = 3
    tags: list[str] = dataclasses.field(default_factory=list)


ANY: Any = Frozen


@pytest.mark.parametrize(
    ("args", "given"),
    [(("a",), {}), (("a", 5), {}), (("a",), {"limit": 5}), ((), {"name": "a", "tags": ["x"]})],
)
def test_objects_are_made_as_the_standard_makes_them(
    args: tuple[Any, ...], given: dict[str, Any]
) -> None:
    ours, standard = Frozen(*args, **given), Standard(*args, **given)
    assert dataclasses.asdict(ours) == dataclasses.asdict(standard)
    assert repr(ours) == repr(standard).replace("Standard", "Frozen")
    assert [f.name for f in dataclasses.fields(ours)] == ["name", "limit", "tags"]


@pytest.mark.parametrize(
    ("args", "given"),
    [
        ((), {}),
        (("a", 1, [], "more"), {}),
        (("a",), {"name": "b"}),
        (("a",), {"unknown": 1}),
        (("a", 1), {"limit": 2}),
    ],
    ids=["missing", "too-many", "twice", "unknown", "twice-with-default"],
)
def test_arguments_that_fit_no_field_are_refused(
    args: tuple[Any, ...], given: dict[str, Any]
) -> None:
    for cls in (ANY, Standard):
        with pytest.raises(TypeError):
            cls(*args, **given)


def test_every_object_gets_a_default_of_its_own() -> None:
    assert Frozen("a").tags is not Frozen("a").tags


def test_a_frozen_object_can_not_be_changed() -> None:
    value: Any = Frozen("a")
    with pytest.raises(dataclasses.FrozenInstanceError, match="limit"):
        value.limit = 4
    with pytest.raises(dataclasses.FrozenInstanceError, match="limit"):
        del value.limit
    assert not hasattr(value, "__dict__")


def test_values_are_equal_by_what_they_hold_and_only_within_their_class() -> None:
    assert Frozen("a") == Frozen("a") != Frozen("b")
    assert ANY("a") != Standard("a")
    assert Counting(1) == Counting(1)
    assert Alone() != Alone()


def test_what_is_frozen_has_a_hash_and_what_changes_has_none() -> None:
    tags: Any = ()
    assert hash(Frozen("a", tags=tags)) == hash(Frozen("a", tags=tags))
    assert len({Alone(), Alone()}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Counting(1))


def test_replace_and_the_fields_that_are_not_given() -> None:
    assert dataclasses.replace(Frozen("a"), limit=9) == Frozen("a", 9)
    moved = Counting(1)
    moved.seen = 7
    assert dataclasses.replace(moved, start=2).seen == 2
    cls: Any = Counting
    with pytest.raises(TypeError):
        cls(1, seen=2)


@pytest.mark.parametrize("value", [Frozen("a", tags=["x"]), Counting(4)])
def test_values_can_be_copied_and_pickled(value: Any) -> None:
    assert copy.copy(value) == value == copy.deepcopy(value)
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - our own


def test_a_method_that_the_class_wrote_itself_stays() -> None:
    @lean.dataclass(frozen=True)
    class Secret:
        """Shows nothing."""

        key: str

        def __repr__(self) -> str:
            return "Secret(***)"

    assert repr(Secret("a")) == "Secret(***)"


# --- named tuples -----------------------------------------------------------------------------

_ROOTS = [Path(__file__).parents[2] / each for each in ("src", "instrumentation", "processors")]


def _makings() -> Iterator[tuple[str, ast.Call, ast.AST]]:
    """Every call of `lean.make`: its module, itself and the function around it."""
    for root in _ROOTS:
        for path in root.rglob("*.py"):
            text = path.read_text()
            if "spanledger.lean import" not in text or "make" not in text:
                continue
            module = ".".join(path.relative_to(root).with_suffix("").parts)
            tree = ast.parse(text)
            for around in ast.walk(tree):
                if isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
                    for node in ast.walk(around):
                        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "make":
                            yield module, node, around


def _tuple(node: ast.AST, around: ast.AST) -> ast.Tuple:
    """A tuple as it is written: there, or where its name is given in the same function."""
    if isinstance(node, ast.Name):
        (node,) = (
            each.value
            for each in ast.walk(around)
            if isinstance(each, ast.Assign) and getattr(each.targets[0], "id", "") == node.id
        )
    assert isinstance(node, ast.Tuple)
    return node


def _length(node: ast.Tuple, around: ast.AST) -> int:
    return sum(
        _length(_tuple(each.value, around), around) if isinstance(each, ast.Starred) else 1
        for each in node.elts
    )


def test_a_tuple_that_is_made_at_once_has_all_its_fields() -> None:
    """Nothing else looks: `tuple.__new__` takes as many values as it gets."""
    found = list(_makings())
    assert len(found) > 10
    for module, call, around in found:
        name, values = call.args
        assert isinstance(name, ast.Name)
        cls = getattr(importlib.import_module(module), name.id)
        assert _length(_tuple(values, around), around) == len(cls._fields), (module, name.id)
