-- name: sections
-- The wanted sections. /*wanted*/ becomes one (workspace, environment, mpid) for each.
WITH wanted (workspace, environment, mpid) AS (VALUES /*wanted*/)
SELECT s.workspace, s.environment, s.mpid, s.document, s.version
FROM wanted AS w
CROSS JOIN section AS s ON s.mpid = w.mpid AND s.workspace = w.workspace AND s.environment = w.environment;

-- name: section
SELECT document, version FROM section WHERE workspace = ? AND environment = ? AND mpid = ?;

-- name: requests_seen
-- Which of the wanted requests are taken. /*wanted*/ becomes one (input_key, request_id) for each.
WITH wanted (input_key, request_id) AS (VALUES /*wanted*/)
SELECT r.input_key, r.request_id
FROM wanted AS w
CROSS JOIN batch_receipt AS r ON r.request_id = w.request_id AND r.input_key = w.input_key
WHERE r.request_id IS NOT NULL AND r.kept = 1;

-- name: messages_seen
-- Which of the wanted messages there are. /*wanted*/ becomes one (input_key, mpid, message_id) for each.
WITH wanted (input_key, mpid, message_id) AS (VALUES /*wanted*/)
SELECT m.input_key, m.mpid, m.message_id
FROM wanted AS w
CROSS JOIN message AS m ON m.mpid = w.mpid AND m.input_key = w.input_key AND m.message_id = w.message_id;

-- name: tick_sections
UPDATE section_clock SET number = number + 1 WHERE clock = 1 RETURNING number;

-- name: insert_section
INSERT INTO section (workspace, environment, mpid, version, document, last_seen_ms)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: update_section
-- Only as it was when it was loaded: no row changed means that somebody else was faster.
UPDATE section SET version = ?, document = ?, last_seen_ms = ?
WHERE workspace = ? AND environment = ? AND mpid = ? AND version = ?;

-- name: insert_events
INSERT INTO user_events (workspace, environment, mpid, at_ms, first_ms, last_ms, document)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: remove_section
DELETE FROM section WHERE workspace = ? AND environment = ? AND mpid = ? AND version = ?;

-- name: move_events
UPDATE user_events SET mpid = ?, document = ? WHERE seq = ? AND workspace = ? AND environment = ? AND mpid = ?;

-- name: turn_alias
-- Only one that is in the state named: no row changed means that somebody else was faster.
UPDATE alias SET state = ? WHERE request_id = ? AND state = ?;

-- name: events_keys
-- Which sections of a profile have events.
SELECT DISTINCT workspace, environment FROM user_events WHERE mpid = ?;

-- name: release_request
-- Takes an id from a batch that was not kept, for the next one that has it.
UPDATE batch_receipt SET request_id = NULL WHERE request_id = ? AND input_key = ? AND kept = 0;

-- name: insert_receipt
INSERT INTO batch_receipt (receipt_id, input_key, request_id, at_ms, document, kept)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: insert_message
INSERT INTO message (input_key, mpid, message_id, at_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: insert_alias
INSERT INTO alias (
    request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms, due_ms,
    state, reason, settled_ms
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: settle_alias
-- Only a queued one: no row changed means that somebody else was faster.
UPDATE alias SET state = ?, reason = ?, settled_ms = ? WHERE request_id = ? AND state = 'queued';

-- name: sections_of
SELECT workspace, environment, mpid, document, version FROM section WHERE mpid = ?;

-- name: events
SELECT seq, at_ms, first_ms, last_ms, document
FROM user_events
WHERE workspace = ? AND environment = ? AND mpid = ? AND seq > ? AND last_ms >= ? AND first_ms <= ?
ORDER BY seq LIMIT ?;

-- name: events_back
SELECT seq, at_ms, first_ms, last_ms, document
FROM user_events
WHERE workspace = ? AND environment = ? AND mpid = ? AND seq < ?
ORDER BY seq DESC LIMIT ?;

-- name: receipt
SELECT receipt_id, input_key, request_id, at_ms, document, kept FROM batch_receipt WHERE receipt_id = ?;

-- name: receipts_named
-- One for each input at most, which is few enough to sort.
SELECT receipt_id, input_key, request_id, at_ms, document, kept
FROM batch_receipt
WHERE request_id = ?
ORDER BY at_ms DESC, seq DESC LIMIT ?;

-- name: alias
SELECT
    request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms, due_ms,
    state, reason, settled_ms
FROM alias WHERE request_id = ?;

-- name: aliases_about
-- The requests that name wanted profiles; one that names two comes twice. /*wanted*/ becomes one
-- (workspace, environment, mpid) for each.
WITH wanted (workspace, environment, mpid) AS (VALUES /*wanted*/)
SELECT
    a.alias, a.request_id, a.workspace, a.environment, a.source_mpid, a.destination_mpid, a.start_ms, a.end_ms,
    a.stamp, a.requested_ms, a.due_ms, a.state, a.reason, a.settled_ms
FROM wanted AS w
CROSS JOIN alias AS a
    ON a.source_mpid = w.mpid AND a.workspace = w.workspace AND a.environment = w.environment
UNION ALL
SELECT
    a.alias, a.request_id, a.workspace, a.environment, a.source_mpid, a.destination_mpid, a.start_ms, a.end_ms,
    a.stamp, a.requested_ms, a.due_ms, a.state, a.reason, a.settled_ms
FROM wanted AS w
CROSS JOIN alias AS a
    ON a.destination_mpid = w.mpid AND a.workspace = w.workspace AND a.environment = w.environment;

-- name: aliases_due
SELECT
    request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms, due_ms,
    state, reason, settled_ms
FROM alias WHERE state = 'queued' AND due_ms <= ?
ORDER BY due_ms, alias LIMIT ?;

-- name: count_older
SELECT
    (SELECT count(*) FROM user_events WHERE last_ms < ?),
    (SELECT count(*) FROM batch_receipt WHERE at_ms < ?) + (SELECT count(*) FROM message WHERE at_ms < ?),
    (SELECT count(*) FROM section WHERE last_seen_ms < ?);

-- name: forget_events
DELETE FROM user_events WHERE seq IN (
    SELECT seq FROM user_events WHERE last_ms < ? ORDER BY last_ms LIMIT ?
);

-- name: forget_receipts
DELETE FROM batch_receipt WHERE seq IN (
    SELECT seq FROM batch_receipt WHERE at_ms < ? ORDER BY at_ms LIMIT ?
);

-- name: forget_messages
DELETE FROM message WHERE (mpid, input_key, message_id) IN (
    SELECT mpid, input_key, message_id FROM message WHERE at_ms < ? ORDER BY at_ms LIMIT ?
);

-- name: forget_sections
DELETE FROM section WHERE section IN (
    SELECT section FROM section WHERE last_seen_ms < ? ORDER BY last_seen_ms LIMIT ?
);
