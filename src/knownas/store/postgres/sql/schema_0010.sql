-- works_from: 4
-- The layout of a knownas database, version 10: what came of judging is not written after what it was made from was removed, and changes of
-- membership are found by their time.

-- Whoever counts the changes of an audience in some time reads those alone, and of each no more than this.
CREATE INDEX membership_change_at ON knownas.membership_change (audience, workspace, environment, at_ms, is_member);

-- The version, of those of sections, that was given out when one was last removed. A section with an earlier version, which has another one by now,
-- may be another section.
CREATE SEQUENCE knownas.section_removal_seq MINVALUE 0 START 0 CACHE 1;

-- Called before sections are removed, and before locks are taken on any: holds back whoever writes what came of judging, and waits for those who do,
-- until the transaction ends. So whoever judges either sees that a section is gone, or is over before it goes.
CREATE FUNCTION knownas.audience_removing_1() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1802398070);
END $$;

-- Called when they are removed: no version that any of them had is as late as this one. Nobody else is here meanwhile, so it only grows.
CREATE FUNCTION knownas.audience_removed_1() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM setval('knownas.section_removal_seq', nextval('knownas.section_version_seq'));
END $$;

-- Refuses a commit of judging if a section that it rests on is not there, or may be another one. Called when most of the commit is written, since
-- nobody removes a section from here on until it is over. The lock is taken before sections are looked for by another statement: that one sees
-- whatever was removed before.
CREATE FUNCTION knownas.audience_rest_1(
    section_mpids bigint[], section_workspaces bigint[], section_environments text[], section_versions bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last_removal bigint;
    mpids bigint[];
    workspaces bigint[];
    environments text[];
    versions bigint[];
BEGIN
    IF cardinality(section_mpids) = 0 THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(1802398070);
    SELECT r.last_value INTO last_removal FROM knownas.section_removal_seq AS r;
    -- One table and nothing joined with it: its parts may lie on several servers.
    SELECT array_agg(s.mpid), array_agg(s.workspace), array_agg(s.environment), array_agg(s.version)
    INTO mpids, workspaces, environments, versions
    FROM knownas.section AS s WHERE s.mpid = ANY (section_mpids);
    -- Version 0 stands for any.
    IF EXISTS (
        SELECT w.mpid, w.workspace, w.environment, CASE WHEN w.version > last_removal THEN 0 ELSE w.version END
        FROM unnest(section_mpids, section_workspaces, section_environments, section_versions)
            AS w (mpid, workspace, environment, version)
        EXCEPT (
            SELECT f.mpid, f.workspace, f.environment, f.version
            FROM unnest(mpids, workspaces, environments, versions) AS f (mpid, workspace, environment, version)
            UNION ALL
            SELECT f.mpid, f.workspace, f.environment, 0
            FROM unnest(mpids, workspaces, environments) AS f (mpid, workspace, environment)
        )
    ) THEN
        RAISE EXCEPTION 'a section is gone' USING ERRCODE = 'KN001';
    END IF;
END $$;

-- What removes sections does so from now on, also for servers of an earlier version.

CREATE OR REPLACE FUNCTION knownas.forget_older_1(events_ms bigint, requests_ms bigint, sections_ms bigint, at_most bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM knownas.audience_removing_1();
    PERFORM knownas.audience_mark_old_1(events_ms, sections_ms, at_most);
    gone := knownas.forget_older_bare_1(events_ms, requests_ms, sections_ms, at_most);
    PERFORM knownas.audience_removed_1();
    RETURN gone;
END $$;

CREATE OR REPLACE FUNCTION knownas.erase_1(
    wanted bigint, of_workspace bigint, input_keys text[], mention bytea, at_most bigint,
    OUT sections bigint, OUT events bigint, OUT messages bigint, OUT aliases bigint, OUT receipts bigint
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM knownas.audience_removing_1();
    PERFORM knownas.audience_mark_erased_1(wanted, of_workspace);
    SELECT e.sections, e.events, e.messages, e.aliases, e.receipts INTO sections, events, messages, aliases, receipts
    FROM knownas.erase_bare_1(wanted, of_workspace, input_keys, mention, at_most) AS e;
    PERFORM knownas.audience_removed_1();
END $$;

DO $wrap$
DECLARE
    arguments text;
    places text;
BEGIN
    SELECT
        pg_get_function_arguments(p.oid),
        (SELECT string_agg('$' || n, ', ' ORDER BY n) FROM generate_series(1, p.pronargs) AS n)
    INTO arguments, places
    FROM pg_proc AS p WHERE p.proname = 'rearrange_1' AND p.pronamespace = 'knownas'::regnamespace;
    ALTER FUNCTION knownas.rearrange_1 RENAME TO rearrange_marked_1;
    EXECUTE format(
        'CREATE FUNCTION knownas.rearrange_1(%s) RETURNS void LANGUAGE plpgsql AS %L',
        arguments,
        format(
            'BEGIN IF cardinality(removed_mpids) = 0 THEN PERFORM knownas.rearrange_marked_1(%1$s); RETURN; END IF; '
            'PERFORM knownas.audience_removing_1(); PERFORM knownas.rearrange_marked_1(%1$s); '
            'PERFORM knownas.audience_removed_1(); END',
            places
        )
    );
END $wrap$;
