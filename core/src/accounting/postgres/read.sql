SELECT json_build_object(
    'at_ms', at_ms, 'task', task, 'customer', customer, 'outcome', outcome, 'fallback_used', fallback_used,
    'latency_ms', latency_ms, 'first_token_ms', first_token_ms,
    'attempts', (
        SELECT coalesce(json_agg(json_build_object(
            'model', model, 'provider', provider, 'outcome', outcome, 'depth', depth, 'latency_ms', latency_ms,
            'first_token_ms', first_token_ms,
            'usage', CASE WHEN input_tokens IS NULL THEN NULL ELSE json_build_object(
                'input', input_tokens, 'cached_input', cached_input_tokens, 'output', output_tokens,
                'reasoning', reasoning_tokens) END,
            'usage_is_estimate', usage_is_estimate, 'cost', cost, 'cost_is_estimate', cost_is_estimate)
            ORDER BY number), '[]')
        FROM locum_attempts WHERE call_id = call.id))::text
FROM locum_calls AS call
WHERE at_ms >= $1 AND at_ms < $2
ORDER BY at_ms
