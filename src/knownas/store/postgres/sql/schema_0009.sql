-- works_from: 4
-- The layout of a knownas database, version 9: who is in which group of users, and what each contributes to its attributes. In a database
-- that is distributed over several servers this stays with the coordinator, like all that is done for audiences.

-- The value is a digest of what the members share. What is contributed is the service's; no database looks into it.
CREATE TABLE knownas.group_place (
    mpid bigint NOT NULL,
    workspace bigint NOT NULL,
    environment text COLLATE "C" NOT NULL,
    kind bigint NOT NULL,
    version bigint NOT NULL,
    value text COLLATE "C" NOT NULL,
    document bytea NOT NULL,
    CONSTRAINT group_place_once PRIMARY KEY (mpid, workspace, environment, kind)
);

CREATE INDEX group_place_value ON knownas.group_place (kind, environment, value, mpid);

-- Writes places by one who knows these watches, after what else the commit says. The order of locks: places that are there, by profile, workspace,
-- environment and kind; places that are not.
CREATE FUNCTION knownas.audience_write_places_1(
    -- one without a version is new, one without a value goes
    place_mpids bigint[], place_workspaces bigint[], place_environments text[], place_kinds bigint[],
    place_versions bigint[], place_values text[], place_documents bytea[],
    known_workspaces bigint[], known_watches bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    number bigint;
    one record;
BEGIN
    IF cardinality(known_workspaces) > 0 THEN
        -- Whoever writes a document is over, or waits until this is.
        PERFORM pg_advisory_xact_lock_shared(1802398068);
        IF EXISTS (
            SELECT 1 FROM unnest(known_workspaces, known_watches) AS k (workspace, watch)
            LEFT JOIN knownas.watch AS w ON w.workspace = k.workspace
            WHERE w.version IS DISTINCT FROM k.watch
        ) THEN
            RAISE EXCEPTION 'a document was written' USING ERRCODE = 'KN001';
        END IF;
    END IF;
    IF cardinality(place_mpids) = 0 THEN
        RETURN;
    END IF;
    number := nextval('knownas.standing_version_seq');
    FOR one IN
        SELECT u.* FROM unnest(
            place_mpids, place_workspaces, place_environments, place_kinds, place_versions, place_values, place_documents
        ) AS u (mpid, workspace, environment, kind, version, value, document)
        ORDER BY u.version IS NULL, u.mpid, u.workspace, u.environment COLLATE "C", u.kind
    LOOP
        IF one.version IS NULL THEN
            INSERT INTO knownas.group_place (mpid, workspace, environment, kind, version, value, document)
            VALUES (one.mpid, one.workspace, one.environment, one.kind, number, one.value, one.document)
            ON CONFLICT DO NOTHING;
        ELSIF one.value IS NULL THEN
            DELETE FROM knownas.group_place AS p
            WHERE p.mpid = one.mpid AND p.workspace = one.workspace AND p.environment = one.environment
                AND p.kind = one.kind AND p.version = one.version;
        ELSE
            UPDATE knownas.group_place AS p SET version = number, value = one.value, document = one.document
            WHERE p.mpid = one.mpid AND p.workspace = one.workspace AND p.environment = one.environment
                AND p.kind = one.kind AND p.version = one.version;
        END IF;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a place changed' USING ERRCODE = 'KN001';
        END IF;
    END LOOP;
END $$;

-- What follows is for servers that know of audiences and not of groups, while they run beside newer ones. What they would keep of batches
-- is judged in whole wherever there are groups, and judging is left to the others.

ALTER FUNCTION knownas.audience_mark_batches_1 RENAME TO audience_mark_batches_2;

CREATE FUNCTION knownas.audience_mark_batches_1(
    known_workspaces bigint[], known_watches bigint[],
    mark_mpids bigint[], mark_workspaces bigint[], mark_environments text[], mark_documents bytea[],
    mark_lasts boolean[],
    concerned_mpids bigint[], concerned_workspaces bigint[], concerned_environments text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    grouped bigint[] := ARRAY(SELECT d.workspace FROM knownas.audience_document AS d WHERE d.kind = 'group');
BEGIN
    PERFORM knownas.audience_mark_batches_2(
        ARRAY(SELECT k.workspace FROM unnest(known_workspaces) AS k (workspace) WHERE k.workspace <> ALL (grouped)),
        ARRAY(
            SELECT k.watch FROM unnest(known_workspaces, known_watches) AS k (workspace, watch)
            WHERE k.workspace <> ALL (grouped)
        ),
        mark_mpids, mark_workspaces, mark_environments, mark_documents, mark_lasts,
        concerned_mpids, concerned_workspaces, concerned_environments
    );
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
    FROM pg_proc AS p WHERE p.proname = 'audience_commit_1' AND p.pronamespace = 'knownas'::regnamespace;
    ALTER FUNCTION knownas.audience_commit_1 RENAME TO audience_commit_bare_1;
    EXECUTE format(
        'CREATE FUNCTION knownas.audience_commit_1(%s) RETURNS void LANGUAGE plpgsql AS %L',
        arguments,
        format(
            'BEGIN IF EXISTS (SELECT 1 FROM knownas.audience_document AS d WHERE d.kind = ''group'') THEN '
            'RAISE EXCEPTION ''judging is left to whoever knows of groups'' USING ERRCODE = ''KN001''; END IF; '
            'PERFORM knownas.audience_commit_bare_1(%s); END',
            places
        )
    );
END $wrap$;
