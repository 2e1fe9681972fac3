"""Names for runs that were given none."""

from typing import Final
from uuid import UUID

KINDS: Final = (  # noqa: SIM905 - one word a line would be a hundred lines
    "able agile amber ample azure blithe bold brave breezy bright brisk calm candid chief civil clear clever crisp "
    "cosmic curious deft eager early fair fancy fleet frank gentle glad golden grand happy hardy honest humble jolly "
    "keen kind light lively lucid lucky merry mild mighty modest neat nimble noble patient placid polite proud quick "
    "quiet rapid serene silent smart steady swift upbeat"
).split()
THINGS: Final = (  # noqa: SIM905
    "alder aspen badger basin bay beaver birch brook canal canyon cascade cedar cove crane creek crest delta dipper "
    "eddy egret falcon falls fern fjord ford gorge gull harbor heron hill inlet island jet lake lark loch marsh "
    "meadow mill otter pebble pike pine plover pond rapid reef ridge rill river shore sluice spring stream summit "
    "swan tarn teal trout valley wave weir willow wheel"
).split()


def name_of(run_id: UUID) -> str:
    """A name such as `brisk-heron-417`: easy to say, the same for the same id, and not unique."""
    rest, number = divmod(run_id.int & (2**62 - 1), 1000)
    rest, thing = divmod(rest, len(THINGS))
    return f"{KINDS[rest % len(KINDS)]}-{THINGS[thing]}-{number}"
