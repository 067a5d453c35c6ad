"""Carries erasures out: everything that a workspace has of a person goes, and where nobody else knows them, who they were.

The identity record belongs to the scope. While another workspace of it knows the person it stays, and the evidence says for how
many; otherwise it is emptied by a line of the log like any other (`core.identity.erase`), and the lines before that name the
person's own identities are rewritten (decisions 35 and 36).

An erasure is a row of steps. Each of them is bounded in what it does at once, durable before the next, and finds nothing to do when it
is taken again; what is told of it in the evidence is written together with that it is done. So whoever is killed anywhere
goes on there. Until all is done the request keeps what it needs: whom it names, which identities are the person's own, and
the key from which what they become is drawn. All that is forgotten before free space is overwritten.

A request can reach several profiles (platform §5.8). Each step is taken for all of them before the next: so all are empty before a
line is rewritten, and what two of them had in common is the own of the one that is emptied last.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from knownas.config.workspace_privacy import StaysOut
from knownas.core.identity.decide import decide
from knownas.core.identity.kinds import DEVICE_TYPES, Identity
from knownas.core.identity.observation import Erasure
from knownas.core.identity.record import held_by
from knownas.core.identity.records import Records
from knownas.core.privacy.evidence import Fact, Step
from knownas.core.privacy.request import DAY_MS, RequestType
from knownas.service.chance import Chance
from knownas.service.erasure.erased_identities import is_others, records_of
from knownas.service.erasure.erased_lines import CHANGED_MEANWHILE, ErasedLines, TooMuchToErase, history_of, replacement
from knownas.service.erasure.erased_space import ErasedSpace
from knownas.service.erasure.erasing_begin import begun_with
from knownas.service.erasure.erasing_case import Case, Cases, Told, case_of, forgetful
from knownas.service.erasure.remembered import Remembered
from knownas.service.evidence.chain import Evidence
from knownas.service.history.correcting import Correcting
from knownas.service.identity.batch import commit_of
from knownas.service.identity.knowing import ErasedFor, holding_of, others_of_scope, place_of, remember_erased
from knownas.service.identity.question import Answer
from knownas.service.jobs import forget_in_reports, is_still_running
from knownas.service.limits import (
    COMMIT_ATTEMPTS_MAX,
    ERASED_A_STEP,
    ERASURE_AWAITS_JOB_MS,
    ERASURE_AWAITS_OUTPUTS_MS,
    ERASURE_SETTLES_MS,
    OUTPUTS_LOOK_MS,
    OWN_IDENTITIES_MAX,
    SCRUB_AGAIN_MS,
    SCRUBS_MAX,
    SEARCHED_AGAIN_MAX,
)
from knownas.service.privacy.subject_counting import counted_of
from knownas.service.privacy.subject_finding import PRIVACY_INPUT, SubjectFinding, environment_of
from knownas.service.retrying import pause_before_retry
from knownas.service.security.directory import Directory, Place
from knownas.service.toxic.list import forget
from knownas.store.errors import StoreBusy, StoreUnavailable
from knownas.store.port import Committed, Pool, Store, Wanted
from knownas.store.privacy import Counts, StoredRequest, Tombstone

log: Final = logging.getLogger(__name__)


class StillThere(StoreBusy):
    """Something of an erased person was found again; the erasure goes on later, and says nothing of whom."""


class Erasing:
    """Erases people from one store. One event loop, one of these."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        finding: SubjectFinding,
        correcting: Correcting,
        chance: Chance,
        clock: Callable[[], int],
        remembered: Remembered,
        *,
        is_shared: bool = False,
    ) -> None:
        """With `is_shared`, other processes write to the same store.

        What they had decided before a profile was emptied may then be written after it.
        """
        self._store = store
        self._directory = directory
        self._finding = finding
        self._correcting = correcting
        self._chance = chance
        self._clock = clock
        self._remembered = remembered
        self._is_shared = is_shared
        self._cases = Cases(Evidence(store.privacy))
        self._space = ErasedSpace(store.privacy, clock)

    async def carry_out(self, row: StoredRequest, *, scrubs: bool = True) -> None:
        """Carry a due erasure out, from wherever it was interrupted, and complete it.

        It can end before that: `due_ms` of the row says when it goes on then. Without `scrubs`, free space is left as it is, and so is
        the request: whoever has several calls this for each of them, and then again.

        Raises:
            CantBe: the request is not due, or has ended.
            StoreError: the store could not do it; it goes on with the step that was not kept.
        """
        case = case_of(row)
        if case.request.type is not RequestType.ERASURE:
            raise AssertionError("other requests are another work's")
        place = place_of(self._directory, row.workspace)
        if place is None:
            raise StoreUnavailable(f"there is no workspace {row.workspace} in the configuration")
        if self._remembered.erasures is not None and not case.progress.is_sought:
            await self._remembered.erasures.forward_at_once(row)
        case = await self._begin(case, place)
        try:
            case = await self._steps(case, place, scrubs=scrubs)
        except TooMuchToErase as error:
            await self._stop(case, error)
            return
        if not case.kept.mpids or case.is_done(self._scrub.__name__):
            await self._complete(case)
            await self._note()

    async def _note(self) -> None:
        """Let the ledger have what is kept by now."""
        if self._remembered.noting is not None:
            await self._remembered.noting()

    async def _steps(self, case: Case, place: Place, *, scrubs: bool) -> Case:
        """Take the steps that are left, up to one that has to be taken up again later."""
        of_whole = (self._empty, self._log, self._keep_out, self._documents, self._settle)
        for step in (
            self._empty,
            self._user_data,
            self._log,
            self._keep_out,
            self._documents,
            self._settle,
            self._outputs,
            self._search,
            self._forget,
        ):
            for number in [one.at for one in case.each()]:
                case = case.of(number)
                if case.is_done(step.__name__) or (step in of_whole and not case.progress.is_whole):
                    continue
                await self._note()
                case = await step(case, place)
                if not case.is_done(step.__name__):
                    return case
        if case.kept.mpids and not case.is_done(self._scrub.__name__):
            await self._note()
            if not scrubs:
                self._space.joins(case.row.request_id)
                return case
            case = await self._scrub(case)
        return case

    async def _stop(self, case: Case, error: TooMuchToErase) -> None:
        """Tell once that the person has more history than is followed, and come back to it another day."""
        log.error("erasure %s stays in progress: %s", case.row.request_id, error)
        case = case_of(await self._row(case))
        again_ms = self._clock() + DAY_MS
        if case.is_done("_told_too_much"):
            await self._cases.write(case, self._clock(), again_ms=again_ms)
            return
        told = (Step.STARTED, {"stopped": "too_much_history", "limit": str(error)})
        done = (*case.progress.done, "_told_too_much")
        await self._cases.write(case, self._clock(), told, again_ms=again_ms, done=done, of_all=True)

    async def _begin(self, case: Case, place: Place) -> Case:
        """Find out whom it is about and how much there is, and begin; from here on the profile is marked as erased."""
        if case.progress.is_sought:
            return await self._counted(case, place)
        now_ms = self._clock()
        request = case.request.begin(now_ms)
        found = await self._finding.find(place, request.subject)
        begun = await begun_with(self._store, self._directory, place, found)
        return await self._cases.write(
            case,
            now_ms,
            *begun.told,
            request=request,
            tombstones=[Tombstone(mpid, request.request_id, now_ms) for mpid in begun.whole],
            each=begun.each,
            of_all=True,
        )

    async def _counted(self, case: Case, place: Place) -> Case:
        """Count what there is of those who are erased again, which nobody has done yet."""
        for number in [one.at for one in case.each()]:
            case = case.of(number)
            if case.progress.replay is not None and not case.is_done("_counted"):
                there = await counted_of(self._store, self._directory, self._places(case, place), case.mpid)
                there = {**there._asdict(), **case.progress.there}
                case = await self._cases.done(case, self._clock(), "_counted", there=there)
        return case

    def _places(self, case: Case, place: Place) -> list[Place]:
        """Return the workspaces whose data goes: all of the scope, where nobody else knows the person."""
        return [place, *others_of_scope(self._directory, place)] if case.progress.is_whole else [place]

    async def _pool(self, case: Case) -> Pool:
        stored = await self._store.profile(case.mpid)
        if stored is None:
            raise AssertionError("a profile stays, with nothing on it")
        return stored.pool

    async def _empty(self, case: Case, place: Place) -> Case:
        """Let the log say that the profile is erased, while nobody keeps a batch that was resolved before."""
        pool = await self._pool(case)
        for attempt in range(COMMIT_ATTEMPTS_MAX):
            history = await history_of(self._store, pool, case.mpid)
            if history.erased_seq is not None:
                break
            own = list(dict.fromkeys((*history.identities, *case.progress.own)))
            before = case

            async def work() -> Case | None:
                return await self._emptied(before, place, pool, own, history.last_seq)  # noqa: B023 - done in this turn

            emptied = await self._correcting.alone(work)
            if emptied is not None:
                case = emptied
                break
            case = case_of(await self._row(case)).of(case.at)
            await pause_before_retry(attempt)
        else:
            raise StoreBusy(f"others were faster {COMMIT_ATTEMPTS_MAX} times")
        self._remembered.forget()
        there = case.progress.there
        facts = {"store": "identity_record", "rows": there.get("identities", 0), "left": 0}
        told = (Step.ERASED, {**facts, "shared_identities": case.progress.shared})
        return await self._cases.done(case, self._clock(), self._empty.__name__, told, emptied_ms=self._clock())

    async def _emptied(
        self, case: Case, place: Place, pool: Pool, named: Sequence[Identity], last_seq: int
    ) -> Case | None:
        """Write down which identities are the person's own, and empty the profile; None if somebody was faster."""
        snapshot = await self._store.load([Wanted(pool, named, [case.mpid])])
        if await self._store.history(case.mpid, last_seq, 1):
            return None
        records = records_of(snapshot, pool)
        case = await self._owned(case, records, named)
        erasure = Erasure(self._clock(), environment_of(pool), PRIVACY_INPUT, case.mpid)
        question = place.rules.ask(erasure)
        answer = Answer(self._chance.decision_id(erasure.at_ms), question, decide(erasure, question.policy, records, 0))
        commit = commit_of([answer])
        if commit is None:
            raise AssertionError("a profile that is there is written")
        return case if isinstance(await self._store.commit(snapshot, commit), Committed) else None

    async def _owned(self, case: Case, records: Records, named: Sequence[Identity]) -> Case:
        """Write down which of the identities that are named, or are on the profile, are the person's own."""
        record = records.record(case.mpid)
        held = () if record is None else held_by(record)
        candidates = dict.fromkeys((*named, *held))
        own = tuple(one for one in candidates if not is_others(records, one, case.mpid))
        others = sum(len(one.own) for number, one in enumerate(case.kept.each) if number != case.at)
        if len(own) + others > OWN_IDENTITIES_MAX:
            raise TooMuchToErase(f"more than {OWN_IDENTITIES_MAX:,} identities of all profiles")
        return await self._cases.write(
            case,
            self._clock(),
            own=own,
            shared=len(candidates) - len(own),
            there={**case.progress.there, "identities": len(held)},
            digests=await self._digests(case, own),
        )

    async def _digests(self, case: Case, own: Iterable[Identity]) -> tuple[str, ...]:
        """Return by what the own identities are recognised where they come back with older data."""
        keeping_out = self._remembered.keeping_out
        if keeping_out is None:
            return case.progress.digests
        before = () if case.progress.replay is None else case.progress.digests
        made = keeping_out.digests(await self._pool(case), own)
        return tuple(dict.fromkeys((*before, *(one.hex() for one in made))))

    async def _row(self, case: Case) -> StoredRequest:
        row = await self._store.privacy.request(case.row.request_id)
        if row is None:
            raise AssertionError("a request that is carried out is kept")
        return row

    async def _user_data(self, case: Case, place: Place) -> Case:
        """Remove what the workspaces have of the profile, some at a time."""
        await self._erase_user_data(case, place)
        there = case.progress.there
        told: list[Told] = [
            (Step.ERASED, {"store": name, "rows": there.get(name, 0), "left": 0}) for name in Counts._fields
        ]
        if self._watching(case, place):
            told.append((Step.ERASED, {"store": "audiences", "left": 0}))
        return await self._cases.done(case, self._clock(), self._user_data.__name__, *told)

    async def _erase_user_data(self, case: Case, place: Place) -> int:
        gone = 0
        for one in self._places(case, place):
            holding = holding_of(self._directory, one.workspace.id, case.mpid)
            while step := (await self._store.privacy.erase(holding, ERASED_A_STEP)).total:
                gone += step
            if self._remembered.audiences is not None:
                gone += await self._remembered.audiences.forget(one.workspace.id, case.mpid)
        return gone

    async def _log(self, case: Case, place: Place) -> Case:  # noqa: ARG002 - all steps are asked alike
        """Rewrite the lines of the log that name the person's own identities."""
        if not case.is_done("_own"):
            lines = await self._lines(case)
            carried = await lines.shared()
            own = tuple(one for one in case.progress.own if one not in carried)
            shared = case.progress.shared + len(carried)
            digests = await self._digests(case, own)
            case = await self._cases.done(case, self._clock(), "_own", own=own, shared=shared, digests=digests)
        facts = {"store": "log", "rows": await self._redact(case), "left": 0, "kept_as": "redacted"}
        return await self._cases.done(
            case, self._clock(), self._log.__name__, (Step.ERASED, {**facts, "identities": len(case.progress.own)})
        )

    async def _redact(self, case: Case) -> int:
        lines = await self._lines(case)
        for attempt in range(COMMIT_ATTEMPTS_MAX):
            rewritten = await lines.redact()
            if rewritten != CHANGED_MEANWHILE:
                return rewritten
            await pause_before_retry(attempt)
        raise StoreBusy(f"others were faster {COMMIT_ATTEMPTS_MAX} times")

    async def _lines(self, case: Case) -> ErasedLines:
        pool = await self._pool(case)
        history = await history_of(self._store, pool, case.mpid)
        if history.erased_seq is None:
            raise AssertionError("the log says that the profile is erased")
        given = {one: replacement(case.progress.key, one) for one in case.progress.own}
        return ErasedLines(self._store, pool, case.mpid, history.erased_seq, given)

    async def _keep_out(self, case: Case, place: Place) -> Case:
        """Keep what the person was called out of the scope from now on, where the workspace wants that."""
        wanted, keeping_out = place.workspace.settings.privacy.stays_out, self._remembered.keeping_out
        if wanted is StaysOut.NOBODY or keeping_out is None:
            return await self._cases.done(case, self._clock(), self._keep_out.__name__)
        own = [one for one in case.progress.own if wanted is StaysOut.EVERYTHING or one.type not in DEVICE_TYPES]
        now_ms = self._clock()
        kept = keeping_out.suppressions(await self._pool(case), own, case.row.request_id, now_ms)
        told = (Step.SUPPRESSED, {"identities": len(kept)})
        kept_out = tuple(one.digest.hex() for one in kept)
        case = await self._cases.write(case, now_ms, suppressed=kept, kept_out=kept_out)
        # Before it is told: whoever is killed in between lets all processes know again.
        await keeping_out.changed()
        return await self._cases.done(case, now_ms, self._keep_out.__name__, told)

    async def _documents(self, case: Case, place: Place) -> Case:  # noqa: ARG002 - all steps are asked alike
        """Take the identities out of what else is kept: lists of toxic values, reports of jobs."""
        await self._erase_documents(case)
        told = (Step.ERASED, {"store": "documents", "left": 0})
        return await self._cases.done(case, self._clock(), self._documents.__name__, told)

    async def _erase_documents(self, case: Case) -> None:
        pool, own = await self._pool(case), case.progress.own
        await forget(self._store, pool, own)
        await forget_in_reports(self._store, {one: replacement(case.progress.key, one) for one in own})
        if self._remembered.following is not None:
            self._remembered.following.forget(pool, own)

    async def _settle(self, case: Case, place: Place) -> Case:
        """Look again once whatever others had decided or read before is written or given up: other processes, and jobs."""
        now_ms = self._clock()
        settled_ms = case.progress.emptied_ms + ERASURE_SETTLES_MS
        if self._is_shared and now_ms < settled_ms:
            return await self._cases.write(case, now_ms, again_ms=settled_ms)
        if await is_still_running(self._store, case.progress.emptied_ms):
            return await self._cases.write(case, now_ms, again_ms=now_ms + ERASURE_AWAITS_JOB_MS)
        if self._is_shared:
            await self._again(case, place)
        else:
            await self._erase_documents(case)
        return await self._cases.done(case, self._clock(), self._settle.__name__)

    def _watching(self, case: Case, place: Place) -> Sequence[int]:
        """Return those of the workspaces whose data goes that have audiences or outputs."""
        audiences = self._remembered.audiences
        workspaces = [one.workspace.id for one in self._places(case, place)]
        return [] if audiences is None else [one for one in workspaces if audiences.is_watched(one)]

    async def _outputs(self, case: Case, place: Place) -> Case:
        """Wait until outputs were told that the person has left, for a time; what waits after that is given up."""
        audiences, workspaces, now_ms = self._remembered.audiences, self._watching(case, place), self._clock()
        if audiences is None or not workspaces:
            return await self._cases.done(case, now_ms, self._outputs.__name__)
        waits = [one for one in workspaces if await audiences.waits(one, case.mpid)]
        if waits and now_ms < (case.request.begun_ms or now_ms) + ERASURE_AWAITS_OUTPUTS_MS:
            return await self._cases.write(case, now_ms, again_ms=now_ms + OUTPUTS_LOOK_MS)
        untold = sum([await audiences.give_up(one, case.mpid) for one in waits])
        told = (Step.ERASED, {"store": "outputs", "left": 0, "untold": untold})
        return await self._cases.done(case, now_ms, self._outputs.__name__, told)

    async def _again(self, case: Case, place: Place) -> None:
        await self._erase_user_data(case, place)
        if case.progress.is_whole:
            await self._redact(case)
            await self._erase_documents(case)
            self._remembered.forget()

    async def _search(self, case: Case, place: Place) -> Case:
        """Search for the person by everything that was theirs alone; nothing may lead to the profile any more.

        Raises:
            StillThere: something does, or something is there of it, also after it was erased again.
        """
        left = await self._left(case, place)
        if case.progress.is_whole and any(left.values()):
            await self._again(case, place)
            left = await self._left(case, place)
        # Where the profile lives on, so does its data: what came since is new.
        if case.progress.is_whole and any(left.values()):
            raise StillThere("something of an erased profile was found again")
        own = len(case.progress.own) if case.progress.is_whole else 0
        told = (Step.SEARCHED, {"identities": own, "shared_identities": case.progress.shared, **left})
        return await self._cases.done(case, self._clock(), self._search.__name__, told)

    async def _left(self, case: Case, place: Place) -> dict[str, Fact]:
        """Count what is left: rows of user data, and where it was erased, ways to the profile and lines that name it."""
        rows = (await counted_of(self._store, self._directory, self._places(case, place), case.mpid)).total
        if not case.progress.is_whole:
            return {"rows_left": rows}
        pool, found, lines = await self._pool(case), 0, 0
        erased = await self._lines(case)
        stored = await self._store.profile(case.mpid)
        held = 0 if stored is None else stored.record.size
        for number, one in enumerate(case.progress.own):
            lines += await erased.left(one)
            if number >= SEARCHED_AGAIN_MAX:
                continue
            # Whoever came back has another profile.
            decision = await self._finding.search(place, environment_of(pool), [one])
            found += decision.answered == case.mpid
        return {"rows_left": rows, "found": found, "held": held, "lines_left": lines}

    async def _forget(self, case: Case, place: Place) -> Case:
        """Remember that the workspace asked for it, and forget whom the request names."""
        erased = ErasedFor(case.row.request_id, self._clock())
        await remember_erased(self._store, place.workspace.id, case.mpid, erased)
        others = [one for number, one in enumerate(case.kept.each) if number != case.at]
        is_last = all(self._forget.__name__ in one.done for one in others)
        request = forgetful(case) if is_last else None
        return await self._cases.done(case, self._clock(), self._forget.__name__, request=request, own=(), key="")

    async def _scrub(self, case: Case) -> Case:
        """Overwrite what is left in free space; where somebody keeps that from being done, it is tried again later."""
        scrubbed = await self._space.overwrite(case.row.request_id)
        if isinstance(scrubbed, int):
            return await self._cases.write(case, self._clock(), again_ms=scrubbed)
        tries = case.progress.there.get("scrubs", 0) + 1
        if not scrubbed.complete and tries < SCRUBS_MAX:
            there = {**case.progress.there, "scrubs": tries}
            return await self._cases.write(case, self._clock(), again_ms=self._clock() + SCRUB_AGAIN_MS, there=there)
        self._space.leave(case.row.request_id)
        facts: dict[str, Fact] = {"store": "free_space", "method": scrubbed.method, "complete": scrubbed.complete}
        done = (*case.progress.done, self._scrub.__name__)
        return await self._cases.write(case, self._clock(), (Step.ERASED, facts), done=done, of_all=True)

    async def _complete(self, case: Case) -> None:
        now_ms = self._clock()
        facts: dict[str, Fact] = {
            "profiles": len(case.kept.mpids),
            "identity_record": all(one.is_whole for one in case.kept.each),
        }
        replay = case.progress.replay
        ended_ms = now_ms if replay is None or replay.ended_ms is None else replay.ended_ms
        request = case.request.complete(ended_ms)
        await self._cases.write(case, now_ms, (Step.COMPLETED, facts), request=request, of_all=True)
