-- How what is known of users is read and written in a distributed database; see distributed_0001.sql for what holds of all.
-- Nothing is marked here: what must be as of one moment lies at one MPID, and what was absent is protected by unique
-- constraints. A reader of a receipt may for a moment see it without the request id that stands for it.

-- What a group of batches looks up; see the statement `user_data`, whose rows these are.
CREATE FUNCTION knownas.distributed_user_data_1(
    mpids bigint[], workspaces bigint[], environments text[], input_keys text[], request_ids text[],
    message_input_keys text[], message_mpids bigint[], message_ids text[]
) RETURNS TABLE (kind integer, place bigint, version bigint, document bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    s_mpids bigint[];
    s_workspaces bigint[];
    s_environments text[];
    s_versions bigint[];
    s_documents bytea[];
    r_ids text[];
    r_input_keys text[];
    m_mpids bigint[];
    m_ids text[];
    m_input_keys text[];
BEGIN
    IF cardinality(mpids) > 0 THEN
        SELECT
            array_agg(s.mpid), array_agg(s.workspace), array_agg(s.environment), array_agg(s.version), array_agg(s.document)
        INTO s_mpids, s_workspaces, s_environments, s_versions, s_documents
        FROM knownas.section AS s
        WHERE s.mpid = ANY (mpids) AND s.workspace = ANY (workspaces) AND s.environment = ANY (environments);
        RETURN QUERY
        SELECT 0, w.place, f.version, f.document
        FROM unnest(mpids, workspaces, environments) WITH ORDINALITY AS w (mpid, workspace, environment, place)
        JOIN unnest(s_mpids, s_workspaces, s_environments, s_versions, s_documents)
            AS f (mpid, workspace, environment, version, document)
            ON f.mpid = w.mpid AND f.workspace = w.workspace AND f.environment = w.environment;
    END IF;
    IF cardinality(request_ids) > 0 THEN
        SELECT array_agg(r.request_id), array_agg(r.input_key) INTO r_ids, r_input_keys
        FROM knownas.request AS r
        WHERE r.request_id = ANY (request_ids) AND r.input_key = ANY (input_keys) AND r.kept;
        RETURN QUERY
        SELECT 1, w.place, NULL::bigint, NULL::bytea
        FROM unnest(input_keys, request_ids) WITH ORDINALITY AS w (input_key, request_id, place)
        JOIN unnest(r_input_keys, r_ids) AS f (input_key, request_id)
            ON f.request_id = w.request_id AND f.input_key = w.input_key;
    END IF;
    IF cardinality(message_ids) > 0 THEN
        SELECT array_agg(m.mpid), array_agg(m.message_id), array_agg(m.input_key) INTO m_mpids, m_ids, m_input_keys
        FROM knownas.message AS m
        WHERE m.mpid = ANY (message_mpids) AND m.message_id = ANY (message_ids)
            AND m.input_key = ANY (message_input_keys);
        RETURN QUERY
        SELECT 2, w.place, NULL::bigint, NULL::bytea
        FROM unnest(message_input_keys, message_mpids, message_ids) WITH ORDINALITY
            AS w (input_key, mpid, message_id, place)
        JOIN unnest(m_input_keys, m_mpids, m_ids) AS f (input_key, mpid, message_id)
            ON f.mpid = w.mpid AND f.message_id = w.message_id AND f.input_key = w.input_key;
    END IF;
END $$;

-- Keeps a commit of user data whole or not at all. The order of locks is that of user_data_commit_1, row by row.
CREATE FUNCTION knownas.distributed_user_data_commit_1(
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
#variable_conflict use_variable
DECLARE
    number bigint := nextval('knownas.section_version_seq');
    one record;
    counted integer;
    rows text;
BEGIN
    -- The other servers are told too: knownas sets citus.propagate_set_commands.
    SET LOCAL lock_timeout = '2s';
    -- Whoever finds the token waits for this one, which is given back when the commit is visible everywhere.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(token::text, 0));
    INSERT INTO knownas.commit_token (token, fenced, at) VALUES (token, false, now());
    FOR one IN
        SELECT * FROM unnest(changed_mpids, changed_workspaces, changed_environments, changed_versions)
            AS u (mpid, workspace, environment, version)
        ORDER BY u.mpid, u.workspace, u.environment COLLATE "C"
    LOOP
        PERFORM 1 FROM knownas.section AS s
        WHERE s.mpid = one.mpid AND s.workspace = one.workspace AND s.environment = one.environment
            AND s.version = one.version
        FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a section changed' USING ERRCODE = 'KN001';
        END IF;
    END LOOP;
    SELECT string_agg(
        format('(%s,%s,%L,%s,%s,%L)', u.mpid, u.workspace, u.environment, number, u.last_seen_ms, u.document),
        ',' ORDER BY u.mpid, u.workspace, u.environment COLLATE "C"
    ) INTO rows
    FROM unnest(new_mpids, new_workspaces, new_environments, new_last_seen_ms, new_documents)
        AS u (mpid, workspace, environment, last_seen_ms, document);
    IF rows IS NOT NULL THEN
        EXECUTE 'INSERT INTO knownas.section (mpid, workspace, environment, version, last_seen_ms, document) VALUES ' || rows;
    END IF;
    FOR one IN
        SELECT * FROM unnest(other_mpids, other_workspaces, other_environments) AS u (mpid, workspace, environment)
        ORDER BY u.mpid, u.workspace, u.environment COLLATE "C"
    LOOP
        -- Whether it is there or not, its row is held until the end, so that its events are numbered one after another.
        INSERT INTO knownas.section AS s (mpid, workspace, environment, version, last_seen_ms, document)
        VALUES (one.mpid, one.workspace, one.environment, -number, 0, '')
        ON CONFLICT (mpid, workspace, environment) DO UPDATE SET version = s.version;
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(
            receipt_ids, receipt_input_keys, receipt_request_ids, receipt_at_ms, receipt_documents, receipt_kept
        ) AS u (receipt_id, input_key, request_id, at_ms, document, kept)
    LOOP
        -- One by one: each gets a number of its own, in their order.
        INSERT INTO knownas.batch_receipt (receipt_id, input_key, request_id, at_ms, document, kept)
        VALUES (one.receipt_id, one.input_key, one.request_id, one.at_ms, one.document, one.kept);
    END LOOP;
    SELECT string_agg(
        format('(%L,%L,%L,%s,%L)', u.request_id, u.input_key, u.receipt_id, u.at_ms, u.kept),
        ',' ORDER BY u.request_id COLLATE "C", u.input_key COLLATE "C"
    ) INTO rows
    FROM unnest(receipt_ids, receipt_input_keys, receipt_request_ids, receipt_at_ms, receipt_kept)
        AS u (receipt_id, input_key, request_id, at_ms, kept)
    WHERE u.request_id IS NOT NULL;
    IF rows IS NOT NULL THEN
        -- An id is free, or had by a batch that was not kept; whoever finds it taken changes nothing here.
        EXECUTE 'INSERT INTO knownas.request AS r (request_id, input_key, receipt_id, at_ms, kept) VALUES ' || rows ||
            ' ON CONFLICT (request_id, input_key) DO UPDATE'
            ' SET receipt_id = excluded.receipt_id, at_ms = excluded.at_ms, kept = excluded.kept WHERE NOT r.kept';
        GET DIAGNOSTICS counted = ROW_COUNT;
        IF counted <> cardinality(array_remove(receipt_request_ids, NULL)) THEN
            RAISE EXCEPTION 'a request id is taken' USING ERRCODE = 'KN001';
        END IF;
    END IF;
    SELECT string_agg(
        format('(%s,%L,%L,%s)', u.mpid, u.input_key, u.message_id, u.at_ms),
        ',' ORDER BY u.mpid, u.message_id COLLATE "C", u.input_key COLLATE "C"
    ) INTO rows
    FROM unnest(message_mpids, message_input_keys, message_ids, message_at_ms)
        AS u (mpid, input_key, message_id, at_ms);
    IF rows IS NOT NULL THEN
        EXECUTE 'INSERT INTO knownas.message (mpid, input_key, message_id, at_ms) VALUES ' || rows;
    END IF;
    FOR one IN
        SELECT * FROM unnest(
            alias_ids, alias_workspaces, alias_environments, alias_sources, alias_destinations, alias_start_ms,
            alias_end_ms, alias_stamps, alias_requested_ms, alias_due_ms, alias_states, alias_reasons, alias_settled_ms
        ) AS u (
            request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms,
            due_ms, state, reason, settled_ms
        )
    LOOP
        INSERT INTO knownas.alias (
            request_id, workspace, environment, source_mpid, destination_mpid, start_ms, end_ms, stamp, requested_ms,
            due_ms, state, reason, settled_ms
        ) VALUES (
            one.request_id, one.workspace, one.environment, one.source_mpid, one.destination_mpid, one.start_ms,
            one.end_ms, one.stamp, one.requested_ms, one.due_ms, one.state, one.reason, one.settled_ms
        );
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(settled_ids, settled_states, settled_reasons, settled_settled_ms)
            AS u (request_id, state, reason, settled_ms)
        ORDER BY u.request_id COLLATE "C"
    LOOP
        UPDATE knownas.alias AS a
        SET state = one.state, reason = one.reason, settled_ms = one.settled_ms
        WHERE a.request_id = one.request_id AND a.state = 'queued';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'an alias request is settled' USING ERRCODE = 'KN001';
        END IF;
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(
            changed_mpids, changed_workspaces, changed_environments, changed_last_seen_ms, changed_documents
        ) AS u (mpid, workspace, environment, last_seen_ms, document)
    LOOP
        UPDATE knownas.section AS s
        SET version = number, last_seen_ms = one.last_seen_ms, document = one.document
        WHERE s.mpid = one.mpid AND s.workspace = one.workspace AND s.environment = one.environment;
    END LOOP;
    SELECT string_agg(
        format(
            '(%s,%s,%L,%s,%s,%s,%s,%L)', u.mpid, u.workspace, u.environment, nextval('knownas.events_seq'), u.at_ms,
            u.first_ms, u.last_ms, u.document
        ), ','
    ) INTO rows
    FROM unnest(
        event_mpids, event_workspaces, event_environments, event_at_ms, event_first_ms, event_last_ms, event_documents
    ) AS u (mpid, workspace, environment, at_ms, first_ms, last_ms, document);
    IF rows IS NOT NULL THEN
        EXECUTE 'INSERT INTO knownas.user_events '
            '(mpid, workspace, environment, seq, at_ms, first_ms, last_ms, document) VALUES ' || rows;
    END IF;
    FOR one IN
        SELECT * FROM unnest(other_mpids, other_workspaces, other_environments) AS u (mpid, workspace, environment)
    LOOP
        DELETE FROM knownas.section AS s
        WHERE s.mpid = one.mpid AND s.workspace = one.workspace AND s.environment = one.environment
            AND s.version = -number;
    END LOOP;
END $$;

-- What became of a batch; see the statement `receipt`, whose row this is.
CREATE FUNCTION knownas.distributed_receipt_1(wanted text) RETURNS TABLE (
    receipt_id text, input_key text, request_id text, at_ms bigint, document bytea, kept boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    SELECT b.receipt_id, b.input_key, b.request_id, b.at_ms, b.document, b.kept
    INTO receipt_id, input_key, request_id, at_ms, document, kept
    FROM knownas.batch_receipt AS b WHERE b.receipt_id = wanted;
    IF FOUND THEN
        -- A batch's id is its own only while no other batch has it.
        request_id := knownas.distributed_request_of_1(request_id, input_key, receipt_id);
        RETURN NEXT;
    END IF;
END $$;

-- Returns a batch's request id if it is its own.
CREATE FUNCTION knownas.distributed_request_of_1(id text, of_input text, of_receipt text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    had_by text;
BEGIN
    SELECT r.receipt_id INTO had_by FROM knownas.request AS r WHERE r.request_id = id AND r.input_key = of_input;
    RETURN CASE WHEN had_by = of_receipt THEN id END;
END $$;

-- What became of the batches with a sender's id; see the statement `receipts_named`, whose rows these are.
CREATE FUNCTION knownas.distributed_receipts_named_1(wanted text, at_most bigint) RETURNS TABLE (
    receipt_id text, input_key text, request_id text, at_ms bigint, document bytea, kept boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    ids text[];
BEGIN
    ids := ARRAY(SELECT r.receipt_id FROM knownas.request AS r WHERE r.request_id = wanted);
    RETURN QUERY
    SELECT b.receipt_id, b.input_key, b.request_id, b.at_ms, b.document, b.kept
    FROM knownas.batch_receipt AS b WHERE b.receipt_id = ANY (ids)
    ORDER BY b.at_ms DESC, b.made DESC LIMIT at_most;
END $$;

-- Removes at most so many things that are older; see forget_older_1.
CREATE FUNCTION knownas.distributed_forget_older_1(
    events_ms bigint, requests_ms bigint, sections_ms bigint, at_most bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone bigint := 0;
    old record;
BEGIN
    SET LOCAL lock_timeout = '2s';
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

-- Receipts for a copy into another database; see the statement `page_receipts`, whose rows these are.
CREATE FUNCTION knownas.distributed_page_receipts_1(from_id text, at_most bigint) RETURNS TABLE (
    made bigint, receipt_id text, input_key text, request_id text, at_ms bigint, kept integer, document bytea
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    FOR made, receipt_id, input_key, request_id, at_ms, kept, document IN
        SELECT b.made, b.receipt_id, b.input_key, b.request_id, b.at_ms, b.kept::integer, b.document
        FROM knownas.batch_receipt AS b
        WHERE b.receipt_id >= from_id ORDER BY b.receipt_id LIMIT at_most
    LOOP
        request_id := knownas.distributed_request_of_1(request_id, input_key, receipt_id);
        RETURN NEXT;
    END LOOP;
END $$;

-- Keeps receipts of another database; see the statement `put_receipts`.
CREATE FUNCTION knownas.distributed_put_receipts_1(
    made bigint[], receipt_ids text[], input_keys text[], request_ids text[], at_ms bigint[], kept boolean[],
    documents bytea[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT * FROM unnest(made, receipt_ids, input_keys, request_ids, at_ms, kept, documents)
            AS u (made, receipt_id, input_key, request_id, at_ms, kept, document)
    LOOP
        INSERT INTO knownas.batch_receipt (made, receipt_id, input_key, request_id, at_ms, kept, document)
        VALUES (one.made, one.receipt_id, one.input_key, one.request_id, one.at_ms, one.kept, one.document)
        ON CONFLICT DO NOTHING;
        IF one.request_id IS NOT NULL THEN
            INSERT INTO knownas.request (request_id, input_key, receipt_id, at_ms, kept)
            VALUES (one.request_id, one.input_key, one.receipt_id, one.at_ms, one.kept)
            ON CONFLICT DO NOTHING;
        END IF;
    END LOOP;
END $$;
