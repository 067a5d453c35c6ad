-- How whatever changes what is known of somebody leaves a mark in a distributed database; see version 8 of the layout.

DO $wrap$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT
            p.proname AS name, v.bare, v.marks, pg_get_function_arguments(p.oid) AS arguments,
            (SELECT string_agg('$' || n, ', ' ORDER BY n) FROM generate_series(1, p.pronargs) AS n) AS places
        FROM (VALUES
            ('distributed_commit_1', 'distributed_commit_bare_1', 'knownas.audience_mark_profiles_1(changed_mpids)'),
            ('distributed_user_data_commit_1', 'distributed_user_data_commit_bare_1', 'knownas.audience_mark_sections_1('
                'changed_mpids || new_mpids || other_mpids, changed_workspaces || new_workspaces || other_workspaces, '
                'changed_environments || new_environments || other_environments)'),
            ('distributed_rearrange_1', 'distributed_rearrange_bare_1', 'knownas.audience_mark_sections_1('
                'changed_mpids || new_mpids || removed_mpids || moved_mpids || moved_to_mpids || event_mpids, '
                'changed_workspaces || new_workspaces || removed_workspaces || moved_workspaces || moved_workspaces || event_workspaces, '
                'changed_environments || new_environments || removed_environments || moved_environments || moved_environments '
                '|| event_environments)')
        ) AS v (name, bare, marks)
        JOIN pg_proc AS p ON p.proname = v.name AND p.pronamespace = 'knownas'::regnamespace
    LOOP
        EXECUTE format('ALTER FUNCTION knownas.%I RENAME TO %I', one.name, one.bare);
        EXECUTE format(
            'CREATE FUNCTION knownas.%I(%s) RETURNS void LANGUAGE plpgsql AS %L',
            one.name, one.arguments, format('BEGIN PERFORM knownas.%I(%s); PERFORM %s; END', one.bare, one.places, one.marks)
        );
    END LOOP;
END $wrap$;

ALTER FUNCTION knownas.distributed_forget_older_1 RENAME TO distributed_forget_older_bare_1;

CREATE FUNCTION knownas.distributed_forget_older_1(events_ms bigint, requests_ms bigint, sections_ms bigint, at_most bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM knownas.audience_mark_old_1(events_ms, sections_ms, at_most);
    RETURN knownas.distributed_forget_older_bare_1(events_ms, requests_ms, sections_ms, at_most);
END $$;

ALTER FUNCTION knownas.distributed_erase_1 RENAME TO distributed_erase_bare_1;

CREATE FUNCTION knownas.distributed_erase_1(
    wanted bigint, of_workspace bigint, input_keys text[], mention bytea, at_most bigint,
    OUT sections bigint, OUT events bigint, OUT messages bigint, OUT aliases bigint, OUT receipts bigint
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM knownas.audience_mark_erased_1(wanted, of_workspace);
    SELECT e.sections, e.events, e.messages, e.aliases, e.receipts INTO sections, events, messages, aliases, receipts
    FROM knownas.distributed_erase_bare_1(wanted, of_workspace, input_keys, mention, at_most) AS e;
END $$;

-- The newest batches of events of some sections, each found by its key.
CREATE FUNCTION knownas.distributed_newest_events_1(
    wanted_mpids bigint[], wanted_workspaces bigint[], wanted_environments text[], at_most bigint
) RETURNS TABLE (place integer, seq bigint, at_ms bigint, first_ms bigint, last_ms bigint, document bytea)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    FOR n IN 1 .. cardinality(wanted_mpids) LOOP
        RETURN QUERY
        SELECT n, e.seq, e.at_ms, e.first_ms, e.last_ms, e.document FROM knownas.user_events AS e
        WHERE e.mpid = wanted_mpids[n] AND e.workspace = wanted_workspaces[n] AND e.environment = wanted_environments[n]
        ORDER BY e.seq DESC LIMIT at_most;
    END LOOP;
END $$;
