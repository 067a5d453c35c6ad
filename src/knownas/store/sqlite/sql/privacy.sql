-- Requests of data subjects, the evidence, and the steps of an erasure; see store/privacy.py.

-- name: loosen_request
-- A request that is still as it was loaded gives its open key back, which another one of the same commit may take.
UPDATE subject_request SET open_key = NULL WHERE request_id = ? AND document = ?;

-- name: update_request
UPDATE OR IGNORE subject_request
SET workspace = ?2, group_id = ?3, received_ms = ?4, due_ms = ?5, ended_ms = ?6, open_key = ?7, document = ?8
WHERE request_id = ?1;

-- name: insert_request
INSERT INTO subject_request (request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: insert_entry
-- Only one that follows the last.
INSERT INTO evidence (number, request_id, document)
SELECT ?1, ?2, ?3 WHERE ?1 = 1 + coalesce((SELECT max(number) FROM evidence), 0);

-- name: insert_tombstone
INSERT INTO tombstone (mpid, request_id, at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- name: insert_suppression
INSERT INTO suppression (digest, request_id, at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- name: lift_suppression
DELETE FROM suppression WHERE digest = ?;

-- name: put_delivery
INSERT INTO delivery (delivery_id, request_id, due_ms, document) VALUES (?, ?, ?, ?)
ON CONFLICT (delivery_id) DO UPDATE
SET request_id = excluded.request_id, due_ms = excluded.due_ms, document = excluded.document;

-- name: remove_delivery
DELETE FROM delivery WHERE delivery_id = ?;

-- name: subject_request
SELECT request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
FROM subject_request WHERE request_id = ?;

-- name: requests_in
SELECT request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
FROM subject_request WHERE workspace = ? AND group_id = ?
ORDER BY received_ms DESC, request_id DESC LIMIT ?;

-- name: requests_after
SELECT request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
FROM subject_request WHERE (received_ms, request_id) > (?, ?)
ORDER BY received_ms, request_id LIMIT ?;

-- name: requests_before
SELECT request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
FROM subject_request WHERE (received_ms, request_id) < (?, ?)
ORDER BY received_ms DESC, request_id DESC LIMIT ?;

-- name: requests_due
SELECT request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
FROM subject_request WHERE due_ms <= ? AND due_ms IS NOT NULL
ORDER BY due_ms, request_id LIMIT ?;

-- name: forget_requests
DELETE FROM subject_request WHERE request IN (
    SELECT request FROM subject_request WHERE ended_ms < ? AND ended_ms IS NOT NULL ORDER BY ended_ms LIMIT ?
);

-- name: entries
SELECT number, request_id, document FROM evidence WHERE number > ? ORDER BY number LIMIT ?;

-- name: entries_of
SELECT number, request_id, document FROM evidence WHERE request_id = ? ORDER BY number LIMIT ?;

-- name: last_entry
SELECT number, request_id, document FROM evidence WHERE number >= 1 ORDER BY number DESC LIMIT 1;

-- name: tombstones
-- ?1 is a JSON array of MPIDs.
SELECT t.mpid, t.request_id, t.at_ms FROM json_each(?1) AS w CROSS JOIN tombstone AS t ON t.mpid = w.value;

-- name: tombstones_from
SELECT mpid, request_id, at_ms FROM tombstone WHERE mpid >= ? ORDER BY mpid LIMIT ?;

-- name: suppressions_after
SELECT digest, request_id, at_ms FROM suppression WHERE digest > ? ORDER BY digest LIMIT ?;

-- name: deliveries_due
SELECT delivery_id, request_id, due_ms, document FROM delivery WHERE due_ms <= ? ORDER BY due_ms, delivery_id LIMIT ?;

-- name: insert_audit
INSERT INTO audit (at_ms, mpid, document) VALUES (?, ?, ?);

-- name: audited
SELECT at_ms, mpid, document, seq FROM audit WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: audited_of
SELECT at_ms, mpid, document, seq FROM audit WHERE mpid = ? AND seq > ? ORDER BY seq LIMIT ?;

-- name: forget_audited
DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at_ms < ? ORDER BY at_ms, seq LIMIT ?);

-- name: count_held
-- ?1 is the profile, ?2 the workspace, ?3 a JSON array of the keys of its inputs, ?4 what its receipts mention.
SELECT
    (SELECT count(*) FROM section WHERE mpid = ?1 AND workspace = ?2),
    (SELECT count(*) FROM user_events WHERE mpid = ?1 AND workspace = ?2),
    (SELECT count(*) FROM json_each(?3) AS k CROSS JOIN message AS m ON m.mpid = ?1 AND m.input_key = k.value),
    (SELECT count(*) FROM alias WHERE source_mpid = ?1 AND workspace = ?2)
    + (SELECT count(*) FROM alias WHERE destination_mpid = ?1 AND workspace = ?2 AND source_mpid <> ?1),
    (SELECT count(*) FROM batch_receipt AS r
    WHERE r.at_ms IN (SELECT at_ms FROM user_events WHERE mpid = ?1 AND workspace = ?2)
        AND r.input_key IN (SELECT value FROM json_each(?3)) AND instr(r.document, ?4) > 0);

-- name: events_held
-- The batches of a holding, and when they came.
SELECT seq, at_ms FROM user_events WHERE mpid = ? AND workspace = ? ORDER BY environment, seq LIMIT ?;

-- name: receipts_of_batch
-- Which batches of one moment mention a profile; ?2 is a JSON array of the keys of inputs.
SELECT seq FROM batch_receipt WHERE at_ms = ?1 AND input_key IN (SELECT value FROM json_each(?2)) AND instr(document, ?3) > 0;

-- name: messages_held
-- ?2 is a JSON array of the keys of inputs.
SELECT m.mpid, m.input_key, m.message_id
FROM json_each(?2) AS k CROSS JOIN message AS m ON m.mpid = ?1 AND m.input_key = k.value LIMIT ?3;

-- name: aliases_held
SELECT alias FROM alias WHERE source_mpid = ?1 AND workspace = ?2
UNION ALL
SELECT alias FROM alias WHERE destination_mpid = ?1 AND workspace = ?2 AND source_mpid <> ?1
LIMIT ?3;

-- name: sections_held
SELECT section FROM section WHERE mpid = ? AND workspace = ? LIMIT ?;

-- name: erase_events
DELETE FROM user_events WHERE seq = ?;

-- name: erase_receipt
DELETE FROM batch_receipt WHERE seq = ?;

-- name: erase_message
DELETE FROM message WHERE mpid = ? AND input_key = ? AND message_id = ?;

-- name: erase_alias
DELETE FROM alias WHERE alias = ?;

-- name: erase_section
DELETE FROM section WHERE section = ?;

-- name: touched_by_line
SELECT touched FROM log WHERE seq = ?;

-- name: redact_line
UPDATE log SET observation = ?, decision = ? WHERE seq = ? AND observation = ?;

-- name: drop_subject
DELETE FROM touched WHERE mpid = ? AND seq = ?;

-- name: add_subject
INSERT INTO touched (mpid, seq) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: drop_kept
DELETE FROM kept WHERE name = ? AND document = ?;

-- name: forget_values
-- Versions of values that nobody holds; whoever has loaded one decides again.
DELETE FROM identity WHERE holders = 0;
