"""Puts together what a server does for data subjects: takes their requests, carries them out, tells of them, and signs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from knownas.config.values import Configuration
from knownas.core.privacy.request import RequestType
from knownas.service.access.archive import Results
from knownas.service.access.work import AccessWork
from knownas.service.erasure.bulk_deletion import BulkDeletion
from knownas.service.evidence.anchoring import Anchoring
from knownas.service.evidence.certificates import Certificates
from knownas.service.evidence.chain import Evidence
from knownas.service.identity.resolver import Resolver
from knownas.service.privacy.callbacks import Callbacks
from knownas.service.privacy.calling import Calling
from knownas.service.privacy.signing import Signing
from knownas.service.privacy.subject_finding import SubjectFinding
from knownas.service.privacy.subject_preview import SubjectPreviews
from knownas.service.privacy.subject_requests import SubjectRequests
from knownas.service.privacy.work import PrivacyWork, Work
from knownas.service.profile.calculations import calculations_of
from knownas.service.security.auditing import Auditing
from knownas.service.security.directory import Directory
from knownas.service.security.sealing import SecretKeys
from knownas.service.turns import Turns
from knownas.store.port import Store


@dataclass(frozen=True, slots=True)
class Privacy:
    """Everything that the surfaces of privacy ask, and the jobs behind them."""

    base_url: str
    evidence: Evidence
    signing: Signing
    requests: SubjectRequests
    results: Results
    previews: SubjectPreviews
    deletion: BulkDeletion
    work: PrivacyWork
    callbacks: Callbacks
    certificates: Certificates
    anchoring: Anchoring
    auditing: Auditing

    def start(self) -> None:
        """Begin to carry out what is due, and to tell of it."""
        self.signing.start()
        self.work.start()
        self.callbacks.start()
        self.anchoring.start()
        self.auditing.start()

    async def close(self) -> None:
        """Interrupt what is carried out, finish the calls under way, and stop."""
        await self.work.close()
        await self.callbacks.close()
        await self.signing.close()
        await self.anchoring.close()


def open_privacy(
    configuration: Configuration,
    store: Store,
    resolver: Resolver,
    directory: Directory,
    clock: Callable[[], int],
    turns: Turns | None = None,
    keys: SecretKeys | None = None,
    *,
    publish: bool = True,
) -> Privacy:
    """Build all of it over a store. `publish` False keeps no authority that had to be made.

    Raises:
        InvalidProcessor: the certificate and the key that are configured can't be used.
    """
    settings = configuration.privacy
    signing = Signing(store, settings, clock, keys=keys, publish=publish)
    calling = Calling(settings)
    evidence = Evidence(store.privacy)
    base_url = settings.base_url or ""
    callbacks = Callbacks(store.privacy, signing, calling, base_url, clock, turns)
    finding = SubjectFinding(store, directory, resolver, clock)
    access = AccessWork(store, directory, finding, clock).carry_out
    deletion = BulkDeletion(store, resolver, directory, clock)
    work = PrivacyWork(
        store.privacy,
        _works(access),
        settings.requests_days,
        clock,
        turns,
        deletion=deletion.carry_out,
        changed=callbacks.wake,
    )
    certificates = Certificates(evidence, signing.processor, clock, configuration.residencies())

    def changed() -> None:
        work.wake()
        callbacks.wake()

    return Privacy(
        base_url=base_url,
        evidence=evidence,
        signing=signing,
        requests=SubjectRequests(store.privacy, evidence, calling, changed),
        results=Results(store, directory, calculations_of(configuration), clock, configuration.credentials),
        previews=SubjectPreviews(store, directory, finding),
        deletion=deletion,
        work=work,
        callbacks=callbacks,
        certificates=certificates,
        anchoring=Anchoring(store, evidence, certificates, clock),
        auditing=Auditing(store.privacy, clock, configuration.retention.audited_days),
    )


def _works(access: Work) -> Mapping[RequestType, Work]:
    """Return what carries out which type of request. Who erases is told to `PrivacyWork` by whoever opens it."""
    return {RequestType.ACCESS: access, RequestType.PORTABILITY: access}
