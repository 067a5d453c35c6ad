"""One profile's history is enough for its record: as it is, and as it was at any line."""

from knownas.core.history.rebuild import PastDecision, rebuilt
from knownas.core.identity.decision import Decision
from knownas.core.identity.record import Record
from tests.properties.histories import History, Server, histories, served, state
from tests.properties.trials import first_failing, seed_of_this_run

HISTORIES = 60
KINDS = (histories(40, policies=2), histories(40, captures_all=True, restarts=True))


def past(server: Server, mpid: int) -> list[PastDecision]:
    """Return the lines that wrote a profile's record."""
    lines: list[PastDecision] = []
    for line, decision in zip(server.log, server.decisions, strict=True):
        if line.changed and mpid in set(decision.touched):
            kept = Decision(decision.outcome, decision.receipt, changes=decision.changes, skipped=decision.skipped)
            lines.append(PastDecision(line.observation.at_ms, server.policies[line.policy_version], kept))
    return lines


def written(server: Server, mpid: int) -> list[Record]:
    """Return every state of a profile's record that was written."""
    found = (write.after for decision in server.decisions for write in decision.writes)
    return [record for record in found if record.mpid == mpid]


def fault_of(history: History) -> str | None:
    """Say where a record is rebuilt otherwise than it was."""
    server = served(history)
    rebuilds = [rebuilt(record.mpid, past(server, record.mpid)) for record in server.records]
    now = {record.mpid: record for record in rebuilds if record is not None}
    for mpid, kept in state(server.records).items():
        record = now[mpid]
        mine = (record.identities, record.carried, record.known, record.source_mpid, record.created_ms)
        if mine != kept:
            return f"{mpid} is {kept}, rebuilt {mine}"
        for length, then in enumerate(written(server, mpid), start=1):
            before = rebuilt(mpid, past(server, mpid)[:length])
            if before is None or before._replace(version=0, active_ms=0) != then._replace(version=0, active_ms=0):
                return f"{mpid} was {then}, rebuilt {before}"
            if before.active_ms > then.active_ms:
                return f"{mpid} was last active {then.active_ms}, rebuilt {before.active_ms}"
    return None


def test_a_record_is_rebuilt_as_it_was_after_each_line() -> None:
    """Whatever happened to a profile, its own lines give its record, after each of them."""
    for kind in KINDS:
        assert first_failing(kind, fault_of, examples=HISTORIES // 2, seeded=seed_of_this_run()) is None


def test_a_profile_without_lines_was_not_there() -> None:
    """Before the line that made it, there is no profile."""
    assert rebuilt(7, []) is None
