"""Starts the parts in order, restarts what dies, and stops everything in reverse order."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pelton.cli.supervisor.logs import LogFile
from pelton.cli.supervisor.part import Part
from pelton.cli.supervisor.state import PartState, Phase, PlatformState
from pelton.local import ports

POLL_SECONDS = 0.1
FIRST_BACK_OFF, LONGEST_BACK_OFF = 0.5, 30.0
# A process that lived this long and dies starts over with the shortest pause.
STEADY_SECONDS = 60.0
STOP_SECONDS = 30.0
MAX_LINE = 1024 * 1024


@dataclass
class _Running:
    part: Part
    state: PartState
    process: asyncio.subprocess.Process | None = None
    ready: asyncio.Event | None = None


class Supervisor:
    """Supervises one platform until it is told to stop. `changed` is called with each new state."""

    def __init__(
        self, home: Path, port_base: int, parts: Sequence[Part], *, logs: Path, changed: Callable[[PlatformState], None]
    ) -> None:
        self._home = home
        self._port_base = port_base
        self._logs = logs
        self._changed = changed
        self._all_log = LogFile(logs / "all.log")
        self._running = {
            part.name: _Running(part, PartState(part.name, "waiting", None, part.port, 0, "", None)) for part in parts
        }
        self._stopping = asyncio.Event()

    @property
    def state(self) -> PlatformState:
        """The platform as it is now."""
        return PlatformState(
            os.getpid(), str(self._home), self._port_base, tuple(one.state for one in self._running.values())
        )

    def stop(self) -> None:
        """Begin to stop; `run` returns when all is down."""
        self._stopping.set()

    async def run(self) -> None:
        """Supervise until `stop`.

        Raises:
            pelton.local.errors.LocalError: a port is taken, or a data folder cannot be prepared.
        """
        for one in self._running.values():
            ports.require_free(one.part.ports, one.part.name)
            one.ready = asyncio.Event()
        keepers = [asyncio.create_task(self._keep(one), name=one.part.name) for one in self._running.values()]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({*keepers, stopping}, return_when=asyncio.FIRST_COMPLETED)
            failed = next((task for task in keepers if task.done()), None)
        finally:
            stopping.cancel()
            for task in keepers:
                task.cancel()
            await asyncio.gather(*keepers, stopping, return_exceptions=True)
            await self._stop_all()
            self._all_log.close()
        if failed is not None:
            failed.result()

    async def _keep(self, one: _Running) -> None:
        """Keep one part alive: start it, wait until it is ready, wait until it dies, pause, and again."""
        for name in one.part.after:
            ready = self._running[name].ready
            if ready is not None:
                await ready.wait()
        back_off = FIRST_BACK_OFF
        while True:
            began = time.monotonic()
            await asyncio.to_thread(one.part.prepare)
            process = await self._start(one)
            watching = asyncio.create_task(self._until_ready(one, began))
            code = await process.wait()
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            if one.ready is not None:
                one.ready.clear()
            if time.monotonic() - began > STEADY_SECONDS:
                back_off = FIRST_BACK_OFF
            why = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
            self._set(one, "backing off", pid=None, detail=f"{why}; again in {back_off:.1f} s", restarts=1)
            await asyncio.sleep(back_off)
            back_off = min(back_off * 2, LONGEST_BACK_OFF)

    async def _start(self, one: _Running) -> asyncio.subprocess.Process:
        command = one.part.command()
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            env=dict(command.env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=MAX_LINE,
        )
        one.process = process
        asyncio.get_running_loop().create_task(self._copy_output(one.part.name, process))
        self._set(one, "starting", pid=process.pid)
        return process

    async def _until_ready(self, one: _Running, began: float) -> None:
        while (missing := await asyncio.to_thread(one.part.missing)) is not None:
            if missing != one.state.detail:
                self._set(one, "starting", detail=missing)
            await asyncio.sleep(POLL_SECONDS)
        self._set(one, "ready", seconds=time.monotonic() - began)
        if one.ready is not None:
            one.ready.set()

    async def _copy_output(self, name: str, process: asyncio.subprocess.Process) -> None:
        log = LogFile(self._logs / f"{name}.log")
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            while line := await _line(process.stdout):
                log.write(name, line)
                self._all_log.write(name, line)
        finally:
            log.close()

    async def _stop_all(self) -> None:
        """Services first, together; then what they stand on."""
        foundations = {name for one in self._running.values() for name in one.part.after}
        above = [one for one in self._running.values() if one.part.name not in foundations]
        below = [one for one in self._running.values() if one.part.name in foundations]
        for group in (above, below):
            await asyncio.gather(*(self._stop_one(one) for one in group))

    async def _stop_one(self, one: _Running) -> None:
        process = one.process
        if process is not None and process.returncode is None:
            self._set(one, "stopping")
            with suppress(ProcessLookupError):
                process.send_signal(one.part.command().stop_signal)
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        self._set(one, "stopped", pid=None)

    def _set(
        self,
        one: _Running,
        phase: Phase,
        *,
        pid: int | None = -1,
        detail: str = "",
        restarts: int = 0,
        seconds: float | None = None,
    ) -> None:
        one.state = replace(
            one.state,
            phase=phase,
            pid=one.state.pid if pid == -1 else pid,
            detail=detail,
            restarts=one.state.restarts + restarts,
            seconds=seconds if seconds is not None else one.state.seconds,
        )
        self._changed(self.state)


async def _line(stream: asyncio.StreamReader) -> bytes:
    """The next line; one beyond the limit comes in pieces."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.read(error.consumed)
