"""The stores: the conformance suite against each adapter, and what is particular to one."""
