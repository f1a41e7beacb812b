"""Attribute values as strings. The expectations are what the Collector's exporter writes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    KeyValue,
    KeyValueList,
)

from spanledger.stack._values import pairs_of, service_name, text_of


def text(value: str) -> AnyValue:
    return AnyValue(string_value=value)


def listing(*values: AnyValue) -> AnyValue:
    return AnyValue(array_value=ArrayValue(values=values))


def mapping(**values: AnyValue) -> AnyValue:
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return AnyValue(kvlist_value=KeyValueList(values=pairs))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AnyValue(), ""),
        (text("plain <text> & \u2028"), "plain <text> & \u2028"),
        (AnyValue(int_value=-(2**63)), "-9223372036854775808"),
        (AnyValue(bool_value=True), "true"),
        (AnyValue(bool_value=False), "false"),
        (AnyValue(bytes_value=b"\x00\xff"), "AP8="),
        (listing(text("stop")), '["stop"]'),
        (
            listing(
                AnyValue(int_value=1),
                AnyValue(double_value=1.0),
                AnyValue(),
                AnyValue(bool_value=True),
            ),
            "[1,1,null,true]",
        ),
        (listing(text('a"b\\\n<&>\u2028é')), '["a\\"b\\\\\\n\\u003c\\u0026\\u003e\\u2028é"]'),
        (listing(AnyValue(bytes_value=b"\x00\xff")), '["AP8="]'),
        (listing(), "[]"),
        (mapping(b=AnyValue(int_value=1), a=listing(text("x"))), '{"a":["x"],"b":1}'),
        (mapping(), "{}"),
        (listing(AnyValue(double_value=math.nan)), ""),
    ],
)
def test_every_kind_of_value_has_the_exporter_s_text(value: AnyValue, expected: str) -> None:
    assert text_of(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.5, "0.5"),
        (-1.25, "-1.25"),
        (123456789.0, "123456789"),
        (1e20, "100000000000000000000"),
        (1.2345678901234567e20, "123456789012345670000"),
        (1.5e16, "15000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (1e-6, "0.000001"),
        (1.25e-5, "0.0000125"),
        (-3e-5, "-0.00003"),
        (9.99e-7, "9.99e-7"),
        (1e-7, "1e-7"),
        (5e-324, "5e-324"),
        (1e-10, "1e-10"),
        (math.nan, "json: unsupported value: NaN"),
        (math.inf, "json: unsupported value: +Inf"),
        (-math.inf, "json: unsupported value: -Inf"),
    ],
)
def test_doubles_follow_the_rule_of_javascript(value: float, expected: str) -> None:
    assert text_of(AnyValue(double_value=value)) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_double_reads_back_as_the_same_double(value: float) -> None:
    written = text_of(AnyValue(double_value=value))
    assert float(written) == value
    assert ("e" in written) == (value != 0 and not 1e-6 <= abs(value) < 1e21)


def test_pairs_keep_their_order_and_the_service_is_found() -> None:
    pairs = pairs_of(mapping(z=text("1"), **{"service.name": text("svc")}).kvlist_value.values)
    assert pairs == [("z", "1"), ("service.name", "svc")]
    assert service_name(pairs) == "svc"
    assert service_name([]) == ""
