"""What several routes take: who asks, and words that stay on record."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role

# Whoever may see may come in: a team can give more on one model, which is asked where the model is known.
Person = Annotated[Actor, Depends(require(Role.VIEWER))]
Contributor = Annotated[Actor, Depends(require(Role.CONTRIBUTOR))]
# PostgreSQL has no text with a zero character in it
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]+$")]

# What deletes takes its reason in the query: not every program between sends a DELETE's body on.
Because = Annotated[Reason, Query(alias="reason")]


class Command(BaseModel):
    """A body that changes something: a field that is not known is refused, as it would be passed over otherwise."""

    model_config = ConfigDict(extra="forbid")


class Why(Command):
    """Why it is done."""

    reason: Reason
