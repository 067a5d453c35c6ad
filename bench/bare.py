"""Runs with `pgbench` the bare statements that one request comes to: what a client without us would ask a database.

Each request is a transaction of its own, over a connection of its own, with statements prepared; no HTTP, no rules, no JSON.
"""

import re
import subprocess
from pathlib import Path
from typing import Final

from tests.postgres import PrivateServer
from tools.provision import postgres_binaries

KNOWN_USER: Final = r"""
\set user random(1, {profiles})
SELECT p.* FROM knownas.identity AS i JOIN knownas.profile AS p ON p.mpid = i.holder
WHERE i.value = 'c' || lpad((:user)::text, 9, '0') AND i.type = 1 AND i.pool = 1;
"""
"""Finds a user of `bench.population` by one identity; `{profiles}` stands for how many there are."""

NEW_PROFILE: Final = r"""
\set user random(1, 1000000000000000)
SELECT p.* FROM knownas.identity AS i JOIN knownas.profile AS p ON p.mpid = i.holder
WHERE i.value IN ('a' || (:user)::text, 'b' || (:user)::text, 'c' || (:user)::text) AND i.type IN (1, 7, 27) AND i.pool = 1;
BEGIN;
INSERT INTO knownas.identity (value, type, pool, version, holders, holder, exclusive)
VALUES ('a' || (:user)::text, 1, 1, 0, 1, :user, true), ('b' || (:user)::text, 7, 1, 0, 1, :user, false),
    ('c' || (:user)::text, 27, 1, 0, 1, :user, false);
INSERT INTO knownas.profile (
    mpid, pool, known, created_ms, active_ms, source_mpid, version, first_seq, identities, carried
) VALUES (:user, 1, true, 1, 1, NULL, 0, 1, decode(repeat('61', 120), 'hex'), '{}');
INSERT INTO knownas.log (
    seq, decision_id, pool, at_ms, policy_version, created_mpid, touched, observation, decision
) VALUES (
    nextval('knownas.log_seq'), decode(md5((:user)::text), 'hex'), 1, 1, 1, :user, '[]',
    decode(repeat('61', 250), 'hex'), decode(repeat('61', 450), 'hex')
);
END;
"""
"""Looks for three identities that nobody has, and writes what a new profile comes to."""

STOP_WITHIN_SECONDS: Final = 30


class BareFailed(Exception):
    """pgbench ended without a rate."""


def bare_rate(server: PrivateServer, database: str, script: str, connections: int, seconds: int) -> float:
    """Return how many times a second a script is carried out over so many connections.

    Raises:
        BareFailed: it was not.
    """
    file = Path(server.folder) / "bare.sql"
    file.write_text(script)
    command = [str(postgres_binaries() / "pgbench"), "-h", str(server.folder), "-U", "tests", "-n", "-M", "prepared"]
    command += ["-c", str(connections), "-j", "1", "-T", str(seconds), "-f", str(file), database]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=seconds + STOP_WITHIN_SECONDS, cwd="/"
    )
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if done.returncode or found is None:
        raise BareFailed(f"{done.stdout}{done.stderr}")
    return float(found[1])
