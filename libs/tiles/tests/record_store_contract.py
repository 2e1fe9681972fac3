"""What every `RecordStore` does: a suite that a test module of each takes over, with a fixture `opened`.

`opened` gives a function that opens the store of the test, once more each time it is called: all are of one content.
"""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pelton.tiles.errors import StaleWriterError
from pelton.tiles.records import Commit, RecordStore

Opened = Callable[[], RecordStore]
_names = st.binary(max_size=4) | st.binary(min_size=418, max_size=420)
_buckets = st.sampled_from([b"T", b"T\0", b"T\xff", b"\0", b"\xff" * 40])


class RecordStoreContract:
    """The tests; they share nothing but the store that `opened` gives."""

    def test_a_store_is_empty_at_first(self, opened: Opened) -> None:
        store = opened()
        assert store.get([(b"a", b"x"), (b"b", b"")]) == [None, None]
        assert list(store.scan(b"a")) == []
        assert store.get([]) == []

    def test_what_is_put_is_there_for_others(self, opened: Opened) -> None:
        store, other = opened(), opened()
        store.commit(Commit(puts=[((b"a", b"x"), b"1"), ((b"a", b""), b""), ((b"ab", b""), memoryview(b"three")[1:3])]))
        for one in (store, other):
            assert one.get([(b"ab", b""), (b"a", b"b"), (b"a", b"x"), (b"a", b""), (b"a", b"x")]) == [
                b"hr",
                None,
                b"1",
                b"",
                b"1",
            ]
            assert list(one.scan(b"a")) == [(b"", b""), (b"x", b"1")]
        assert store.size() >= 0

    def test_many_records_are_read_in_the_order_that_they_were_asked_for(self, opened: Opened) -> None:
        store = opened()
        addresses = [(b"a", b"%d" % (number * 7919 % 500)) for number in range(500)]
        store.commit(Commit(puts=[(address, address[1] * 3) for address in addresses]))
        assert store.get(addresses) == [name * 3 for _, name in addresses]
        assert store.get([*addresses, (b"a", b"none")])[-1] is None
        assert [name for name, _ in store.scan(b"a")] == sorted(name for _, name in addresses)

    def test_a_bucket_is_dropped_whole_and_no_other(self, opened: Opened) -> None:
        store = opened()
        for bucket in (b"a", b"a\0", b"b"):
            store.commit(Commit(puts=[((bucket, b"%d" % number), b"1") for number in range(40)]))
        store.commit(Commit(drops=[b"a", b"never"], deletes=[(b"b", b"1"), (b"b", b"never")]))
        assert [len(list(store.scan(bucket))) for bucket in (b"a", b"a\0", b"b")] == [0, 40, 39]

    def test_drops_come_before_puts(self, opened: Opened) -> None:
        store = opened()
        store.commit(Commit(puts=[((b"a", b"x"), b"1")]))
        store.commit(Commit(puts=[((b"a", b"y"), b"2")], drops=[b"a"]))
        assert list(store.scan(b"a")) == [(b"y", b"2")]

    @pytest.mark.parametrize("expected", [None, b"0", b"11"])
    def test_a_commit_whose_record_is_not_as_expected_changes_nothing(
        self, opened: Opened, expected: bytes | None
    ) -> None:
        store = opened()
        store.commit(Commit(puts=[((b"a", b"state"), b"1"), ((b"b", b"x"), b"1")]))
        late = Commit(
            puts=[((b"a", b"state"), b"2"), ((b"c", b"x"), b"2")],
            drops=[b"b"],
            expected={(b"a", b"state"): expected},
        )
        with pytest.raises(StaleWriterError, match="changed by another writer"):
            store.commit(late)
        assert store.get([(b"a", b"state"), (b"b", b"x"), (b"c", b"x")]) == [b"1", b"1", None]

    def test_of_two_writers_of_one_state_one_is_refused(self, opened: Opened) -> None:
        first, second = opened(), opened()
        expected: dict[tuple[bytes, bytes], bytes | None] = {(b"a", b"state"): None}
        second.commit(Commit(puts=[((b"a", b"state"), b"second")], expected=expected))
        with pytest.raises(StaleWriterError):
            first.commit(Commit(puts=[((b"a", b"state"), b"first")], expected=expected))
        first.commit(Commit(puts=[((b"a", b"state"), b"third")], expected={(b"a", b"state"): b"second"}))
        assert second.get([(b"a", b"state")]) == [b"third"]

    @given(st.lists(st.tuples(_buckets, st.dictionaries(_names, st.binary(max_size=9), max_size=5), st.booleans())))
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    def test_it_is_a_dictionary_of_dictionaries(
        self, opened: Opened, steps: list[tuple[bytes, dict[bytes, bytes], bool]]
    ) -> None:
        store = opened()
        store.commit(Commit(drops=[b"T", b"T\0", b"T\xff", b"\0", b"\xff" * 40]))
        model: dict[bytes, dict[bytes, bytes]] = {}
        for bucket, records, is_dropped in steps:
            puts = [((bucket, name), record) for name, record in records.items()]
            store.commit(Commit(puts=puts, drops=[bucket] if is_dropped else []))
            model[bucket] = ({} if is_dropped else model.get(bucket, {})) | records
        for bucket, records in model.items():
            assert dict(store.scan(bucket)) == records
            assert store.get([(bucket, name) for name in records]) == list(records.values())
