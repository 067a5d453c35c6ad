"""Holds what the groups of users have come to, for whoever shows or judges them."""

from collections.abc import Mapping
from typing import Final

from knownas.core.profile.attributes import AttributeValue

Values = Mapping[str, AttributeValue]
"""What a user's groups have come to, by attribute."""

NO_VALUES: Final[Values] = {}
