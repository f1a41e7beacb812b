-- What the migrator itself stands on. Run before every migration; changes nothing that is there.
CREATE DATABASE IF NOT EXISTS ${database} ${on_cluster};

CREATE TABLE IF NOT EXISTS ${database}.schema_migrations ${on_cluster} (
    number UInt32,
    name String,
    checksum String,
    version String COMMENT 'of Spanledger, when the migration was applied',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ${engine_everywhere:ReplacingMergeTree(applied_at)}
ORDER BY number;
