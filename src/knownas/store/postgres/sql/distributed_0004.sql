-- How requests of data subjects are kept and carried out in a distributed database; see version 7 of the layout. The tables of
-- requests and evidence are the coordinator's alone. What is erased and redacted is found and written a key at a time.

-- Keeps a commit of requests and evidence whole or not at all, or who read or changed what. The order of locks: requests that
-- are there, by id; those that are not; entries of the evidence; then what has a key of its own.
CREATE FUNCTION knownas.distributed_privacy_commit_1(
    token uuid,
    -- changed requests, with the document that each must have
    changed_ids text[], changed_workspaces bigint[], changed_groups text[], changed_received_ms bigint[],
    changed_due_ms bigint[], changed_ended_ms bigint[], changed_open_keys text[], changed_documents bytea[],
    changed_befores bytea[],
    -- new requests
    new_ids text[], new_workspaces bigint[], new_groups text[], new_received_ms bigint[], new_due_ms bigint[],
    new_ended_ms bigint[], new_open_keys text[], new_documents bytea[],
    entry_numbers bigint[], entry_request_ids text[], entry_documents bytea[],
    tombstone_mpids bigint[], tombstone_request_ids text[], tombstone_at_ms bigint[],
    suppressed_digests bytea[], suppressed_request_ids text[], suppressed_at_ms bigint[],
    lifted_digests bytea[],
    delivery_ids text[], delivery_request_ids text[], delivery_due_ms bigint[], delivery_documents bytea[],
    delivered_ids text[],
    audit_at_ms bigint[], audit_mpids bigint[], audit_documents bytea[]
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    one record;
    last_number bigint;
BEGIN
    -- The other servers are told too: knownas sets citus.propagate_set_commands.
    SET LOCAL lock_timeout = '2s';
    -- Whoever finds the token waits for this one, which is given back when the commit is visible everywhere.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(token::text, 0));
    INSERT INTO knownas.commit_token (token, fenced, at) VALUES (token, false, now());
    FOR one IN
        SELECT * FROM unnest(changed_ids, changed_befores) AS u (request_id, document) ORDER BY u.request_id COLLATE "C"
    LOOP
        -- It gives its open key back, which another one of this commit may take.
        UPDATE knownas.subject_request AS r SET open_key = NULL
        WHERE r.request_id = one.request_id AND r.document = one.document;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a request changed' USING ERRCODE = 'KN001';
        END IF;
    END LOOP;
    FOR n IN 1 .. cardinality(changed_ids) LOOP
        UPDATE knownas.subject_request AS r
        SET workspace = changed_workspaces[n], group_id = changed_groups[n], received_ms = changed_received_ms[n],
            due_ms = changed_due_ms[n], ended_ms = changed_ended_ms[n], open_key = changed_open_keys[n],
            document = changed_documents[n]
        WHERE r.request_id = changed_ids[n];
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(
            new_ids, new_workspaces, new_groups, new_received_ms, new_due_ms, new_ended_ms, new_open_keys, new_documents
        ) AS u (request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document)
        ORDER BY u.request_id COLLATE "C"
    LOOP
        INSERT INTO knownas.subject_request (
            request_id, workspace, group_id, received_ms, due_ms, ended_ms, open_key, document
        )
        VALUES (
            one.request_id, one.workspace, one.group_id, one.received_ms, one.due_ms, one.ended_ms, one.open_key,
            one.document
        );
    END LOOP;
    IF cardinality(entry_numbers) > 0 THEN
        last_number := coalesce((SELECT e.number FROM knownas.evidence AS e ORDER BY e.number DESC LIMIT 1), 0);
        FOR n IN 1 .. cardinality(entry_numbers) LOOP
            IF entry_numbers[n] <> last_number + n THEN
                RAISE EXCEPTION 'the evidence was continued' USING ERRCODE = 'KN001';
            END IF;
            INSERT INTO knownas.evidence (number, request_id, document)
            VALUES (entry_numbers[n], entry_request_ids[n], entry_documents[n]);
        END LOOP;
    END IF;
    FOR one IN
        SELECT * FROM unnest(tombstone_mpids, tombstone_request_ids, tombstone_at_ms) AS u (mpid, request_id, at_ms)
        ORDER BY u.mpid
    LOOP
        INSERT INTO knownas.tombstone (mpid, request_id, at_ms) VALUES (one.mpid, one.request_id, one.at_ms)
        ON CONFLICT DO NOTHING;
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(suppressed_digests, suppressed_request_ids, suppressed_at_ms)
            AS u (digest, request_id, at_ms)
        ORDER BY u.digest
    LOOP
        INSERT INTO knownas.suppression (digest, request_id, at_ms) VALUES (one.digest, one.request_id, one.at_ms)
        ON CONFLICT DO NOTHING;
    END LOOP;
    FOR one IN SELECT * FROM unnest(lifted_digests) AS u (digest) ORDER BY u.digest LOOP
        DELETE FROM knownas.suppression AS s WHERE s.digest = one.digest;
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(delivery_ids, delivery_request_ids, delivery_due_ms, delivery_documents)
            AS u (delivery_id, request_id, due_ms, document)
        ORDER BY u.delivery_id COLLATE "C"
    LOOP
        INSERT INTO knownas.delivery (delivery_id, request_id, due_ms, document)
        VALUES (one.delivery_id, one.request_id, one.due_ms, one.document)
        ON CONFLICT (delivery_id) DO UPDATE
        SET request_id = excluded.request_id, due_ms = excluded.due_ms, document = excluded.document;
    END LOOP;
    FOR one IN SELECT * FROM unnest(delivered_ids) AS u (delivery_id) ORDER BY u.delivery_id COLLATE "C" LOOP
        DELETE FROM knownas.delivery AS d WHERE d.delivery_id = one.delivery_id;
    END LOOP;
    FOR n IN 1 .. cardinality(audit_mpids) LOOP
        INSERT INTO knownas.audit (at_ms, mpid, document) VALUES (audit_at_ms[n], audit_mpids[n], audit_documents[n]);
    END LOOP;
END $$;

-- Counts what a workspace has of a profile.
CREATE FUNCTION knownas.distributed_count_held_1(
    wanted bigint, of_workspace bigint, input_keys text[], mention bytea,
    OUT sections bigint, OUT events bigint, OUT messages bigint, OUT aliases bigint, OUT receipts bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moments bigint[];
BEGIN
    SELECT count(*) INTO sections FROM knownas.section AS s WHERE s.mpid = wanted AND s.workspace = of_workspace;
    SELECT count(*), array_agg(DISTINCT e.at_ms) INTO events, moments
    FROM knownas.user_events AS e WHERE e.mpid = wanted AND e.workspace = of_workspace;
    SELECT count(*) INTO messages FROM knownas.message AS m WHERE m.mpid = wanted AND m.input_key = ANY (input_keys);
    SELECT count(*) INTO aliases FROM knownas.alias AS a WHERE a.source_mpid = wanted AND a.workspace = of_workspace;
    SELECT aliases + count(*) INTO aliases FROM knownas.alias AS a
    WHERE a.destination_mpid = wanted AND a.workspace = of_workspace AND a.source_mpid <> wanted;
    SELECT count(*) INTO receipts FROM knownas.batch_receipt AS b
    WHERE b.at_ms = ANY (moments) AND b.input_key = ANY (input_keys) AND position(mention IN b.document) > 0;
END $$;

-- Removes at most so many things that a workspace has of a profile, and returns how many of each kind: batches of events first,
-- with the receipts that they came with, which don't count; sections last. Locks are taken in the order of commits of user
-- data, so the sections' rows are held from the beginning on.
CREATE FUNCTION knownas.distributed_erase_1(
    wanted bigint, of_workspace bigint, input_keys text[], mention bytea, at_most bigint,
    OUT sections bigint, OUT events bigint, OUT messages bigint, OUT aliases bigint, OUT receipts bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    remaining bigint := at_most;
    moments bigint[] := '{}';
    old record;
BEGIN
    SET LOCAL lock_timeout = '2s';
    sections := 0;
    events := 0;
    messages := 0;
    aliases := 0;
    receipts := 0;
    FOR old IN
        SELECT s.environment FROM knownas.section AS s WHERE s.mpid = wanted AND s.workspace = of_workspace
        ORDER BY s.environment
    LOOP
        PERFORM 1 FROM knownas.section AS s
        WHERE s.mpid = wanted AND s.workspace = of_workspace AND s.environment = old.environment FOR UPDATE;
    END LOOP;
    FOR old IN
        SELECT e.environment, e.seq, e.at_ms FROM knownas.user_events AS e
        WHERE e.mpid = wanted AND e.workspace = of_workspace
        ORDER BY e.mpid, e.workspace, e.environment, e.seq LIMIT remaining
    LOOP
        DELETE FROM knownas.user_events AS e
        WHERE e.mpid = wanted AND e.workspace = of_workspace AND e.environment = old.environment AND e.seq = old.seq;
        moments := moments || old.at_ms;
        events := events + 1;
    END LOOP;
    remaining := remaining - events;
    FOR old IN
        SELECT b.receipt_id, b.request_id, b.input_key FROM knownas.batch_receipt AS b
        WHERE b.at_ms = ANY (moments) AND b.input_key = ANY (input_keys) AND position(mention IN b.document) > 0
        ORDER BY b.receipt_id
    LOOP
        DELETE FROM knownas.batch_receipt AS b WHERE b.receipt_id = old.receipt_id;
        DELETE FROM knownas.request AS q
        WHERE q.request_id = old.request_id AND q.input_key = old.input_key AND q.receipt_id = old.receipt_id;
        receipts := receipts + 1;
    END LOOP;
    FOR old IN
        SELECT m.message_id, m.input_key FROM knownas.message AS m
        WHERE m.mpid = wanted AND m.input_key = ANY (input_keys)
        ORDER BY m.mpid, m.message_id, m.input_key LIMIT remaining
    LOOP
        DELETE FROM knownas.message AS m
        WHERE m.mpid = wanted AND m.message_id = old.message_id AND m.input_key = old.input_key;
        messages := messages + 1;
    END LOOP;
    remaining := remaining - messages;
    FOR old IN
        SELECT a.request_id FROM knownas.alias AS a WHERE a.source_mpid = wanted AND a.workspace = of_workspace
        UNION ALL
        SELECT a.request_id FROM knownas.alias AS a
        WHERE a.destination_mpid = wanted AND a.workspace = of_workspace AND a.source_mpid <> wanted
        LIMIT remaining
    LOOP
        DELETE FROM knownas.alias AS a WHERE a.request_id = old.request_id;
        aliases := aliases + 1;
    END LOOP;
    remaining := remaining - aliases;
    FOR old IN
        SELECT s.environment FROM knownas.section AS s WHERE s.mpid = wanted AND s.workspace = of_workspace
        ORDER BY s.environment LIMIT remaining
    LOOP
        DELETE FROM knownas.section AS s
        WHERE s.mpid = wanted AND s.workspace = of_workspace AND s.environment = old.environment;
        sections := sections + 1;
    END LOOP;
END $$;

-- Lets lines of the log say something else, all of them or none, and be found under other numbers. What a line changed it is
-- found under in any case.
CREATE FUNCTION knownas.distributed_redact_1(
    token uuid,
    seqs bigint[], befores bytea[], observations bytea[], decisions bytea[],
    dropped_seqs bigint[], dropped_mpids bigint[], added_seqs bigint[], added_mpids bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    one record;
    subject bigint;
    held bytea;
    lasting bigint[];
BEGIN
    -- The other servers are told too: knownas sets citus.propagate_set_commands.
    SET LOCAL lock_timeout = '2s';
    -- Whoever finds the token waits for this one, which is given back when the commit is visible everywhere.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(token::text, 0));
    INSERT INTO knownas.commit_token (token, fenced, at) VALUES (token, false, now());
    FOR one IN
        SELECT * FROM unnest(seqs, befores, observations, decisions) AS u (seq, before, observation, decision)
        ORDER BY u.seq
    LOOP
        UPDATE knownas.log AS l SET observation = one.observation, decision = one.decision
        WHERE l.seq = one.seq AND l.observation = one.before;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a line of the log says something else' USING ERRCODE = 'KN001';
        END IF;
        SELECT l.touched INTO held FROM knownas.log AS l WHERE l.seq = one.seq;
        lasting := ARRAY(SELECT j.mpid::bigint FROM jsonb_array_elements_text(convert_from(held, 'UTF8')::jsonb) AS j (mpid));
        FOR subject IN
            SELECT u.mpid FROM unnest(dropped_seqs, dropped_mpids) AS u (seq, mpid)
            WHERE u.seq = one.seq AND u.mpid <> ALL (lasting)
        LOOP
            DELETE FROM knownas.touched AS t WHERE t.mpid = subject AND t.seq = one.seq;
        END LOOP;
        FOR subject IN
            SELECT u.mpid FROM unnest(added_seqs, added_mpids) AS u (seq, mpid)
            WHERE u.seq = one.seq AND u.mpid <> ALL (lasting)
        LOOP
            INSERT INTO knownas.touched (mpid, seq) VALUES (subject, one.seq) ON CONFLICT DO NOTHING;
        END LOOP;
    END LOOP;
END $$;
