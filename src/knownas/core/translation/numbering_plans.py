"""Lists what is taken for granted of the numbering plans of countries: their calling codes, and how numbers are dialled inside them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


def _codes(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


TRUNK_0: Final = _codes(
    "20 27 31 32 33 40 41 43 44 46 49 51 53 54 55 57 58 60 61 62 63 64 66 81 82 84 86 90 91 92 93 94 95 98 211 212 213 218 "
    "231 232 233 234 243 249 250 251 252 254 255 256 260 261 262 263 264 265 291 353 355 358 359 370 373 374 377 380 381 382 "
    "383 385 386 387 389 421 423 508 590 591 593 594 595 596 598 686 850 855 856 880 886 961 962 963 964 966 967 970 971 972 "
    "976 977 994 995 996"
)
"""Calling codes of countries in which a 0 is dialled before the number, which is no part of it."""

TRUNK_OTHER: Final[Mapping[str, str]] = MappingProxyType({"1": "1", "7": "8", "36": "06", "375": "80", "993": "8"})
"""Calling codes of countries in which something else is."""

_NO_TRUNK: Final = _codes(
    "30 34 39 45 47 48 52 56 65 216 220 221 222 223 224 225 226 227 228 229 230 235 236 237 238 239 240 241 242 244 245 246 "
    "247 248 253 257 258 266 267 268 269 290 297 298 299 350 351 352 354 356 357 371 372 376 378 420 500 501 502 503 504 505 "
    "506 507 509 592 597 599 670 672 673 674 675 676 677 678 679 680 681 682 683 685 687 688 689 690 691 692 852 853 870 881 "
    "882 883 960 965 968 973 974 975 992 998"
)
"""Calling codes of countries, and satellites, in which numbers are dialled whole."""

ZERO_STAYS: Final = _codes("39 225 229 242 378")
"""Calling codes of those among them in which numbers begin with 0, also when they are dialled from abroad."""

CALLING_CODES: Final = TRUNK_0 | _NO_TRUNK | TRUNK_OTHER.keys()
"""The calling codes of numbers that people have."""

CALLING_CODE_DIGITS_MAX: Final = 3
"""Digits of the longest calling code."""

DIGITS_OF: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    dict.fromkeys(_codes("45 47 65"), (8, 8))
    | dict.fromkeys(_codes("31 33 34 41 48 61 351 420"), (9, 9))
    | dict.fromkeys(_codes("1 7 30 52 90 91"), (10, 10))
    | {"44": (9, 10)}
    | dict.fromkeys(_codes("54 55"), (10, 11))
)
"""Digits after the calling code, the fewest and the most that people's numbers have, of large countries where that is settled."""

ABROAD: Final[Mapping[str, str]] = MappingProxyType({"1": "011", "7": "810", "61": "0011", "81": "010"})
"""What is dialled in a country before a calling code, where it is not 00."""
