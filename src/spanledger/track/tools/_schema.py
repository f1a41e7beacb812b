"""JSON schemas from type hints. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spanledger.track.tools._types import SCALARS, Field, Shape, shape_of

Schema = dict[str, Any]


class Schemas:
    """Makes the schemas of one tool; what foreign classes define on the side is in `defs`."""

    def __init__(self) -> None:
        self.defs: Schema = {}
        self._inside: list[Any] = []

    def of(self, hint: Any) -> Schema:
        """The schema of a hint. Raises `TypeError` for one that has none."""
        shape = shape_of(hint)
        if shape.kind != "object":
            found = self._of(shape)
        elif shape.hint in self._inside:
            raise TypeError(f"{shape.hint.__qualname__} holds itself; give `schema=`")
        else:
            self._inside.append(shape.hint)
            found = self.object(shape.fields)
            self._inside.pop()
        return {**found, "description": shape.description} if shape.description else found

    def _of(self, shape: Shape) -> Schema:
        if shape.kind == "scalar":
            return {"type": SCALARS[shape.hint]}
        if shape.kind in {"literal", "enum"}:
            return _of_values(shape.parts)
        if shape.kind in {"list", "tuple"}:
            return self._array(shape)
        return self._of_parts(shape)

    def _of_parts(self, shape: Shape) -> Schema:
        if shape.kind == "union":
            return self._any_of([self.of(part) for part in shape.parts])
        if shape.kind == "dict":
            return {"type": "object", "additionalProperties": self.of(shape.parts[0])}
        return self._foreign(shape.hint) if shape.kind == "foreign" else {}

    def _array(self, shape: Shape) -> Schema:
        items = [self.of(part) for part in shape.parts]
        if shape.kind == "tuple":
            many = len(items)
            return {"type": "array", "prefixItems": items, "minItems": many, "maxItems": many}
        unique = {"uniqueItems": True} if shape.make in {set, frozenset} else {}
        return {"type": "array", "items": items[0], **unique}

    def object(self, fields: Iterable[Field], words: Mapping[str, str] | None = None) -> Schema:
        """An object of these fields. `words` describes those that don't describe themselves."""
        properties: Schema = {}
        required = []
        for field in fields:
            found = self.of(field.hint)
            if words and field.name in words:
                found.setdefault("description", words[field.name])
            if field.default is None or type(field.default) in {str, int, float, bool}:
                found["default"] = field.default
            properties[field.name] = found
            if field.required:
                required.append(field.name)
        end = {"required": required} if required else {}
        return {
            "type": "object", "properties": properties, **end, "additionalProperties": False
        }  # fmt: skip

    def _any_of(self, schemas: Sequence[Schema]) -> Schema:
        if all(schema.keys() == {"type"} for schema in schemas):
            return {"type": [schema["type"] for schema in schemas]}
        return {"anyOf": list(schemas)}

    def _foreign(self, model: Any) -> Schema:
        found: Schema = dict(model.model_json_schema())
        self.defs.update(found.pop("$defs", {}))
        return found


def _of_values(values: Sequence[Any]) -> Schema:
    types = list(dict.fromkeys(SCALARS.get(type(value), "") for value in values))
    if "" in types:
        raise TypeError(f"{values} are not all values that JSON knows; give `schema=`")
    return {"type": types[0] if len(types) == 1 else types, "enum": list(values)}
