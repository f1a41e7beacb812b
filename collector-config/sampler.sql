-- Where sampler.yaml writes: the whole traces that were kept. Same columns as otel_traces, no
-- materialised view behind it. In the database of the other tables:
--
--   clickhouse-client --database spanledger --multiquery < sampler.sql
--
-- To read a trace with its content where there is any, and without where there is none:
--   SELECT * FROM otel_traces_sampled WHERE TraceId = '…'
CREATE TABLE IF NOT EXISTS otel_traces_sampled AS otel_traces;

ALTER TABLE otel_traces_sampled MODIFY TTL toDateTime(Timestamp) + INTERVAL 30 DAY;
