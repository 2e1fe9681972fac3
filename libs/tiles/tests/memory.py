"""A `RecordStore` in memory, which can die before, inside or after a commit."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pelton.tiles.errors import StaleWriterError
from pelton.tiles.records import Address, Commit


class MemoryRecordStore:
    """Records in dictionaries; as atomic as Python's own assignment."""

    def __init__(self) -> None:
        self.buckets: dict[bytes, dict[bytes, bytes]] = {}

    def get(self, addresses: Sequence[Address]) -> list[bytes | None]:
        return [self.buckets.get(bucket, {}).get(name) for bucket, name in addresses]

    def scan(self, bucket: bytes) -> Iterator[tuple[bytes, bytes]]:
        yield from sorted(self.buckets.get(bucket, {}).items())

    def commit(self, commit: Commit) -> None:
        for (bucket, name), expected in commit.expected.items():
            if self.buckets.get(bucket, {}).get(name) != expected:
                raise StaleWriterError(f"{name!r} was changed by another writer")
        changed: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)
        changed |= {bucket: records for bucket, records in self.buckets.items() if bucket not in commit.drops}
        for bucket, name in commit.deletes:
            changed[bucket] = {other: record for other, record in changed[bucket].items() if other != name}
        for bucket in {bucket for (bucket, _), _ in commit.puts}:
            changed[bucket] = dict(changed[bucket])
        for (bucket, name), record in commit.puts:
            changed[bucket][name] = bytes(record)
        self.buckets = {bucket: records for bucket, records in changed.items() if records}

    def size(self) -> int:
        return sum(len(record) for records in self.buckets.values() for record in records.values())

    def close(self) -> None:
        pass
