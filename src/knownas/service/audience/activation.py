"""Puts together what a server does for audiences and outputs: defines and judges audiences, and delivers what comes of it."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import SystemRandom

from knownas.core.profile.calculated import WorkspaceCalculations
from knownas.service.audience.assessing import Assesses, AssessesHere, Assessing
from knownas.service.audience.audiences import AudienceService
from knownas.service.audience.catalogue import Catalogues, Destinations
from knownas.service.audience.downloading import Downloads
from knownas.service.audience.forgetting import AudienceForgetting
from knownas.service.audience.judging import Judging
from knownas.service.audience.judging_work import JudgingWork
from knownas.service.audience.looking import Looks
from knownas.service.audience.marking import Marking
from knownas.service.audience.outputs import AudienceOutputs
from knownas.service.audience.subjects import Subjects
from knownas.service.audience.writing import Writing
from knownas.service.delivery.dead_letters import DeadLetters
from knownas.service.delivery.delivering import Delivering
from knownas.service.delivery.delivering_output import World
from knownas.service.delivery.destination import Surroundings
from knownas.service.delivery.erasure_forwarding import ErasureForwarding
from knownas.service.delivery.event_forwarding import EventForwarding
from knownas.service.delivery.forwarding import ForwardingService
from knownas.service.group.grouping import Grouping
from knownas.service.group.groups import GroupService
from knownas.service.privacy.subject_finding import SubjectFinding
from knownas.service.security.directory import Directory
from knownas.service.security.sealing import SecretKeys
from knownas.service.turns import Turns
from knownas.store.port import Store


@dataclass(frozen=True, slots=True)
class Activation:
    """Everything that the surfaces of audiences and outputs ask, and the jobs behind them."""

    catalogues: Catalogues
    audiences: AudienceService
    downloads: Downloads
    outputs: AudienceOutputs
    forwarding: ForwardingService
    forwarded: EventForwarding
    work: JudgingWork
    delivering: Delivering
    dead_letters: DeadLetters
    marking: Marking
    forgetting: AudienceForgetting
    erasures: ErasureForwarding
    assesses: Assesses
    groups: GroupService

    def start(self) -> None:
        """Begin to judge, and to deliver."""
        self.work.start()
        self.delivering.start()
        self.erasures.start()

    async def close(self) -> None:
        """Finish what is under way, and stop."""
        await self.erasures.close()
        await self.work.close()
        await self.delivering.close()
        await self.assesses.close()


async def open_activation(  # noqa: PLR0913 - each is a part of its own, and there is one caller
    store: Store,
    directory: Directory,
    calculations: Mapping[int, WorkspaceCalculations],
    finding: SubjectFinding,
    destinations: Destinations,
    clock: Callable[[], int],
    *,
    turns: Turns | None = None,
    keys: SecretKeys | None = None,
    assessing: Assessing | None = None,
    looks: Looks | None = None,
) -> Activation:
    """Put it together over an open store; nothing is begun yet. `assessing` gives who assesses users; they and `looks` are closed with it; without, it is done here.

    Raises:
        StoreError: the store does not answer.
    """
    catalogues = Catalogues(store.audiences, destinations)
    await catalogues.refresh()
    writing = Writing(store.audiences, catalogues)
    grouping = Grouping(store.groups)
    subjects = Subjects(directory, calculations, grouping)
    outputs = AudienceOutputs(store, catalogues, writing, clock, keys)
    surroundings = Surroundings(clock, _new_id)
    delivering = Delivering(World(store.deliveries, outputs, surroundings, SystemRandom().random), turns)
    forwarded = EventForwarding(subjects)
    assesses = (
        AssessesHere(store.audiences, subjects, calculations)
        if assessing is None
        else assessing(subjects, calculations)
    )
    judging = Judging(store.audiences, subjects, assesses, clock, _new_id, forwarded)
    work = JudgingWork(store, catalogues, judging, clock, turns, delivering.wake, looks)
    return Activation(
        catalogues,
        AudienceService(store, catalogues, writing, subjects, clock, work.wake, outputs, surroundings),
        Downloads(store.audiences, subjects, clock),
        outputs,
        ForwardingService(directory, catalogues, writing, outputs, surroundings),
        forwarded,
        work,
        delivering,
        DeadLetters(store.deliveries, outputs, delivering.wake),
        Marking(catalogues, work.wake),
        AudienceForgetting(store, catalogues, judging, clock, delivering.wake),
        ErasureForwarding(store, catalogues, finding, directory, subjects, clock, delivering.wake),
        assesses,
        GroupService(store, catalogues, writing, grouping, calculations, clock, work.wake),
    )


def _new_id() -> str:
    return str(uuid.uuid4())
