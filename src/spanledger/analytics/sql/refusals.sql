-- What the guard refused in one trace, with the numbers that it decided by.
SELECT
    d.span_id AS span_id,
    d.reason AS reason,
    d.rule AS rule,
    d.scope AS scope,
    d.metric AS metric,
    d.budget_window AS budget_window,
    d.limit_amount AS limit_amount,
    d.spent_amount AS spent_amount,
    d.reserved_amount AS reserved_amount,
    d.asked_amount AS asked_amount
FROM decisions AS d
WHERE d.trace_id = {trace_id:String} AND d.decision = 'refused'
ORDER BY d.ts, d.decision_id
