"""Starts the parts in order, restarts what dies, and stops everything in reverse order."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from pelton.cli.supervisor.logs import LogFile
from pelton.cli.supervisor.part import Part
from pelton.cli.supervisor.state import PartState, PlatformState
from pelton.local import LocalError, StartError, ports, session

# How often a part is asked whether it is ready: while it starts, and from then on.
POLL_SECONDS, STEADY_POLL_SECONDS = 0.1, 1.0
FIRST_BACK_OFF, LONGEST_BACK_OFF = 0.5, 30.0
# A process that lived this long and dies starts over with the shortest pause.
STEADY_SECONDS = 60.0
STOP_SECONDS = 30.0
# A preparation that still runs at the stop is waited for this long: it may have a program of its own under way.
PREPARE_SECONDS = 5.0
LAST_WORDS_SECONDS = 1.0
AGAIN = "; starts again in "
MAX_LINE = 1024 * 1024
MAX_REASON = 200


@dataclass
class _Running:
    part: Part
    state: PartState
    log: LogFile
    process: asyncio.subprocess.Process | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    copying: asyncio.Task[None] | None = None
    preparing: asyncio.Future[None] | None = None
    last_line: str = ""
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Supervises one platform until it is told to stop. `changed` is called with each new state."""

    def __init__(
        self, home: Path, port_base: int, parts: Sequence[Part], *, logs: Path, changed: Callable[[PlatformState], None]
    ) -> None:
        self._home = home
        self._port_base = port_base
        self._changed = changed
        self._told = True
        self._all_log = LogFile(logs / "all.log")
        self._running = {
            part.name: _Running(
                part, PartState(part.name, "waiting", None, part.port, 0, "", None), LogFile(logs / f"{part.name}.log")
            )
            for part in parts
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
            pelton.local.errors.LocalError: a port is taken, or a part cannot be prepared or started a first time.
        """
        for one in self._running.values():
            ports.require_free(one.part.ports, one.part.name)
        self._tell()
        keepers = [asyncio.create_task(self._keep(one), name=one.part.name) for one in self._running.values()]
        telling = asyncio.create_task(self._tell_again())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({*keepers, stopping}, return_when=asyncio.FIRST_COMPLETED)
            failed = next((task for task in keepers if task.done()), None)
        finally:
            for task in (*keepers, telling, stopping):
                task.cancel()
            await asyncio.gather(*keepers, telling, stopping, return_exceptions=True)
            await self._stop_all()
            self._all_log.close()
        if failed is not None:
            failed.result()

    async def _keep(self, one: _Running) -> None:
        """Keep one part alive: one life after the other, with a pause between them."""
        back_off = FIRST_BACK_OFF
        while True:
            await self._foundations(one)
            began = time.monotonic()
            why = await self._live(one)
            if time.monotonic() - began > STEADY_SECONDS:
                back_off = FIRST_BACK_OFF
            self._become(
                one,
                replace(
                    one.state,
                    phase="backing off",
                    pid=None,
                    since=None,
                    seconds=None,
                    restarts=one.state.restarts + 1,
                    detail=f"{why}{AGAIN}{back_off:.1f} s",
                ),
            )
            await asyncio.sleep(back_off)
            back_off = min(back_off * 2, LONGEST_BACK_OFF)

    async def _foundations(self, one: _Running) -> None:
        """Wait for what the part stands on."""
        while missing := [name for name in one.part.after if not self._running[name].ready.is_set()]:
            self._become(one, replace(one.state, phase="waiting", detail=f"waits for {' and '.join(missing)}"))
            await self._running[missing[0]].ready.wait()

    async def _live(self, one: _Running) -> str:
        """One life of a part, from its preparation to its end; returns what ended it.

        Raises:
            LocalError: its first life did not begin. A later one that does not is tried again: by then what is wrong
                came while the platform was up, as a full disk does, and may go.
        """
        try:
            await self._prepare(one)
            process = await self._start(one)
        except (LocalError, OSError) as error:
            if one.state.restarts:
                return _one_line(str(error))
            if isinstance(error, LocalError):
                raise
            raise StartError(f"{one.part.name} could not be started: {error}.") from error
        watching = asyncio.create_task(self._watch(one))
        try:
            code = await process.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            one.ready.clear()
        await self._bury(one)
        why = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return f"{why} ({_one_line(one.last_line)})" if one.last_line and code > 0 else why

    async def _prepare(self, one: _Running) -> None:
        one.preparing = _in_thread(one.part.prepare)
        await asyncio.shield(one.preparing)

    async def _start(self, one: _Running) -> asyncio.subprocess.Process:
        command = one.part.command()
        output, its_end = os.pipe()
        # A pipe of our own: asyncio takes a process for running as long as anybody holds a pipe that it made, and what
        # a dead part had started may hold it for good.
        try:
            process = await asyncio.create_subprocess_exec(
                *command.argv,
                env=dict(command.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=its_end,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(its_end)
        one.process, one.stop_signal, one.last_line = process, command.stop_signal, ""
        one.copying = asyncio.create_task(self._copy_output(one, output))
        self._become(
            one,
            replace(one.state, phase="starting", pid=process.pid, since=_began(process.pid), seconds=None, detail=""),
        )
        return process

    async def _watch(self, one: _Running) -> None:
        """Follow whether the part is ready, for as long as its process lives."""
        began = time.monotonic()
        while True:
            missing = await asyncio.to_thread(one.part.missing)
            if missing is None:
                seconds = one.state.seconds if one.state.seconds is not None else time.monotonic() - began
                new = replace(one.state, phase="ready", detail="", seconds=seconds)
            else:
                new = replace(one.state, phase="starting" if one.state.seconds is None else "not ready", detail=missing)
            if new != one.state:
                self._become(one, new)
            if missing is None:
                one.ready.set()
            await asyncio.sleep(POLL_SECONDS if one.state.seconds is None else STEADY_POLL_SECONDS)

    async def _copy_output(self, one: _Running, output: int) -> None:
        stream = asyncio.StreamReader(limit=MAX_LINE)
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(output, "rb", buffering=0)
        )
        try:
            while line := await _line(stream):
                one.log.write(one.part.name, line)
                self._all_log.write(one.part.name, line)
                # What is indented belongs to a line above: the frames of a trace, and not the error itself.
                if line.strip() and not line[:1].isspace():
                    one.last_line = line.decode(errors="replace").strip()
        finally:
            pipe.close()

    async def _stop_all(self) -> None:
        """Services first, together; then what they stand on."""
        preparing = [one.preparing for one in self._running.values() if one.preparing and not one.preparing.done()]
        if preparing:
            await asyncio.wait(preparing, timeout=PREPARE_SECONDS)
        foundations = {name for one in self._running.values() for name in one.part.after}
        above = [one for one in self._running.values() if one.part.name not in foundations]
        below = [one for one in self._running.values() if one.part.name in foundations]
        for group in (above, below):
            await asyncio.gather(*(self._stop_one(one) for one in group))

    async def _stop_one(self, one: _Running) -> None:
        process = one.process
        if process is not None and process.returncode is None:
            self._become(one, replace(one.state, phase="stopping", detail=""))
            with suppress(ProcessLookupError):
                process.send_signal(one.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
        await self._bury(one)
        one.log.close()
        self._become(one, replace(one.state, phase="stopped", pid=None, since=None, detail=""))

    async def _bury(self, one: _Running) -> None:
        """End what a part that has ended left running, and read its last words."""
        if one.process is None or one.copying is None:
            return
        await asyncio.to_thread(session.end, one.process.pid)
        await asyncio.wait({one.copying}, timeout=LAST_WORDS_SECONDS)
        one.copying.cancel()
        one.process = one.copying = None

    def _become(self, one: _Running, state: PartState) -> None:
        one.state = state
        self._tell()

    def _tell(self) -> None:
        """Say what is now. A full disk or a terminal that was closed costs the news, not the platform."""
        try:
            self._changed(self.state)
        except OSError:
            self._told = False
        else:
            self._told = True

    async def _tell_again(self) -> None:
        """What nobody could be told is told when it can be, or the file would stay wrong until the next change."""
        while True:
            await asyncio.sleep(STEADY_POLL_SECONDS)
            if not self._told:
                self._tell()


def _in_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    """Run blocking work beside the loop. Unlike an executor's thread, one that hangs does not hold up the exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as raised:  # noqa: BLE001 - whoever awaits the future gets it
            error = raised
        # The loop may be closed by now.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _began(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return time.time()


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_REASON else f"{line[:MAX_REASON]}…"


async def _line(stream: asyncio.StreamReader) -> bytes:
    """The next line; one beyond the limit comes in pieces."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.read(error.consumed)
