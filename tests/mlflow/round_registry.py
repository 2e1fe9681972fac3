"""The steps of the round that use models: logged models, registered models, versions, aliases, stages."""

from collections.abc import Callable
from typing import Any

from mlflow.models import infer_signature
from round_world import EXPERIMENT, MODEL, World, code_of

import mlflow

STAGES = ("Staging", "Production", "Archived")


def logged(world: World) -> Any:  # noqa: ANN401 - whatever JSON can say, here and below
    """A model of MLflow 3: logged under a run, found, tagged, loaded by its own identifier and by the run's."""
    client = world.client
    with mlflow.start_run(run_name="logs a model") as run:
        run_id = world.call("model run", run.info.run_id)
        info = mlflow.sklearn.log_model(
            world.estimator,
            name="classifier",
            signature=infer_signature(world.features, world.labels),
            input_example=world.features.head(2),
            params={"solver": "lbfgs"},
            tags={"team": "blue"},
            registered_model_name=MODEL,
        )
        world.call("model", info.model_id)
        mlflow.log_metric("accuracy", 0.5, model_id=info.model_id)
    client.set_logged_model_tags(info.model_id, {"colour": "red", "gone": "soon"})
    client.delete_logged_model_tag(info.model_id, "gone")
    seen = client.get_logged_model(info.model_id)
    draft = client.create_logged_model(client.get_experiment_by_name(EXPERIMENT).experiment_id, name="draft")
    world.call("draft", draft.model_id)
    failed = client.finalize_logged_model(draft.model_id, "FAILED")
    client.delete_logged_model(draft.model_id)
    return {
        "model": [seen.name, seen.status, seen.params, seen.source_run_id],
        "tags": {key: value for key, value in seen.tags.items() if not key.startswith("mlflow.")},
        "metrics": [[one.key, one.value, one.run_id] for one in seen.metrics],
        "output": [one.model_id for one in client.get_run(run_id).outputs.model_outputs],
        "failed": str(failed.status),
        "deleted": code_of(lambda: client.get_logged_model(draft.model_id)),
        "version": info.registered_model_version,
        "by its id": mlflow.sklearn.load_model(f"models:/{info.model_id}").predict(world.features).tolist(),
        "by its run": mlflow.pyfunc.load_model(f"runs:/{run_id}/classifier").predict(world.features).tolist(),
        "files": sorted(one.path for one in client.list_logged_model_artifacts(info.model_id)),
    }


def logged_searches(world: World) -> Any:  # noqa: ANN401
    """Logged models by what was logged of them."""
    experiment = world.client.get_experiment_by_name(EXPERIMENT).experiment_id

    def names(filter_string: str | None = None, **options: Any) -> list[str]:  # noqa: ANN401
        found = mlflow.search_logged_models([experiment], filter_string, output_format="list", **options)
        return [one.name for one in found]

    return {
        "all": sorted(names()),
        "param": names("params.solver = 'lbfgs' AND tags.team = 'blue'"),
        "metric": names("metrics.accuracy > 0.4"),
        "none": names("metrics.accuracy > 0.6"),
        "ordered": names(order_by=[{"field_name": "creation_timestamp", "ascending": False}], max_results=1),
        "wrong": code_of(lambda: names("accuracy !! 1")),
    }


def registered(world: World) -> Any:  # noqa: ANN401
    """Registered again under the same name, described, tagged, found and paged."""
    client = world.client
    again = mlflow.register_model(f"runs:/{world.ids['model run']}/classifier", MODEL, tags={"how": "again"})
    client.update_registered_model(MODEL, "Which iris it is")
    client.set_registered_model_tag(MODEL, "team", "blue")
    client.set_registered_model_tag(MODEL, "gone", "soon")
    client.delete_registered_model_tag(MODEL, "gone")
    client.update_model_version(MODEL, "1", "The first")
    client.set_model_version_tag(MODEL, "1", "checked", "yes")
    client.set_model_version_tag(MODEL, "1", "gone", "soon")
    client.delete_model_version_tag(MODEL, "1", "gone")
    for name in ("tulip", "rose"):
        client.create_registered_model(name, {"kind": "flower"}, f"A {name}")
    client.rename_registered_model("tulip", "lily")
    pages, token = [], None
    while True:
        page = client.search_registered_models(max_results=2, order_by=["name DESC"], page_token=token)
        pages.append([one.name for one in page])
        token = page.token
        if not token:
            break
    model, first = client.get_registered_model(MODEL), client.get_model_version(MODEL, "1")
    return {
        "again": [again.version, again.tags, again.run_id],
        "model": [model.description, model.tags],
        "first": [first.description, first.tags, first.run_id, first.status, first.current_stage],
        "pages": pages,
        "like": [one.name for one in client.search_registered_models("name ILIKE 'L%'")],
        "by tag": [one.name for one in client.search_registered_models("tags.kind = 'flower'", order_by=["name ASC"])],
        "versions": [one.version for one in client.search_model_versions(f"name = '{MODEL}'")],
        "by run": len(client.search_model_versions(f"run_id = '{world.ids['model run']}'")),
        "oldest": [
            one.version for one in client.search_model_versions(f"name = '{MODEL}'", order_by=["version_number ASC"])
        ],
        "exists": code_of(lambda: client.create_registered_model(MODEL)),
        "wrong filter": code_of(lambda: client.search_registered_models("colour = 'red'")),
    }


def aliases(world: World) -> Any:  # noqa: ANN401
    """An alias is set, moved, loaded by, and deleted."""
    client = world.client
    client.set_registered_model_alias(MODEL, "champion", "1")
    by_alias = mlflow.sklearn.load_model(f"models:/{MODEL}@champion").predict(world.features).tolist()
    client.set_registered_model_alias(MODEL, "champion", "2")
    moved = client.get_model_version_by_alias(MODEL, "champion").version
    told = client.get_registered_model(MODEL).aliases
    on_version = client.get_model_version(MODEL, "2").aliases
    client.delete_registered_model_alias(MODEL, "champion")
    return {
        "predictions": by_alias,
        "right": by_alias == world.expected,
        "moved": [moved, told, list(on_version)],
        "deleted": code_of(lambda: client.get_model_version_by_alias(MODEL, "champion")),
        "like a version": code_of(lambda: client.set_registered_model_alias(MODEL, "v1", "1")),
        "of no version": code_of(lambda: client.set_registered_model_alias(MODEL, "champion", "99")),
        "of no model": code_of(lambda: client.set_registered_model_alias("nobody's", "champion", "1")),
    }


def stages(world: World) -> Any:  # noqa: ANN401
    """Through the stages, loaded by the stage on the way."""
    client = world.client
    reached = []
    for stage in STAGES:
        reached.append(client.transition_model_version_stage(MODEL, "1", stage).current_stage)
        if stage == "Staging":
            loaded = mlflow.sklearn.load_model(f"models:/{MODEL}/Staging").predict(world.features).tolist()
    return {
        "reached": reached,
        "by stage": loaded == world.expected,
        "by version": mlflow.sklearn.load_model(f"models:/{MODEL}/1").predict(world.features).tolist(),
        "latest": [[one.version, one.current_stage] for one in client.get_latest_versions(MODEL)],
        "no stage": code_of(lambda: client.transition_model_version_stage(MODEL, "1", "Nirvana")),
    }


def deleted(world: World) -> Any:  # noqa: ANN401
    """What is deleted is gone, and what is not there says so."""
    client = world.client
    client.delete_model_version(MODEL, "2")
    client.delete_registered_model("rose")
    return {
        "version": code_of(lambda: client.get_model_version(MODEL, "2")),
        "model": code_of(lambda: client.get_registered_model("rose")),
        "left": [one.version for one in client.search_model_versions(f"name = '{MODEL}'")],
        "no model": code_of(lambda: client.get_registered_model("nobody's")),
        "version of no model": code_of(lambda: client.create_model_version("nobody's", "runs:/x/model")),
    }


STEPS: tuple[Callable[[World], Any], ...] = (logged, logged_searches, registered, aliases, stages, deleted)
