-- name: watched
SELECT workspace, version FROM knownas.watch;

-- name: audience_documents
SELECT kind, number, workspace, version, document FROM knownas.audience_document ORDER BY kind, number;

-- name: write_audience_document
SELECT knownas.audience_write_document_1($1, $2, $3, $4, $5, $6);

-- name: marks
SELECT seq, workspace, environment, mpid, document FROM knownas.mark WHERE seq > $1 ORDER BY seq LIMIT $2;

-- name: standings_due
SELECT workspace, environment, mpid FROM knownas.standing WHERE due_ms <= $1 ORDER BY due_ms LIMIT $2;

-- name: standings
-- The wanted standings: profiles, workspaces, environments.
SELECT w.place, s.document, s.version
FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::text[]) WITH ORDINALITY AS w (mpid, workspace, environment, place)
CROSS JOIN LATERAL (
    SELECT f.document, f.version FROM knownas.standing AS f
    WHERE f.mpid = w.mpid AND f.workspace = w.workspace AND f.environment = w.environment OFFSET 0
) AS s;

-- name: sections_judged
SELECT workspace, environment, mpid, document, version FROM knownas.section WHERE mpid = ANY ($1::bigint[]);

-- name: newest_events
-- The newest batches of the wanted sections, without those that ended before a time: profiles, workspaces, environments, at most so many of
-- each, and that time.
SELECT w.place, e.seq, e.at_ms, e.first_ms, e.last_ms, e.document
FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::text[]) WITH ORDINALITY AS w (mpid, workspace, environment, place)
CROSS JOIN LATERAL (
    SELECT f.seq, f.at_ms, f.first_ms, f.last_ms, f.document FROM knownas.user_events AS f
    WHERE f.mpid = w.mpid AND f.workspace = w.workspace AND f.environment = w.environment
    ORDER BY f.seq DESC LIMIT $4::bigint
) AS e
WHERE e.last_ms >= coalesce($5::bigint, e.last_ms);

-- name: distributed_newest_events
SELECT * FROM knownas.distributed_newest_events_1($1::text::bigint[], $2::text::bigint[], $3::text::text[], $4::bigint)
WHERE last_ms >= coalesce($5::bigint, last_ms);

-- name: section_keys
SELECT workspace, environment, mpid FROM knownas.section
WHERE (mpid, workspace, environment) > ($1, $2, $3) AND workspace = $2 ORDER BY mpid, workspace, environment LIMIT $4;

-- name: section_stretch
-- The last of the next sections of a workspace.
SELECT mpid, environment FROM (
    SELECT mpid, workspace, environment FROM knownas.section
    WHERE (mpid, workspace, environment) > ($1, $2, $3) AND workspace = $2 ORDER BY mpid, workspace, environment LIMIT $4
) AS next ORDER BY mpid DESC, workspace DESC, environment DESC LIMIT 1;

-- name: sections_in
SELECT mpid, environment, document, version FROM knownas.section
WHERE (mpid, workspace, environment) > ($1, $2, $3) AND (mpid, workspace, environment) <= ($4, $2, $5) AND workspace = $2
ORDER BY mpid, workspace, environment LIMIT $6;

-- name: sections_traced
-- Those in which, or in whose events, a trace is: patterns for sections and for events, and a time before which no batch may have ended. ASCII alone is
-- compared without regard to case. The OFFSET keeps the events of one section from being looked for among those of all.
SELECT s.mpid, s.environment, s.document, s.version FROM knownas.section AS s
WHERE (s.mpid, s.workspace, s.environment) > ($1, $2, $3) AND (s.mpid, s.workspace, s.environment) <= ($4, $2, $5) AND s.workspace = $2
    AND (
        convert_from(s.document, 'UTF8') COLLATE "C" ILIKE ANY ($7::text[])
        OR (
            cardinality($8::text[]) > 0 AND EXISTS (
                SELECT FROM knownas.user_events AS e
                WHERE e.mpid = s.mpid AND e.workspace = s.workspace AND e.environment = s.environment AND e.last_ms >= $9::bigint
                    AND convert_from(e.document, 'UTF8') COLLATE "C" ILIKE ANY ($8::text[])
                OFFSET 0
            )
        )
    )
ORDER BY s.mpid, s.workspace, s.environment LIMIT $6;

-- name: distributed_sections_traced
-- All sections where events are asked for: no statement looks for those of one section after the other on several machines.
SELECT mpid, environment, document, version FROM knownas.section
WHERE (mpid, workspace, environment) > ($1, $2, $3) AND (mpid, workspace, environment) <= ($4, $2, $5) AND workspace = $2
    AND (
        convert_from(document, 'UTF8') COLLATE "C" ILIKE ANY ($7::text[])
        OR (cardinality($8::text[]) > 0 AND $9::bigint IS NOT NULL)
    )
ORDER BY mpid, workspace, environment LIMIT $6;

-- name: profiles_there
SELECT mpid FROM knownas.profile WHERE mpid = ANY ($1::bigint[]);

-- name: audience_commit
-- A commit, then a look for the sections that it rests on: four arguments, the last but two. Then the places that it writes: the nine before those. In the end a look at
-- the turn, the last two.
SELECT knownas.audience_turn_1($75::text, $76::bytea) FROM (SELECT knownas.audience_write_places_1(
    $62::text::bigint[], $63::text::bigint[], $64::text::text[], $65::text::bigint[], $66::text::bigint[],
    $67::text::text[], $68::bytea[], $69::text::bigint[], $70::text::bigint[]
) AS placed
FROM (
    SELECT knownas.audience_rest_1($71::text::bigint[], $72::text::bigint[], $73::text::text[], $74::text::bigint[]) AS rests
    FROM (SELECT knownas.audience_commit_bare_1(/*arguments*/) AS done OFFSET 0) AS committed OFFSET 0
) AS still_there OFFSET 0) AS written;

-- name: members
SELECT mpid, since_ms FROM knownas.member
WHERE audience = $1 AND workspace = $2 AND environment = $3 AND mpid >= $4 ORDER BY mpid LIMIT $5;

-- name: count_members
SELECT count(*) FROM knownas.member WHERE audience = $1 AND workspace = $2 AND environment = $3;

-- name: count_changes
SELECT at_ms - at_ms % $6 AS begins, count(*) FILTER (WHERE is_member), count(*) FILTER (WHERE NOT is_member)
FROM knownas.membership_change
WHERE audience = $1 AND workspace = $2 AND environment = $3 AND at_ms >= $4 AND at_ms < $5
GROUP BY begins ORDER BY begins;

-- name: changes_of
SELECT seq, workspace, environment, mpid, audience, is_member, at_ms, document FROM knownas.membership_change
WHERE workspace = $1 AND environment = $2 AND mpid = $3 AND seq < $4 ORDER BY seq DESC LIMIT $5;

-- name: held_of
SELECT connection, mpid, slot, target, encoding, value, device, platform FROM knownas.held
WHERE mpid = ANY ($1::bigint[]) AND connection = ANY ($2::bigint[]);

-- name: held_values
SELECT connection, mpid, slot, target, encoding, value, device, platform FROM knownas.held
WHERE value = ANY ($1::text[]) AND connection = $2;

-- name: holders_known
(SELECT mpid FROM knownas.held WHERE connection = $1 AND mpid >= $2 ORDER BY mpid)
UNION
(SELECT mpid FROM knownas.passed WHERE connection = $1 AND mpid >= $2 ORDER BY mpid)
ORDER BY mpid LIMIT $3;

-- name: passed_over
SELECT connection, mpid, reason, about FROM knownas.passed
WHERE connection = $1 AND mpid >= $2 AND ($3::text IS NULL OR reason = $3::text) ORDER BY mpid, passed LIMIT $4;

-- name: count_passed
SELECT reason, about, count(*) FROM knownas.passed WHERE connection = $1 GROUP BY reason, about;

-- name: forget_profile
SELECT knownas.audience_forget_profile_1($1, $2, $3);

-- name: waiting_outputs
-- From one to the next, past whatever waits for it.
WITH RECURSIVE found (output) AS (
    SELECT (SELECT d.output FROM knownas.output_delivery AS d WHERE d.state = 'waiting' ORDER BY d.output LIMIT 1)
    UNION ALL
    SELECT (
        SELECT d.output FROM knownas.output_delivery AS d
        WHERE d.state = 'waiting' AND d.output > f.output ORDER BY d.output LIMIT 1
    )
    FROM found AS f WHERE f.output IS NOT NULL
)
SELECT output FROM found WHERE output IS NOT NULL;

-- name: deliveries_waiting
SELECT seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, document
FROM knownas.output_delivery WHERE output = $1 AND state = 'waiting' AND seq > $2 ORDER BY seq LIMIT $3;

-- name: settle_deliveries
UPDATE knownas.output_delivery AS d
SET state = w.state, settled_ms = w.at_ms, why = w.why,
    document = CASE d.why WHEN 'forgotten' THEN '' ELSE d.document END
FROM unnest($1::text::bigint[], $2::text::text[], $3::text::bigint[], $4::text::text[]) AS w (seq, state, at_ms, why)
WHERE d.seq = w.seq AND d.state = 'waiting';

-- name: wait_again
SELECT knownas.audience_wait_again_1($1::bigint[]);

-- name: later_delivery
SELECT 1 FROM knownas.output_delivery AS l
WHERE l.mpid = $1 AND l.workspace = $2 AND l.output = $3 AND l.connection = $4
    AND coalesce(l.written, l.seq) > (SELECT coalesce(d.written, d.seq) FROM knownas.output_delivery AS d WHERE d.seq = $5)
    AND l.state IN ('waiting', 'sent')
LIMIT 1;

-- name: deliveries_all
SELECT seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, document
FROM knownas.output_delivery WHERE output = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3;

-- name: deliveries_in_state
SELECT seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, document
FROM knownas.output_delivery WHERE output = $1 AND seq < $2 AND state = $3 ORDER BY seq DESC LIMIT $4;

-- name: deliveries_about
SELECT seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, document
FROM knownas.output_delivery WHERE mpid = $1 AND workspace = $2 AND seq < $3 ORDER BY seq DESC LIMIT $4;

-- name: output_delivery
SELECT seq, delivery_id, output, connection, workspace, environment, mpid, at_ms, state, settled_ms, why, document
FROM knownas.output_delivery WHERE seq = $1;

-- name: count_output_deliveries
SELECT count(*) FROM (
    SELECT 1 FROM knownas.output_delivery WHERE output = $1 AND state = $2 LIMIT $3::bigint
) AS counted;

-- name: count_settled
SELECT count(*) FROM knownas.output_delivery WHERE settled_ms < $1;

-- name: forget_output_deliveries
DELETE FROM knownas.output_delivery AS d WHERE d.seq = ANY (ARRAY(
    SELECT o.seq FROM knownas.output_delivery AS o WHERE o.settled_ms < $1 ORDER BY o.settled_ms LIMIT $2
))
RETURNING 1;
