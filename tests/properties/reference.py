"""A deliberately naive model of identity resolution, written from the specification alone (idsync §2, §3).

Plain dicts, lists and linear scans over all profiles: slow, and short enough to be checked against the text by
reading. It shares nothing with the product but the names of identity types, strategies and settings. It knows
none of the product's limits, so it is compared with the product on small pools only.

Where the text leaves room, the model reads it like this:

- login IDs of types outside the priority count where a request must name one (§3.2 step 2), and nowhere else;
- search finds nothing where identify would create a profile (§3.3: "find the single profile");
- a modify names a (type, profile) as changed if one of its changes changed it, even if a later one undid that.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from knownas.core.identity.kinds import IdentityType
from knownas.core.identity.observation import Endpoint
from knownas.core.identity.policy import (
    BestMatchLoginLogout,
    EmptyRecord,
    LoginRequiresLoginId,
    LogoutLoginIds,
    SearchImmutablePolicy,
    Strategy,
    TieBreak,
)

Answer = tuple[object, ...]
"""The outcome's name and what a caller sees of it: MPID, known, and what is particular to the outcome."""

Wanted = dict[IdentityType, str]


@dataclass
class Rules:
    """What a scope's settings say; idsync §2 and §8."""

    strategy: Strategy
    priority: list[IdentityType]
    login: set[IdentityType]
    unique: set[IdentityType]
    immutable: set[IdentityType]
    implicit_das: bool = True
    search_immutable: SearchImmutablePolicy = SearchImmutablePolicy.REQUIRE_MATCH
    logout_login_ids: LogoutLoginIds = LogoutLoginIds.IGNORE
    best_match: BestMatchLoginLogout = BestMatchLoginLogout.AS_IDENTIFY
    login_requires: LoginRequiresLoginId = LoginRequiresLoginId.ISOLATION_ONLY
    empty_record: EmptyRecord = EmptyRecord.CREATE
    max_values: dict[IdentityType, int] = field(default_factory=dict)
    tie_break: tuple[TieBreak, ...] = (TieBreak.PREVIOUS_MPID, TieBreak.MOST_RECENT, TieBreak.SMALLEST_MPID)

    @property
    def ranking(self) -> list[IdentityType]:
        """§2.1: the priority, with the device application stamp at its end unless configured otherwise."""
        stamp = IdentityType.DEVICE_APPLICATION_STAMP
        return [*self.priority, stamp] if self.implicit_das and stamp not in self.priority else list(self.priority)


@dataclass
class Profile:
    """One profile: the identities it can be looked up by, those it merely knows, and its times."""

    held: dict[IdentityType, list[str]]
    carried: dict[IdentityType, list[str]]
    created: int
    active: int
    source: int | None = None

    def copy(self) -> "Profile":
        """Return a profile that can be changed without changing this one."""
        held = {kind: list(values) for kind, values in self.held.items()}
        return replace(self, held=held, carried={kind: list(values) for kind, values in self.carried.items()})


@dataclass
class Model:
    """All profiles of one pool, and the rules."""

    rules: Rules
    profiles: dict[int, Profile] = field(default_factory=dict)

    def copy(self) -> "Model":
        """Return a model that can be asked without changing this one."""
        return Model(self.rules, {mpid: profile.copy() for mpid, profile in self.profiles.items()})

    # --- §1.3, §2: what holds of one profile -----------------------------------------------------------------

    def known(self, profile: Profile) -> bool:
        """§1.3: a profile is known if its record holds at least one login ID."""
        return any(profile.held.get(kind) for kind in self.rules.login)

    def returnable(self, profile: Profile, wanted: Wanted, *, searching: bool) -> bool:
        """§2.5, and for search §3.3: where immutable types are configured only a matching one finds anything."""
        for flagged in (self.rules.login, self.rules.immutable):
            locks = [(kind, value) for kind in flagged for value in profile.held.get(kind, [])]
            if locks and not any(wanted.get(kind) == value for kind, value in locks):
                return False
        immutable = [kind for kind in self.rules.ranking if kind in self.rules.immutable]
        if searching and immutable and self.rules.search_immutable is SearchImmutablePolicy.REQUIRE_MATCH:
            return any(wanted.get(kind) in profile.held.get(kind, []) for kind in immutable)
        return True

    def owners(self, kind: IdentityType, value: str) -> list[int]:
        """Return who can be looked up by an identity."""
        return [mpid for mpid, profile in self.profiles.items() if value in profile.held.get(kind, [])]

    # --- §3.2 steps 4 and 5: the lookup ----------------------------------------------------------------------

    def pick(self, left: list[int], previous: int | None) -> int:
        """§3.2 step 4, last sentence: one of several, by the tie-break."""
        for rule in self.rules.tie_break:
            if rule is TieBreak.PREVIOUS_MPID and previous in left:
                return previous
            if rule is TieBreak.MOST_RECENT:
                latest = max(self.profiles[mpid].active for mpid in left)
                left = [mpid for mpid in left if self.profiles[mpid].active == latest]
            if rule is TieBreak.SMALLEST_MPID:
                return min(left)
        raise AssertionError("smallest_mpid always decides")

    def find(self, wanted: Wanted, previous: int | None, *, searching: bool = False) -> int | None:
        """§3.2 steps 4 and 5: the one profile that the identities lead to."""
        may = [m for m, profile in self.profiles.items() if self.returnable(profile, wanted, searching=searching)]
        left: list[int] = []
        for kind in self.rules.ranking:
            if kind in wanted:
                hits = [mpid for mpid in self.owners(kind, wanted[kind]) if mpid in may]
                both = [mpid for mpid in left if mpid in hits]
                left = hits if not left else both or left
                if len(left) == 1:
                    break
        if not left:
            return None
        chosen = self.pick(left, previous)
        if not self.known(self.profiles[chosen]):
            for kind in self.rules.ranking:
                if kind in self.rules.login and kind in wanted:
                    users = [mpid for mpid in self.owners(kind, wanted[kind]) if mpid in may]
                    if users:
                        return self.pick(users, previous)
        return chosen

    # --- §3.2 steps 1, 2, 6 to 9, §3.3, §3.4: the calls ------------------------------------------------------

    def ask(
        self, endpoint: Endpoint, wanted: Wanted, at: int, previous: int | None, fresh: int, *, may_create: bool = True
    ) -> Answer:
        """Answer identify, login, logout or search, and change the profiles accordingly."""
        rules = self.rules
        names_login_id = any(kind in wanted for kind in rules.login)
        reason = self.refusal(endpoint, wanted, names_login_id=names_login_id)
        if reason is not None:
            return ("refused", reason)
        if rules.strategy is Strategy.BEST_MATCH and endpoint in (Endpoint.LOGIN, Endpoint.LOGOUT):
            endpoint = Endpoint.IDENTIFY
        if endpoint is Endpoint.LOGOUT and names_login_id and rules.logout_login_ids is LogoutLoginIds.RESOLVE:
            endpoint = Endpoint.IDENTIFY
        if endpoint is Endpoint.SEARCH:
            found = self.find(wanted, previous, searching=True)
            if found is None or self.is_new_user(found, wanted):
                return ("not_found",)
            return ("returned", found, self.known(self.profiles[found]), False)
        if endpoint is Endpoint.LOGOUT:
            return self.logout(wanted, at, previous, fresh, may_create=may_create)
        return self.identify(wanted, at, previous, fresh, may_create=may_create)

    def refusal(self, endpoint: Endpoint, wanted: Wanted, *, names_login_id: bool) -> str | None:
        """§3.2 steps 1 and 2, §3.4 for best match: what no lookup can answer."""
        rules = self.rules
        if not wanted:
            return "no_identities"
        needs_login_id = rules.login_requires is LoginRequiresLoginId.ALWAYS or (
            rules.login_requires is LoginRequiresLoginId.ISOLATION_ONLY and rules.strategy is Strategy.PROFILE_ISOLATION
        )
        if endpoint is Endpoint.LOGIN and needs_login_id and not names_login_id:
            return "login_without_login_id"
        in_best_match = rules.strategy is Strategy.BEST_MATCH and endpoint in (Endpoint.LOGIN, Endpoint.LOGOUT)
        if in_best_match and rules.best_match is BestMatchLoginLogout.REJECT:
            return "no_login_in_best_match"
        return None

    def is_new_user(self, found: int, wanted: Wanted) -> bool:
        """§3.2 step 6, last row: an anonymous candidate, a login ID named, and a strategy that keeps them apart."""
        return (
            self.rules.strategy in (Strategy.PROFILE_LINK, Strategy.PROFILE_ISOLATION)
            and not self.known(self.profiles[found])
            and any(kind in wanted for kind in self.rules.login if kind in self.rules.ranking)
        )

    def logout(self, wanted: Wanted, at: int, previous: int | None, fresh: int, *, may_create: bool) -> Answer:
        """§3.4: login IDs are ignored; isolation goes back to the device's profile, the others make a new one."""
        wanted = {kind: value for kind, value in wanted.items() if kind not in self.rules.login}
        if self.rules.strategy is Strategy.PROFILE_ISOLATION:
            found = self.find(wanted, previous)
            if found is not None:
                self.profiles[found].active = max(at, self.profiles[found].active)
                return ("returned", found, self.known(self.profiles[found]), False)
        return self.create(wanted, at, fresh, None, may_create=may_create)

    def identify(self, wanted: Wanted, at: int, previous: int | None, fresh: int, *, may_create: bool) -> Answer:
        """§3.2 steps 4 to 9."""
        found = self.find(wanted, previous)
        if found is None:
            return self.create(wanted, at, fresh, None, may_create=may_create)
        if self.is_new_user(found, wanted):
            source = found if self.rules.strategy is Strategy.PROFILE_LINK else None
            return self.create(wanted, at, fresh, source, may_create=may_create)
        profile = self.profiles[found]
        was_known = self.known(profile)
        self.add(found, profile, wanted)
        profile.active = max(at, profile.active)
        return ("returned", found, self.known(profile), self.known(profile) and not was_known)

    def create(self, wanted: Wanted, at: int, fresh: int, source: int | None, *, may_create: bool) -> Answer:
        """§3.2 step 8; §7-40 for a profile that nothing would lead to."""
        if not may_create:
            return ("not_found",)
        profile = Profile({}, {}, at, at, source)
        self.add(fresh, profile, wanted)
        if self.rules.empty_record is EmptyRecord.REFUSE and not profile.held:
            return ("refused", "empty_record")
        self.profiles[fresh] = profile
        return ("created", fresh, self.known(profile), source)

    def add(self, mpid: int, profile: Profile, wanted: Wanted) -> None:
        """§3.2 step 7: add what the profile lacks, except a set immutable type and another's unique value."""
        for kind, value in wanted.items():
            ranked = kind in self.rules.ranking
            side = profile.held if ranked else profile.carried
            values = side.get(kind, [])
            if value in values:
                continue
            if ranked and values and kind in self.rules.immutable:
                continue
            if ranked and kind in self.rules.unique and set(self.owners(kind, value)) - {mpid}:
                continue
            if len(values) >= self.rules.max_values.get(kind, 1_000):
                continue
            side[kind] = [*values, value]

    # --- §3.6: modify ----------------------------------------------------------------------------------------

    def modify(
        self,
        mpid: int,
        changes: Iterable[tuple[IdentityType, str | None, str | None]],
        at: int,
        *,
        may_move_unique: bool = True,
    ) -> Answer:
        """Make all changes or none."""
        if mpid not in self.profiles:
            return ("refused", "unknown_mpid")
        draft = self.copy()
        changed: set[tuple[IdentityType, int]] = set()
        for kind, old, new in changes:
            refused = draft.change(mpid, kind, old, new, changed, may_move_unique=may_move_unique)
            if refused is not None:
                return ("refused", refused)
        own, before = draft.profiles[mpid], self.profiles[mpid]
        if (own.held, own.carried) != (before.held, before.carried):
            own.active = max(at, own.active)
        self.profiles = draft.profiles
        return ("modified", mpid, self.known(own), frozenset(changed))

    def change(
        self,
        mpid: int,
        kind: IdentityType,
        old: str | None,
        new: str | None,
        changed: set[tuple[IdentityType, int]],
        *,
        may_move_unique: bool,
    ) -> str | None:
        """Make one change here, or say why it can't be made."""
        rules, profile = self.rules, self.profiles[mpid]
        ranked = kind in rules.ranking
        side = profile.held if ranked else profile.carried
        values = side.setdefault(kind, [])
        others = [] if new is None else [other for other in self.owners(kind, new) if other != mpid]
        if ranked and kind in rules.immutable:
            if new is None and old in values:
                return "immutable_removal"
            if new is not None and any(value != new for value in values):
                return "immutable_change"
            if others:
                return "immutable_taken"
        if old in values and old != new:
            values.remove(old)
            changed.add((kind, mpid))
        if new is not None and new not in values:
            donors = others if ranked and kind in rules.unique else []
            if donors and not may_move_unique:
                return "unique_move_not_allowed"
            while len(values) >= rules.max_values.get(kind, 1_000):
                del values[0]
            values.append(new)
            changed.add((kind, mpid))
            for donor in donors:
                self.profiles[donor].held[kind].remove(new)
                if not self.profiles[donor].held[kind]:
                    del self.profiles[donor].held[kind]
                changed.add((kind, donor))
        if not values:
            del side[kind]
        return None

    # --- bringing profiles over (design §7) ------------------------------------------------------------------

    def seed(self, mpid: int, identities: Iterable[tuple[IdentityType, str]], at: int) -> Answer:
        """Bring a profile of another system over, whole or not at all."""
        if mpid in self.profiles:
            return ("refused", "mpid_taken")
        profile = Profile({}, {}, at, at)
        for kind, value in identities:
            values = (profile.held if kind in self.rules.ranking else profile.carried).setdefault(kind, [])
            if value not in values:
                values.append(value)
        if any(len(values) > 1 for kind, values in profile.held.items() if kind in self.rules.immutable):
            return ("refused", "immutable_change")
        for kind, values in profile.held.items():
            if kind in self.rules.unique and any(self.owners(kind, value) for value in values):
                return ("refused", "unique_taken")
        self.profiles[mpid] = profile
        return ("seeded", mpid, self.known(profile))
