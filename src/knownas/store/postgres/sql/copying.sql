-- Reads and writes whole tables page by page, for a copy into another database; see store/copying.py for the members.
-- The last parameter of a page is how many rows it may have, the others are the key from which on it begins. The
-- members of the keys are named in copying.py, beside this folder; they follow an index each.

-- name: page_pools
SELECT pool, scope, environment
FROM knownas.pool WHERE pool >= $1 ORDER BY pool LIMIT $2;

-- name: put_pools
INSERT INTO knownas.pool (
    pool, scope, environment
)
SELECT * FROM unnest(
    $1::integer[], $2::text[], $3::text[]
)
ON CONFLICT DO NOTHING;

-- name: page_policies
SELECT scope, version, since_ms, document
FROM knownas.policy WHERE (scope, version) >= ($1, $2) ORDER BY scope, version LIMIT $3;

-- name: put_policies
INSERT INTO knownas.policy (
    scope, version, since_ms, document
)
SELECT * FROM unnest(
    $1::text[], $2::integer[], $3::bigint[], $4::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_documents
SELECT name, document
FROM knownas.kept WHERE name >= $1 ORDER BY name LIMIT $2;

-- name: put_documents
INSERT INTO knownas.kept (
    name, document
)
SELECT * FROM unnest(
    $1::text[], $2::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_profiles
SELECT mpid, pool, known::integer, created_ms, active_ms, source_mpid, version, first_seq, identities, carried
FROM knownas.profile WHERE mpid >= $1 ORDER BY mpid LIMIT $2;

-- name: put_profiles
INSERT INTO knownas.profile (
    mpid, pool, known, created_ms, active_ms, source_mpid, version, first_seq, identities, carried
)
SELECT * FROM unnest(
    $1::bigint[], $2::integer[], $3::boolean[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[], $10::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_values
SELECT pool, type, value, version, holders, holder, exclusive::integer
FROM knownas.identity WHERE (value, type, pool) >= ($1, $2, $3) ORDER BY value, type, pool LIMIT $4;

-- name: put_values
INSERT INTO knownas.identity (
    pool, type, value, version, holders, holder, exclusive
)
SELECT * FROM unnest(
    $1::integer[], $2::smallint[], $3::text[], $4::bigint[], $5::integer[], $6::bigint[], $7::boolean[]
)
ON CONFLICT DO NOTHING;

-- name: page_holdings
SELECT pool, type, value, mpid, known::integer, active_ms
FROM knownas.holding WHERE (value, type, pool, mpid) >= ($1, $2, $3, $4) ORDER BY value, type, pool, mpid LIMIT $5;

-- name: put_holdings
INSERT INTO knownas.holding (
    pool, type, value, mpid, known, active_ms
)
SELECT * FROM unnest(
    $1::integer[], $2::smallint[], $3::text[], $4::bigint[], $5::boolean[], $6::bigint[]
)
ON CONFLICT DO NOTHING;

-- name: page_log
SELECT seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision
FROM knownas.log WHERE seq >= $1 ORDER BY seq LIMIT $2;

-- name: put_log
INSERT INTO knownas.log (
    seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision
)
SELECT * FROM unnest(
    $1::bigint[], $2::bytea[], $3::integer[], $4::bigint[], $5::integer[], $6::bigint[], $7::bytea[], $8::bytea[], $9::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_touched
SELECT mpid, seq
FROM knownas.touched WHERE (mpid, seq) >= ($1, $2) ORDER BY mpid, seq LIMIT $3;

-- name: put_touched
INSERT INTO knownas.touched (
    mpid, seq
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[]
)
ON CONFLICT DO NOTHING;

-- name: page_sections
SELECT mpid, workspace, environment, version, last_seen_ms, document
FROM knownas.section WHERE (mpid, workspace, environment) >= ($1, $2, $3) ORDER BY mpid, workspace, environment LIMIT $4;

-- name: put_sections
INSERT INTO knownas.section (
    mpid, workspace, environment, version, last_seen_ms, document
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_events
SELECT seq, mpid, workspace, environment, at_ms, first_ms, last_ms, document
FROM knownas.user_events WHERE (mpid, workspace, environment, seq) >= ($1, $2, $3, $4) ORDER BY mpid, workspace, environment, seq LIMIT $5;

-- name: put_events
INSERT INTO knownas.user_events (
    seq, mpid, workspace, environment, at_ms, first_ms, last_ms, document
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_receipts
SELECT b.made, b.receipt_id, b.input_key, r.request_id, b.at_ms, b.kept::integer, b.document
FROM knownas.batch_receipt AS b
LEFT JOIN LATERAL (
    SELECT q.request_id FROM knownas.request AS q
    WHERE q.request_id = b.request_id AND q.input_key = b.input_key AND q.receipt_id = b.receipt_id OFFSET 0
) AS r ON true
WHERE b.receipt_id >= $1 ORDER BY b.receipt_id LIMIT $2;

-- name: put_receipts
WITH given AS (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::boolean[], $7::bytea[])
        AS w (made, receipt_id, input_key, request_id, at_ms, kept, document)
), ids AS (
    INSERT INTO knownas.request (request_id, input_key, receipt_id, at_ms, kept)
    SELECT request_id, input_key, receipt_id, at_ms, kept FROM given WHERE request_id IS NOT NULL
    ON CONFLICT DO NOTHING
)
INSERT INTO knownas.batch_receipt (made, receipt_id, input_key, request_id, at_ms, kept, document)
SELECT made, receipt_id, input_key, request_id, at_ms, kept, document FROM given
ON CONFLICT DO NOTHING;

-- name: page_messages
SELECT mpid, input_key, message_id, at_ms
FROM knownas.message WHERE (mpid, message_id, input_key) >= ($1, $2, $3) ORDER BY mpid, message_id, input_key LIMIT $4;

-- name: put_messages
INSERT INTO knownas.message (
    mpid, input_key, message_id, at_ms
)
SELECT * FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::bigint[]
)
ON CONFLICT DO NOTHING;

-- name: page_aliases
SELECT made, request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms, due_ms, state, reason, settled_ms
FROM knownas.alias WHERE request_id >= $1 ORDER BY request_id LIMIT $2;

-- name: put_aliases
INSERT INTO knownas.alias (
    made, request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms, due_ms, state, reason, settled_ms
)
SELECT * FROM unnest(
    $1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::bigint[], $11::bigint[], $12::text[], $13::text[], $14::bigint[]
)
ON CONFLICT DO NOTHING;

-- name: page_subject_requests
SELECT request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
FROM knownas.subject_request WHERE request_id >= $1 ORDER BY request_id LIMIT $2;

-- name: put_subject_requests
INSERT INTO knownas.subject_request (
    request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
)
SELECT * FROM unnest(
    $1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_evidence
SELECT number, request_id, document
FROM knownas.evidence WHERE number >= $1 ORDER BY number LIMIT $2;

-- name: put_evidence
INSERT INTO knownas.evidence (
    number, request_id, document
)
SELECT * FROM unnest(
    $1::bigint[], $2::text[], $3::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_tombstones
SELECT mpid, request_id, at_ms
FROM knownas.tombstone WHERE mpid >= $1 ORDER BY mpid LIMIT $2;

-- name: put_tombstones
INSERT INTO knownas.tombstone (
    mpid, request_id, at_ms
)
SELECT * FROM unnest(
    $1::bigint[], $2::text[], $3::bigint[]
)
ON CONFLICT DO NOTHING;

-- name: page_suppressions
SELECT encode(digest, 'hex'), request_id, at_ms
FROM knownas.suppression WHERE digest >= decode($1, 'hex') ORDER BY digest LIMIT $2;

-- name: put_suppressions
INSERT INTO knownas.suppression (
    digest, request_id, at_ms
)
SELECT decode(w.digest, 'hex'), w.request_id, w.at_ms FROM unnest(
    $1::text[], $2::text[], $3::bigint[]
) AS w (digest, request_id, at_ms)
ON CONFLICT DO NOTHING;

-- name: page_deliveries
SELECT delivery_id, request_id, due_ms, document
FROM knownas.delivery WHERE delivery_id >= $1 ORDER BY delivery_id LIMIT $2;

-- name: put_deliveries
INSERT INTO knownas.delivery (
    delivery_id, request_id, due_ms, document
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_audit
SELECT seq, mpid, at_ms, document
FROM knownas.audit WHERE seq >= $1 ORDER BY seq LIMIT $2;

-- name: put_audit
INSERT INTO knownas.audit (
    seq, mpid, at_ms, document
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_watches
SELECT workspace, version
FROM knownas.watch WHERE workspace >= $1 ORDER BY workspace LIMIT $2;

-- name: put_watches
INSERT INTO knownas.watch (
    workspace, version
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[]
)
ON CONFLICT DO NOTHING;

-- name: page_audience_documents
SELECT kind, number, workspace, version, document
FROM knownas.audience_document WHERE (kind, number) >= ($1, $2) ORDER BY kind, number LIMIT $3;

-- name: put_audience_documents
INSERT INTO knownas.audience_document (
    kind, number, workspace, version, document
)
SELECT * FROM unnest(
    $1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_marks
SELECT seq, workspace, environment, mpid, document
FROM knownas.mark WHERE seq >= $1 ORDER BY seq LIMIT $2;

-- name: put_marks
INSERT INTO knownas.mark (
    seq, workspace, environment, mpid, document
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_standings
SELECT mpid, workspace, environment, version, due_ms, document
FROM knownas.standing WHERE (mpid, workspace, environment) >= ($1, $2, $3) ORDER BY mpid, workspace, environment LIMIT $4;

-- name: put_standings
INSERT INTO knownas.standing (
    mpid, workspace, environment, version, due_ms, document
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_members
SELECT audience, workspace, environment, mpid, since_ms
FROM knownas.member WHERE (audience, workspace, environment, mpid) >= ($1, $2, $3, $4) ORDER BY audience, workspace, environment, mpid LIMIT $5;

-- name: put_members
INSERT INTO knownas.member (
    audience, workspace, environment, mpid, since_ms
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[]
)
ON CONFLICT DO NOTHING;

-- name: page_membership_changes
SELECT seq, mpid, workspace, environment, audience, is_member::integer, at_ms, document
FROM knownas.membership_change WHERE (mpid, workspace, environment, seq) >= ($1, $2, $3, $4) ORDER BY mpid, workspace, environment, seq LIMIT $5;

-- name: put_membership_changes
INSERT INTO knownas.membership_change (
    seq, mpid, workspace, environment, audience, is_member, at_ms, document
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::boolean[], $7::bigint[], $8::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_held
SELECT connection, mpid, slot, target, encoding, value, device, platform
FROM knownas.held WHERE (mpid, connection, slot, target, encoding, value) >= ($1, $2, $3, $4, $5, $6)
ORDER BY mpid, connection, slot, target, encoding, value LIMIT $7;

-- name: put_held
INSERT INTO knownas.held (
    connection, mpid, slot, target, encoding, value, device, platform
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]
)
ON CONFLICT DO NOTHING;

-- name: page_passed
SELECT passed, connection, mpid, reason, about
FROM knownas.passed WHERE (connection, mpid, passed) >= ($1, $2, $3) ORDER BY connection, mpid, passed LIMIT $4;

-- name: put_passed
INSERT INTO knownas.passed (
    passed, connection, mpid, reason, about
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]
)
ON CONFLICT DO NOTHING;

-- name: page_group_places
SELECT mpid, workspace, environment, kind, version, value, document
FROM knownas.group_place WHERE (mpid, workspace, environment, kind) >= ($1, $2, $3, $4)
ORDER BY mpid, workspace, environment, kind LIMIT $5;

-- name: put_group_places
INSERT INTO knownas.group_place (
    mpid, workspace, environment, kind, version, value, document
)
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: page_output_deliveries
SELECT seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, written, document
FROM knownas.output_delivery WHERE seq >= $1 ORDER BY seq LIMIT $2;

-- name: put_output_deliveries
INSERT INTO knownas.output_delivery (
    seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, written, document
)
SELECT * FROM unnest(
    $1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::bigint[], $13::bytea[]
)
ON CONFLICT DO NOTHING;

-- name: counters
SELECT
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM knownas.log_seq),
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM knownas.version_seq),
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM knownas.section_version_seq),
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM knownas.events_seq),
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM knownas.standing_version_seq),
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM knownas.mark_seq_seq),
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM knownas.membership_change_seq_seq),
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM knownas.output_delivery_seq);

-- name: advance
-- Each counter to where it stands or to the given number, whichever is larger; the tables' own numbers behind their rows. Where
-- standings have no numbers of their own, those of sections count.
SELECT
    setval('knownas.log_seq', greatest($1::bigint, (SELECT last_value FROM knownas.log_seq))),
    setval('knownas.version_seq', greatest($2::bigint, (SELECT last_value FROM knownas.version_seq))),
    setval('knownas.section_version_seq', greatest($3::bigint, (SELECT last_value FROM knownas.section_version_seq))),
    setval('knownas.events_seq', greatest($4::bigint, (SELECT last_value FROM knownas.events_seq))),
    setval(
        'knownas.standing_version_seq',
        greatest($3::bigint, $5::bigint, (SELECT last_value FROM knownas.standing_version_seq))
    ),
    setval('knownas.mark_seq_seq', greatest($6::bigint, (SELECT last_value FROM knownas.mark_seq_seq))),
    setval(
        'knownas.membership_change_seq_seq',
        greatest($7::bigint, (SELECT last_value FROM knownas.membership_change_seq_seq))
    ),
    setval('knownas.output_delivery_seq', greatest($8::bigint, (SELECT last_value FROM knownas.output_delivery_seq))),
    setval(
        pg_get_serial_sequence('knownas.pool', 'pool'),
        greatest(1, (SELECT max(pool) FROM knownas.pool))
    ),
    setval(
        pg_get_serial_sequence('knownas.batch_receipt', 'made'),
        greatest(1, (SELECT max(made) FROM knownas.batch_receipt))
    ),
    setval(
        pg_get_serial_sequence('knownas.alias', 'made'),
        greatest(1, (SELECT max(made) FROM knownas.alias))
    ),
    setval(
        pg_get_serial_sequence('knownas.audit', 'seq'),
        greatest(1, (SELECT max(seq) FROM knownas.audit))
    ),
    setval(
        pg_get_serial_sequence('knownas.passed', 'passed'),
        greatest(1, (SELECT max(passed) FROM knownas.passed))
    );

-- name: begin_snapshot
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- Which server process answers, and whether it still does so as of one moment.
-- name: snapshot_stands
SELECT pg_backend_pid(), current_setting('transaction_isolation') = 'repeatable read';
