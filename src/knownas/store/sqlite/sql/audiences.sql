-- name: watched
SELECT workspace, version FROM watch;

-- name: is_watched
SELECT version FROM watch WHERE workspace = ?;

-- name: tick_watch
INSERT INTO watch (workspace, version) VALUES (?, 1)
ON CONFLICT (workspace) DO UPDATE SET version = version + 1;

-- name: audience_documents
SELECT kind, number, workspace, version, document FROM audience_document ORDER BY kind, number;

-- name: add_audience_document
INSERT INTO audience_document (kind, number, workspace, version, document)
VALUES (?, ?, ?, (SELECT version FROM watch WHERE workspace = 0), ?) ON CONFLICT DO NOTHING;

-- name: change_audience_document
UPDATE audience_document SET version = (SELECT version FROM watch WHERE workspace = 0), document = ?
WHERE kind = ? AND number = ? AND version = ?;

-- name: add_mark
INSERT INTO mark (workspace, environment, mpid, document) VALUES (?, ?, ?, ?);

-- name: events_growing_old
SELECT workspace, environment, mpid FROM user_events WHERE last_ms < ? ORDER BY last_ms LIMIT ?;

-- name: sections_growing_old
SELECT workspace, environment, mpid FROM section WHERE last_seen_ms < ? ORDER BY last_seen_ms LIMIT ?;

-- name: mark_erased
INSERT INTO mark (workspace, environment, mpid, document)
SELECT workspace, environment, mpid, x'' FROM section WHERE workspace = ?1 AND mpid = ?2;

-- name: marks
SELECT seq, workspace, environment, mpid, document FROM mark WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: mark_done
DELETE FROM mark WHERE seq = ?;

-- name: standings_due
SELECT workspace, environment, mpid FROM standing WHERE due_ms <= ? ORDER BY due_ms LIMIT ?;

-- name: standings
-- The wanted standings. /*wanted*/ becomes one (workspace, environment, mpid) for each.
WITH wanted (workspace, environment, mpid) AS (VALUES /*wanted*/)
SELECT s.workspace, s.environment, s.mpid, s.document, s.version
FROM wanted AS w
CROSS JOIN standing AS s ON s.mpid = w.mpid AND s.workspace = w.workspace AND s.environment = w.environment;

-- name: records_judged
-- The wanted profiles. /*wanted*/ becomes one (mpid) for each.
WITH wanted (mpid) AS (VALUES /*wanted*/)
SELECT p.mpid, p.known, p.created_ms, p.active_ms, p.source_mpid, p.version, p.identities, p.carried
FROM wanted AS w CROSS JOIN profile AS p ON p.mpid = w.mpid;

-- name: sections_judged
-- All sections of the wanted profiles. /*wanted*/ becomes one (mpid) for each.
WITH wanted (mpid) AS (VALUES /*wanted*/)
SELECT s.workspace, s.environment, s.mpid, s.document, s.version
FROM wanted AS w CROSS JOIN section AS s ON s.mpid = w.mpid;

-- name: section_versions
-- The versions of the wanted sections that there are. /*wanted*/ becomes one (workspace, environment, mpid) for each.
WITH wanted (workspace, environment, mpid) AS (VALUES /*wanted*/)
SELECT s.workspace, s.environment, s.mpid, s.version
FROM wanted AS w CROSS JOIN section AS s
ON s.mpid = w.mpid AND s.workspace = w.workspace AND s.environment = w.environment;

-- name: last_removal
SELECT number FROM section_removal;

-- name: note_removal
-- The clock goes on first: whatever was read before bears a number up to this one, and whatever is read later a larger one.
UPDATE section_removal SET number = (SELECT number FROM section_clock);

-- name: newest_events
-- The newest kept batches of the wanted sections, at most so many of each, without those that ended before a time. The index of a user's
-- events tells which those are; the plus keeps the index of all times from being asked. /*wanted*/ becomes one (workspace, environment, mpid) for each.
WITH wanted (workspace, environment, mpid) AS (VALUES /*wanted*/)
SELECT e.workspace, e.environment, e.mpid, e.seq, e.at_ms, e.first_ms, e.last_ms, e.document
FROM wanted AS w CROSS JOIN user_events AS e
ON e.mpid = w.mpid AND e.workspace = w.workspace AND e.environment = w.environment
WHERE e.seq >= ifnull((
    SELECT f.seq FROM user_events AS f
    WHERE f.mpid = w.mpid AND f.workspace = w.workspace AND f.environment = w.environment
    ORDER BY f.seq DESC LIMIT 1 OFFSET ? - 1
), 0) AND +e.last_ms >= ifnull(?, e.last_ms);

-- name: section_keys
-- There are few workspaces: the index is read that finds a profile's sections, and those of others are passed over.
SELECT workspace, environment, mpid FROM section
WHERE (mpid, workspace, environment) > (?1, ?2, ?3) AND +workspace = ?2 ORDER BY mpid, workspace, environment LIMIT ?4;

-- name: section_stretch
-- The last of the next sections of all workspaces, by their numbers, and the largest number that there is.
SELECT section, mpid, (SELECT max(section) FROM section) FROM section WHERE section = coalesce(
    (SELECT max(section) FROM section WHERE section > ?1 AND section <= ?1 + ?2),
    (SELECT min(section) FROM section WHERE section > ?1)
);

-- name: section_at
SELECT mpid FROM section WHERE section = ?;

-- name: sections_in
-- Instead of its version, each bears the next one, which no section has yet.
SELECT section, mpid, environment, document, (SELECT number + 1 FROM section_clock) FROM section
WHERE section > ?1 AND section <= ?2 AND workspace = ?3 ORDER BY section LIMIT ?4;

-- name: sections_traced
-- Those in which, or in whose events, a trace is; neither is looked through for no trace. /*sections*/ and /*events*/ become one more (pattern) for each.
SELECT s.section, s.mpid, s.environment, s.document, (SELECT number + 1 FROM section_clock) FROM section AS s
WHERE s.section > ? AND s.section <= ? AND s.workspace = ? AND (
    ? AND EXISTS (SELECT 1 FROM (VALUES (NULL) /*sections*/) AS trace WHERE CAST(s.document AS text) LIKE trace.column1)
    OR ? AND EXISTS (
        SELECT 1 FROM user_events AS e
        WHERE e.mpid = s.mpid AND e.workspace = s.workspace AND e.environment = s.environment AND +e.last_ms >= ?
            AND EXISTS (SELECT 1 FROM (VALUES (NULL) /*events*/) AS trace WHERE CAST(e.document AS text) LIKE trace.column1)
    )
) ORDER BY s.section LIMIT ?;

-- name: standings_there
-- How the wanted profiles stand that are there. /*wanted*/ becomes one (workspace, environment, mpid) for each.
WITH wanted (workspace, environment, mpid) AS (VALUES /*wanted*/)
SELECT w.workspace, w.environment, w.mpid, s.document, s.version
FROM wanted AS w
CROSS JOIN profile AS p ON p.mpid = w.mpid
LEFT JOIN standing AS s ON s.mpid = w.mpid AND s.workspace = w.workspace AND s.environment = w.environment;

-- name: add_standing
INSERT INTO standing (workspace, environment, mpid, version, due_ms, document) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: change_standing
UPDATE standing SET version = ?, due_ms = ?, document = ?
WHERE workspace = ? AND environment = ? AND mpid = ? AND version = ?;

-- name: remove_standing
DELETE FROM standing WHERE workspace = ? AND environment = ? AND mpid = ? AND version = ?;

-- name: add_change
INSERT INTO membership_change (mpid, workspace, environment, audience, is_member, at_ms, document)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: join_audience
INSERT OR REPLACE INTO member (audience, workspace, environment, mpid, since_ms) VALUES (?, ?, ?, ?, ?);

-- name: leave_audience
DELETE FROM member WHERE audience = ? AND workspace = ? AND environment = ? AND mpid = ?;

-- name: give_up_held
DELETE FROM held WHERE connection = ? AND mpid = ? AND slot = ? AND target = ? AND encoding = ? AND value = ?;

-- name: hold
INSERT OR REPLACE INTO held (connection, mpid, slot, target, encoding, value, device, platform)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: forget_passed
DELETE FROM passed WHERE connection = ? AND mpid = ?;

-- name: pass_over
INSERT INTO passed (connection, mpid, reason, about) VALUES (?, ?, ?, ?);

-- name: add_output_delivery
INSERT INTO output_delivery (
    delivery_id, output, connection, workspace, environment, mpid, at_ms, state, document
) VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', ?) ON CONFLICT DO NOTHING;

-- name: members
SELECT mpid, since_ms FROM member WHERE audience = ? AND workspace = ? AND environment = ? AND mpid >= ?
ORDER BY mpid LIMIT ?;

-- name: count_members
SELECT count(*) FROM member WHERE audience = ? AND workspace = ? AND environment = ?;

-- name: count_changes
-- A row that counts has all that there are, as JSON.
SELECT json_group_array(json_array(begins, joined, gone)) FROM (
    SELECT at_ms - at_ms % ?6 AS begins, sum(is_member) AS joined, sum(1 - is_member) AS gone FROM membership_change
    WHERE audience = ?1 AND workspace = ?2 AND environment = ?3 AND at_ms >= ?4 AND at_ms < ?5
    GROUP BY begins
);

-- name: changes_of
SELECT seq, workspace, environment, mpid, audience, is_member, at_ms, document FROM membership_change
WHERE workspace = ? AND environment = ? AND mpid = ? AND seq < ? ORDER BY seq DESC LIMIT ?;

-- name: held_of
-- What is held of the wanted profiles, by all connections. /*wanted*/ becomes one (mpid) for each.
WITH wanted (mpid) AS (VALUES /*wanted*/)
SELECT h.connection, h.mpid, h.slot, h.target, h.encoding, h.value, h.device, h.platform
FROM wanted AS w CROSS JOIN held AS h ON h.mpid = w.mpid;

-- name: held_values
-- What is held under the wanted values. /*wanted*/ becomes one (value, connection) for each.
WITH wanted (value, connection) AS (VALUES /*wanted*/)
SELECT h.connection, h.mpid, h.slot, h.target, h.encoding, h.value, h.device, h.platform
FROM wanted AS w CROSS JOIN held AS h ON h.value = w.value AND h.connection = w.connection;

-- name: holders_known
SELECT mpid FROM (
    SELECT mpid FROM held WHERE connection = ?1 AND mpid >= ?2
    UNION
    SELECT mpid FROM passed WHERE connection = ?1 AND mpid >= ?2
)
ORDER BY mpid LIMIT ?3;

-- name: passed_over
SELECT connection, mpid, reason, about FROM passed WHERE connection = ? AND mpid >= ? AND (?3 IS NULL OR reason = ?3)
ORDER BY mpid, passed LIMIT ?4;

-- name: count_passed
SELECT reason, about, count(*) FROM passed WHERE connection = ? GROUP BY reason, about;

-- name: forget_standings
DELETE FROM standing WHERE standing IN (SELECT standing FROM standing WHERE mpid = ?1 AND workspace = ?2 LIMIT ?3);

-- name: forget_members
DELETE FROM member WHERE (audience, workspace, environment, mpid) IN (
    SELECT audience, workspace, environment, mpid FROM member WHERE mpid = ?1 AND workspace = ?2 LIMIT ?3
);

-- name: forget_changes
DELETE FROM membership_change WHERE seq IN (
    SELECT seq FROM membership_change WHERE mpid = ?1 AND workspace = ?2 LIMIT ?3
);

-- name: forget_held
DELETE FROM held WHERE (mpid, connection, slot, target, encoding, value) IN (
    SELECT h.mpid, h.connection, h.slot, h.target, h.encoding, h.value FROM held AS h
    CROSS JOIN audience_document AS d ON d.kind = 'connection' AND d.number = h.connection
    WHERE h.mpid = ?1 AND d.workspace = ?2 LIMIT ?3
);

-- name: forget_passed_of
DELETE FROM passed WHERE passed IN (
    SELECT p.passed FROM passed AS p
    CROSS JOIN audience_document AS d ON d.kind = 'connection' AND d.number = p.connection
    WHERE p.mpid = ?1 AND d.workspace = ?2 LIMIT ?3
);

-- name: forget_marks
DELETE FROM mark WHERE seq IN (SELECT seq FROM mark WHERE mpid = ?1 AND workspace = ?2 LIMIT ?3);

-- name: empty_deliveries
UPDATE output_delivery SET document = x'' WHERE seq IN (
    SELECT seq FROM output_delivery
    WHERE mpid = ?1 AND workspace = ?2 AND state <> 'waiting' AND length(document) > 0 LIMIT ?3
);

-- name: forget_waiting
UPDATE output_delivery SET why = 'forgotten' WHERE seq IN (
    SELECT seq FROM output_delivery
    WHERE mpid = ?1 AND workspace = ?2 AND state = 'waiting' AND why IS NULL LIMIT ?3
);

-- name: waiting_outputs
-- From one to the next, past whatever waits for it.
WITH RECURSIVE found (output) AS (
    SELECT min(output) FROM output_delivery WHERE state = 'waiting'
    UNION ALL
    SELECT (SELECT min(d.output) FROM output_delivery AS d WHERE d.state = 'waiting' AND d.output > f.output)
    FROM found AS f WHERE f.output IS NOT NULL
)
SELECT output FROM found WHERE output IS NOT NULL;

-- name: deliveries_waiting
SELECT seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, document
FROM output_delivery WHERE output = ? AND state = 'waiting' AND seq > ? ORDER BY seq LIMIT ?;

-- name: settle_delivery
UPDATE output_delivery
SET state = ?1, settled_ms = ?2, why = ?3, document = CASE why WHEN 'forgotten' THEN x'' ELSE document END
WHERE seq = ?4 AND state = 'waiting';

-- name: may_wait_again
-- Those of the dead deliveries, a JSON array, of which nothing later is or will be told, and that were not erased.
SELECT d.seq
FROM json_each(?1) AS w
CROSS JOIN output_delivery AS d ON d.seq = w.value
WHERE d.state = 'dead' AND length(d.document) > 0 AND NOT EXISTS (
    SELECT 1 FROM output_delivery AS l
    WHERE l.mpid = d.mpid AND l.workspace = d.workspace AND l.output = d.output AND l.connection = d.connection
        AND coalesce(l.written, l.seq) > coalesce(d.written, d.seq) AND l.state IN ('waiting', 'sent')
);

-- name: wait_again
-- It gets a new number, the largest there ever was and one.
UPDATE output_delivery
SET written = coalesce(written, seq),
    seq = (SELECT q.seq FROM sqlite_sequence AS q WHERE q.name = 'output_delivery') + 1,
    state = 'waiting', settled_ms = NULL, why = NULL
WHERE seq = ?;

-- name: advance_deliveries
UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'output_delivery';

-- name: later_delivery
SELECT 1 FROM output_delivery AS l
WHERE l.mpid = ?1 AND l.workspace = ?2 AND l.output = ?3 AND l.connection = ?4
    AND coalesce(l.written, l.seq) > (SELECT coalesce(d.written, d.seq) FROM output_delivery AS d WHERE d.seq = ?5)
    AND l.state IN ('waiting', 'sent')
LIMIT 1;

-- name: deliveries_all
SELECT seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, document
FROM output_delivery WHERE output = ? AND seq < ? ORDER BY seq DESC LIMIT ?;

-- name: deliveries_in_state
SELECT seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, document
FROM output_delivery WHERE output = ? AND seq < ? AND state = ? ORDER BY seq DESC LIMIT ?;

-- name: deliveries_about
SELECT seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, document
FROM output_delivery WHERE mpid = ? AND workspace = ? AND seq < ? ORDER BY seq DESC LIMIT ?;

-- name: output_delivery
SELECT seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, document
FROM output_delivery WHERE seq = ?;

-- name: count_output_deliveries
SELECT count(*) FROM (SELECT 1 FROM output_delivery WHERE output = ? AND state = ? LIMIT ?);

-- name: count_settled
SELECT count(*) FROM output_delivery WHERE settled_ms < ?;

-- name: forget_output_deliveries
DELETE FROM output_delivery WHERE seq IN (
    SELECT seq FROM output_delivery WHERE settled_ms < ? ORDER BY settled_ms LIMIT ?
);
