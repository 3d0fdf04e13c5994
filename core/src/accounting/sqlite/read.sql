SELECT json_object(
    'at_ms', at_ms, 'task', task, 'customer', customer, 'outcome', outcome,
    'fallback_used', json(iif(fallback_used, 'true', 'false')), 'latency_ms', latency_ms, 'first_token_ms', first_token_ms,
    'attempts', json((
        SELECT json_group_array(json_object(
            'model', model, 'provider', provider, 'outcome', outcome, 'depth', depth, 'latency_ms', latency_ms,
            'first_token_ms', first_token_ms,
            'usage', iif(input_tokens IS NULL, NULL, json_object(
                'input', input_tokens, 'cached_input', cached_input_tokens, 'output', output_tokens,
                'reasoning', reasoning_tokens)),
            'usage_is_estimate', json(iif(usage_is_estimate, 'true', 'false')), 'cost', cost,
            'cost_is_estimate', json(iif(cost_is_estimate, 'true', 'false'))))
        FROM (SELECT * FROM locum_attempts WHERE call_id = id ORDER BY number))))
FROM locum_calls
WHERE at_ms >= ?1 AND at_ms < ?2
ORDER BY at_ms
