-- name: user_data
-- What a group of batches looks up, as of one moment: $1 to $3 are sections (profile, workspace, environment), $4 and $5
-- requests, $6 to $8 messages (profile, input, id). The first column says of which kind a row is, the second which of them
-- it is; sections come with their version and document.
SELECT 0 AS kind, w.place, s.version, s.document
FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::text[]) WITH ORDINALITY AS w (mpid, workspace, environment, place)
CROSS JOIN LATERAL (
    SELECT f.version, f.document FROM knownas.section AS f
    WHERE f.mpid = w.mpid AND f.workspace = w.workspace AND f.environment = w.environment OFFSET 0
) AS s
UNION ALL
SELECT 1, w.place, NULL, NULL
FROM unnest($4::text::text[], $5::text::text[]) WITH ORDINALITY AS w (input_key, request_id, place)
CROSS JOIN LATERAL (
    SELECT 1 FROM knownas.request AS r
    WHERE r.request_id = w.request_id AND r.input_key = w.input_key AND r.kept OFFSET 0
) AS r
UNION ALL
SELECT 2, w.place, NULL, NULL
FROM unnest($6::text::text[], $7::text::bigint[], $8::text::text[]) WITH ORDINALITY AS w (input_key, mpid, message_id, place)
CROSS JOIN LATERAL (
    SELECT 1 FROM knownas.message AS m
    WHERE m.mpid = w.mpid AND m.message_id = w.message_id AND m.input_key = w.input_key OFFSET 0
) AS m;

-- name: user_data_commit
-- A commit, and then its marks: the last ten arguments.
SELECT knownas.audience_mark_batches_2(
    $50::text::bigint[], $51::text::bigint[], $52::text::bigint[], $53::text::bigint[], $54::text::text[], $55::bytea[],
    $56::text::boolean[], $57::text::bigint[], $58::text::bigint[], $59::text::text[]
)
FROM (SELECT knownas.user_data_commit_bare_1(/*arguments*/) AS done OFFSET 0) AS committed;

-- name: section
SELECT document, version FROM knownas.section WHERE workspace = $1 AND environment = $2 AND mpid = $3;

-- name: sections_of
SELECT workspace, environment, mpid, document, version FROM knownas.section WHERE mpid = $1;

-- name: events
SELECT seq, at_ms, first_ms, last_ms, document
FROM knownas.user_events
WHERE workspace = $1 AND environment = $2 AND mpid = $3 AND seq > $4 AND last_ms >= $5 AND first_ms <= $6
ORDER BY seq LIMIT $7;

-- name: events_back
SELECT seq, at_ms, first_ms, last_ms, document
FROM knownas.user_events
WHERE workspace = $1 AND environment = $2 AND mpid = $3 AND seq < $4
ORDER BY seq DESC LIMIT $5;

-- name: events_about
SELECT workspace, environment, mpid, seq, at_ms, first_ms, last_ms, document
FROM knownas.user_events WHERE mpid = ANY ($1::bigint[]) AND seq > $2 ORDER BY seq LIMIT $3;

-- name: receipt
-- A batch's id is its own only while no other batch has it.
SELECT
    b.receipt_id, b.input_key, CASE WHEN r.receipt_id = b.receipt_id THEN b.request_id END, b.at_ms, b.document, b.kept
FROM knownas.batch_receipt AS b
LEFT JOIN LATERAL (
    SELECT q.receipt_id FROM knownas.request AS q
    WHERE q.request_id = b.request_id AND q.input_key = b.input_key OFFSET 0
) AS r ON true
WHERE b.receipt_id = $1;

-- name: receipts_named
-- One for each input at most, which is few enough to sort.
SELECT b.receipt_id, b.input_key, b.request_id, b.at_ms, b.document, b.kept
FROM knownas.request AS r
CROSS JOIN LATERAL (SELECT * FROM knownas.batch_receipt AS f WHERE f.receipt_id = r.receipt_id OFFSET 0) AS b
WHERE r.request_id = $1
ORDER BY b.at_ms DESC, b.made DESC LIMIT $2;

-- name: alias
SELECT
    request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms, due_ms,
    state, reason, settled_ms
FROM knownas.alias WHERE request_id = $1;

-- name: aliases_about
SELECT
    request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms, due_ms,
    state, reason, settled_ms
FROM knownas.alias
WHERE (source_mpid = ANY ($3::bigint[]) OR destination_mpid = ANY ($3::bigint[])) AND workspace = $1 AND environment = $2
ORDER BY requested_ms, made;

-- name: aliases_due
SELECT
    request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms, due_ms,
    state, reason, settled_ms
FROM knownas.alias WHERE state = 'queued' AND due_ms <= $1
ORDER BY due_ms, made LIMIT $2;

-- name: count_older
SELECT
    (SELECT count(*) FROM knownas.user_events WHERE last_ms < $1),
    (SELECT count(*) FROM knownas.batch_receipt WHERE at_ms < $2)
    + (SELECT count(*) FROM knownas.message WHERE at_ms < $2),
    (SELECT count(*) FROM knownas.section WHERE last_seen_ms < $3);

-- name: forget_older
SELECT knownas.forget_older_1($1, $2, $3, $4);
