"""Models folded from their facts, remembered from one command to the next.

A model with thousands of versions has a long stream, and every command needs its state. A fold is right for good: facts
are never changed. So a process keeps what it folded last and adds only the facts since then. That it did fold this
stream is seen from the last fact itself, whose id must still be there: after a restore of the database, or a
transaction that was rolled back, it is not, and the model is folded anew.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pelton.contracts.fact import fact_class
from pelton.eventkit import driver
from pelton.eventkit.unit import UnitOfWork
from pelton.registry.catalogue.store import FACTS_OF
from pelton.registry.domain.model import Model

REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class _Fold:
    model: Model
    version: int
    last: UUID


_folds: OrderedDict[str, _Fold] = OrderedDict()


async def load(unit: UnitOfWork, key: str) -> Model:
    """A model as its facts up to now make it; one that nobody registered is in its initial state."""
    stream = f"{Model.category}/{key}"
    known = _folds.get(key)
    since = 0 if known is None else known.version
    found = await driver.fetch(unit.connection, FACTS_OF, {"stream": stream, "since": since})
    if known is not None:
        if found and found[0]["id"] == known.last:
            found = found[1:]
        else:
            known = None
            found = await driver.fetch(unit.connection, FACTS_OF, {"stream": stream, "since": 0})
    model, version = (known.model, known.version) if known is not None else (Model.initial(key), 0)
    for row in found:
        model = model.evolve(fact_class(row["type"]).from_bytes(row["data"]))
    if found:
        known = _Fold(model, version + len(found), found[-1]["id"])
    if known is not None:
        _folds[key] = known
        _folds.move_to_end(key)
        while len(_folds) > REMEMBERED:
            _folds.popitem(last=False)
    unit.resume(model, version + len(found))
    return model
