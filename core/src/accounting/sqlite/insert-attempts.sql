INSERT INTO locum_attempts (
    call_id, number, model, provider, depth, "key", outcome, kind, subkind, reason, status, provider_code, request_id,
    started_ms, latency_ms, first_token_ms, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
    reasoning_tokens, usage_is_estimate, cost, cost_is_estimate, next, next_reason
)
SELECT
    call.value ->> 'id', made.key, made.value ->> 'model', made.value ->> 'provider', made.value ->> 'depth',
    made.value ->> 'key', made.value ->> 'outcome', made.value ->> 'kind', made.value ->> 'subkind', made.value ->> 'reason',
    made.value ->> 'status', made.value ->> 'provider_code', made.value ->> 'request_id', made.value ->> 'started_ms',
    made.value ->> 'latency_ms', made.value ->> 'first_token_ms', made.value ->> '$.usage.input',
    made.value ->> '$.usage.cached_input', made.value ->> '$.usage.cache_write', made.value ->> '$.usage.output',
    made.value ->> '$.usage.reasoning', made.value ->> 'usage_is_estimate', made.value ->> 'cost',
    made.value ->> 'cost_is_estimate', made.value ->> 'next', made.value ->> 'next_reason'
FROM json_each(?1) AS call, json_each(call.value, '$.attempts') AS made
WHERE true
ON CONFLICT (call_id, number) DO NOTHING
