"""One tool of a registry: what it is called, what it takes, and the call itself."""

import copy
import functools
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

from spanledger.track._described import Described
from spanledger.track._kinds import kind_of
from spanledger.track._options import Options
from spanledger.track._tool_errors import InvalidArguments
from spanledger.track.tools import _docs
from spanledger.track.tools._reading import Unfit, read_fields
from spanledger.track.tools._schema import Schema, Schemas
from spanledger.track.tools._types import NO_DEFAULT, Field

Form = Literal["openai", "openai-responses", "anthropic"]

_NOT_NAMED = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


class ToolSpec(NamedTuple):
    """A tool as a registry knows it."""

    name: str
    description: str
    parameters: Schema
    """JSON schema of its arguments."""
    function: Callable[..., Any]
    category: str | None
    options: Options
    is_async: bool
    fields: tuple[Field, ...] | None
    """Its parameters by their hints; None if the schema was given."""

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        made: Described,
        description: str | None,
        schema: Mapping[str, Any] | None,
    ) -> "ToolSpec":
        """Raises `TypeError` for what can't be called by name with values of JSON's kinds."""
        if (kind := kind_of(function)) not in {"plain", "coroutine"}:
            raise TypeError(f"the tool {made.name!r} is a generator; a registry calls functions")
        fields = None if schema is not None else _fields(function, made)
        found = copy.deepcopy(dict(schema)) if schema is not None else _schema(made, fields or ())
        words = description if description is not None else _docs.description(made.function)
        asynchronous = kind == "coroutine"
        return cls(
            made.name, words, found, function, made.category, made.options, asynchronous, fields
        )

    def schema(self, form: Form) -> Schema:
        """As a provider wants it in the list of tools. Raises `ValueError` for another form."""
        said = {"name": self.name, "description": self.description}
        if form == "anthropic":
            return {**said, "input_schema": copy.deepcopy(self.parameters)}
        said_all = {**said, "parameters": copy.deepcopy(self.parameters)}
        if form == "openai":
            return {"type": "function", "function": said_all}
        if form == "openai-responses":
            return {"type": "function", **said_all}
        raise ValueError(f"{form!r} is no form; there are {', '.join(get_args(Form))}")

    def read(self, arguments: Mapping[str, Any] | str | None) -> dict[str, Any]:
        """Arguments as a model gives them, JSON text or a table. Raises `InvalidArguments`."""
        given = self._table(arguments)
        if self.fields is None:
            return dict(given)
        try:
            return read_fields(self.fields, given)
        except Unfit as error:
            raise InvalidArguments(self.name, str(error)) from None

    def _table(self, arguments: Mapping[str, Any] | str | None) -> Mapping[str, Any]:
        found: Any = arguments
        if isinstance(arguments, str):
            try:
                found = json.loads(arguments or "{}")
            except (ValueError, RecursionError) as error:
                raise InvalidArguments(self.name, f"not valid JSON: {error}") from None
        if found is None:
            return {}
        if not isinstance(found, Mapping):
            raise InvalidArguments(self.name, "must be an object with the arguments by name")
        return found


def _fields(function: Callable[..., Any], made: Described) -> tuple[Field, ...]:
    if made.has_self:
        raise TypeError(f"the tool {made.name!r} is a method: register it of an object")
    hints = _hints(made)
    named = inspect.signature(function).parameters.values()
    return tuple(_field(made.name, one, hints) for one in named)


def _hints(made: Described) -> dict[str, Any]:
    """Of the function itself: wrappers and partial ones have none of their own."""
    inner: Any = made.function
    while isinstance(inner, functools.partial):
        inner = inner.func
    if not inspect.isroutine(inner) and not isinstance(inner, type):
        inner = type(inner).__call__
    try:
        return get_type_hints(inner, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"a type hint of the tool {made.name!r} can't be read ({error}); import the name "
            "outside of TYPE_CHECKING, or give `schema=`"
        ) from None


def _field(tool: str, one: inspect.Parameter, hints: Mapping[str, Any]) -> Field:
    if one.kind in _NOT_NAMED:
        raise TypeError(f"the tool {tool!r} takes {one}: that has no name; give `schema=`")
    required = one.default is inspect.Parameter.empty
    default = NO_DEFAULT if required else one.default
    return Field(one.name, hints.get(one.name, Any), required, default)


def _schema(made: Described, fields: tuple[Field, ...]) -> Schema:
    schemas = Schemas()
    try:
        found = schemas.object(fields, _docs.parameters(made.function))
    except TypeError as error:
        raise TypeError(f"the tool {made.name!r}: {error}") from None
    return {**found, "$defs": schemas.defs} if schemas.defs else found
