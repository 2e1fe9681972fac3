"""The keys of all events that a source has ever had: what a reference to it is known by, from its beginning on."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from pelton.contracts.definitions import SourceDefinition
from pelton.contracts.topics import data_topic
from pelton.eventkit.failures import TransientError
from pelton.eventkit.reader import Partition
from pelton.feature.fields import kinds
from pelton.feature.offline import OfflineStore
from pelton.feature.offline.reading import OfflineReader, Span
from pelton.feature.quality.rules import Column

_EVER: Final = 1 << 62


class StoredKeys:
    """Reads keys from the offline store. `online` says up to which offsets events have been taken in."""

    def __init__(
        self, offline: OfflineStore, reader: OfflineReader, online: Callable[[], Mapping[Partition, int]]
    ) -> None:
        self._offline = offline
        self._reader = reader
        self._online = online

    async def read(self, definition: SourceDefinition, noted: Mapping[int, int]) -> Column:
        """The keys of a source's events, some more than once; those before the offsets `noted` are known otherwise.

        Raises:
            TransientError: some events are neither stored nor noted: they are being read again, and come first.
        """
        await self._offline.flush()
        for (topic, partition), end in self._online().items():
            reached = max(self._offline.end(definition.name, partition), noted.get(partition, 0))
            if topic == data_topic(definition.name) and reached < end:
                raise TransientError(
                    f"events of {definition.name}, to which another source refers, are read again first"
                )
        loaded = await self._reader.load({definition.name: Span(-_EVER, _EVER, fields=frozenset({definition.key}))})
        events = loaded.events[definition.name]
        if not events.height:
            return np.zeros(0)
        keys = events[definition.key].drop_nulls()
        return keys if kinds(definition)[definition.key] == "text" else keys.to_numpy()
