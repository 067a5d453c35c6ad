"""Writes down a data subject's request and how far it is, and reads it back.

While a request is under way its document names the person. When it has ended it says no more than which profile it was
about: what was asked for must not keep what was erased.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

import msgspec

from knownas.core.identity.kinds import Identity
from knownas.core.identity.observation import Environment
from knownas.core.privacy.evidence import Fact
from knownas.core.privacy.request import RequestState, Subject, SubjectRequest
from knownas.store.errors import StoreDamaged
from knownas.store.privacy import StoredRequest


class Replay(msgspec.Struct, frozen=True, omit_defaults=True):
    """That an erasure is carried out again on data that were restored (decision 40).

    `ended_ms` is when it had ended before, None if it had not. `facts` are gathered for its one entry of the evidence.
    """

    ended_ms: int | None = None
    facts: dict[str, Fact] = {}


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a request is that is carried out, of one profile.

    `mpid` is whom it is about, in which `environment`, once that was looked for (`is_sought`); None if nobody was found. `is_whole` says that the
    profile itself is erased, since no other workspace knows it. `key` is what an erasure's replacements are drawn from (hex); it
    is forgotten when the request has ended. `done` are the steps that need not be taken again.

    Of an erasure: `own` are the identities that are only this person's, forgotten as soon as all else is done, and `shared` is how many others
    have as well. `there` is how much there was, by the name of its store. `emptied_ms` is when the profile was emptied, 0 before. `digests` and `kept_out` are keyed
    digests (hex, `core.privacy.suppression`) of the own identities, and of those that stay out; they stay, for a restore.
    """

    is_sought: bool = False
    mpid: int | None = None
    environment: Environment | None = None
    is_whole: bool = False
    key: str = ""
    done: tuple[str, ...] = ()
    own: tuple[Identity, ...] = ()
    shared: int = 0
    there: dict[str, int] = {}
    emptied_ms: int = 0
    digests: tuple[str, ...] = ()
    kept_out: tuple[str, ...] = ()
    replay: Replay | None = None


class KeptRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request as it is kept. When it has ended, `subject` is `NOBODY`.

    `progress` is that of the first profile that it reaches, or of nobody; `further` are those of the others, where it reaches several.
    """

    request: SubjectRequest
    progress: Progress = Progress()
    further: tuple[Progress, ...] = ()

    @property
    def each(self) -> tuple[Progress, ...]:
        """How far it is with each profile; of one that reaches nobody, a single progress without one."""
        return (self.progress, *self.further)

    @property
    def mpids(self) -> tuple[int, ...]:
        """The profiles that it reaches."""
        return tuple(one.mpid for one in self.each if one.mpid is not None)

    def changed(self, each: Sequence[Progress] | None = None, request: SubjectRequest | None = None) -> "KeptRequest":
        """Return it with something else in the place of what is given."""
        first, *further = self.each if each is None else each
        return KeptRequest(request or self.request, first, tuple(further))


NOBODY: Final = Subject(mpid=0)
"""Stands for whom a request was about when that has been forgotten: no profile has the MPID 0."""

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(KeptRequest)


def stored(kept: KeptRequest) -> StoredRequest:
    """Write a request down. One that has ended forgets whom it named, its key, and who was to be told."""
    request = kept.request
    is_open = request.state in (RequestState.PENDING, RequestState.IN_PROGRESS)
    # One that has forgotten whom it is about, since everything is erased, stands in nobody's way.
    open_key = _open_key(request) if is_open and request.subject != NOBODY else None
    if not is_open:
        kept = nameless(kept)
    due_ms = request.due_ms if is_open else None
    return StoredRequest(
        request.request_id,
        request.workspace,
        request.group,
        request.received_ms,
        due_ms,
        request.ended_ms,
        open_key,
        _ENCODER.encode(kept),
    )


def nameless(kept: KeptRequest) -> KeptRequest:
    """Return a request without whom it names, its key, and who is to be told."""
    each = [msgspec.structs.replace(one, key="", own=()) for one in kept.each]
    return kept.changed(each, replace(kept.request, subject=NOBODY, callbacks=()))


def kept_request(row: StoredRequest) -> KeptRequest:
    """Read a request that was written down.

    Raises:
        StoreDamaged: it was not.
    """
    try:
        return _DECODER.decode(row.document)
    except (msgspec.MsgspecError, ValueError) as error:
        raise StoreDamaged(f"not a request of a data subject: {error}") from error


def _open_key(request: SubjectRequest) -> str:
    """Return what two requests share that ask for the same of the same person (`core.privacy.request.same_asked`)."""
    subject = request.subject
    # Of one profile it is what it has always been: requests that are under way keep theirs.
    named = sorted(subject.mpids) or subject.mpid
    asked = (request.workspace, request.type, named, sorted(subject.identities))
    return sha256(_ENCODER.encode(asked)).hexdigest()
