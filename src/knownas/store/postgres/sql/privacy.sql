-- Requests of data subjects, the evidence, and erasing; see store/privacy.py.

-- name: privacy_commit
SELECT knownas.privacy_commit_1(/*arguments*/);

-- name: subject_request
SELECT request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
FROM knownas.subject_request WHERE request_id = $1;

-- name: requests_in
SELECT request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
FROM knownas.subject_request WHERE workspace = $1 AND group_id = $2
ORDER BY received_ms DESC, request_id DESC LIMIT $3;

-- name: requests_after
SELECT request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
FROM knownas.subject_request WHERE (received_ms, request_id) > ($1, $2)
ORDER BY received_ms, request_id LIMIT $3;

-- name: requests_before
SELECT request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
FROM knownas.subject_request WHERE (received_ms, request_id) < ($1, $2)
ORDER BY received_ms DESC, request_id DESC LIMIT $3;

-- name: requests_due
SELECT request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
FROM knownas.subject_request WHERE due_ms <= $1 ORDER BY due_ms, request_id LIMIT $2;

-- name: forget_requests
DELETE FROM knownas.subject_request AS r
WHERE r.request_id = ANY (ARRAY(
    SELECT o.request_id FROM knownas.subject_request AS o WHERE o.ended_ms < $1 ORDER BY o.ended_ms LIMIT $2
)) AND r.ended_ms < $1
RETURNING 1;

-- name: entries
SELECT number, request_id, document FROM knownas.evidence WHERE number > $1 ORDER BY number LIMIT $2;

-- name: entries_of
SELECT number, request_id, document FROM knownas.evidence WHERE request_id = $1 ORDER BY number LIMIT $2;

-- name: last_entry
SELECT number, request_id, document FROM knownas.evidence ORDER BY number DESC LIMIT 1;

-- name: tombstones
SELECT mpid, request_id, at_ms FROM knownas.tombstone WHERE mpid = ANY ($1::bigint[]);

-- name: tombstones_from
SELECT mpid, request_id, at_ms FROM knownas.tombstone WHERE mpid >= $1 ORDER BY mpid LIMIT $2;

-- name: suppressions_after
SELECT digest, request_id, at_ms FROM knownas.suppression WHERE digest > $1 ORDER BY digest LIMIT $2;

-- name: deliveries_due
SELECT delivery_id, request_id, due_ms, document
FROM knownas.delivery WHERE due_ms <= $1 ORDER BY due_ms, delivery_id LIMIT $2;

-- name: audited
SELECT at_ms, mpid, document, seq FROM knownas.audit WHERE seq > $1 ORDER BY seq LIMIT $2;

-- name: audited_of
SELECT at_ms, mpid, document, seq FROM knownas.audit WHERE mpid = $1 AND seq > $2 ORDER BY seq LIMIT $3;

-- name: forget_audited
DELETE FROM knownas.audit AS a
WHERE a.seq = ANY (ARRAY(SELECT o.seq FROM knownas.audit AS o WHERE o.at_ms < $1 ORDER BY o.at_ms, o.seq LIMIT $2))
RETURNING 1;

-- name: count_held
-- Of a profile, $1, what a workspace, $2, has of it; $3 are the keys of its inputs, and $4 is what its receipts mention.
SELECT
    (SELECT count(*) FROM knownas.section AS s WHERE s.mpid = $1 AND s.workspace = $2),
    (SELECT count(*) FROM knownas.user_events AS e WHERE e.mpid = $1 AND e.workspace = $2),
    (SELECT count(*) FROM knownas.message AS m WHERE m.mpid = $1 AND m.input_key = ANY ($3::text[])),
    (SELECT count(*) FROM knownas.alias AS a WHERE a.source_mpid = $1 AND a.workspace = $2)
    + (
        SELECT count(*) FROM knownas.alias AS a
        WHERE a.destination_mpid = $1 AND a.workspace = $2 AND a.source_mpid <> $1
    ),
    (
        SELECT count(*) FROM knownas.batch_receipt AS b
        WHERE b.at_ms = ANY (ARRAY(
            SELECT e.at_ms FROM knownas.user_events AS e WHERE e.mpid = $1 AND e.workspace = $2
        )) AND b.input_key = ANY ($3::text[]) AND position($4::bytea IN b.document) > 0
    );

-- name: erase
SELECT sections, events, messages, aliases, receipts FROM knownas.erase_1($1, $2, $3, $4, $5);

-- name: redact
SELECT knownas.redact_1(/*arguments*/);

-- name: drop_kept
DELETE FROM knownas.kept WHERE name = $1 AND document = $2 RETURNING 1;
