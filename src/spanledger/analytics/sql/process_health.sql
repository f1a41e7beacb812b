-- The last health and use of each process that told of it.
SELECT
    p.service AS service, p.pid AS pid, max(p.told_at) AS told_at,
    anyLastOrNullIf(p.last, p.metric = 'spanledger.health.score') AS score,
    anyLastOrNullIf(p.last, p.metric = 'process.cpu.utilization') AS cpu,
    toInt64(anyLastOrNullIf(p.last, p.metric = 'process.memory.usage')) AS memory_bytes,
    toInt64(anyLastOrNullIf(p.last, p.metric = 'process.thread.count')) AS threads,
    toInt64(anyLastOrNullIf(p.last, p.metric = 'process.unix.file_descriptor.count')) AS open_files
FROM
(
    SELECT
        toString(g.ServiceName) AS service, g.Attributes['process.pid'] AS pid, toString(g.MetricName) AS metric,
        argMax(g.Value, g.TimeUnix) AS last, max(g.TimeUnix) AS told_at
    FROM otel_metrics_gauge AS g
    WHERE g.ScopeName = 'spanledger.health' AND g.TimeUnix >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    GROUP BY service, pid, metric
    UNION ALL
    SELECT
        toString(s.ServiceName) AS service, s.Attributes['process.pid'] AS pid, toString(s.MetricName) AS metric,
        argMax(s.Value, s.TimeUnix) AS last, max(s.TimeUnix) AS told_at
    FROM otel_metrics_sum AS s
    WHERE s.ScopeName = 'spanledger.health' AND s.TimeUnix >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    GROUP BY service, pid, metric
) AS p
GROUP BY service, pid
ORDER BY score ASC NULLS LAST, service, pid
LIMIT {limit:UInt32}
