import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest
from memory import MemoryRecordStore
from record_store_contract import Opened, RecordStoreContract

from pelton.tiles.errors import ForeignRecordError, TilesError
from pelton.tiles.lmdb_records import LmdbRecordStore
from pelton.tiles.records import Commit


class TestLmdbRecordStore(RecordStoreContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Iterator[Opened]:
        # LMDB lets a process open a file once.
        store = LmdbRecordStore(tmp_path)
        yield lambda: store
        store.close()


class TestMemoryRecordStore(RecordStoreContract):
    @pytest.fixture
    def opened(self) -> Opened:
        store = MemoryRecordStore()
        return lambda: store


READ = """
import sys
from pathlib import Path
from pelton.tiles.lmdb_records import LmdbRecordStore
store = LmdbRecordStore(Path(sys.argv[1]), readonly=True)
for _ in sys.stdin:
    print(store.get([(b"a", b"x")])[0], len(list(store.scan(b"a"))), flush=True)
"""


def test_another_process_reads_what_is_committed_even_if_it_came_first(tmp_path: Path) -> None:
    folder = tmp_path / "online"
    with subprocess.Popen(
        [sys.executable, "-c", READ, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:

        def read() -> str:
            assert reader.stdin is not None
            assert reader.stdout is not None
            print(file=reader.stdin, flush=True)
            return reader.stdout.readline().strip()

        assert read() == "None 0"  # no folder yet
        folder.mkdir()
        lmdb.open(str(folder), map_size=2**30, max_dbs=8).close()
        assert read() == "None 0"  # a file without its table yet
        store = LmdbRecordStore(folder)
        assert read() == "None 0"
        store.commit(Commit(puts=[((b"a", b"x"), b"1")]))
        assert read() == "b'1' 1"
        store.commit(Commit(puts=[((b"a", b"x"), b"2"), ((b"a", b"y"), b"2")]))
        assert read() == "b'2' 2"
        store.close()
        assert reader.stdin is not None
        reader.stdin.close()
    assert reader.returncode == 0


def test_a_reader_does_not_write(tmp_path: Path) -> None:
    LmdbRecordStore(tmp_path).close()
    reader = LmdbRecordStore(tmp_path, readonly=True)
    with pytest.raises(TilesError, match="open for reading alone"):
        reader.commit(Commit(puts=[((b"a", b"x"), b"1")]))


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not LMDB" * 1000)
    with pytest.raises(TilesError, match=str(tmp_path)):
        LmdbRecordStore(tmp_path, readonly=True).get([(b"a", b"x")])


def test_a_second_opening_in_the_writers_process_is_refused_with_words(tmp_path: Path) -> None:
    store = LmdbRecordStore(tmp_path)
    with pytest.raises(TilesError, match="already open"):
        LmdbRecordStore(tmp_path, readonly=True).get([(b"a", b"x")])
    store.close()


@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize(
    ("table", "key", "found"), [(b"tiles", b"x", "of a former format"), (b"records", b"\0format", "of format 9")]
)
def test_a_store_of_another_format_is_refused_and_says_how_to_rebuild(
    tmp_path: Path,
    table: bytes,
    key: bytes,
    found: str,
    readonly: bool,  # noqa: FBT001
) -> None:
    environment = lmdb.open(str(tmp_path), max_dbs=8)
    database = environment.open_db(table)
    with environment.begin(write=True, db=database) as transaction:
        transaction.put(key, bytes((9,)))
    environment.close()
    with pytest.raises(ForeignRecordError, match=rf"{tmp_path} is {found}.*delete the online store"):
        LmdbRecordStore(tmp_path, readonly=readonly).get([(b"a", b"x")])
