"""Reads who the server is to controllers that send requests of data subjects, and how long these wait (platform §5)."""

import re
from pathlib import Path
from typing import Final

from knownas.config.limits import CALLBACK_ORIGINS_MAX, URL_CHARACTERS_MAX
from knownas.config.listing import Listing
from knownas.config.sections import Given, Member, Section
from knownas.config.shapes import Choice, FilePath, Text, Whole
from knownas.config.values import (
    DAYS_KEPT_MAX,
    DOMAIN_CHARACTERS_MAX,
    PrivacySettings,
)
from knownas.config.workspace_privacy import RESIDENCY_CHARACTERS_MAX, StaysOut, WorkspacePrivacy
from knownas.core.limits import WAITING_DAYS_MAX

_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_HOST: Final = rf"(?:{_NAME}|\[[0-9A-Fa-f:.]+\])"
ORIGIN: Final = Text(
    URL_CHARACTERS_MAX,
    re.compile(rf"https?://{_HOST}(?::[0-9]{{1,5}})?"),
    "http:// or https://, a host, and perhaps a port; no path",
)
_DEFAULTS: Final = PrivacySettings()

DOMAIN: Final = Member(
    "domain",
    Text(DOMAIN_CHARACTERS_MAX, re.compile(_NAME), "a domain name"),
    _DEFAULTS.domain,
    "The processor's domain, which stands in each answer and is the name in the certificate. Controllers have a list of the "
    "domains that they trust, so give the one by which they know you. As long as it is localhost, requests are only tried.",
    "platform §5.2",
)
CERTIFICATE: Final = Member(
    "certificate",
    FilePath(),
    _DEFAULTS.certificate,
    "The PEM file of the certificate of the domain, then those of whoever signed it. Goes with key.",
    "platform §5.4",
    "the server makes an authority and a certificate at the first need, and keeps them in the database",
)
KEY: Final = Member(
    "key",
    FilePath(),
    _DEFAULTS.key,
    "The PEM file of the certificate's RSA key, of at least 2,048 bits. Goes with certificate.",
    "platform §5.4",
    "the server makes it",
)
BASE_URL: Final = Member[str | None](
    "base_url",
    ORIGIN,
    None,
    "Where controllers reach the server: the certificate and the results are below it.",
    "",
    "the address by which a request has come; callbacks, which answer none, then name no results",
)
CALLBACKS: Final = Member[tuple[str, ...] | None](
    "callbacks",
    Listing(ORIGIN, CALLBACK_ORIGINS_MAX),
    None,
    "The origins that may be told what has become of a request, wherever they are. A request with another one is refused.",
    "",
    "https at public addresses; and whatever is on this machine, as long as the domain is localhost",
)
REQUESTS_DAYS: Final = Member(
    "requests_days",
    Whole(1, DAYS_KEPT_MAX),
    _DEFAULTS.requests_days,
    "For how many days a request can be asked for after it has ended. The evidence of it stays.",
    "platform §5.5",
)
LEDGER: Final = Member[Path | None](
    "ledger",
    FilePath(),
    _DEFAULTS.ledger,
    "A file to which the server appends what it erases, apart from the database, so that it is erased again where a backup is "
    "restored. Put it on another disk. While it can't be written, nothing is erased. It names nobody, but by MPID.",
    "",
    "no ledger is kept: write one with `knownas ledger` as long as the database can be read",
)


def _privacy(given: Given) -> PrivacySettings:
    if given.readable(CERTIFICATE, KEY) and (given[CERTIFICATE] is None) != (given[KEY] is None):
        missing = CERTIFICATE if given[CERTIFICATE] is None else KEY
        raise given.reading.refused(given.place, f"{missing.name} is missing", "both certificate and key, or none")
    return PrivacySettings(
        given[DOMAIN],
        given[CERTIFICATE],
        given[KEY],
        given[BASE_URL],
        given[CALLBACKS],
        given[REQUESTS_DAYS],
        given[LEDGER],
    )


PRIVACY_SECTION: Final = Section(
    "Privacy requests", (DOMAIN, CERTIFICATE, KEY, BASE_URL, CALLBACKS, REQUESTS_DAYS, LEDGER), _privacy
)
PRIVACY: Final = Member(
    "privacy", PRIVACY_SECTION, _DEFAULTS, "Who the server is to those who ask for access and erasure.", "platform §5"
)

_WORKSPACE: Final = WorkspacePrivacy()
WAITING_DAYS: Final = Member(
    "waiting_days",
    Whole(0, WAITING_DAYS_MAX),
    _WORKSPACE.waiting_days,
    "How many days an erasure waits, and can be cancelled. Access and portability wait for the start of the next Monday or "
    "Thursday. With 0, all of them are carried out at once.",
    "platform §5.5",
)
RESIDENCY: Final = Member[str | None](
    "residency",
    Text(RESIDENCY_CHARACTERS_MAX),
    None,
    "Where the workspace's data lie, in words, such as EU (Frankfurt). It is a note: it stands in certificates, and moves no data.",
    "",
    "nothing is said",
)


STAYS_OUT: Final = Member(
    "stays_out",
    Choice(StaysOut),
    _WORKSPACE.stays_out,
    "What an erasure keeps out of the scope from then on, by a keyed digest: nothing, what the person was called, or their "
    "devices as well. Requests, batches and rows that name it are refused as `suppressed`, until somebody lets it in again.",
    "platform §5.5",
)


def _workspace_privacy(given: Given) -> WorkspacePrivacy:
    return WorkspacePrivacy(given[WAITING_DAYS], given[RESIDENCY], given[STAYS_OUT])


WORKSPACE_PRIVACY_SECTION: Final = Section(
    "Privacy requests of a workspace", (WAITING_DAYS, RESIDENCY, STAYS_OUT), _workspace_privacy
)
WORKSPACE_PRIVACY: Final = Member(
    "privacy",
    WORKSPACE_PRIVACY_SECTION,
    _WORKSPACE,
    "How requests of data subjects are treated in this workspace.",
    "platform §5.5",
)
