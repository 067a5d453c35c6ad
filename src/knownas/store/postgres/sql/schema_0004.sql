-- works_from: 4
-- The layout of a knownas database, version 4: how a commit of user data is written, in one call. See version 3 for what
-- holds of such functions. The order of locks: sections that are there, by profile, workspace and environment; sections
-- that are not; receipts; request ids; message ids; alias requests.

CREATE FUNCTION knownas.user_data_commit_1(
    token uuid,
    -- changed sections, with the version that each must have
    changed_mpids bigint[], changed_workspaces bigint[], changed_environments text[], changed_versions bigint[],
    changed_last_seen_ms bigint[], changed_documents bytea[],
    -- new sections
    new_mpids bigint[], new_workspaces bigint[], new_environments text[], new_last_seen_ms bigint[],
    new_documents bytea[],
    -- sections that get events and are not written
    other_mpids bigint[], other_workspaces bigint[], other_environments text[],
    event_mpids bigint[], event_workspaces bigint[], event_environments text[], event_at_ms bigint[],
    event_first_ms bigint[], event_last_ms bigint[], event_documents bytea[],
    receipt_ids text[], receipt_input_keys text[], receipt_request_ids text[], receipt_at_ms bigint[],
    receipt_documents bytea[], receipt_kept boolean[],
    message_mpids bigint[], message_input_keys text[], message_ids text[], message_at_ms bigint[],
    alias_ids text[], alias_workspaces bigint[], alias_environments text[], alias_sources bigint[],
    alias_destinations bigint[], alias_start_ms bigint[], alias_end_ms bigint[], alias_stamps text[],
    alias_requested_ms bigint[], alias_due_ms bigint[], alias_states text[], alias_reasons text[],
    alias_settled_ms bigint[],
    settled_ids text[], settled_states text[], settled_reasons text[], settled_settled_ms bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    number bigint := nextval('knownas.section_version_seq');
    counted integer;
BEGIN
    INSERT INTO knownas.commit_token (token, fenced) VALUES (token, false);
    IF cardinality(changed_mpids) > 0 THEN
        SELECT count(*) INTO counted FROM (
            SELECT 1
            FROM (
                SELECT * FROM unnest(changed_mpids, changed_workspaces, changed_environments, changed_versions)
                    AS u (mpid, workspace, environment, version)
                ORDER BY u.mpid, u.workspace, u.environment COLLATE "C"
            ) AS w
            CROSS JOIN LATERAL (
                SELECT 1 FROM knownas.section AS s
                WHERE s.mpid = w.mpid AND s.workspace = w.workspace AND s.environment = w.environment
                    AND s.version = w.version
                FOR NO KEY UPDATE OF s
            ) AS locked
        ) AS standing;
        IF counted <> cardinality(changed_mpids) THEN
            RAISE EXCEPTION 'a section changed' USING ERRCODE = 'KN001';
        END IF;
    END IF;
    IF cardinality(new_mpids) > 0 THEN
        INSERT INTO knownas.section (mpid, workspace, environment, version, last_seen_ms, document)
        SELECT w.mpid, w.workspace, w.environment, number, w.last_seen_ms, w.document
        FROM unnest(new_mpids, new_workspaces, new_environments, new_last_seen_ms, new_documents)
            AS w (mpid, workspace, environment, last_seen_ms, document)
        ORDER BY w.mpid, w.workspace, w.environment COLLATE "C";
    END IF;
    IF cardinality(other_mpids) > 0 THEN
        -- Whether it is there or not, its row is held until the end, so that its events are numbered one after another.
        INSERT INTO knownas.section AS s (mpid, workspace, environment, version, last_seen_ms, document)
        SELECT w.mpid, w.workspace, w.environment, -number, 0, ''
        FROM unnest(other_mpids, other_workspaces, other_environments) AS w (mpid, workspace, environment)
        ORDER BY w.mpid, w.workspace, w.environment COLLATE "C"
        ON CONFLICT (mpid, workspace, environment) DO UPDATE SET version = s.version;
    END IF;
    IF cardinality(receipt_ids) > 0 THEN
        INSERT INTO knownas.batch_receipt (receipt_id, input_key, request_id, at_ms, document, kept)
        SELECT w.receipt_id, w.input_key, w.request_id, w.at_ms, w.document, w.kept
        FROM unnest(
            receipt_ids, receipt_input_keys, receipt_request_ids, receipt_at_ms, receipt_documents, receipt_kept
        ) WITH ORDINALITY AS w (receipt_id, input_key, request_id, at_ms, document, kept, place)
        ORDER BY w.place;
        -- An id is free, or had by a batch that was not kept; whoever finds it taken changes nothing here.
        INSERT INTO knownas.request AS r (request_id, input_key, receipt_id, at_ms, kept)
        SELECT w.request_id, w.input_key, w.receipt_id, w.at_ms, w.kept
        FROM unnest(receipt_ids, receipt_input_keys, receipt_request_ids, receipt_at_ms, receipt_kept)
            AS w (receipt_id, input_key, request_id, at_ms, kept)
        WHERE w.request_id IS NOT NULL
        ORDER BY w.request_id COLLATE "C", w.input_key COLLATE "C"
        ON CONFLICT (request_id, input_key) DO UPDATE
        SET receipt_id = excluded.receipt_id, at_ms = excluded.at_ms, kept = excluded.kept
        WHERE NOT r.kept;
        GET DIAGNOSTICS counted = ROW_COUNT;
        IF counted <> cardinality(array_remove(receipt_request_ids, NULL)) THEN
            RAISE EXCEPTION 'a request id is taken' USING ERRCODE = 'KN001';
        END IF;
    END IF;
    IF cardinality(message_ids) > 0 THEN
        INSERT INTO knownas.message (mpid, input_key, message_id, at_ms)
        SELECT w.mpid, w.input_key, w.message_id, w.at_ms
        FROM unnest(message_mpids, message_input_keys, message_ids, message_at_ms)
            AS w (mpid, input_key, message_id, at_ms)
        ORDER BY w.mpid, w.message_id COLLATE "C", w.input_key COLLATE "C";
    END IF;
    IF cardinality(alias_ids) > 0 THEN
        INSERT INTO knownas.alias (
            request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms,
            due_ms, state, reason, settled_ms
        )
        SELECT w.request_id, w.workspace, w.environment, w.source_mpid, w.destination_mpid, w.start_ms, w.end_ms,
            w.stamp, w.requested_ms, w.due_ms, w.state, w.reason, w.settled_ms
        FROM unnest(
            alias_ids, alias_workspaces, alias_environments, alias_sources, alias_destinations, alias_start_ms,
            alias_end_ms, alias_stamps, alias_requested_ms, alias_due_ms, alias_states, alias_reasons, alias_settled_ms
        ) WITH ORDINALITY AS w (
            request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms,
            due_ms, state, reason, settled_ms, place
        )
        ORDER BY w.place;
    END IF;
    IF cardinality(settled_ids) > 0 THEN
        SELECT count(*) INTO counted FROM (
            SELECT 1
            FROM (SELECT * FROM unnest(settled_ids) AS u (request_id) ORDER BY u.request_id COLLATE "C") AS w
            CROSS JOIN LATERAL (
                SELECT 1 FROM knownas.alias AS a
                WHERE a.request_id = w.request_id AND a.state = 'queued'
                FOR NO KEY UPDATE OF a
            ) AS locked
        ) AS standing;
        IF counted <> cardinality(settled_ids) THEN
            RAISE EXCEPTION 'an alias request is settled' USING ERRCODE = 'KN001';
        END IF;
    END IF;
    FOR n IN 1 .. cardinality(settled_ids) LOOP
        UPDATE knownas.alias AS a
        SET state = settled_states[n], reason = settled_reasons[n], settled_ms = settled_settled_ms[n]
        WHERE a.request_id = settled_ids[n];
    END LOOP;
    FOR n IN 1 .. cardinality(changed_mpids) LOOP
        UPDATE knownas.section AS s
        SET version = number, last_seen_ms = changed_last_seen_ms[n], document = changed_documents[n]
        WHERE s.mpid = changed_mpids[n] AND s.workspace = changed_workspaces[n]
            AND s.environment = changed_environments[n];
    END LOOP;
    IF cardinality(event_mpids) > 0 THEN
        INSERT INTO knownas.user_events (mpid, workspace, environment, seq, at_ms, first_ms, last_ms, document)
        SELECT w.mpid, w.workspace, w.environment, w.seq, w.at_ms, w.first_ms, w.last_ms, w.document
        FROM unnest(
            event_mpids, event_workspaces, event_environments, event_at_ms, event_first_ms, event_last_ms,
            event_documents,
            ARRAY(SELECT nextval('knownas.events_seq') FROM generate_series(1, cardinality(event_mpids)))
        ) AS w (mpid, workspace, environment, at_ms, first_ms, last_ms, document, seq);
    END IF;
    FOR n IN 1 .. cardinality(other_mpids) LOOP
        DELETE FROM knownas.section AS s
        WHERE s.mpid = other_mpids[n] AND s.workspace = other_workspaces[n] AND s.environment = other_environments[n]
            AND s.version = -number;
    END LOOP;
END $$;

-- Removes at most so many things that are older, the oldest of each kind first, and returns how many.
CREATE FUNCTION knownas.forget_older_1(events_ms bigint, requests_ms bigint, sections_ms bigint, at_most bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone bigint := 0;
    old record;
BEGIN
    FOR old IN
        SELECT o.mpid, o.workspace, o.environment, o.seq FROM knownas.user_events AS o
        WHERE o.last_ms < events_ms ORDER BY o.last_ms LIMIT at_most
    LOOP
        DELETE FROM knownas.user_events AS e
        WHERE e.mpid = old.mpid AND e.workspace = old.workspace AND e.environment = old.environment AND e.seq = old.seq;
        gone := gone + 1;
    END LOOP;
    FOR old IN
        SELECT o.receipt_id, o.request_id, o.input_key FROM knownas.batch_receipt AS o
        WHERE o.at_ms < requests_ms ORDER BY o.at_ms, o.made LIMIT at_most - gone
    LOOP
        DELETE FROM knownas.batch_receipt AS r WHERE r.receipt_id = old.receipt_id;
        DELETE FROM knownas.request AS q
        WHERE q.request_id = old.request_id AND q.input_key = old.input_key AND q.receipt_id = old.receipt_id;
        gone := gone + 1;
    END LOOP;
    FOR old IN
        SELECT o.mpid, o.input_key, o.message_id FROM knownas.message AS o
        WHERE o.at_ms < requests_ms ORDER BY o.at_ms LIMIT at_most - gone
    LOOP
        DELETE FROM knownas.message AS m
        WHERE m.mpid = old.mpid AND m.input_key = old.input_key AND m.message_id = old.message_id;
        gone := gone + 1;
    END LOOP;
    FOR old IN
        SELECT o.mpid, o.workspace, o.environment FROM knownas.section AS o
        WHERE o.last_seen_ms < sections_ms ORDER BY o.last_seen_ms LIMIT at_most - gone
    LOOP
        -- The time is looked at again: whoever came back meanwhile is not forgotten.
        DELETE FROM knownas.section AS s
        WHERE s.mpid = old.mpid AND s.workspace = old.workspace AND s.environment = old.environment
            AND s.last_seen_ms < sections_ms;
        gone := gone + 1;
    END LOOP;
    RETURN gone;
END $$;
