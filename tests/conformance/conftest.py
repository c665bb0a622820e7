"""Marks what takes seconds on Firestore: the tests of the suite in which someone waits for a lock."""

from __future__ import annotations

import pytest
from cendry_memory.testing import BackendConformance

WAITING = {
    BackendConformance.test_of_two_that_read_and_write_one_document_one_is_committed,
    BackendConformance.test_a_query_reads_what_is_not_there_as_well,
    BackendConformance.test_a_transaction_never_overwrites_what_it_did_not_see,
    BackendConformance.test_nothing_is_lost_among_many,
    BackendConformance.test_no_increment_is_lost,
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and item.function in WAITING and "firestore_emulator" in item.fixturenames:
            item.add_marker(pytest.mark.slow)
