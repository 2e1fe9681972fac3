"""The contracts at a release: `python -m pelton.contracts check | release [--breaking] | asyncapi`.

`check` says which changes since the last release break readers; `release` makes the present schemas the released
ones, which it refuses while some do; `asyncapi` prints the document of the control topics.
"""

import json
import sys
from collections.abc import Sequence
from importlib.metadata import version

from pelton.contracts.asyncapi import asyncapi
from pelton.contracts.evolution import breaks
from pelton.contracts.schemas import facts, past_types, present, released, write


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments ask; the exit status."""
    match arguments:
        case ["asyncapi"]:
            json.dump(asyncapi(facts(), version("pelton-contracts")), sys.stdout, indent=1)
            sys.stdout.write("\n")
            return 0
        case ["check"] | ["release"] | ["release", "--breaking"]:
            found = breaks(released(), present(), past_types())
            sys.stderr.writelines(f"{one}\n" for one in found)
            if found and "--breaking" not in arguments:
                sys.stderr.write("Give the fact a new version with an upcaster, or take the change back.\n")
                return 1
            if arguments[0] == "release":
                write(present())
            return 0
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
