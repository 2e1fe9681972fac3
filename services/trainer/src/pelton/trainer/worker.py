"""The process that runs a user's code: one order as a line of JSON on stdin, one answer as JSON on stdout.

It ends with whoever started it: stdin stays open as a leash, and its end ends the whole process group.
"""

import os
import resource
import signal
import sys
import threading
import warnings

from pelton.trainer.orders import Answer, TrainingOrder
from pelton.trainer.training import train


def answer(order: TrainingOrder) -> Answer:
    """Train; what the data, the code or the limits forbid becomes a reason, not a crash."""
    try:
        return Answer(result=train(order))
    except MemoryError:
        return Answer(reason="the training ran out of the memory it may use (PELTON_TRAINING_MEMORY, in bytes)")
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything; its words go into the fact
        known = isinstance(error, ValueError) and type(error).__module__.startswith("pelton.")
        return Answer(reason=str(error) if known else f"{type(error).__name__}: {error}")


def main() -> None:
    """Read the order, keep stdout for the answer alone, train, answer."""
    # A group that is ended as one. It stays in the trainer's session, where whoever ends the trainer finds it.
    os.setpgid(0, 0)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the user's code prints must not be taken for the answer
    order = TrainingOrder.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    memory = int(os.environ["PELTON_TRAINING_MEMORY"])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    warnings.simplefilter("ignore")
    with answers:
        answers.write(answer(order).model_dump_json().encode())


def _end_with(leash: int) -> None:
    while os.read(leash, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
