"""The keys of all events of a source that are stored: what a reference to it is known by, from its beginning on."""

from typing import Final

import numpy as np

from pelton.contracts.definitions import SourceDefinition
from pelton.feature.fields import kinds
from pelton.feature.offline import OfflineStore
from pelton.feature.offline.reading import OfflineReader, Span
from pelton.feature.quality.rules import Column

_EVER: Final = 1 << 62


async def keys_of(offline: OfflineStore, reader: OfflineReader, definition: SourceDefinition) -> Column:
    """The keys of a source's stored events, some of them more than once."""
    await offline.flush()
    loaded = await reader.load({definition.name: Span(-_EVER, _EVER, fields=frozenset({definition.key}))})
    events = loaded.events[definition.name]
    if not events.height:
        return np.zeros(0)
    keys = events[definition.key].drop_nulls()
    return keys if kinds(definition)[definition.key] == "text" else keys.to_numpy()
