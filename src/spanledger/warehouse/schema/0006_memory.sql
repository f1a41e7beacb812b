-- What agents remember for longer than a process or a machine: the long tier of
-- `spanledger.context.memory`. It holds content, so nothing is ever written here unless a program
-- opens that tier, no view shows it, and the reader of dashboards may not read it.
--
-- Rows of one user lie together: every question names its user, and forgetting a user touches
-- few parts. A changed memory is the same identity with a higher revision.
CREATE TABLE IF NOT EXISTS ${database}.memories ${on_cluster} (
    user_id String CODEC(ZSTD(1)),
    id String CODEC(ZSTD(1)),
    content String CODEC(ZSTD(3)),
    words Array(String) COMMENT 'of the content, as searches compare them' CODEC(ZSTD(1)),
    tags Array(LowCardinality(String)) CODEC(ZSTD(1)),
    importance Float64 COMMENT '0 to 1' CODEC(ZSTD(1)),
    created_at DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    used_at DateTime64(6, 'UTC') COMMENT 'written, found or merged' CODEC(ZSTD(1)),
    uses UInt32 COMMENT 'times it was found' CODEC(ZSTD(1)),
    merged UInt32 COMMENT 'how many near-duplicates it stands for, itself included' CODEC(ZSTD(1)),
    revision UInt64 COMMENT 'microseconds since 1970 when it was written' CODEC(ZSTD(1)),
    INDEX idx_words words TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX idx_tags tags TYPE bloom_filter(0.01) GRANULARITY 4
) ENGINE = ${engine:ReplacingMergeTree(revision)}
ORDER BY (user_id, id)
SETTINGS index_granularity = 1024, ${deduplication};

${distributed:memories cityHash64(user_id)};
