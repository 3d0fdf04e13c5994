INSERT INTO locum_calls (
    id, at_ms, task, handed_to, customer, metadata, stream, outcome, kind, subkind, model, fallback_used, latency_ms,
    first_token_ms, cost, cost_is_estimate
)
SELECT
    value ->> 'id', value ->> 'at_ms', value ->> 'task', value ->> 'handed_to', value ->> 'customer', value -> 'metadata',
    value ->> 'stream', value ->> 'outcome', value ->> 'kind', value ->> 'subkind', value ->> 'model',
    value ->> 'fallback_used', value ->> 'latency_ms', value ->> 'first_token_ms', value ->> 'cost',
    value ->> 'cost_is_estimate'
FROM json_each(?1)
WHERE true
ON CONFLICT (id) DO NOTHING
