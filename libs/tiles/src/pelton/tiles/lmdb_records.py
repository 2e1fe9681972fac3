"""Records in LMDB: one writing process, and readers in any process of the machine."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import lmdb

from pelton.tiles.errors import ForeignRecordError, StaleWriterError, TilesError
from pelton.tiles.nodes import FORMAT, REBUILD
from pelton.tiles.records import Address, Commit

# Address space, not disk: the file grows as it is used.
MAP_SIZE: Final = 64 * 2**30
_RECORDS: Final = b"records"
_FORMAT_KEY: Final = b"\0format"
_READERS: Final = 512
# Tables that the stores of format 1 and 2 had.
_FORMER: Final = b"tiles"


class LmdbRecordStore:
    """A `RecordStore` in a folder.

    A commit is flushed to disk, but for LMDB's own pointer to it: a crash of the whole machine may lose the newest
    commits and never damages the file, and since offsets are in the same commit what is lost is read again. One that is
    opened for reading may be opened before the store is there, and is empty until then.
    """

    def __init__(self, folder: Path, *, map_size: int = MAP_SIZE, readonly: bool = False) -> None:
        self.folder = folder
        self._map_size = map_size
        self._readonly = readonly
        self._environment: lmdb.Environment | None = None
        self._table: lmdb._Database | None = None
        if not readonly:
            folder.mkdir(parents=True, exist_ok=True)
            self._open()

    def get(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """See `RecordStore`."""
        environment = self._environment or self._open()
        if environment is None:
            return [None] * len(addresses)
        keys = [_key(bucket, name) for bucket, name in addresses]
        try:
            with environment.begin(db=self._table) as transaction:
                if len(keys) < 32:  # noqa: PLR2004 - a cursor pays from here on
                    return [transaction.get(key) for key in keys]
                found = dict(transaction.cursor().getmulti(sorted(keys)))
        except lmdb.Error as error:
            raise self._failed("read", error) from error
        return [found.get(key) for key in keys]

    def scan(self, bucket: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See `RecordStore`."""
        environment = self._environment or self._open()
        if environment is None:
            return
        prefix = _key(bucket, b"")
        try:
            with environment.begin(db=self._table) as transaction:
                cursor = transaction.cursor()
                found = cursor.set_range(prefix)
                # The record after the bucket may be large: it is not read.
                while found and (key := cursor.key()).startswith(prefix):
                    yield key[len(prefix) :], cursor.value()
                    found = cursor.next()
        except lmdb.Error as error:
            raise self._failed("read", error) from error

    def commit(self, commit: Commit) -> None:
        """See `RecordStore`."""
        environment = self._environment
        if environment is None:
            raise TilesError(f"the online store {self.folder} is open for reading alone")
        try:
            with environment.begin(write=True, db=self._table) as transaction:
                for (bucket, name), expected in commit.expected.items():
                    if transaction.get(_key(bucket, name)) != expected:
                        raise StaleWriterError(
                            f"{name.decode(errors='replace')} was changed by another writer of the online store "
                            f"{self.folder}; stop this one"
                        )
                for bucket in commit.drops:
                    _drop(transaction, _key(bucket, b""))
                for bucket, name in commit.deletes:
                    transaction.delete(_key(bucket, name))
                puts = sorted((_key(bucket, name), value) for (bucket, name), value in commit.puts)
                transaction.cursor().putmulti(puts)
        except lmdb.Error as error:
            raise self._failed("written", error) from error

    def size(self) -> int:
        """See `RecordStore`."""
        environment = self._environment or self._open()
        if environment is None:
            return 0
        return int(environment.info()["last_pgno"] + 1) * int(environment.stat()["psize"])

    def close(self) -> None:
        """See `RecordStore`."""
        if self._environment is not None:
            self._environment.close()
            self._environment = None

    def _open(self) -> lmdb.Environment | None:
        if self._readonly and not (self.folder / "data.mdb").is_file():
            return None
        try:
            environment = lmdb.open(
                str(self.folder),
                map_size=self._map_size,
                max_dbs=8,
                metasync=False,
                max_readers=_READERS,
                readonly=self._readonly,
            )
            table = self._opened(environment)
        except lmdb.Error as error:
            raise self._failed("opened", error) from error
        if table is not None:
            self._environment, self._table = environment, table
        else:
            environment.close()
        return self._environment

    def _opened(self, environment: lmdb.Environment) -> "lmdb._Database | None":
        """The table of records, of this format; None before there is one."""
        with environment.begin() as transaction:
            former = transaction.get(_FORMER) is not None
        if not former:
            try:
                table = environment.open_db(_RECORDS, create=not self._readonly)
            except lmdb.NotFoundError:
                return None
            with environment.begin(db=table, write=not self._readonly) as transaction:
                found = transaction.get(_FORMAT_KEY)
                if found is None and not self._readonly:
                    transaction.put(_FORMAT_KEY, bytes((FORMAT,)))
            if found in (None, bytes((FORMAT,))):
                return table if found is not None or not self._readonly else None
        environment.close()
        what = "of a former format" if former else f"of format {found[0] if found else 0}"
        raise ForeignRecordError(
            f"the online store {self.folder} is {what}, and this version of Pelton has format {FORMAT}: {REBUILD}"
        )

    def _failed(self, what: str, error: lmdb.Error) -> TilesError:
        return TilesError(f"the online store {self.folder} cannot be {what}: {error}")


def _key(bucket: bytes, name: bytes) -> bytes:
    return bytes((len(bucket),)) + bucket + name


def _drop(transaction: "lmdb.Transaction[bytes]", prefix: bytes) -> None:
    cursor = transaction.cursor()
    found = cursor.set_range(prefix)
    while found and cursor.key().startswith(prefix):
        found = cursor.delete()
