"""Takes the stream of `taking` into LMDB, as a process of its own that can be killed: `ingesting.py FOLDER`.

Prints the next offset after each commit, and `done` at the end.
"""

import sys
from pathlib import Path

from taking import EVENTS, batch

from pelton.tiles.lmdb_records import LmdbRecordStore
from pelton.tiles.writer import TileWriter

SIZE = 5


def main(folder: Path) -> None:
    """Go on where the store's offsets say."""
    writer = TileWriter(LmdbRecordStore(folder))
    for start in range(writer.offsets().get(("pelton.data.landings", 0), 0), EVENTS, SIZE):
        writer.take([batch(0, start, start + SIZE)])
        print(start + SIZE, flush=True)  # noqa: T201 - who kills waits for these
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
