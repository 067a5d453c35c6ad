"""Tests what a store keeps beside records and log: versions of policies, and small documents by name."""

from typing import Final

from knownas.store.conformance.examples import START_MS
from knownas.store.conformance.subject import Subject
from knownas.store.conformance.verdicts import is_not_so, is_so, same
from knownas.store.port import StoredPolicy

DOCUMENT: Final = '{"b":1, "a":"\N{GRINNING FACE}"}'.encode()


def policy(scope: str, version: int, document: bytes = DOCUMENT) -> StoredPolicy:
    """Make a version of a scope's policy."""
    return StoredPolicy(scope, version, START_MS + version, document)


class DocumentPromises(Subject):
    """What `policies`, `add_policy`, `kept`, `keep` and `replace_kept` do."""

    async def test_policies_come_back_in_order(self) -> None:
        """All versions of a scope's policy come back as they were kept, by ascending version."""
        async with self.opened() as store:
            same(await store.policies("shop"), [], "the policies of a scope that has none")
            for version in (2, 10, 1):
                is_so(await store.add_policy(policy("shop", version)), "a new version")
            versions = [policy("shop", version) for version in (1, 2, 10)]
            same(await store.policies("shop"), versions, "the versions")

    async def test_a_version_is_kept_once(self) -> None:
        """A version that exists is not replaced, and the caller is told, from whichever store it asks."""
        async with self.rivals() as (one, other):
            is_so(await one.add_policy(policy("shop", 1)), "the first")
            for store in (one, other):
                is_not_so(await store.add_policy(policy("shop", 1, b"{}")), "the second")
                same(await store.policies("shop"), [policy("shop", 1)], "the versions")

    async def test_documents_are_kept_by_name(self) -> None:
        """A document comes back to the byte under its name; a name is taken once, and told apart to the byte."""
        async with self.rivals() as (one, other):
            same(await one.kept("first"), None, "a document that nobody kept")
            is_so(await one.keep("first", DOCUMENT), "the first")
            is_not_so(await other.keep("first", b"another"), "another under its name")
            is_so(await other.keep("First", b""), "one under a name in another case")
            same([await other.kept(name) for name in ("first", "First")], [DOCUMENT, b""], "the documents")
            is_not_so(await one.keep("first", DOCUMENT), "the same again")

    async def test_a_document_is_replaced_by_who_knows_it(self) -> None:
        """What is replaced must be what the caller names, to the byte; so of two that replace the same, one does."""
        async with self.rivals() as (one, other):
            is_not_so(await one.replace_kept("first", b"", b"{}"), "a document that nobody kept")
            is_so(await one.keep("first", DOCUMENT), "the first")
            is_so(await one.keep("second", DOCUMENT), "the second")
            is_so(await other.replace_kept("first", DOCUMENT, b"2"), "the first that replaces it")
            is_not_so(await one.replace_kept("first", DOCUMENT, b"3"), "the second that does")
            is_not_so(await one.replace_kept("first", b"2 ", b"3"), "one that is nearly there")
            for store in (one, other):
                same([await store.kept(name) for name in ("first", "second")], [b"2", DOCUMENT], "the documents")
