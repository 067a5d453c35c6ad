"""Decodes the bodies of the seeding API (platform §8)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from knownas.api.wire import (
    INVALID_MPID,
    NAME_CHARACTERS_SHOWN,
    Malformed,
    decode_document,
    identities_named,
    optional_mpid,
    refuse_repeated_keys,
)
from knownas.core.identity.kinds import IdentityType, Surface, types_named_on
from knownas.core.identity.observation import Environment
from knownas.core.profile.attributes import AttributeValue
from knownas.core.profile.section import attribute_value
from knownas.core.profile.tallies import Seed
from knownas.service.profile.seeding import AttributeSeed, UserSeeds

USERS_A_REQUEST_MAX: Final = 100
"""Users of one bulk request, as batches of a bulk request of events; platform §2.2."""

SEEDS_A_USER_MAX: Final = 100
"""Seeds, and as many attributes, for one user; platform §14."""


class SeedMembers(msgspec.Struct, frozen=True):
    """A seed: one of the three, by the calculation type."""

    value: Any = None
    list_: Any = msgspec.field(name="list", default=None)
    key_value_pairs: Any = None


class CalculatedAttributeBody(msgspec.Struct, frozen=True):
    """A seed for one calculated attribute."""

    attribute_name: str
    calculation_type: str
    cutoff_date: str
    seed: SeedMembers


class UserAttributeBody(msgspec.Struct, frozen=True):
    """A user attribute to set."""

    attribute_name: str
    attribute_value: Any


class CalculatedAttributesBody(msgspec.Struct, frozen=True):
    """Seeds of the workspace's calculated attributes."""

    workspace: list[CalculatedAttributeBody] = []


class UserAttributesBody(msgspec.Struct, frozen=True):
    """User attributes in the workspace."""

    workspace: list[UserAttributeBody] = []


class SeedingBody(msgspec.Struct, frozen=True):
    """One user's seeds. Members that decide nothing are passed over."""

    environment: Environment
    mpid: str | int | None = None
    identities: dict[str, str | None] | None = None
    calculated_attributes: CalculatedAttributesBody = CalculatedAttributesBody()
    user_attributes: UserAttributesBody = UserAttributesBody()


_ONE: Final = msgspec.json.Decoder(SeedingBody)
_MANY: Final = msgspec.json.Decoder(list[SeedingBody])
_NAMES: Final[Mapping[str, IdentityType]] = {**types_named_on(Surface.EVENTS), **types_named_on(Surface.PROFILE)}
"""Users are named as in events, devices as in profiles; the names of events are taken for those too (platform §1.5)."""


def seeding_request(body: bytes, *, many: bool) -> list[UserSeeds]:
    """Decode the request of one user, or of several.

    Raises:
        Malformed: it is not JSON, a member is missing or wrong, or there is too much of something.
    """
    given = decode_document(_MANY, body) if many else [decode_document(_ONE, body)]
    refuse_repeated_keys(body)
    if len(given) > USERS_A_REQUEST_MAX:
        raise Malformed("too_many_users", f"A request may have {USERS_A_REQUEST_MAX} users.")
    return [_user(one) for one in given]


def _user(given: SeedingBody) -> UserSeeds:
    mpid = optional_mpid(given.mpid, "invalid_mpid", INVALID_MPID)
    identities = () if mpid is not None else identities_named(given.identities or {}, _NAMES)
    if mpid is None and not identities:
        raise Malformed("nobody_named", "Either mpid or identities must say who the user is.")
    seeds = tuple(_seed(one) for one in given.calculated_attributes.workspace)
    attributes = tuple((one.attribute_name, _value(one)) for one in given.user_attributes.workspace)
    if not seeds and not attributes:
        raise Malformed("nothing_to_seed", "There are neither calculated_attributes nor user_attributes.")
    if len(seeds) > SEEDS_A_USER_MAX or len(attributes) > SEEDS_A_USER_MAX:
        raise Malformed("too_many_seeds", f"A user may have {SEEDS_A_USER_MAX} seeds and as many user attributes.")
    return UserSeeds(given.environment, mpid, identities, seeds, attributes)


def _seed(given: CalculatedAttributeBody) -> AttributeSeed:
    seed = Seed(given.seed.value, given.seed.list_, given.seed.key_value_pairs)
    return AttributeSeed(given.attribute_name, given.calculation_type, given.cutoff_date, seed)


def _value(given: UserAttributeBody) -> AttributeValue:
    value = attribute_value(given.attribute_value)
    if value is None:
        name = given.attribute_name[:NAME_CHARACTERS_SHOWN]
        raise Malformed("invalid_attribute", f"{name}: the value must be a text, number, boolean or list of these.")
    return value
