-- works_from: 3
-- The layout of a knownas database, version 3: how a commit is written, in one call and so in one round trip. Each
-- function is one transaction, which the call itself ends. What a function does under its name never changes: another
-- behaviour is another function, so that servers of two versions can write side by side.
--
-- The order of locks is the same for everybody: values that are there, by value, type and pool; values that are not;
-- profiles by MPID; then what is written, for which nobody waits any more. SQLSTATE KN001 says that somebody else was
-- faster. Rows are found one by one, by their whole keys: a join might be planned when a table was empty, and then read it
-- from end to end for as long as it grows unnoticed.

CREATE FUNCTION knownas.commit_1(
    token uuid,
    -- values that were looked up and there, and what their version was
    held_values text[], held_types smallint[], held_pools integer[], held_versions bigint[],
    -- values that were not there, and still must not be: those that nobody takes have no holders
    new_values text[], new_types smallint[], new_pools integer[], new_holders integer[], new_holder bigint[],
    new_exclusive boolean[],
    -- values whose holders change; left_alone: who is left stands among the holdings
    moved_values text[], moved_types smallint[], moved_pools integer[], moved_holders integer[], moved_holder bigint[],
    moved_exclusive boolean[], moved_left_alone boolean[],
    -- profiles as they were when they were loaded
    seen_mpids bigint[], seen_versions bigint[], seen_active_ms bigint[],
    -- new profiles, each with the place of the line that made it (0: none)
    made_mpids bigint[], made_pools integer[], made_known boolean[], made_created_ms bigint[], made_active_ms bigint[],
    made_source_mpids bigint[], made_lines integer[], made_identities bytea[], made_carried bytea[],
    -- changed profiles
    changed_mpids bigint[], changed_known boolean[], changed_active_ms bigint[], changed_identities bytea[],
    changed_carried bytea[],
    -- holders among several: those that go, and those that come
    gone_values text[], gone_types smallint[], gone_pools integer[], gone_known boolean[], gone_active_ms bigint[],
    gone_mpids bigint[],
    come_values text[], come_types smallint[], come_pools integer[], come_known boolean[], come_active_ms bigint[],
    come_mpids bigint[],
    -- lines of the log, and which profiles they touched
    line_ids bytea[], line_pools integer[], line_at_ms bigint[], line_policy_versions integer[],
    line_created_mpids bigint[], line_touched bytea[], line_observations bytea[], line_decisions bytea[],
    touched_mpids bigint[], touched_lines integer[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    number bigint := nextval('knownas.version_seq');
    seqs bigint[];
    counted integer;
BEGIN
    INSERT INTO knownas.commit_token (token, fenced) VALUES (token, false);
    IF cardinality(held_values) > 0 THEN
        SELECT count(*) INTO counted FROM (
            SELECT 1
            FROM (
                SELECT * FROM unnest(held_values, held_types, held_pools, held_versions) AS u (value, type, pool, version)
                ORDER BY u.value COLLATE "C", u.type, u.pool
            ) AS w
            CROSS JOIN LATERAL (
                SELECT 1 FROM knownas.identity AS i
                WHERE i.value = w.value AND i.type = w.type AND i.pool = w.pool AND i.version = w.version
                FOR NO KEY UPDATE OF i
            ) AS locked
        ) AS standing;
        IF counted <> cardinality(held_values) THEN
            RAISE EXCEPTION 'the holders of a value changed' USING ERRCODE = 'KN001';
        END IF;
    END IF;
    IF cardinality(new_values) > 0 THEN
        INSERT INTO knownas.identity (value, type, pool, version, holders, holder, exclusive)
        SELECT w.value, w.type, w.pool, number, w.holders, w.holder, w.exclusive
        FROM unnest(new_values, new_types, new_pools, new_holders, new_holder, new_exclusive)
            AS w (value, type, pool, holders, holder, exclusive)
        ORDER BY w.value COLLATE "C", w.type, w.pool;
    END IF;
    IF cardinality(seen_mpids) > 0 THEN
        SELECT count(*) INTO counted FROM (
            SELECT 1
            FROM (
                SELECT * FROM unnest(seen_mpids, seen_versions, seen_active_ms) AS u (mpid, version, active_ms)
                ORDER BY u.mpid
            ) AS w
            CROSS JOIN LATERAL (
                SELECT 1 FROM knownas.profile AS p
                WHERE p.mpid = w.mpid AND p.version = w.version AND p.active_ms = w.active_ms
                FOR NO KEY UPDATE OF p
            ) AS locked
        ) AS standing;
        IF counted <> cardinality(seen_mpids) THEN
            RAISE EXCEPTION 'a profile changed' USING ERRCODE = 'KN001';
        END IF;
    END IF;
    -- From here on nobody is waited for, so that the log is unsettled only for a moment; see settled_1.
    IF cardinality(line_ids) > 0 THEN
        PERFORM pg_advisory_xact_lock_shared(
            1802398067, (CASE WHEN is_called THEN last_value & 2147483647 ELSE 0 END)::integer
        ) FROM knownas.log_seq;
        seqs := ARRAY(SELECT nextval('knownas.log_seq') FROM generate_series(1, cardinality(line_ids)));
    END IF;
    IF cardinality(made_mpids) > 0 THEN
        INSERT INTO knownas.profile (
            mpid, pool, known, created_ms, active_ms, source_mpid, version, first_seq, identities, carried
        )
        SELECT w.mpid, w.pool, w.known, w.created_ms, w.active_ms, w.source_mpid, number,
            CASE WHEN w.line = 0 THEN 0 ELSE seqs[w.line] END, w.identities, w.carried
        FROM unnest(
            made_mpids, made_pools, made_known, made_created_ms, made_active_ms, made_source_mpids, made_lines,
            made_identities, made_carried
        ) AS w (mpid, pool, known, created_ms, active_ms, source_mpid, line, identities, carried)
        ORDER BY w.mpid;
    END IF;
    FOR n IN 1 .. cardinality(changed_mpids) LOOP
        UPDATE knownas.profile AS p
        SET known = changed_known[n], active_ms = changed_active_ms[n], version = number,
            identities = changed_identities[n], carried = changed_carried[n]
        WHERE p.mpid = changed_mpids[n];
    END LOOP;
    FOR n IN 1 .. cardinality(gone_mpids) LOOP
        DELETE FROM knownas.holding AS h
        WHERE h.value = gone_values[n] AND h.type = gone_types[n] AND h.pool = gone_pools[n] AND h.known = gone_known[n]
            AND h.active_ms = gone_active_ms[n] AND h.mpid = gone_mpids[n];
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a holder is not where it was' USING ERRCODE = 'KN001';
        END IF;
    END LOOP;
    FOR n IN 1 .. cardinality(moved_values) LOOP
        UPDATE knownas.identity AS i
        SET version = number, holders = moved_holders[n], exclusive = coalesce(moved_exclusive[n], i.exclusive),
            holder = CASE WHEN moved_left_alone[n] THEN (
                SELECT h.mpid FROM knownas.holding AS h
                WHERE h.value = moved_values[n] AND h.type = moved_types[n] AND h.pool = moved_pools[n]
            ) ELSE moved_holder[n] END
        WHERE i.value = moved_values[n] AND i.type = moved_types[n] AND i.pool = moved_pools[n];
        IF moved_left_alone[n] THEN
            DELETE FROM knownas.holding AS h
            WHERE h.value = moved_values[n] AND h.type = moved_types[n] AND h.pool = moved_pools[n];
        END IF;
    END LOOP;
    IF cardinality(come_mpids) > 0 THEN
        INSERT INTO knownas.holding (value, type, pool, known, active_ms, mpid)
        SELECT w.value, w.type, w.pool, w.known, w.active_ms, w.mpid
        FROM unnest(come_values, come_types, come_pools, come_known, come_active_ms, come_mpids)
            AS w (value, type, pool, known, active_ms, mpid);
    END IF;
    FOR n IN 1 .. cardinality(new_values) LOOP
        IF new_holders[n] = 0 THEN
            -- This was only there to keep others from taking the value meanwhile.
            DELETE FROM knownas.identity AS i
            WHERE i.value = new_values[n] AND i.type = new_types[n] AND i.pool = new_pools[n];
        END IF;
    END LOOP;
    IF cardinality(line_ids) > 0 THEN
        INSERT INTO knownas.log (
            seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision
        )
        SELECT w.seq, w.decision_id, w.pool, w.at_ms, w.policy_version, w.created_mpid, w.touched, w.observation,
            w.decision
        FROM unnest(
            seqs, line_ids, line_pools, line_at_ms, line_policy_versions, line_created_mpids, line_touched,
            line_observations, line_decisions
        ) AS w (seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision);
        IF cardinality(touched_mpids) > 0 THEN
            INSERT INTO knownas.touched (mpid, seq)
            SELECT w.mpid, seqs[w.line] FROM unnest(touched_mpids, touched_lines) AS w (mpid, line);
        END IF;
    END IF;
END $$;

-- Settles what became of a commit whose answer was lost: true if it was kept. If it was not, it can't be any more: one
-- that is still on its way, behind a frozen server or a slow network, finds its token taken.
CREATE FUNCTION knownas.settle_1(wanted uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- Waits for a transaction under way that has the token.
    INSERT INTO knownas.commit_token (token, fenced) VALUES (wanted, true) ON CONFLICT DO NOTHING;
    RETURN (SELECT NOT t.fenced FROM knownas.commit_token AS t WHERE t.token = wanted);
END $$;

-- Up to which seq the log is settled: no line with that number or a smaller one will still appear. A commit that
-- is numbering its lines holds a shared lock, whose key is where the numbers stood before; the numbers are read first
-- and the locks after that, so whoever is not seen there numbers its lines higher. The first number returned is the
-- last one given out, the second how far the log is settled.
CREATE FUNCTION knownas.settled_1(OUT given bigint, OUT settled bigint) LANGUAGE plpgsql AS $$
BEGIN
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO given FROM knownas.log_seq;
    SELECT coalesce(min(given - ((given - l.objid::bigint) & 2147483647)), given) INTO settled
    FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.classid = 1802398067 AND l.objsubid = 2
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database());
END $$;

-- Moves last activities forward, of profiles that are as they were when they were loaded, and the places of those of
-- them that stand among several holders of a value. Returns the profiles that are not as they were.
CREATE FUNCTION knownas.touch_1(
    mpids bigint[], versions bigint[], were_active_ms bigint[], are_active_ms bigint[],
    place_values text[], place_types smallint[], place_pools integer[], place_mpids bigint[], place_were_active_ms bigint[],
    place_are_active_ms bigint[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    standing bigint[];
BEGIN
    standing := ARRAY(
        SELECT w.mpid
        FROM (
            SELECT * FROM unnest(mpids, versions, were_active_ms) AS u (mpid, version, active_ms) ORDER BY u.mpid
        ) AS w
        CROSS JOIN LATERAL (
            SELECT 1 FROM knownas.profile AS p
            WHERE p.mpid = w.mpid AND p.version = w.version AND p.active_ms = w.active_ms
            FOR NO KEY UPDATE OF p
        ) AS locked
    );
    FOR n IN 1 .. cardinality(mpids) LOOP
        UPDATE knownas.profile AS p SET active_ms = are_active_ms[n]
        WHERE p.mpid = mpids[n] AND mpids[n] = ANY (standing);
    END LOOP;
    FOR n IN 1 .. cardinality(place_mpids) LOOP
        UPDATE knownas.holding AS h SET active_ms = place_are_active_ms[n]
        WHERE h.value = place_values[n] AND h.type = place_types[n] AND h.pool = place_pools[n] AND NOT h.known
            AND h.active_ms = place_were_active_ms[n] AND h.mpid = place_mpids[n] AND place_mpids[n] = ANY (standing);
    END LOOP;
    RETURN ARRAY(SELECT unnest(mpids) EXCEPT SELECT unnest(standing));
END $$;
