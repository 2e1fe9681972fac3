"""Fill this machine's cache: the jars of the broker, and the archive it starts fast from."""

import sys

from pelton.local.archive import make_startup_archive
from pelton.local.errors import LocalError
from pelton.local.jars import cache_folder
from pelton.local.kafka import startup_archive

if __name__ == "__main__":
    cache = cache_folder()
    try:
        if not startup_archive(cache).is_file():
            sys.stderr.write(f"Preparing Kafka in {cache}, once for this machine.\n")
            make_startup_archive(cache)
    except LocalError as error:
        sys.exit(str(error))
