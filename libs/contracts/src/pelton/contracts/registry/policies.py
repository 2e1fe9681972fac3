"""What a version needs to enter a stage, and what it has shown for it."""

from pelton.contracts.definitions import StagePolicy
from pelton.contracts.evidence import Evidence
from pelton.contracts.fact import Fact
from pelton.contracts.values import Stage


class ModelPolicySet(Fact, owner="registry"):
    """What a version needs to enter a stage, from here on; without a policy, what the model's definition says."""

    model: str
    stage: Stage
    policy: StagePolicy | None
    reason: str


class EvidenceRecorded(Fact, owner="registry"):
    """Somebody measured a version and answers for it: gates read it. It replaces what was recorded before."""

    model: str
    version: int
    evidence: Evidence
    by: str
