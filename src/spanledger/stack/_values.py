"""OTLP values as strings, the way the Collector writes them into ClickHouse. Pure.

Scalars are written plainly, bytes in base64, arrays and maps as compact JSON with sorted keys;
numbers follow ECMAScript's rule. Rows written by either can then be told apart by nothing.
"""

import base64
import json
import math
from collections.abc import Iterable
from typing import Any, Final

Pairs = list[tuple[str, str]]

# What Go's JSON encoder escapes beyond the standard.
_ESCAPES: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def text_of(value: Any) -> str:
    """The string form of an OTLP ``AnyValue``; empty if it holds nothing."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return str(value.string_value)
    if kind == "int_value":
        return str(value.int_value)
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "double_value":
        return _double(value.double_value)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return "" if kind is None else _json_text(value)


def pairs_of(attributes: Iterable[Any]) -> Pairs:
    """Keys and string values of OTLP ``KeyValue`` messages, in their order."""
    return [
        (
            item.key,
            item.value.string_value if item.value.HasField("string_value") else text_of(item.value),
        )
        for item in attributes
    ]


def service_name(resource: Pairs) -> str:
    """The value of ``service.name``, or the empty string."""
    return next((value for key, value in resource if key == "service.name"), "")


def _double(value: float) -> str:
    if math.isnan(value):
        return "json: unsupported value: NaN"
    if math.isinf(value):
        return f"json: unsupported value: {'+' if value > 0 else '-'}Inf"
    return _number(value)


def _number(value: float) -> str:
    mantissa, _, exponent = repr(value).partition("e")
    mantissa = mantissa.removesuffix(".0")
    if value != 0 and not 1e-6 <= abs(value) < 1e21:
        return f"{mantissa}e{int(exponent):+d}"
    return _shifted(mantissa, int(exponent)) if exponent else mantissa


def _shifted(mantissa: str, exponent: int) -> str:
    """*mantissa* (one digit before the point) times ten to *exponent*, without an exponent."""
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{whole}{fraction}"
    return sign + whole + fraction.ljust(exponent, "0")


def _json_text(value: Any) -> str:
    try:
        return _json(value)
    except ValueError:
        return ""  # a NaN or infinity inside: JSON has no form for it


def _json(value: Any) -> str:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return f"[{','.join(map(_json, value.array_value.values))}]"
    if kind == "kvlist_value":
        members = {item.key: item.value for item in value.kvlist_value.values}
        return "{" + ",".join(f"{_quoted(k)}:{_json(members[k])}" for k in sorted(members)) + "}"
    if kind is None:
        return "null"
    if kind == "double_value" and not math.isfinite(value.double_value):
        raise ValueError(kind)
    text = text_of(value)
    return _quoted(text) if kind in ("string_value", "bytes_value") else text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPES)
