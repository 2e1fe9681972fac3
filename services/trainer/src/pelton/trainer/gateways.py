"""The trainer's edges: the worker process."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from pelton.trainer.orders import Answer, TrainingOrder, TrainingResult

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_LAST_WORDS = 2000  # characters of stderr that go into a failure's reason


class TrainingImpossibleError(Exception):
    """A training that ended without a model; the message is the reason that goes on record."""


class Worker:
    """Runs orders in a process of their own: without the platform's secrets, within limits, on one thread.

    `memory` bounds its address space in bytes, `seconds` its wall clock.
    """

    def __init__(self, *, memory: int, seconds: float) -> None:
        self._memory = memory
        self._seconds = seconds

    async def run(self, order: TrainingOrder, folder: Path) -> TrainingResult:
        """Train in a folder; the process group is gone when this returns, raises or is cancelled.

        Raises:
            TrainingImpossibleError: the worker said why not, died, or took too long.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "pelton.trainer.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder,
            env=self._environment(folder),
            limit=64 * 1024 * 1024,
        )
        try:
            async with asyncio.timeout(self._seconds):
                return await self._converse(process, order)
        except TimeoutError:
            raise TrainingImpossibleError(
                f"the training took longer than {self._seconds:g} seconds (PELTON_TRAINING_SECONDS) and was ended"
            ) from None
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            # A worker that does not lead its group yet has started nothing.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _converse(self, process: asyncio.subprocess.Process, order: TrainingOrder) -> TrainingResult:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise RuntimeError("the worker was started without pipes")
        with suppress(BrokenPipeError, ConnectionResetError):  # a worker that died first speaks through its exit
            process.stdin.write(order.model_dump_json().encode() + b"\n")
            await process.stdin.drain()
        said, complained = await asyncio.gather(process.stdout.read(), _tail(process.stderr))
        status = await process.wait()
        try:
            answer = Answer.model_validate_json(said)
        except ValidationError:
            raise TrainingImpossibleError(_how_it_died(status, complained)) from None
        if answer.result is None:
            raise TrainingImpossibleError(answer.reason or "the worker gave no reason")
        return answer.result

    def _environment(self, folder: Path) -> dict[str, str]:
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return {
            **passed_on,
            **dict.fromkeys(_THREADS, "1"),
            "HOME": str(folder),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PELTON_TRAINING_MEMORY": str(self._memory),
        }


async def _tail(stream: asyncio.StreamReader) -> str:
    kept = b""
    while chunk := await stream.read(65536):
        kept = (kept + chunk)[-4 * _LAST_WORDS :]
    return kept.decode(errors="replace").strip()[-_LAST_WORDS:]


def _how_it_died(status: int, complained: str) -> str:
    ended = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    words = f"; its last words: {complained}" if complained else " without a word (out of memory?)"
    return f"the training process {ended}{words}"
