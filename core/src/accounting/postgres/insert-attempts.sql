INSERT INTO locum_attempts (
    call_id, number, model, provider, depth, "key", outcome, kind, subkind, reason, status, provider_code, request_id,
    started_ms, latency_ms, first_token_ms, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
    reasoning_tokens, usage_is_estimate, cost, cost_is_estimate, next, next_reason
)
SELECT
    call ->> 'id', made.number - 1, attempt.model, provider, depth, attempt."key", outcome, kind, subkind, reason, status,
    provider_code, request_id, started_ms, latency_ms, first_token_ms, (usage ->> 'input')::bigint,
    (usage ->> 'cached_input')::bigint, (usage ->> 'cache_write')::bigint, (usage ->> 'output')::bigint,
    (usage ->> 'reasoning')::bigint, usage_is_estimate, cost, cost_is_estimate, next, next_reason
FROM
    jsonb_array_elements($1::jsonb) AS call,
    jsonb_array_elements(call -> 'attempts') WITH ORDINALITY AS made (value, number),
    jsonb_to_record(made.value) AS attempt (
        model text, provider text, depth integer, "key" integer, outcome text, kind text, subkind text, reason text,
        status integer, provider_code text, request_id text, started_ms double precision, latency_ms double precision,
        first_token_ms double precision, usage jsonb, usage_is_estimate boolean, cost double precision,
        cost_is_estimate boolean, next text, next_reason text
    )
ON CONFLICT DO NOTHING
