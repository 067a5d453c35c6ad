"""Describes the bodies of the evidence, and of who read or changed what."""

from typing import Final

from knownas.api.schema_parts import (
    CURSOR,
    FLAG,
    MPID,
    OBJECT,
    TEXT,
    TIME,
    Schema,
    enum_of,
    list_of,
    object_of,
    ref,
)
from knownas.core.privacy.evidence import Step
from knownas.core.privacy.request import Regulation, RequestState, RequestType
from knownas.service.evidence.documents import CERTIFICATE_FORMAT, HEAD_FORMAT

REQUESTS_CURSOR: Final[Schema] = {
    "type": "string",
    "pattern": "^[A-Za-f][A-Za-z0-9_-]{9}[AEIMQUYcgkosw048][.][0-9A-Za-z_-]{1,128}$",
}
"""Where a page of requests begins: after a time, and an id."""


def evidence_schemas() -> Schema:
    """Return the named schemas of evidence and audit."""
    number: Schema = {"type": "integer", "minimum": 0}
    said: Schema = {"anyOf": [TEXT, {"type": "null"}]}
    statement = {
        "regulation": TEXT,
        "purpose": TEXT,
        "consented": FLAG,
        "at": {**TIME, "description": "When it was stated."},
        "document": said,
        "location": said,
        "hardware_id": said,
    }
    return {
        "Consent": object_of("A statement of consent that counts.", **statement),
        "ConsentChange": object_of(
            "A statement that said something else than the one that counted when it came.",
            **statement,
            received_at={
                "anyOf": [TIME, {"type": "null"}],
                "description": "When it came; null if that was before changes were remembered.",
            },
            input={**said, "description": "The name of the input through which it came; null likewise."},
        ),
        "ConsentHistory": object_of(
            "What a workspace knows of a person's consent.",
            mpid=MPID,
            workspace=number,
            environment=TEXT,
            items={**list_of(ref("Consent")), "description": "What counts now, a statement a purpose."},
            history={**list_of(ref("ConsentChange")), "description": "All changes, by when they were stated."},
        ),
        **_chain(),
        **_requests(),
        "Access": object_of(
            "Somebody read or changed what is known of a profile.",
            at=TIME,
            mpid={"anyOf": [MPID, {"type": "null"}], "description": "Null if it was about no single one."},
            who={
                **TEXT,
                "description": "The client id of a credential, `admin` for the admin token, `cli:user@machine` for a verb, `console:name` for a user of the console.",
            },
            what={**TEXT, "description": "The operation, as this document calls it, or the verb of the command line."},
            status={
                "anyOf": [number, {"type": "null"}],
                "description": "Null of a verb: it is noted before it begins.",
            },
            times={**number, "description": "How often, from `at` until it was written down, about a second later."},
        ),
        "Audit": object_of(
            "A page of who read or changed what.",
            items=list_of(ref("Access")),
            next={"anyOf": [CURSOR, {"type": "null"}], "description": "Asks for the next page; null on the last."},
        ),
    }


def _chain() -> Schema:
    digest: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    number: Schema = {"type": "integer", "minimum": 0}
    head = object_of("", number=number, hash=digest)
    signed = {
        "processor": object_of("", domain=TEXT, certificates={**TEXT, "description": "PEM, the domain's own first."}),
        "issued_at": TIME,
        "signature": {**TEXT, "description": "RSA with SHA-256, base64, over the canonical JSON without this member."},
    }
    return {
        "EvidenceEntry": object_of(
            "An entry of the chain of evidence.",
            number=number,
            at_ms={**number, "description": "Unix milliseconds."},
            request_id={**TEXT, "description": "Empty for an entry of no request."},
            step=enum_of(Step),
            facts=OBJECT,
            salt=TEXT,
            before=digest,
            skip=digest,
            hash=digest,
        ),
        "Evidence": object_of(
            "A page of the chain.",
            items=list_of(ref("EvidenceEntry")),
            next={"anyOf": [CURSOR, {"type": "null"}], "description": "Asks for the next page; null on the last."},
        ),
        "EvidenceHead": object_of("The head of the chain, signed.", format={"const": HEAD_FORMAT}, head=head, **signed),
        "EvidenceCertificate": object_of(
            "What became of one request, signed.",
            format={"const": CERTIFICATE_FORMAT},
            request_id=TEXT,
            entries=list_of(ref("EvidenceEntry")),
            links=list_of(object_of("", number=number, content=digest, before=digest, skip=digest, hash=digest)),
            head=head,
            residency={"anyOf": [TEXT, {"type": "null"}], "description": "Where the workspace says that its data lie."},
            **signed,
        ),
    }


def _requests() -> Schema:
    moment: Schema = {"anyOf": [TIME, {"type": "null"}]}
    said: Schema = {"anyOf": [TEXT, {"type": "null"}]}
    request = {
        "request_id": TEXT,
        "workspace": {"type": "integer", "minimum": 0},
        "type": enum_of(RequestType),
        "regulation": enum_of(Regulation),
        "state": enum_of(RequestState),
        "group": said,
        "received_at": TIME,
        "due_at": TIME,
        "begun_at": moment,
        "ended_at": moment,
        "mpid": {"anyOf": [MPID, {"type": "null"}], "description": "Null as long as nobody was looked for or found."},
        "environment": said,
        "whole": {**FLAG, "description": "Whether the profile itself is erased, since no other workspace knows it."},
        "further": {
            **list_of(object_of("", mpid=MPID, environment=said, whole=FLAG)),
            "description": "Of a request that reaches several profiles, the others.",
        },
    }
    step = object_of(
        "", number={"type": "integer", "minimum": 1}, at=TIME, step=enum_of(Step), sentence=TEXT, facts=OBJECT
    )
    return {
        "SubjectRequestShown": object_of("How far a request of a data subject is.", **request),
        "SubjectRequestTold": object_of("A request, with its evidence.", **request, steps=list_of(step)),
        "SubjectRequests": object_of(
            "A page of requests.",
            items=list_of(ref("SubjectRequestShown")),
            next={
                "anyOf": [REQUESTS_CURSOR, {"type": "null"}],
                "description": "Asks for the next page; null on the last.",
            },
        ),
    }
