-- Reads and writes whole tables page by page, for a copy into another database; see store/copying.py for the members.
-- The last parameter of a page is how many rows it may have, the others are the key from which on it begins. The
-- members of the keys are named in copying.py, beside this folder.

-- name: page_pools
SELECT pool, scope, environment FROM pool WHERE pool >= ? ORDER BY pool LIMIT ?;

-- name: put_pools
INSERT OR IGNORE INTO pool (pool, scope, environment) VALUES (?, ?, ?);

-- name: page_policies
SELECT scope, version, since_ms, document FROM policy
WHERE (scope, version) >= (?, ?) ORDER BY scope, version LIMIT ?;

-- name: put_policies
INSERT OR IGNORE INTO policy (scope, version, since_ms, document) VALUES (?, ?, ?, ?);

-- name: page_documents
SELECT name, document FROM kept WHERE name >= ? ORDER BY name LIMIT ?;

-- name: put_documents
INSERT OR IGNORE INTO kept (name, document) VALUES (?, ?);

-- name: page_profiles
SELECT
    mpid, pool, known, created_ms, active_ms, source_mpid, version, first_seq,
    CAST(identities AS BLOB), CAST(carried AS BLOB)
FROM profile WHERE mpid >= ? ORDER BY mpid LIMIT ?;

-- name: put_profiles
INSERT OR IGNORE INTO profile (
    mpid, pool, known, created_ms, active_ms, source_mpid, version, first_seq, identities, carried
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT));

-- name: page_values
SELECT pool, type, value, version, holders, holder, exclusive FROM identity
WHERE (pool, type, value) >= (?, ?, ?) ORDER BY pool, type, value LIMIT ?;

-- name: put_values
-- A number that no value has: below those that commits give, which begin with their version.
INSERT OR IGNORE INTO identity (identity, pool, type, value, version, holders, holder, exclusive)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: page_holdings
-- In the order of the table's own key, in which the most recently active come first.
SELECT i.pool, i.type, i.value, h.mpid, h.known, h.active_ms
FROM identity AS i
CROSS JOIN holding AS h ON h.identity = i.identity
WHERE (i.pool, i.type, i.value) >= (?1, ?2, ?3) AND (
    (i.pool, i.type, i.value) > (?1, ?2, ?3) OR h.known > ?4
    OR (h.known = ?4 AND (h.active_ms < ?5 OR (h.active_ms = ?5 AND h.mpid >= ?6)))
)
ORDER BY i.pool, i.type, i.value, h.known, h.active_ms DESC, h.mpid LIMIT ?7;

-- name: put_holdings
INSERT OR IGNORE INTO holding (identity, mpid, known, active_ms)
SELECT identity, ?4, ?5, ?6 FROM identity WHERE pool = ?1 AND type = ?2 AND value = ?3;

-- name: page_log
SELECT
    seq, decision_id, pool, at_ms, policy_version, created_mpid, CAST(touched AS BLOB), observation, decision
FROM log WHERE seq >= ? ORDER BY seq LIMIT ?;

-- name: put_log
INSERT OR IGNORE INTO log (
    seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision
) VALUES (?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?, ?);

-- name: page_touched
SELECT mpid, seq FROM touched WHERE (mpid, seq) >= (?, ?) ORDER BY mpid, seq LIMIT ?;

-- name: put_touched
INSERT OR IGNORE INTO touched (mpid, seq) VALUES (?, ?);

-- name: page_sections
SELECT mpid, workspace, environment, version, last_seen_ms, document FROM section
WHERE (mpid, workspace, environment) >= (?, ?, ?) ORDER BY mpid, workspace, environment LIMIT ?;

-- name: put_sections
INSERT OR IGNORE INTO section (mpid, workspace, environment, version, last_seen_ms, document)
VALUES (?, ?, ?, ?, ?, ?);

-- name: page_events
SELECT seq, mpid, workspace, environment, at_ms, first_ms, last_ms, document FROM user_events
WHERE seq >= ? ORDER BY seq LIMIT ?;

-- name: put_events
INSERT OR IGNORE INTO user_events (seq, mpid, workspace, environment, at_ms, first_ms, last_ms, document)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: page_receipts
SELECT seq, receipt_id, input_key, request_id, at_ms, kept, document FROM batch_receipt
WHERE seq >= ? ORDER BY seq LIMIT ?;

-- name: put_receipts
INSERT OR IGNORE INTO batch_receipt (seq, receipt_id, input_key, request_id, at_ms, kept, document)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: page_messages
SELECT mpid, input_key, message_id, at_ms FROM message
WHERE (mpid, input_key, message_id) >= (?, ?, ?) ORDER BY mpid, input_key, message_id LIMIT ?;

-- name: put_messages
INSERT OR IGNORE INTO message (mpid, input_key, message_id, at_ms) VALUES (?, ?, ?, ?);

-- name: page_aliases
SELECT
    alias, request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms,
    due_ms, state, reason, settled_ms
FROM alias WHERE alias >= ? ORDER BY alias LIMIT ?;

-- name: put_aliases
INSERT OR IGNORE INTO alias (
    alias, request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms,
    due_ms, state, reason, settled_ms
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: page_subject_requests
SELECT request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document FROM subject_request
WHERE request_id >= ? ORDER BY request_id LIMIT ?;

-- name: put_subject_requests
INSERT OR IGNORE INTO subject_request (
    request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: page_evidence
SELECT number, request_id, document FROM evidence WHERE number >= ? ORDER BY number LIMIT ?;

-- name: put_evidence
INSERT OR IGNORE INTO evidence (number, request_id, document) VALUES (?, ?, ?);

-- name: page_tombstones
SELECT mpid, request_id, at_ms FROM tombstone WHERE mpid >= ? ORDER BY mpid LIMIT ?;

-- name: put_tombstones
INSERT OR IGNORE INTO tombstone (mpid, request_id, at_ms) VALUES (?, ?, ?);

-- name: page_suppressions
SELECT lower(hex(digest)), request_id, at_ms FROM suppression WHERE digest >= unhex(?) ORDER BY digest LIMIT ?;

-- name: put_suppressions
INSERT OR IGNORE INTO suppression (digest, request_id, at_ms) VALUES (unhex(?), ?, ?);

-- name: page_deliveries
SELECT delivery_id, request_id, due_ms, document FROM delivery WHERE delivery_id >= ? ORDER BY delivery_id LIMIT ?;

-- name: put_deliveries
INSERT OR IGNORE INTO delivery (delivery_id, request_id, due_ms, document) VALUES (?, ?, ?, ?);

-- name: page_audit
SELECT seq, mpid, at_ms, document FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?;

-- name: put_audit
INSERT OR IGNORE INTO audit (seq, mpid, at_ms, document) VALUES (?, ?, ?, ?);

-- name: page_watches
SELECT workspace, version FROM watch WHERE workspace >= ? ORDER BY workspace LIMIT ?;

-- name: put_watches
INSERT OR IGNORE INTO watch (workspace, version) VALUES (?, ?);

-- name: page_audience_documents
SELECT kind, number, workspace, version, document
FROM audience_document WHERE (kind, number) >= (?, ?) ORDER BY kind, number LIMIT ?;

-- name: put_audience_documents
INSERT OR IGNORE INTO audience_document (kind, number, workspace, version, document) VALUES (?, ?, ?, ?, ?);

-- name: page_marks
SELECT seq, workspace, environment, mpid, document FROM mark WHERE seq >= ? ORDER BY seq LIMIT ?;

-- name: put_marks
INSERT OR IGNORE INTO mark (seq, workspace, environment, mpid, document) VALUES (?, ?, ?, ?, ?);

-- name: page_standings
SELECT mpid, workspace, environment, version, due_ms, document
FROM standing WHERE (mpid, workspace, environment) >= (?, ?, ?) ORDER BY mpid, workspace, environment LIMIT ?;

-- name: put_standings
INSERT OR IGNORE INTO standing (mpid, workspace, environment, version, due_ms, document) VALUES (?, ?, ?, ?, ?, ?);

-- name: page_members
SELECT audience, workspace, environment, mpid, since_ms
FROM member WHERE (audience, workspace, environment, mpid) >= (?, ?, ?, ?)
ORDER BY audience, workspace, environment, mpid LIMIT ?;

-- name: put_members
INSERT OR IGNORE INTO member (audience, workspace, environment, mpid, since_ms) VALUES (?, ?, ?, ?, ?);

-- name: page_membership_changes
SELECT seq, mpid, workspace, environment, audience, is_member, at_ms, document
FROM membership_change WHERE seq >= ? ORDER BY seq LIMIT ?;

-- name: put_membership_changes
INSERT OR IGNORE INTO membership_change (seq, mpid, workspace, environment, audience, is_member, at_ms, document)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: page_held
SELECT connection, mpid, slot, target, encoding, value, device, platform
FROM held WHERE (mpid, connection, slot, target, encoding, value) >= (?, ?, ?, ?, ?, ?)
ORDER BY mpid, connection, slot, target, encoding, value LIMIT ?;

-- name: put_held
INSERT OR IGNORE INTO held (connection, mpid, slot, target, encoding, value, device, platform)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: page_passed
SELECT passed, connection, mpid, reason, about FROM passed WHERE passed >= ? ORDER BY passed LIMIT ?;

-- name: put_passed
INSERT OR IGNORE INTO passed (passed, connection, mpid, reason, about) VALUES (?, ?, ?, ?, ?);

-- name: page_group_places
SELECT mpid, workspace, environment, kind, version, value, document
FROM group_place WHERE (mpid, workspace, environment, kind) >= (?, ?, ?, ?)
ORDER BY mpid, workspace, environment, kind LIMIT ?;

-- name: put_group_places
INSERT OR IGNORE INTO group_place (mpid, workspace, environment, kind, version, value, document)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: page_output_deliveries
SELECT
    seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, written, document
FROM output_delivery WHERE seq >= ? ORDER BY seq LIMIT ?;

-- name: put_output_deliveries
INSERT OR IGNORE INTO output_delivery (
    seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, written,
    document
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: counters
-- Versions of records are seqs of the log here. Standings have no numbers of their own: their versions are of the sections' clock.
SELECT
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log'), 0),
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log'), 0),
    (SELECT number FROM section_clock),
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'user_events'), 0),
    0,
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'mark'), 0),
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'membership_change'), 0),
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'output_delivery'), 0);

-- name: add_counter
INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0 WHERE NOT EXISTS (
    SELECT 1 FROM sqlite_sequence WHERE name = ?1
);

-- name: counter
SELECT seq FROM sqlite_sequence WHERE name = ?;

-- name: advance_counter
UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1;

-- name: advance_sections
UPDATE section_clock SET number = max(number, ?);
