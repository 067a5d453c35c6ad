"""Gives generated people readable names, customer IDs and addresses, all invented.

Addresses stand below example.com, which belongs to nobody. A person's number is in the customer ID and in the
address, so that no two people share one by chance.
"""

from typing import Final

FIRST_NAMES: Final = (
    *("ada", "aki", "alba", "amir", "anouk", "arlo", "bela", "bodil", "bruno", "cato"),
    *("cleo", "dario", "dina", "edda", "eino", "elif", "enzo", "fadi", "fenja", "gita"),
    *("goran", "hana", "ida", "ilja", "imani", "ines", "jonas", "kaya", "kofi", "lenz"),
    *("lia", "malo", "mara", "nadim", "nell", "odin", "ove", "pia", "rafa", "runa"),
    *("sami", "selma", "tariq", "tove", "uma", "vera", "wanda", "yara", "yuki", "zeno"),
)

LAST_NAMES: Final = (
    *("acre", "alder", "amber", "ash", "barley", "birch", "bracken", "brook", "cedar", "clover"),
    *("copper", "coral", "dale", "elm", "fallow", "fern", "field", "flint", "gale", "glen"),
    *("hazel", "heath", "holm", "ivy", "juniper", "kelp", "larch", "linden", "loam", "marsh"),
    *("meadow", "moss", "oak", "orchard", "pebble", "pine", "quarry", "reed", "ridge", "rowan"),
    *("sage", "shore", "slate", "sorrel", "thistle", "tide", "umber", "vale", "willow", "yarrow"),
)


def name(person: int, household: int) -> str:
    """Return a first and a last name; people of one household share the last."""
    return f"{FIRST_NAMES[person % len(FIRST_NAMES)]}.{LAST_NAMES[household % len(LAST_NAMES)]}"


def email(person: int, household: int, revision: int) -> str:
    """Return a person's address; each change of address is a further revision, the first is 0."""
    moved = f"-{revision + 1}" if revision else ""
    return f"{name(person, household)}{person}{moved}@example.com"


def customer_id(person: int, account: int) -> str:
    """Return the ID of a person's account, the first is 0; few people have more than one."""
    return f"c-{person}" if account == 0 else f"c-{person}-{account + 1}"
