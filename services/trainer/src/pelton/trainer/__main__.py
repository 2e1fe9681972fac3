"""The trainer's process."""

from pathlib import Path

from pelton.eventkit.host import Service
from pelton.objects import Objects
from pelton.trainer import api, environment
from pelton.trainer.gateways import Worker
from pelton.trainer.handlers import HANDLERS, TRAIN
from pelton.trainer.jobs import Trainings
from pelton.trainer.progress import ProgressBoard
from pelton.trainer.settings import TrainerSettings


def main() -> None:
    """Run until told to stop."""
    settings = TrainerSettings()
    service = Service("trainer", settings, migrations=Path(__file__).parent / "migrations" / "versions")
    worker = Worker(memory=settings.training_memory, seconds=settings.training_seconds)
    trainings = Trainings(service.units, Objects(settings.objects_url), worker, environment.capture())
    board = ProgressBoard(service.engine, service.dsn, service.wake_jobs)
    service.handles(*HANDLERS)
    service.works({TRAIN: trainings.run})
    service.runs(board.run)
    service.routes(api.router(service.units, board))
    service.run()


if __name__ == "__main__":
    main()
