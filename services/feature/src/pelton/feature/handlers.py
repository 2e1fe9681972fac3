"""What the feature service does about facts: it remembers models, and makes the datasets that trainings ask for."""

from collections.abc import Mapping

import structlog

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.feature import DatasetFailed, DatasetMaterialized
from pelton.contracts.registry import ModelRegistered
from pelton.contracts.trainer import TrainingRequested
from pelton.eventkit.envelope import Received
from pelton.eventkit.failures import TransientError
from pelton.eventkit.handlers import subscribe
from pelton.eventkit.jobs import Job, Work
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.feature import store
from pelton.feature.access import Access
from pelton.feature.access.datasets import refusal
from pelton.feature.access.handlers import HANDLERS as ON_TEAMS
from pelton.feature.catalogue import Catalogue, uses
from pelton.feature.datasets import store as datasets
from pelton.feature.datasets.history import ImpossibleDatasetError, ms
from pelton.feature.datasets.labelled import Recipe
from pelton.feature.datasets.materializer import Materializer
from pelton.feature.datasets.queries import DatasetQuery, HistoricalFeatures
from pelton.feature.selection import NothingAskedError, Selection, SelectionError, Selections
from pelton.feature.watermarks import Watermarks

log = structlog.get_logger(__name__)

MATERIALIZE = "materialize"
DATASET = "dataset"
WAIT_SECONDS = 5.0


@subscribe(ModelRegistered, id="feature.models")
async def on_model_registered(event: Received[ModelRegistered], unit: UnitOfWork) -> None:
    """Remember a model's definition: which events are its rows, and where its labels come from."""
    await store.save_model(unit.connection, event.data.definition, event.envelope.actor)


@subscribe(TrainingRequested, id="feature.datasets")
async def on_training_requested(event: Received[TrainingRequested], unit: UnitOfWork) -> None:
    """Leave the dataset to a job."""
    await unit.enqueue(MATERIALIZE, event.data.training_id, event.data.model_dump(mode="json"))


HANDLERS = (on_model_registered, on_training_requested, *uses.HANDLERS, *ON_TEAMS)


def works(
    units: Units,
    catalogue: Catalogue,
    materializer: Materializer,
    history: HistoricalFeatures,
    watermarks: Watermarks,
    access: Access,
) -> Mapping[str, Work]:
    """The jobs of the feature service."""

    async def materialize(job: Job) -> None:
        request = TrainingRequested.model_validate(job.payload)
        async with units.begin() as unit:
            if await datasets.has(unit.connection, request.training_id):
                return
            found = await store.model(unit.connection, request.model, request.definition_digest)
        if found is None:
            raise TransientError(f"the definition of {request.model} has not been seen yet")
        model = found.definition
        try:
            recipe = _recipe(catalogue, request, model)
            if reason := refusal(access, found.registered_by, model, recipe.selection):
                raise ImpossibleDatasetError(reason)
            for source in (model.source, model.label.source):
                if not await watermarks.reached(source, ms(request.as_of), WAIT_SECONDS):
                    raise TransientError(f"source {source} has not reached {request.as_of} yet")
            fact = await materializer.make(recipe, request.training_id)
        except ImpossibleDatasetError as error:
            log.warning("dataset cannot be made", training_id=request.training_id, reason=str(error))
            failed = DatasetFailed(training_id=request.training_id, model=request.model, reason=str(error))
            async with units.begin(cause=job.cause) as unit:
                await unit.append_to(f"datasets/{request.training_id}", [failed], expected=0)
            return
        await _record(units, job, request.training_id, fact)

    async def make(job: Job) -> None:
        id_ = str(job.payload["id"])
        async with units.begin() as unit:
            request = await datasets.request(unit.connection, id_)
        if request is None or request["dataset"] is not None:
            return
        try:
            fact = await history.make(DatasetQuery.model_validate(request["query"]))
        except ImpossibleDatasetError as error:
            async with units.begin(actor=request["actor"], cause=job.cause) as unit:
                await datasets.fail(unit.connection, id_, str(error))
            return
        await _record(units, job, id_, fact, actor=request["actor"])

    return {MATERIALIZE: materialize, DATASET: make}


async def _record(units: Units, job: Job, id_: str, fact: DatasetMaterialized, actor: str | None = None) -> None:
    async with units.begin(actor=actor, cause=job.cause) as unit:
        await datasets.save(unit.connection, id_, fact, units.clock())
        await unit.append_to(f"datasets/{id_}", [fact], expected=0)


def _recipe(catalogue: Catalogue, request: TrainingRequested, model: ModelDefinition) -> Recipe:
    needed = {model.source, model.label.source}
    unknown = sorted(needed - set(catalogue.validators))
    if unknown:
        raise ImpossibleDatasetError(f"{', '.join(unknown)} is not registered; apply the project again")
    return Recipe(
        model=model,
        sources={name: catalogue.validators[name].definition for name in sorted(needed)},
        selection=_selection(catalogue, model),
        start=request.span.start,
        end=request.span.end,
        as_of=request.as_of,
    )


def _selection(catalogue: Catalogue, model: ModelDefinition) -> Selection:
    try:
        return Selections(catalogue).of(model.inputs.features)
    except NothingAskedError:
        return Selection((), {}, {}, frozenset(), frozenset(), ())
    except SelectionError as error:
        raise ImpossibleDatasetError(str(error)) from error
