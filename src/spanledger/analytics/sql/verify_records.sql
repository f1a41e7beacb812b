-- The provider calls that our gate and processors marked, by the id that the ledger knows them by.
WITH
    fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AS since,
    fromUnixTimestamp64Micro({until_us:Int64}, 'UTC') AS until
SELECT
    -- Where no gate saw the call, a processor billed its span, under the span's own ids.
    concat(if(s.SpanAttributes['spanledger.call.id'] = '', concat(s.TraceId, '-', s.SpanId), s.SpanAttributes['spanledger.call.id']), '/',
        if(s.SpanAttributes['spanledger.call.attempt'] = '', '1', s.SpanAttributes['spanledger.call.attempt'])) AS reservation_id,
    toInt64OrNull(any(s.SpanAttributes['spanledger.cost.nano_usd'])) AS cost_nano_usd,
    any(s.SpanAttributes['spanledger.cost.provenance']) AS provenance
FROM otel_traces AS s
WHERE s.Timestamp >= toDateTime64(since, 9, 'UTC') AND s.Timestamp < toDateTime64(until, 9, 'UTC')
    AND s.SpanAttributes['spanledger.billing'] IN ('call', 'attempt', 'unsent')
GROUP BY reservation_id
