-- Which of these actions have a vector of this embedder.
SELECT DISTINCT v.trace_id AS trace_id, v.span_id AS span_id
FROM action_vectors AS v
WHERE v.embedder = {embedder:String} AND v.trace_id IN {trace_ids:Array(String)}
    AND v.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
