"""The registry: what models are told of tools, what they may give, and what comes of it."""

import asyncio
import enum
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger import guard, semconv, track
from spanledger.guard import Budget, BudgetExceeded, Guard, Policy
from spanledger.testing.spans import SpanCapture
from spanledger.track import tokens
from spanledger.track.tools import InvalidArguments, Registry, UnknownTool, permit


class Unit(enum.Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


@dataclass
class Place:
    city: Annotated[str, "a city"]
    near: list[str] = field(default_factory=list)
    radius_km: float = 1.0

    def __post_init__(self) -> None:
        if self.radius_km < 0:
            raise ValueError("a radius is not negative")


class Options(TypedDict):
    lang: str
    limit: NotRequired[int]


@dataclass
class Circle:
    inner: "Circle | None" = None


def weather(
    place: Place,
    unit: Unit = Unit.CELSIUS,
    when: Literal["now", "today"] = "now",
    options: Options | None = None,
    words: tuple[int, str] = (1, "a"),
    tags: set[str] | None = None,
    extra: dict[str, float] | None = None,
    anything: Any = None,
) -> str:
    """How the weather is.

    It is read from a table.

    Args:
        place: where it is asked for.
        when (str): at what time;
            no other is known.

    Returns:
        place: one word.
    """
    return f"{type(place).__name__} {unit} {when} {options} {words} {tags} {extra} {anything}"


@pytest.fixture
def desk() -> Registry:
    return Registry().add(weather)


# --- descriptions ---------------------------------------------------------------------------


def test_a_schema_is_made_of_type_hints_and_words(desk: Registry) -> None:
    spec = desk.get("weather")
    assert spec.description == "How the weather is."
    properties = spec.parameters["properties"]
    assert spec.parameters["required"] == ["place"]
    assert spec.parameters["additionalProperties"] is False
    assert properties["place"] == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "a city"},
            "near": {"type": "array", "items": {"type": "string"}},
            "radius_km": {"type": "number", "default": 1.0},
        },
        "required": ["city"],
        "additionalProperties": False,
        "description": "where it is asked for.",
    }
    assert properties["unit"] == {"type": "string", "enum": ["celsius", "kelvin"]}
    assert properties["when"] == {
        "type": "string",
        "enum": ["now", "today"],
        "default": "now",
        "description": "at what time; no other is known.",
    }
    assert properties["options"]["anyOf"][0]["required"] == ["lang"]
    assert properties["words"]["prefixItems"] == [{"type": "integer"}, {"type": "string"}]
    assert properties["tags"]["anyOf"][0]["uniqueItems"] is True
    assert properties["extra"]["anyOf"][0]["additionalProperties"] == {"type": "number"}
    assert properties["anything"] == {"default": None}


def test_schemas_come_in_the_forms_of_the_providers(desk: Registry) -> None:
    parameters = desk.get("weather").parameters
    named = {"name": "weather", "description": "How the weather is."}
    (openai,) = desk.schemas()
    assert openai == {"type": "function", "function": {**named, "parameters": parameters}}
    (responses,) = desk.schemas("openai-responses")
    assert responses == {"type": "function", **named, "parameters": parameters}
    (anthropic,) = desk.schemas("anthropic")
    assert anthropic == {**named, "input_schema": parameters}
    json.dumps(openai)
    openai["function"]["parameters"].clear()
    assert desk.get("weather").parameters
    with pytest.raises(ValueError, match="openai, openai-responses, anthropic"):
        desk.schemas("smoke")  # type: ignore[arg-type]  # that is the point


def test_tools_are_selected_by_category_tag_and_permission() -> None:
    desk = Registry()

    @desk.tool(category="files", tags=("disk",), permission="write")
    def delete(name: str) -> None: ...

    @desk.tool(category="files", tags=("disk", "safe"), permission="read")
    def show(name: str) -> None: ...

    @desk.tool(category="web")
    def fetch(url: str) -> None: ...

    def names(**by: Any) -> list[str]:
        return [spec.name for spec in desk.select(**by)]

    assert names() == ["delete", "show", "fetch"]
    assert names(category="files") == ["delete", "show"]
    assert names(tag="safe") == ["show"]
    assert names(permission="read") == ["show", "fetch"]
    assert names(category="files", permission="read") == ["show"]
    desk.remove("show")
    assert names(category="files") == ["delete"]


def test_methods_partials_and_callables_can_be_registered() -> None:
    class Desk:
        def look(self, word: str) -> str:
            return word

        def __call__(self, number: int) -> int:
            return number

    def add(a: int, b: int) -> int:
        return a + b

    desk = Registry().add(Desk().look, functools.partial(add, b=2), Desk())
    assert desk.get("look").parameters["properties"] == {"word": {"type": "string"}}
    assert desk.call("look", {"word": "x"}).value == "x"
    assert desk.call("add", {"a": 1}).value == 3
    assert desk.call("Desk", {"number": 7}).value == 7


def test_a_schema_and_a_description_can_be_given() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string"}}}
    desk = Registry()

    @desk.tool(name="any", description="Anything.", schema=schema)
    def anything(**given: Any) -> Any:
        return given

    spec = desk.get("any")
    assert (spec.description, spec.parameters) == ("Anything.", schema)
    assert desk.call("any", {"y": 1}).value == {"y": 1}


def test_pydantic_models_describe_and_check_themselves() -> None:
    pydantic = pytest.importorskip("pydantic")
    inner = pydantic.create_model("Inner", n=(int, ...))
    order = pydantic.create_model("Order", id=(str, ...), inner=(inner, ...))

    def place_order(order: Any) -> Any:
        return order

    place_order.__annotations__["order"] = order
    desk = Registry().add(place_order)
    parameters = desk.get("place_order").parameters
    assert "Inner" in parameters["$defs"]
    assert "$defs" not in parameters["properties"]["order"]
    result = desk.call("place_order", {"order": {"id": "7", "inner": {"n": 1}}})
    assert isinstance(result.unwrap(), order)
    assert "order" in desk.call("place_order", {"order": {"id": "7"}}).error


def _unknown(thing: range) -> None: ...
def _positional(a: int, /) -> None: ...
def _many(*all_of_them: int) -> None: ...
def _circle(circle: Circle) -> None: ...
def _keys(numbers: dict[int, str]) -> None: ...
def _values(value: Literal[b"x"]) -> None: ...
def _generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (_unknown, "range has no counterpart"),
        (_positional, "has no name"),
        (_many, "has no name"),
        (_circle, "holds itself"),
        (_keys, "keys that are no texts"),
        (_values, "not all values that JSON knows"),
        (_generator, "is a generator"),
    ],
)
def test_what_has_no_schema_is_refused_when_it_is_registered(function: Any, error: str) -> None:
    with pytest.raises(TypeError, match=error):
        Registry().add(function)


def test_a_name_is_taken_once(desk: Registry) -> None:
    with pytest.raises(ValueError, match="already"):
        desk.add(weather)


# --- arguments ------------------------------------------------------------------------------


def test_arguments_are_read_into_what_the_hints_ask_for(desk: Registry) -> None:
    result = desk.call(
        "weather",
        json.dumps(
            {
                "place": {"city": "Bern", "radius_km": 3},
                "unit": "kelvin",
                "options": {"lang": "de"},
                "words": [2, "b"],
                "tags": ["x"],
                "extra": {"a": 1},
                "anything": [None],
            }
        ),
    )
    assert (
        result.unwrap() == "Place Unit.KELVIN now {'lang': 'de'} (2, 'b') {'x'} {'a': 1.0} [None]"
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be an object"),
        ({}, "place: is missing"),
        ({"place": {}}, "place.city: is missing"),
        ({"place": {"city": 3}}, "place.city: must be a text, not 3"),
        ({"place": {"city": "x", "near": [1]}}, r"place.near\[0\]: must be a text"),
        ({"place": {"city": "x", "radius_km": True}}, "must be a number, not True"),
        ({"place": {"city": "x", "radius_km": -1}}, "a radius is not negative"),
        ({"place": {"city": "x"}, "unit": "ell"}, "must be one of 'celsius', 'kelvin'"),
        ({"place": {"city": "x"}, "words": [1]}, "must have 2 items, not 1"),
        ({"place": {"city": "x"}, "tags": [[]]}, "must be a text, not .. or tags: must be null"),
        ({"place": {"city": "x"}, "colour": 1}, "colour: is not known; there are place, unit"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_and_say_where(
    desk: Registry, captured_spans: SpanCapture, arguments: Any, error: str
) -> None:
    """The tool is not called; its span says so."""
    result = desk.call("weather", arguments)
    assert not result.success
    with pytest.raises(InvalidArguments, match=error):
        result.unwrap()
    (span,) = captured_spans.named("execute_tool weather")
    assert span["attributes"][semconv.ERROR_TYPE] == "InvalidArguments"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["place", "unit", "words", "tags", "x"]), JSON))
def test_no_arguments_make_the_registry_raise(arguments: Mapping[str, Any]) -> None:
    desk = Registry().add(weather)
    result = desk.call("weather", arguments)
    assert result.success == (result.exception is None)
    assert result.success or isinstance(result.exception, InvalidArguments)
    json.dumps(result.as_dict())


# --- results --------------------------------------------------------------------------------


def test_a_result_says_how_long_it_took_and_what_it_used() -> None:
    desk = Registry()

    @desk.tool()
    def read(text: str) -> int:
        return tokens.track_text(text)

    result = desk.call("read", {"text": "The quick brown fox"})
    assert result[:4] == ("read", True, 4, "")
    assert result.tokens == 4
    assert result.duration_s > 0


def test_errors_refusals_and_unknown_tools_are_results() -> None:
    desk = Registry()

    @desk.tool(permission="write")
    def fail(word: str = "") -> None:
        raise LookupError(f"no {word}")

    before = guard.current()
    try:
        guard.use(Guard(Policy((Budget("one", "calls", 1, scope="tool"),))))
        assert desk.call("fail", {"word": "page"}).error == "LookupError: no page"
        assert isinstance(desk.call("fail").exception, BudgetExceeded)
    finally:
        guard.use(before)
    with permit("read"):
        assert desk.call("fail").error.startswith("PermissionDenied: the tool 'fail' needs")
    with pytest.raises(UnknownTool, match="there is no tool 'guess'; there are fail"):
        desk.call("guess").unwrap()


def test_coroutines_are_awaited_and_functions_block_nobody() -> None:
    desk = Registry()

    @desk.tool()
    async def later(word: str) -> str:
        await asyncio.sleep(0)
        return word

    @desk.tool()
    def who() -> str | None:
        return track.current_scope().session

    async def both() -> Sequence[Any]:
        with track.session("s"):
            return (await desk.acall("later", {"word": "x"})).value, (await desk.acall("who")).value

    assert asyncio.run(both()) == ("x", "s")
    assert "await `acall`" in desk.call("later", {"word": "x"}).error


# --- chains ---------------------------------------------------------------------------------


@pytest.fixture
def mill() -> Registry:
    def fetch(url: str) -> Place:
        return Place(url)

    def name(place: Place, upper: bool = False) -> str:
        return place.city.upper() if upper else place.city

    def fail(word: str) -> str:
        raise ValueError(f"not {word}")

    return Registry().add(fetch, name, fail)


def test_a_chain_hands_values_on_and_is_a_tree(mill: Registry, captured_spans: SpanCapture) -> None:
    result = mill.chain(["fetch", ("name", {"upper": True})], {"url": "bern"})
    assert result.unwrap() == "BERN"
    assert [step.tool for step in result.steps] == ["fetch", "name"]
    assert (
        captured_spans.tree()
        == """\
tool_chain fetch
├── execute_tool fetch
└── execute_tool name"""
    )
    (chain,) = captured_spans.named("tool_chain fetch")
    assert chain["attributes"][semconv.TOOL_CHAIN] == ["fetch", "name"]


def test_a_chain_ends_at_the_first_failure(mill: Registry, captured_spans: SpanCapture) -> None:
    result = asyncio.run(mill.achain(["fetch", "name", "fail", "name"], {"url": "bern"}))
    assert not result.success
    assert result.error == "ValueError: not bern"
    assert len(result.steps) == 3
    (chain,) = captured_spans.named("tool_chain fetch")
    assert chain["attributes"][semconv.ERROR_TYPE] == "ValueError"
    with pytest.raises(ValueError, match="not bern"):
        result.unwrap()


def test_a_chain_of_unknown_tools_or_none_is_refused_before_anything_runs(mill: Registry) -> None:
    with pytest.raises(UnknownTool):
        mill.chain(["fetch", "guess"], {"url": "x"})
    with pytest.raises(ValueError, match="at least one step"):
        mill.chain([])
