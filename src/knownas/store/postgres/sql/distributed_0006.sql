-- How what removes sections waits for whoever judges in a distributed database; see version 10 of the layout.

CREATE OR REPLACE FUNCTION knownas.distributed_forget_older_1(events_ms bigint, requests_ms bigint, sections_ms bigint, at_most bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM knownas.audience_removing_1();
    PERFORM knownas.audience_mark_old_1(events_ms, sections_ms, at_most);
    gone := knownas.distributed_forget_older_bare_1(events_ms, requests_ms, sections_ms, at_most);
    PERFORM knownas.audience_removed_1();
    RETURN gone;
END $$;

CREATE OR REPLACE FUNCTION knownas.distributed_erase_1(
    wanted bigint, of_workspace bigint, input_keys text[], mention bytea, at_most bigint,
    OUT sections bigint, OUT events bigint, OUT messages bigint, OUT aliases bigint, OUT receipts bigint
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM knownas.audience_removing_1();
    PERFORM knownas.audience_mark_erased_1(wanted, of_workspace);
    SELECT e.sections, e.events, e.messages, e.aliases, e.receipts INTO sections, events, messages, aliases, receipts
    FROM knownas.distributed_erase_bare_1(wanted, of_workspace, input_keys, mention, at_most) AS e;
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
    FROM pg_proc AS p WHERE p.proname = 'distributed_rearrange_1' AND p.pronamespace = 'knownas'::regnamespace;
    ALTER FUNCTION knownas.distributed_rearrange_1 RENAME TO distributed_rearrange_marked_1;
    EXECUTE format(
        'CREATE FUNCTION knownas.distributed_rearrange_1(%s) RETURNS void LANGUAGE plpgsql AS %L',
        arguments,
        format(
            'BEGIN IF cardinality(removed_mpids) = 0 THEN PERFORM knownas.distributed_rearrange_marked_1(%1$s); RETURN; END IF; '
            'PERFORM knownas.audience_removing_1(); PERFORM knownas.distributed_rearrange_marked_1(%1$s); '
            'PERFORM knownas.audience_removed_1(); END',
            places
        )
    );
END $wrap$;
