-- What a correction of the history changes of user data in a distributed database; see rearrange_1. Every statement is about one
-- key. What moves from one server to another is deleted there and written here, in the one transaction of the commit.
CREATE FUNCTION knownas.distributed_rearrange_1(
    -- changed sections, with the version that each must have
    changed_mpids bigint[], changed_workspaces bigint[], changed_environments text[], changed_versions bigint[],
    changed_last_seen_ms bigint[], changed_documents bytea[],
    -- new sections
    new_mpids bigint[], new_workspaces bigint[], new_environments text[], new_last_seen_ms bigint[],
    new_documents bytea[],
    -- sections of which nothing is left
    removed_mpids bigint[], removed_workspaces bigint[], removed_environments text[], removed_versions bigint[],
    -- events that are another profile's from now on, under the number that they have
    moved_mpids bigint[], moved_workspaces bigint[], moved_environments text[], moved_seqs bigint[],
    moved_to_mpids bigint[], moved_documents bytea[],
    event_mpids bigint[], event_workspaces bigint[], event_environments text[], event_at_ms bigint[],
    event_first_ms bigint[], event_last_ms bigint[], event_documents bytea[],
    message_mpids bigint[], message_input_keys text[], message_ids text[], message_at_ms bigint[],
    alias_ids text[], alias_were text[], alias_states text[]
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    number bigint := nextval('knownas.section_version_seq');
    one record;
    happened record;
    new_seq bigint;
BEGIN
    FOR one IN
        SELECT * FROM (
            SELECT * FROM unnest(changed_mpids, changed_workspaces, changed_environments, changed_versions)
            UNION ALL
            SELECT * FROM unnest(removed_mpids, removed_workspaces, removed_environments, removed_versions)
        ) AS u (mpid, workspace, environment, version)
        ORDER BY u.mpid, u.workspace, u.environment COLLATE "C"
    LOOP
        PERFORM 1 FROM knownas.section AS s
        WHERE s.mpid = one.mpid AND s.workspace = one.workspace AND s.environment = one.environment
            AND s.version = one.version
        FOR UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a section changed' USING ERRCODE = 'KN001';
        END IF;
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(new_mpids, new_workspaces, new_environments, new_last_seen_ms, new_documents)
            AS u (mpid, workspace, environment, last_seen_ms, document)
        ORDER BY u.mpid, u.workspace, u.environment COLLATE "C"
    LOOP
        INSERT INTO knownas.section (mpid, workspace, environment, version, last_seen_ms, document)
        VALUES (one.mpid, one.workspace, one.environment, number, one.last_seen_ms, one.document);
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(alias_ids, alias_were, alias_states) AS u (request_id, was, state)
        ORDER BY u.request_id COLLATE "C"
    LOOP
        UPDATE knownas.alias AS a SET state = one.state WHERE a.request_id = one.request_id AND a.state = one.was;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'an alias request is in another state' USING ERRCODE = 'KN001';
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
    FOR one IN
        SELECT * FROM unnest(removed_mpids, removed_workspaces, removed_environments) AS u (mpid, workspace, environment)
    LOOP
        DELETE FROM knownas.section AS s
        WHERE s.mpid = one.mpid AND s.workspace = one.workspace AND s.environment = one.environment;
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(
            moved_mpids, moved_workspaces, moved_environments, moved_seqs, moved_to_mpids, moved_documents
        ) AS u (mpid, workspace, environment, seq, to_mpid, document)
    LOOP
        DELETE FROM knownas.user_events AS e
        WHERE e.mpid = one.mpid AND e.workspace = one.workspace AND e.environment = one.environment AND e.seq = one.seq
        RETURNING e.at_ms, e.first_ms, e.last_ms INTO happened;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'events were removed' USING ERRCODE = 'KN001';
        END IF;
        INSERT INTO knownas.user_events (mpid, workspace, environment, seq, at_ms, first_ms, last_ms, document)
        VALUES (
            one.to_mpid, one.workspace, one.environment, one.seq, happened.at_ms, happened.first_ms, happened.last_ms,
            one.document
        );
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(
            event_mpids, event_workspaces, event_environments, event_at_ms, event_first_ms, event_last_ms,
            event_documents
        ) AS u (mpid, workspace, environment, at_ms, first_ms, last_ms, document)
    LOOP
        new_seq := nextval('knownas.events_seq');
        INSERT INTO knownas.user_events (mpid, workspace, environment, seq, at_ms, first_ms, last_ms, document)
        VALUES (
            one.mpid, one.workspace, one.environment, new_seq, one.at_ms, one.first_ms, one.last_ms, one.document
        );
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(message_mpids, message_input_keys, message_ids, message_at_ms)
            AS u (mpid, input_key, message_id, at_ms)
        ORDER BY u.mpid, u.message_id COLLATE "C", u.input_key COLLATE "C"
    LOOP
        INSERT INTO knownas.message (mpid, input_key, message_id, at_ms)
        VALUES (one.mpid, one.input_key, one.message_id, one.at_ms)
        ON CONFLICT (mpid, message_id, input_key) DO NOTHING;
    END LOOP;
END $$;
