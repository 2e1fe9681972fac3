"""What a statement of provenance says of a version: pure, from the facts that are on record of it."""

from typing import Final

from pelton.contracts.registry import ModelVersionChanged, ModelVersionCreated, ModelVersionLogged, RunFinished
from pelton.contracts.values import Artifact, Digest
from pelton.provenance.statements import Provenance
from pelton.registry.store import StoredFact

TRAINING: Final = "urn:pelton:build:training:v1"
"""Pelton trained it: the definition, the code and the dataset that it resolved to give the same candidates again."""
LOGGED: Final = "urn:pelton:build:logged:v1"
"""Somebody's program logged it: what it says of its run is that program's word."""
TRAINER: Final = "urn:pelton:trainer"
CLIENT: Final = "urn:pelton:client"

Made = ModelVersionCreated | ModelVersionLogged | ModelVersionChanged


def artifact_of(fact: Made) -> Artifact:
    """What a fact says a version is.

    Raises:
        LookupError: Pelton does not keep what it is.
    """
    artifact = fact.version.artifact if isinstance(fact, ModelVersionCreated) else fact.artifact
    if artifact is None:
        raise LookupError(f"{fact.model} v{fact.version} is not kept here")
    return artifact


def describe(stored: StoredFact, fact: Made, run: RunFinished | None) -> Provenance:
    """How the version that a fact made came to be what it is; `run` is the training's record."""
    artifact = artifact_of(fact).digest
    if isinstance(fact, ModelVersionCreated):
        return _trained(stored, fact, artifact, run)
    return _logged(stored, fact, artifact)


def _trained(stored: StoredFact, fact: ModelVersionCreated, artifact: Digest, run: RunFinished | None) -> Provenance:
    details = fact.version
    resolved = {"dataset": details.dataset, "code": fact.code, "definition": fact.definition_digest}
    resolved |= {f"feature view {name}": digest for name, digest in details.views.items()}
    resolved |= {f"transformation {name}": digest for name, digest in details.transformations.items()}
    given: dict[str, object] = {"model": fact.model, "version": details.version}
    internal: dict[str, object] = {}
    if run is not None:
        resolved["lock file"] = run.environment.lock_digest
        given |= {"parameters": run.parameters, "seed": run.seed}
        internal = {"environment": run.environment.model_dump(mode="json"), "metrics": run.metrics}
    return Provenance(
        name=f"{fact.model} v{details.version}",
        artifact=artifact,
        build_type=TRAINING,
        builder=TRAINER,
        invocation=details.training_id,
        by=stored.actor,
        finished_at=stored.time,
        given=given,
        internal=internal,
        resolved=resolved,
    )


def _logged(stored: StoredFact, fact: ModelVersionLogged | ModelVersionChanged, artifact: Digest) -> Provenance:
    given: dict[str, object] = {"model": fact.model, "version": fact.version}
    invocation = str(stored.id)
    if isinstance(fact, ModelVersionLogged):
        given |= {"source": fact.source, "logged_model": fact.logged_model_id}
        if fact.run is not None:
            given |= {"parameters": fact.run.parameters, "commit": fact.run.commit}
            invocation = fact.run.run_id
    return Provenance(
        name=f"{fact.model} v{fact.version}",
        artifact=artifact,
        build_type=LOGGED,
        builder=CLIENT,
        invocation=invocation,
        by=stored.actor,
        finished_at=stored.time,
        given=given,
    )
