-- Actions whose vectors are nearest in direction to the given one: 1 is the same, 0 has nothing
-- to do with it. Vectors of another length are of another model under the same name.
SELECT
    v.trace_id AS trace_id, v.span_id AS span_id, toUnixTimestamp64Micro(v.ts) AS at_us,
    1 - cosineDistance(v.vector, {vector:Array(Float32)}) AS score
FROM action_vectors AS v FINAL
WHERE v.embedder = {embedder:String} AND v.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    AND ({session:String} = '' OR v.session_id = {session:String})
    AND length(v.vector) = length({vector:Array(Float32)})
ORDER BY score DESC, at_us DESC
LIMIT {limit:UInt32}
