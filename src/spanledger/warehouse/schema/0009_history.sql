-- What actions mean, for whoever searches them by meaning (`spanledger.history`, with an embedder):
-- one vector an action and embedder. Nothing is here unless a program writes it. A vector tells
-- much of the text it was made of: no view shows it, and the reader of dashboards may not read it.
CREATE TABLE IF NOT EXISTS ${database}.action_vectors ${on_cluster} (
    ts DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    embedder LowCardinality(String) CODEC(ZSTD(1)),
    vector Array(Float32) CODEC(ZSTD(1))
) ENGINE = ${engine:ReplacingMergeTree}
PARTITION BY toYYYYMM(toStartOfHour(ts))
ORDER BY (embedder, toStartOfHour(ts), trace_id, span_id)
SETTINGS index_granularity = 1024, ${deduplication};
