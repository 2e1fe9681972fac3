"""The whole Merkle tree in memory, for proofs."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.audit import store
from pelton.ledger.merkle import Tree

LEAVES_AT_A_TIME = 50_000


class LogTree:
    """Follows the log: 64 bytes an entry, read once, so that a proof costs no read of the log."""

    def __init__(self) -> None:
        self._tree = Tree()
        self._growing = asyncio.Lock()

    async def grown(self, connection: AsyncConnection, size: int) -> Tree:
        """The tree with at least `size` entries, of a log that has so many."""
        async with self._growing:
            while self._tree.size < size:
                start = self._tree.size
                leaves = await store.leaves(connection, start, min(size, start + LEAVES_AT_A_TIME))
                if not leaves:
                    raise LookupError(f"the log ends at entry {start}, and {size} were expected: entries were deleted")
                self._tree.extend(leaves)
            return self._tree
