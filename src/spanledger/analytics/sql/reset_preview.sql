-- How many rows there are of a scope.
SELECT
    (SELECT count() FROM calls WHERE {by:String} = 'all' OR multiIf({by:String} = 'service', service, {by:String} = 'agent', agent, {by:String} = 'session', session_id, user_id) = {name:String}) AS calls,
    (SELECT count() FROM tools WHERE {by:String} = 'all' OR multiIf({by:String} = 'service', service, {by:String} = 'agent', agent, {by:String} = 'session', session_id, user_id) = {name:String}) AS tool_calls,
    (SELECT count() FROM agent_runs WHERE {by:String} = 'all' OR multiIf({by:String} = 'service', service, {by:String} = 'agent', agent, {by:String} = 'session', session_id, user_id) = {name:String}) AS agent_runs,
    (SELECT count() FROM decisions WHERE {by:String} = 'all' OR multiIf({by:String} = 'service', service, {by:String} = 'agent', agent, {by:String} = 'session', session_id, user_id) = {name:String}) AS decisions
