-- What a distributed database is asked, where that differs from the statement of the same name without `distributed_`; and how
-- it becomes one.

-- name: distributed_load
SELECT * FROM knownas.distributed_load_1(
    $1::text::text[], $2::text::smallint[], $3::text::integer[], $4::text::bigint[], $5::text::integer[]
);

-- name: distributed_sole_holders
SELECT * FROM knownas.distributed_sole_holders_1($1::text::text[], $2::text::smallint[], $3::text::integer[]);

-- name: distributed_commit
SELECT knownas.distributed_commit_1(/*arguments*/);

-- name: distributed_correct
SELECT
    knownas.distributed_commit_1(/*arguments*/),
    knownas.distributed_revise_1($58::text::bigint[], $59::text::bigint[], $60::text::bigint[]);

-- name: distributed_rearrange
SELECT
    knownas.distributed_commit_1(/*arguments*/),
    knownas.distributed_revise_1($58::text::bigint[], $59::text::bigint[], $60::text::bigint[]),
    knownas.distributed_rearrange_1(
        $61::text::bigint[], $62::text::bigint[], $63::text::text[], $64::text::bigint[], $65::text::bigint[], $66::bytea[],
        $67::text::bigint[], $68::text::bigint[], $69::text::text[], $70::text::bigint[], $71::bytea[],
        $72::text::bigint[], $73::text::bigint[], $74::text::text[], $75::text::bigint[],
        $76::text::bigint[], $77::text::bigint[], $78::text::text[], $79::text::bigint[], $80::text::bigint[], $81::bytea[],
        $82::text::bigint[], $83::text::bigint[], $84::text::text[], $85::text::bigint[], $86::text::bigint[], $87::text::bigint[], $88::bytea[],
        $89::text::bigint[], $90::text::text[], $91::text::text[], $92::text::bigint[],
        $93::text::text[], $94::text::text[], $95::text::text[]
    );

-- name: distributed_settle
SELECT knownas.distributed_settle_1($1);

-- name: distributed_forget_tokens
SELECT * FROM knownas.distributed_forget_tokens_1($1);

-- name: distributed_touch
SELECT knownas.distributed_touch_1(
    $1::text::bigint[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[], $5::text::text[],
    $6::text::smallint[], $7::text::integer[], $8::text::bigint[], $9::text::bigint[], $10::text::bigint[]
);

-- name: distributed_ping
-- Every server that keeps a part is asked for a row that is nowhere.
SELECT count(*) FROM knownas.message WHERE at_ms = -9223372036854775808;

-- name: distributed_profiles
SELECT * FROM knownas.distributed_profiles_1($1);

-- name: distributed_seen_profile
SELECT * FROM knownas.distributed_seen_profile_1($1);

-- name: distributed_history
SELECT * FROM knownas.distributed_history_1($1, $2, $3);

-- name: distributed_user_data
SELECT * FROM knownas.distributed_user_data_1(
    $1::text::bigint[], $2::text::bigint[], $3::text::text[], $4::text::text[], $5::text::text[], $6::text::text[],
    $7::text::bigint[], $8::text::text[]
);

-- name: distributed_user_data_commit
SELECT
    knownas.distributed_user_data_commit_bare_1(/*arguments*/),
    knownas.audience_mark_batches_2(
        $50::text::bigint[], $51::text::bigint[], $52::text::bigint[], $53::text::bigint[], $54::text::text[], $55::bytea[],
        $56::text::boolean[], $57::text::bigint[], $58::text::bigint[], $59::text::text[]
    );

-- name: distributed_receipt
SELECT * FROM knownas.distributed_receipt_1($1);

-- name: distributed_receipts_named
SELECT * FROM knownas.distributed_receipts_named_1($1, $2);

-- name: distributed_forget_older
SELECT knownas.distributed_forget_older_1($1, $2, $3, $4);

-- name: distributed_page_receipts
SELECT * FROM knownas.distributed_page_receipts_1($1, $2);

-- name: distributed_put_receipts
SELECT knownas.distributed_put_receipts_1(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::boolean[], $7::bytea[]
);

-- name: distributed_privacy_commit
SELECT knownas.distributed_privacy_commit_1(/*arguments*/);

-- name: distributed_count_held
SELECT sections, events, messages, aliases, receipts FROM knownas.distributed_count_held_1($1, $2, $3, $4);

-- name: distributed_erase
SELECT sections, events, messages, aliases, receipts FROM knownas.distributed_erase_1($1, $2, $3, $4, $5);

-- name: distributed_redact
SELECT knownas.distributed_redact_1(/*arguments*/);

-- name: distribution_exists
SELECT to_regclass('knownas.distribution') IS NOT NULL;

-- name: has_extension
SELECT to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL;

-- name: distribution
SELECT coalesce(max(version), 0) FROM knownas.distribution;

-- name: make_distribution
-- A row for each step of the functions of a distributed database. That it is there says that the database is one.
CREATE TABLE IF NOT EXISTS knownas.distribution (
    version integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT distribution_once PRIMARY KEY (version)
);

-- name: note_distribution
INSERT INTO knownas.distribution (version) VALUES ($1);

-- name: fence_plain_functions
-- Servers that have not noticed yet, or are too old to, are told so by every function that is not meant for this.
DO $fence$
DECLARE
    plain record;
BEGIN
    FOR plain IN
        SELECT
            p.proname, pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
        FROM pg_proc AS p
        WHERE p.pronamespace = 'knownas'::regnamespace AND p.proname NOT LIKE 'distributed\_%'
            AND p.proname NOT LIKE 'settled\_%' AND p.proname NOT LIKE 'audience\_%' AND p.prosrc NOT LIKE '%KN003%'
    LOOP
        EXECUTE format(
            'CREATE OR REPLACE FUNCTION knownas.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L',
            plain.proname, plain.arguments, plain.result,
            'BEGIN RAISE EXCEPTION ''the database is distributed'' USING ERRCODE = ''KN003''; END'
        );
    END LOOP;
END $fence$;

-- name: extension
-- The version of the extension Citus in this database, and whether the server could have it.
SELECT
    (SELECT e.extversion FROM pg_extension AS e WHERE e.extname = 'citus'),
    EXISTS (SELECT 1 FROM pg_available_extensions AS a WHERE a.name = 'citus');

-- name: nodes
-- Whether this server is the coordinator, how many servers there are, and how many of them are to keep a part.
SELECT
    (SELECT g.groupid = 0 FROM pg_dist_local_group AS g),
    (SELECT count(*) FROM pg_dist_node AS n WHERE n.isactive AND n.noderole = 'primary'),
    (SELECT count(*) FROM pg_dist_node AS n WHERE n.isactive AND n.noderole = 'primary' AND n.shouldhaveshards);

-- name: let_coordinator_keep
SELECT citus_set_node_property(n.nodename, n.nodeport, 'shouldhaveshards', true)
FROM pg_dist_node AS n WHERE n.groupid = 0 AND n.noderole = 'primary';

-- name: distributed_tables
SELECT c.relname FROM pg_dist_partition AS d JOIN pg_class AS c ON c.oid = d.logicalrelid
WHERE c.relnamespace = 'knownas'::regnamespace;

-- name: distribute_table
SELECT create_distributed_table($1::text::regclass, $2::text, colocate_with => 'none', shard_count => $3::integer);

-- name: distribute_table_beside
SELECT create_distributed_table($1::text::regclass, $2::text, colocate_with => $3::text);

-- name: forget_local_rows
-- The rows that a table had before stay in this server, seen by nobody, until this.
SELECT truncate_local_data_after_distributing_table($1::text::regclass);
