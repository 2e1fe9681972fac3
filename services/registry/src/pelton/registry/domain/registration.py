"""What is decided about a declaration."""

from collections.abc import Sequence

from pelton.contracts.definitions import ApprovalDefinition, ModelDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.registry import CodeOrigin, ModelRegistered
from pelton.contracts.values import Artifact
from pelton.registry.domain.gates import check_gates
from pelton.registry.domain.model import Model
from pelton.registry.domain.refusals import InvalidDefinition


def register(
    model: Model, definition: ModelDefinition, code: Artifact, origin: CodeOrigin | None = None
) -> Sequence[Fact]:
    """A declaration; the same definition and code again is no fact, whatever commit they come from now.

    What is trained is the definition and the code. Where the same content was found again is no change of the model.

    Raises:
        InvalidDefinition: a gate that no evaluation can meet, or a name under which others log versions.
    """
    if model.definition is None and model.versions:
        raise InvalidDefinition(
            "definition.name",
            f"programs log versions of {definition.name} already; declare the model under another name",
        )
    check_gates(definition.gates)
    if model.definition == definition and model.code is not None and model.code.digest == code.digest:
        return []
    return [
        ModelRegistered(
            model=definition.name,
            definition=definition,
            definition_digest=definition.digest,
            code=code,
            origin=origin,
        )
    ]


def loosened_approval(model: Model, definition: ModelDefinition) -> str | None:
    """The role that approves now, where a new definition would ask for less: only it may say so."""
    if model.definition is None:
        return None
    present = model.definition.approval
    return present.role if _strictness(definition.approval) < _strictness(present) else None


def _strictness(approval: ApprovalDefinition) -> int:
    return 0 if approval.mode == "automatic" else 1 if approval.role == "approver" else 2
