"""Small tables: log records, costs under other names."""

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from spanledger.processors.cost_alias import cost_alias
from spanledger.processors.records import Record, encode_records


def test_a_record_is_encoded_with_the_type_of_each_value() -> None:
    """Numbers must not become texts on the way to the warehouse."""
    record = Record(
        5,
        "name",
        "body",
        False,
        {"flag": True, "whole": 2**40, "part": 0.5, "list": ["a", 1], "text": "x"},
        trace_id=7,
        span_id=9,
    )
    encoded = encode_records([record], {"service.name": "app"}, dict, str)
    block = ExportLogsServiceRequest.FromString(encoded).resource_logs[0]
    log = block.scope_logs[0].log_records[0]
    values = {pair.key: pair.value for pair in log.attributes}
    assert values["flag"].bool_value is True
    assert values["whole"].int_value == 2**40
    assert values["part"].double_value == 0.5
    assert [v.WhichOneof("value") for v in values["list"].array_value.values] == [
        "string_value",
        "int_value",
    ]
    assert values["text"].string_value == "x"
    assert (log.trace_id.hex(), log.span_id.hex()) == (f"{7:032x}", f"{9:016x}")
    assert (log.severity_text, log.time_unix_nano, log.event_name) == ("INFO", 5, "name")


def test_a_record_outside_of_every_span_has_no_ids() -> None:
    """Not zeros, which would be invalid ids."""
    encoded = encode_records([Record(1, "n", "b", True, {})], {}, dict, str)
    log = ExportLogsServiceRequest.FromString(encoded).resource_logs[0].scope_logs[0].log_records[0]
    assert (log.trace_id, log.span_id) == (b"", b"")


@pytest.mark.parametrize(
    ("provenance", "source"), [("provider", "provider"), ("computed", "local")]
)
def test_a_cost_has_the_proposed_names_too(provenance: str, source: str) -> None:
    """In dollars, as those have it."""
    assert cost_alias(1_500_000_000, provenance) == {
        "gen_ai.usage.cost.amount": 1.5,
        "gen_ai.usage.cost.currency": "USD",
        "gen_ai.usage.cost.source": source,
    }
