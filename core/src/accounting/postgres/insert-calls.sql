INSERT INTO locum_calls (
    id, at_ms, task, handed_to, customer, metadata, stream, outcome, kind, subkind, model, fallback_used, latency_ms,
    first_token_ms, cost, cost_is_estimate
)
SELECT *
FROM jsonb_to_recordset($1::jsonb) AS call (
    id text, at_ms double precision, task text, handed_to text, customer text, metadata jsonb, stream boolean, outcome text,
    kind text, subkind text, model text, fallback_used boolean, latency_ms double precision, first_token_ms double precision,
    cost double precision, cost_is_estimate boolean
)
ON CONFLICT DO NOTHING
