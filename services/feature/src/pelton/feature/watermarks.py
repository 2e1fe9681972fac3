"""How far each source has come, for those who wait."""

import asyncio
from collections.abc import Mapping

DAY_MS = 86_400_000


class Watermarks:
    """The watermark of each source (milliseconds since 1970), and a bell that rings when one moves."""

    def __init__(self) -> None:
        self._marks: dict[str, int] = {}
        self._moved = asyncio.Condition()
        self._ringing: set[asyncio.Task[None]] = set()

    def get(self, source: str) -> int | None:
        """The watermark of a source; None before its first event."""
        return self._marks.get(source)

    def all(self) -> Mapping[str, int]:
        """Every watermark."""
        return dict(self._marks)

    def set(self, source: str, mark: int | None) -> None:
        """Move a watermark, and wake whoever waits for it."""
        if mark is not None and mark != self._marks.get(source):
            self._marks[source] = mark
            task = asyncio.get_running_loop().create_task(self._ring())
            self._ringing.add(task)
            task.add_done_callback(self._ringing.discard)

    async def reached(self, source: str, mark: int, seconds: float) -> bool:
        """Wait until a source's watermark reaches a mark, or the time is up; says whether it did."""
        try:
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait_for(lambda: self._marks.get(source, -1) >= mark)
        except TimeoutError:
            return False
        return True

    async def _ring(self) -> None:
        async with self._moved:
            self._moved.notify_all()
