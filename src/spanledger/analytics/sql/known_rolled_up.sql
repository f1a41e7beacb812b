-- Names of agents, models … that calls have, or one of them.
SELECT
    multiIf(
        {by:String} = 'service', toString(d.service),
        {by:String} = 'agent', toString(d.agent),
        {by:String} = 'operation', toString(d.operation),
        {by:String} = 'provider', toString(d.provider),
        toString(d.model)) AS name
FROM cost_daily AS d
WHERE name != '' AND ({every:Bool} OR name = {name:String})
GROUP BY name
ORDER BY sum(d.calls) DESC, name
LIMIT {limit:UInt32}
