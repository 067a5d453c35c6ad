-- How a distributed database is read and written: what the functions of the same names without `distributed_` do, a key at a
-- time. Run by `knownas migrate --distributed`; knownas.distribution says that it was. As there, what a function does under
-- its name never changes.
--
-- What holds of all of them: a statement names the distribution column of each table that it touches, so it is about one
-- shard, or it reads a single table by many keys; rows are locked by statements about one shard each, in one order for
-- everybody; nothing is joined that lies in different places; and every commit is written by the same server, the
-- coordinator, which gives the numbers and holds the advisory locks.
--
-- A commit that reaches several servers becomes visible on one after the other. Each one marks itself on the coordinator until
-- it is visible everywhere, and what was read counts only if all of it was there before the reading began: otherwise SQLSTATE
-- KN002 says to read again. So nobody is shown half of a commit.

-- Which commits are visible everywhere, now: those up to given, but for those in under_way and those above begun. A commit
-- first holds a lock whose key is where the numbers stood, then takes its number, then holds a lock with that as its key;
-- the numbers are read before the locks. Whoever holds only the first of the two may have any number above it.
CREATE FUNCTION knownas.distributed_moment_1(OUT given bigint, OUT begun bigint, OUT under_way bigint[])
LANGUAGE plpgsql AS $$
BEGIN
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO given FROM knownas.version_seq;
    SELECT
        coalesce(min(holder.begun) FILTER (WHERE holder.number IS NULL), given),
        coalesce(array_agg(holder.number) FILTER (WHERE holder.number IS NOT NULL), '{}')
    INTO begun, under_way
    FROM (
        SELECT
            min(given - ((given - l.objid::bigint) & 2147483647)) FILTER (WHERE l.classid = 1802398068) AS begun,
            min(given - ((given - l.objid::bigint) & 2147483647)) FILTER (WHERE l.classid = 1802398069) AS number
        FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.classid IN (1802398068, 1802398069) AND l.objsubid = 2
            AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        GROUP BY l.pid
    ) AS holder;
END $$;

-- Returns if all of some versions were given by commits that were visible everywhere at a moment.
CREATE FUNCTION knownas.distributed_check_1(given bigint, begun bigint, under_way bigint[], versions bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM unnest(versions) AS v (version)
        WHERE v.version > given OR v.version > begun OR v.version = ANY (under_way)
    ) THEN
        RAISE EXCEPTION 'what was read is being changed' USING ERRCODE = 'KN002';
    END IF;
END $$;

-- What a batch looks up; see the statement `load`, whose rows these are.
CREATE FUNCTION knownas.distributed_load_1(
    wanted_values text[], wanted_types smallint[], wanted_pools integer[], wanted_mpids bigint[], wanted_mpid_pools integer[]
) RETURNS TABLE (
    place bigint, version bigint, mpid bigint, holders integer, pool integer, known boolean, created_ms bigint,
    active_ms bigint, source_mpid bigint, identities bytea, carried bytea
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moment record;
    crowd record;
    together record;
    found_places bigint[] := '{}';
    found_versions bigint[];
    found_holders integer[];
    found_holder bigint[];
    considered bigint[] := '{}';
    value_values text[];
    value_types smallint[];
    value_pools integer[];
    value_versions bigint[];
    value_holders integer[];
    value_holder bigint[];
    p_mpids bigint[] := '{}';
    p_versions bigint[];
    p_pools integer[];
    p_known boolean[];
    p_created_ms bigint[];
    p_active_ms bigint[];
    p_source_mpids bigint[];
    p_identities bytea[];
    p_carried bytea[];
BEGIN
    SELECT * INTO moment FROM knownas.distributed_moment_1();
    IF cardinality(wanted_values) > 0 THEN
        SELECT
            array_agg(i.value), array_agg(i.type), array_agg(i.pool), array_agg(i.version), array_agg(i.holders),
            array_agg(i.holder)
        INTO value_values, value_types, value_pools, value_versions, value_holders, value_holder
        FROM knownas.identity AS i
        WHERE i.value = ANY (wanted_values) AND i.type = ANY (wanted_types) AND i.pool = ANY (wanted_pools);
        SELECT
            coalesce(array_agg(w.place), '{}'), array_agg(f.version), array_agg(f.holders), array_agg(f.holder)
        INTO found_places, found_versions, found_holders, found_holder
        FROM unnest(wanted_values, wanted_types, wanted_pools) WITH ORDINALITY AS w (value, type, pool, place)
        JOIN unnest(value_values, value_types, value_pools, value_versions, value_holders, value_holder)
            AS f (value, type, pool, version, holders, holder)
            ON f.value = w.value AND f.type = w.type AND f.pool = w.pool;
        considered := coalesce(array_remove(found_holder, NULL), '{}');
    END IF;
    FOR crowd IN
        SELECT
            wanted_values[f.place] AS value, wanted_types[f.place] AS type, wanted_pools[f.place] AS pool, f.version,
            CASE WHEN f.holders > 16 THEN 4 ELSE 16 END AS known_at_most
        FROM unnest(found_places, found_versions, found_holders) AS f (place, version, holders)
        WHERE f.holders > 1
    LOOP
        SELECT
            i.version,
            ARRAY(
                SELECT h.mpid FROM knownas.holding AS h
                WHERE h.value = crowd.value AND h.type = crowd.type AND h.pool = crowd.pool AND NOT h.known
                ORDER BY h.active_ms DESC, h.mpid LIMIT 16
            ) AS anonymous,
            ARRAY(
                SELECT h.mpid FROM knownas.holding AS h
                WHERE h.value = crowd.value AND h.type = crowd.type AND h.pool = crowd.pool AND h.known
                ORDER BY h.active_ms DESC, h.mpid LIMIT crowd.known_at_most
            ) AS known
        INTO together
        FROM knownas.identity AS i
        WHERE i.value = crowd.value AND i.type = crowd.type AND i.pool = crowd.pool;
        IF together.version IS DISTINCT FROM crowd.version THEN
            RAISE EXCEPTION 'what was read is being changed' USING ERRCODE = 'KN002';
        END IF;
        considered := considered || together.anonymous || together.known;
    END LOOP;
    IF cardinality(considered) + cardinality(wanted_mpids) > 0 THEN
        SELECT
            coalesce(array_agg(p.mpid), '{}'), array_agg(p.version), array_agg(p.pool), array_agg(p.known),
            array_agg(p.created_ms), array_agg(p.active_ms), array_agg(p.source_mpid), array_agg(p.identities),
            array_agg(p.carried)
        INTO p_mpids, p_versions, p_pools, p_known, p_created_ms, p_active_ms, p_source_mpids, p_identities, p_carried
        FROM knownas.profile AS p
        WHERE p.mpid = ANY (considered || wanted_mpids);
    END IF;
    PERFORM knownas.distributed_check_1(
        moment.given, moment.begun, moment.under_way, found_versions || p_versions
    );
    RETURN QUERY
    SELECT
        f.place, f.version, f.holder, f.holders, NULL::integer, NULL::boolean, NULL::bigint, NULL::bigint, NULL::bigint,
        NULL::bytea, NULL::bytea
    FROM unnest(found_places, found_versions, found_holder, found_holders) AS f (place, version, holder, holders);
    RETURN QUERY
    SELECT
        NULL::bigint, p.version, p.mpid, NULL::integer, p.pool, p.known, p.created_ms, p.active_ms, p.source_mpid,
        p.identities, p.carried
    FROM unnest(
        p_mpids, p_versions, p_pools, p_known, p_created_ms, p_active_ms, p_source_mpids, p_identities, p_carried
    ) AS p (mpid, version, pool, known, created_ms, active_ms, source_mpid, identities, carried)
    WHERE p.mpid IN (SELECT unnest(considered))
        OR (p.mpid, p.pool) IN (SELECT * FROM unnest(wanted_mpids, wanted_mpid_pools));
END $$;

-- The profiles that alone hold wanted values; see the statement `sole_holders`, whose rows these are.
CREATE FUNCTION knownas.distributed_sole_holders_1(wanted_values text[], wanted_types smallint[], wanted_pools integer[])
RETURNS TABLE (
    place bigint, mpid bigint, identities bytea, carried bytea, known boolean, created_ms bigint, active_ms bigint,
    source_mpid bigint, version bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moment record;
    value_values text[];
    value_types smallint[];
    value_pools integer[];
    value_versions bigint[];
    value_holder bigint[];
    lone bigint[];
    p_mpids bigint[];
    p_versions bigint[];
    p_known boolean[];
    p_created_ms bigint[];
    p_active_ms bigint[];
    p_source_mpids bigint[];
    p_identities bytea[];
    p_carried bytea[];
BEGIN
    SELECT * INTO moment FROM knownas.distributed_moment_1();
    SELECT array_agg(i.value), array_agg(i.type), array_agg(i.pool), array_agg(i.version), array_agg(i.holder)
    INTO value_values, value_types, value_pools, value_versions, value_holder
    FROM knownas.identity AS i
    WHERE i.value = ANY (wanted_values) AND i.type = ANY (wanted_types) AND i.pool = ANY (wanted_pools);
    lone := array_remove(value_holder, NULL);
    IF cardinality(lone) > 0 THEN
        SELECT
            array_agg(p.mpid), array_agg(p.version), array_agg(p.known), array_agg(p.created_ms), array_agg(p.active_ms),
            array_agg(p.source_mpid), array_agg(p.identities), array_agg(p.carried)
        INTO p_mpids, p_versions, p_known, p_created_ms, p_active_ms, p_source_mpids, p_identities, p_carried
        FROM knownas.profile AS p
        WHERE p.mpid = ANY (lone);
    END IF;
    PERFORM knownas.distributed_check_1(moment.given, moment.begun, moment.under_way, value_versions || p_versions);
    RETURN QUERY
    SELECT w.place, p.mpid, p.identities, p.carried, p.known, p.created_ms, p.active_ms, p.source_mpid, p.version
    FROM unnest(wanted_values, wanted_types, wanted_pools) WITH ORDINALITY AS w (value, type, pool, place)
    JOIN unnest(value_values, value_types, value_pools, value_holder) AS f (value, type, pool, holder)
        ON f.value = w.value AND f.type = w.type AND f.pool = w.pool
    JOIN unnest(p_mpids, p_identities, p_carried, p_known, p_created_ms, p_active_ms, p_source_mpids, p_versions)
        AS p (mpid, identities, carried, known, created_ms, active_ms, source_mpid, version)
        ON p.mpid = f.holder;
END $$;

-- In which place each of some values lies: a number by which those that lie together can be locked by one statement. Where
-- nothing is distributed (in tests), any number does that follows the order of keys.
CREATE FUNCTION knownas.distributed_places_1(keys text[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
    IF to_regproc('get_shard_id_for_distribution_column') IS NULL THEN
        RETURN ARRAY(SELECT ascii(u.key) FROM unnest(keys) WITH ORDINALITY AS u (key, n) ORDER BY u.n);
    END IF;
    RETURN ARRAY(
        SELECT get_shard_id_for_distribution_column('knownas.identity', u.key)
        FROM unnest(keys) WITH ORDINALITY AS u (key, n) ORDER BY u.n
    );
END $$;

-- The same of MPIDs.
CREATE FUNCTION knownas.distributed_places_1(keys bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
    IF to_regproc('get_shard_id_for_distribution_column') IS NULL THEN
        RETURN ARRAY(SELECT u.key / 8 FROM unnest(keys) WITH ORDINALITY AS u (key, n) ORDER BY u.n);
    END IF;
    RETURN ARRAY(
        SELECT get_shard_id_for_distribution_column('knownas.profile', u.key)
        FROM unnest(keys) WITH ORDINALITY AS u (key, n) ORDER BY u.n
    );
END $$;

-- Keeps a commit whole or not at all. The order of locks is that of commit_1, place by place: first the values that are
-- there, then those that are not, then profiles, each by the places that they lie in and there by their keys. Rows that
-- are new are written by one statement of a table, in the same order; the words of it are put together here, since only
-- with its values in it does the server know where each row goes.
CREATE FUNCTION knownas.distributed_commit_1(
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
#variable_conflict use_variable
DECLARE
    number bigint;
    seqs bigint[];
    one record;
    place record;
    left_holder bigint;
    counted integer;
    rows text;
    locked_values text[] := '{}';
    locked_types smallint[] := '{}';
    locked_pools integer[] := '{}';
    locked_mpids bigint[] := '{}';
    locked_versions bigint[] := '{}';
    locked_active_ms bigint[] := '{}';
BEGIN
    -- The other servers are told too: knownas sets citus.propagate_set_commands.
    SET LOCAL lock_timeout = '2s';
    PERFORM pg_advisory_xact_lock_shared(
        1802398068, (CASE WHEN is_called THEN last_value & 2147483647 ELSE 0 END)::integer
    ) FROM knownas.version_seq;
    number := nextval('knownas.version_seq');
    PERFORM pg_advisory_xact_lock_shared(1802398069, (number & 2147483647)::integer);
    -- Whoever finds the token waits for this one, which is given back when the commit is visible everywhere.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(token::text, 0));
    INSERT INTO knownas.commit_token (token, fenced, at) VALUES (token, false, now());
    FOR place IN
        SELECT array_agg(u.value) AS keys
        FROM unnest(held_values, knownas.distributed_places_1(held_values)) AS u (value, place)
        GROUP BY u.place ORDER BY u.place
    LOOP
        SELECT
            locked_values || array_agg(l.value), locked_types || array_agg(l.type), locked_pools || array_agg(l.pool),
            locked_versions || array_agg(l.version)
        INTO locked_values, locked_types, locked_pools, locked_versions
        FROM (
            SELECT i.value, i.type, i.pool, i.version FROM knownas.identity AS i
            WHERE i.value = ANY (place.keys) AND i.type = ANY (held_types) AND i.pool = ANY (held_pools)
            ORDER BY i.value COLLATE "C", i.type, i.pool
            FOR NO KEY UPDATE
        ) AS l;
    END LOOP;
    SELECT count(*) INTO counted
    FROM unnest(held_values, held_types, held_pools, held_versions) AS w (value, type, pool, version)
    JOIN unnest(locked_values, locked_types, locked_pools, locked_versions) AS l (value, type, pool, version)
        ON l.value = w.value AND l.type = w.type AND l.pool = w.pool AND l.version = w.version;
    IF counted <> cardinality(held_values) THEN
        RAISE EXCEPTION 'the holders of a value changed' USING ERRCODE = 'KN001';
    END IF;
    SELECT string_agg(
        format('(%L,%s,%s,%s,%s,%L,%L)', u.value, u.type, u.pool, number, u.holders, u.holder, u.exclusive),
        ',' ORDER BY u.value COLLATE "C", u.type, u.pool
    ) INTO rows
    FROM unnest(new_values, new_types, new_pools, new_holders, new_holder, new_exclusive)
        AS u (value, type, pool, holders, holder, exclusive);
    IF rows IS NOT NULL THEN
        EXECUTE 'INSERT INTO knownas.identity (value, type, pool, version, holders, holder, exclusive) VALUES ' || rows;
    END IF;
    locked_versions := '{}';
    FOR place IN
        SELECT array_agg(u.mpid) AS keys
        FROM unnest(seen_mpids, knownas.distributed_places_1(seen_mpids)) AS u (mpid, place)
        GROUP BY u.place ORDER BY u.place
    LOOP
        SELECT
            locked_mpids || array_agg(l.mpid), locked_versions || array_agg(l.version),
            locked_active_ms || array_agg(l.active_ms)
        INTO locked_mpids, locked_versions, locked_active_ms
        FROM (
            SELECT p.mpid, p.version, p.active_ms FROM knownas.profile AS p
            WHERE p.mpid = ANY (place.keys)
            ORDER BY p.mpid
            FOR NO KEY UPDATE
        ) AS l;
    END LOOP;
    SELECT count(*) INTO counted
    FROM unnest(seen_mpids, seen_versions, seen_active_ms) AS w (mpid, version, active_ms)
    JOIN unnest(locked_mpids, locked_versions, locked_active_ms) AS l (mpid, version, active_ms)
        ON l.mpid = w.mpid AND l.version = w.version AND l.active_ms = w.active_ms;
    IF counted <> cardinality(seen_mpids) THEN
        RAISE EXCEPTION 'a profile changed' USING ERRCODE = 'KN001';
    END IF;
    -- From here on nobody is waited for, so that the log is unsettled only for a moment; see settled_1.
    IF cardinality(line_ids) > 0 THEN
        PERFORM pg_advisory_xact_lock_shared(
            1802398067, (CASE WHEN is_called THEN last_value & 2147483647 ELSE 0 END)::integer
        ) FROM knownas.log_seq;
        seqs := ARRAY(SELECT nextval('knownas.log_seq') FROM generate_series(1, cardinality(line_ids)));
    END IF;
    SELECT string_agg(
        format(
            '(%s,%s,%L,%s,%s,%L,%s,%s,%L,%L)', u.mpid, u.pool, u.known, u.created_ms, u.active_ms, u.source_mpid, number,
            CASE WHEN u.line = 0 THEN 0 ELSE seqs[u.line] END, u.identities, u.carried
        ), ',' ORDER BY u.mpid
    ) INTO rows
    FROM unnest(
        made_mpids, made_pools, made_known, made_created_ms, made_active_ms, made_source_mpids, made_lines,
        made_identities, made_carried
    ) AS u (mpid, pool, known, created_ms, active_ms, source_mpid, line, identities, carried);
    IF rows IS NOT NULL THEN
        EXECUTE 'INSERT INTO knownas.profile '
            '(mpid, pool, known, created_ms, active_ms, source_mpid, version, first_seq, identities, carried) VALUES ' || rows;
    END IF;
    FOR one IN
        SELECT * FROM unnest(changed_mpids, changed_known, changed_active_ms, changed_identities, changed_carried)
            AS u (mpid, known, active_ms, identities, carried)
    LOOP
        UPDATE knownas.profile
        SET known = one.known, active_ms = one.active_ms, version = number, identities = one.identities,
            carried = one.carried
        WHERE mpid = one.mpid;
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(gone_values, gone_types, gone_pools, gone_known, gone_active_ms, gone_mpids)
            AS u (value, type, pool, known, active_ms, mpid)
    LOOP
        DELETE FROM knownas.holding AS h
        WHERE h.value = one.value AND h.type = one.type AND h.pool = one.pool AND h.known = one.known
            AND h.active_ms = one.active_ms AND h.mpid = one.mpid;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a holder is not where it was' USING ERRCODE = 'KN001';
        END IF;
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(
            moved_values, moved_types, moved_pools, moved_holders, moved_holder, moved_exclusive, moved_left_alone
        ) AS u (value, type, pool, holders, holder, exclusive, left_alone)
    LOOP
        left_holder := one.holder;
        IF one.left_alone THEN
            DELETE FROM knownas.holding AS h
            WHERE h.value = one.value AND h.type = one.type AND h.pool = one.pool
            RETURNING h.mpid INTO left_holder;
        END IF;
        UPDATE knownas.identity AS i
        SET version = number, holders = one.holders, exclusive = coalesce(one.exclusive, i.exclusive),
            holder = left_holder
        WHERE i.value = one.value AND i.type = one.type AND i.pool = one.pool;
    END LOOP;
    SELECT string_agg(
        format('(%L,%s,%s,%L,%s,%s)', u.value, u.type, u.pool, u.known, u.active_ms, u.mpid),
        ',' ORDER BY u.value COLLATE "C", u.type, u.pool, u.mpid
    ) INTO rows
    FROM unnest(come_values, come_types, come_pools, come_known, come_active_ms, come_mpids)
        AS u (value, type, pool, known, active_ms, mpid);
    IF rows IS NOT NULL THEN
        EXECUTE 'INSERT INTO knownas.holding (value, type, pool, known, active_ms, mpid) VALUES ' || rows;
    END IF;
    FOR one IN
        SELECT * FROM unnest(new_values, new_types, new_pools, new_holders) AS u (value, type, pool, holders)
        WHERE u.holders = 0
    LOOP
        -- This was only there to keep others from taking the value meanwhile.
        DELETE FROM knownas.identity AS i WHERE i.value = one.value AND i.type = one.type AND i.pool = one.pool;
    END LOOP;
    SELECT string_agg(
        format(
            '(%s,%L,%s,%s,%s,%L,%L,%L,%L)', u.seq, u.decision_id, u.pool, u.at_ms, u.policy_version, u.created_mpid,
            u.touched, u.observation, u.decision
        ), ',' ORDER BY u.seq
    ) INTO rows
    FROM unnest(
        seqs, line_ids, line_pools, line_at_ms, line_policy_versions, line_created_mpids, line_touched,
        line_observations, line_decisions
    ) AS u (seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision);
    IF rows IS NOT NULL THEN
        EXECUTE 'INSERT INTO knownas.log '
            '(seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision) VALUES ' || rows;
    END IF;
    SELECT string_agg(format('(%s,%s)', u.mpid, seqs[u.line]), ',' ORDER BY u.mpid, u.line) INTO rows
    FROM unnest(touched_mpids, touched_lines) AS u (mpid, line);
    IF rows IS NOT NULL THEN
        EXECUTE 'INSERT INTO knownas.touched (mpid, seq) VALUES ' || rows;
    END IF;
END $$;

-- Settles what became of a commit whose answer was lost; see settle_1. One that was kept is visible everywhere afterwards.
CREATE FUNCTION knownas.distributed_settle_1(wanted uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    is_fenced boolean;
BEGIN
    SET LOCAL lock_timeout = '2s';
    -- Waits for a transaction under way that has the token, also for one that is prepared.
    INSERT INTO knownas.commit_token (token, fenced, at) VALUES (wanted, true, now()) ON CONFLICT DO NOTHING;
    SELECT t.fenced INTO is_fenced FROM knownas.commit_token AS t WHERE t.token = wanted;
    PERFORM pg_advisory_xact_lock(hashtextextended(wanted::text, 0));
    RETURN NOT is_fenced;
END $$;

-- Removes at most so many old tokens, and returns a row for each.
CREATE FUNCTION knownas.distributed_forget_tokens_1(at_most bigint) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
DECLARE
    old uuid;
BEGIN
    FOREACH old IN ARRAY ARRAY(
        SELECT o.token FROM knownas.commit_token AS o
        WHERE o.at < now() - interval '1 hour' ORDER BY o.at LIMIT at_most
    ) LOOP
        DELETE FROM knownas.commit_token AS t WHERE t.token = old;
        RETURN NEXT old;
    END LOOP;
END $$;

-- Gives profiles another time at which they were made, and another source; see revise_1.
CREATE FUNCTION knownas.distributed_revise_1(mpids bigint[], are_created_ms bigint[], are_source_mpids bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT * FROM unnest(mpids, are_created_ms, are_source_mpids) AS u (mpid, created_ms, source_mpid)
    LOOP
        UPDATE knownas.profile SET created_ms = one.created_ms, source_mpid = one.source_mpid WHERE mpid = one.mpid;
    END LOOP;
END $$;

-- Moves last activities forward; see touch_1. It waits for nobody, so it can stand in nobody's way for long: what somebody
-- else is changing is left, and returned as not moved. The rows of an anonymous profile's values are held as well: who changes
-- a value's holders may be visible at its profile and not yet there.
CREATE FUNCTION knownas.distributed_touch_1(
    mpids bigint[], versions bigint[], were_active_ms bigint[], are_active_ms bigint[],
    place_values text[], place_types smallint[], place_pools integer[], place_mpids bigint[], place_were_active_ms bigint[],
    place_are_active_ms bigint[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    standing bigint[] := '{}';
    one record;
BEGIN
    FOR one IN SELECT * FROM unnest(mpids, versions, were_active_ms) AS u (mpid, version, active_ms) ORDER BY u.mpid LOOP
        PERFORM 1 FROM knownas.profile AS p
        WHERE p.mpid = one.mpid AND p.version = one.version AND p.active_ms = one.active_ms
        FOR NO KEY UPDATE SKIP LOCKED;
        IF FOUND THEN
            standing := standing || one.mpid;
        END IF;
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(place_values, place_types, place_pools, place_mpids) AS u (value, type, pool, mpid)
        ORDER BY u.value COLLATE "C", u.type, u.pool
    LOOP
        PERFORM 1 FROM knownas.identity AS i
        WHERE i.value = one.value AND i.type = one.type AND i.pool = one.pool
        FOR SHARE SKIP LOCKED;
        IF NOT FOUND THEN
            standing := array_remove(standing, one.mpid);
        END IF;
    END LOOP;
    FOR one IN
        SELECT * FROM unnest(mpids, are_active_ms) AS u (mpid, active_ms) WHERE u.mpid = ANY (standing) ORDER BY u.mpid
    LOOP
        UPDATE knownas.profile AS p SET active_ms = one.active_ms WHERE p.mpid = one.mpid;
    END LOOP;
    FOR one IN
        SELECT *
        FROM unnest(
            place_values, place_types, place_pools, place_mpids, place_were_active_ms, place_are_active_ms
        ) AS u (value, type, pool, mpid, was_active_ms, is_active_ms)
        WHERE u.mpid = ANY (standing)
        ORDER BY u.value COLLATE "C", u.type, u.pool
    LOOP
        UPDATE knownas.holding AS h SET active_ms = one.is_active_ms
        WHERE h.value = one.value AND h.type = one.type AND h.pool = one.pool AND NOT h.known
            AND h.active_ms = one.was_active_ms AND h.mpid = one.mpid;
    END LOOP;
    RETURN ARRAY(SELECT unnest(mpids) EXCEPT SELECT unnest(standing));
END $$;

-- Profiles by their MPIDs; see the statement `profiles`, whose rows these are.
CREATE FUNCTION knownas.distributed_profiles_1(wanted bigint[]) RETURNS TABLE (
    pool integer, mpid bigint, identities bytea, carried bytea, known boolean, created_ms bigint, active_ms bigint,
    source_mpid bigint, version bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moment record;
BEGIN
    SELECT * INTO moment FROM knownas.distributed_moment_1();
    FOR pool, mpid, identities, carried, known, created_ms, active_ms, source_mpid, version IN
        SELECT
            p.pool, p.mpid, p.identities, p.carried, p.known, p.created_ms, p.active_ms, p.source_mpid, p.version
        FROM knownas.profile AS p WHERE p.mpid = ANY (wanted)
    LOOP
        PERFORM knownas.distributed_check_1(moment.given, moment.begun, moment.under_way, ARRAY[version]);
        RETURN NEXT;
    END LOOP;
END $$;

-- One profile with each section that any workspace has of it; see the statement `seen_profile`, whose rows these are.
CREATE FUNCTION knownas.distributed_seen_profile_1(wanted bigint) RETURNS TABLE (
    pool integer, mpid bigint, identities bytea, carried bytea, known boolean, created_ms bigint, active_ms bigint,
    source_mpid bigint, version bigint, workspace bigint, environment text, document bytea, section_version bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moment record;
BEGIN
    SELECT * INTO moment FROM knownas.distributed_moment_1();
    FOR pool, mpid, identities, carried, known, created_ms, active_ms, source_mpid, version, workspace, environment,
        document, section_version
    IN
        SELECT
            p.pool, p.mpid, p.identities, p.carried, p.known, p.created_ms, p.active_ms, p.source_mpid, p.version,
            s.workspace, s.environment, s.document, s.version
        FROM knownas.profile AS p
        LEFT JOIN knownas.section AS s ON s.mpid = p.mpid
        WHERE p.mpid = wanted
    LOOP
        PERFORM knownas.distributed_check_1(moment.given, moment.begun, moment.under_way, ARRAY[version]);
        RETURN NEXT;
    END LOOP;
END $$;

-- The lines that changed a profile; see the statement `history`, whose rows these are.
CREATE FUNCTION knownas.distributed_history_1(wanted bigint, after_seq bigint, at_most bigint) RETURNS TABLE (
    seq bigint, decision_id bytea, pool integer, at_ms bigint, policy_version integer, created_mpid bigint, touched bytea,
    observation bytea, decision bytea
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    about bigint[];
    counted integer := 0;
BEGIN
    about := ARRAY(
        SELECT p.first_seq FROM knownas.profile AS p WHERE p.mpid = wanted AND p.first_seq > after_seq
    ) || ARRAY(
        SELECT t.seq FROM knownas.touched AS t WHERE t.mpid = wanted AND t.seq > after_seq ORDER BY t.seq LIMIT at_most
    );
    about := ARRAY(SELECT u.seq FROM unnest(about) AS u (seq) ORDER BY u.seq LIMIT at_most);
    FOR seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision IN
        SELECT l.seq, l.decision_id, l.pool, l.at_ms, l.policy_version, l.created_mpid, l.touched, l.observation, l.decision
        FROM knownas.log AS l WHERE l.seq = ANY (about) ORDER BY l.seq
    LOOP
        counted := counted + 1;
        RETURN NEXT;
    END LOOP;
    IF counted <> cardinality(about) THEN
        -- The profile's own row is visible already, the line is not.
        RAISE EXCEPTION 'what was read is being changed' USING ERRCODE = 'KN002';
    END IF;
END $$;
