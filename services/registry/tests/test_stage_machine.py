"""Whatever arrives, in whatever order, and however often: the stages keep their promises."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from registry_facts import CODE, MODEL, aborted, artifact, breached, define, evaluation, person, trained

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.registry import (
    ApprovalDenied,
    ApprovalGranted,
    ApprovalRequested,
    ModelPromoted,
    ModelRolledBack,
    ModelStageChanged,
    ModelVersionValidated,
)
from pelton.contracts.values import Stage
from pelton.registry.domain import approvals, promotion, transitions
from pelton.registry.domain.model import Model
from pelton.registry.domain.refusals import Refusal
from pelton.registry.domain.registration import register
from pelton.registry.domain.training import conclude

NOW = datetime(2013, 3, 1, tzinfo=UTC)
VERSIONS = st.integers(1, 6)
ARTIFACTS = st.integers(1, 6)
PEOPLE = st.sampled_from(["ann", "bob"])
STAGES = st.sampled_from(["development", "staging", "production", "archived"])
DEFINITIONS = {"automatic": define(), "person": person(), "strict": define(gates={"ceilings": {"brier": 0.1}})}
LEGAL = {
    ("development", "staging"),
    ("development", "archived"),
    ("staging", "production"),
    ("staging", "archived"),
    ("production", "archived"),
    ("archived", "production"),
}


class StageMachine(RuleBasedStateMachine):
    """An oracle of its own reads the facts alone: it knows the promises, and none of the deciders' code."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model.initial(MODEL)
        self.stages: dict[int, Stage] = {}
        self.validated: set[int] = set()
        self.granted: dict[int, str] = {}
        self.requested_by: dict[int, str] = {}
        self.served: list[int] = []
        self.definition: ModelDefinition | None = None

    def decide(self, decider: Callable[..., Sequence[Fact]], *arguments: object) -> None:
        try:
            facts = decider(self.model, *arguments)
        except Refusal:
            return
        for fact in facts:
            self.check(fact, facts)
            self.model = self.model.evolve(fact)
            assert sum(stage == "production" for stage in self.stages.values()) <= 1
        for fact in facts:
            if isinstance(fact, ModelPromoted | ModelRolledBack):
                assert self.stages[fact.version] == "production"
                assert self.served[-1] == fact.version

    def check(self, fact: Fact, together: Sequence[Fact]) -> None:
        match fact:
            case ModelVersionValidated():
                self.validated.add(fact.version)
            case ApprovalRequested():
                assert self.stages[fact.version] == "staging"
                assert fact.artifact == artifact(fact.version)
                self.requested_by[fact.version] = fact.requested_by
            case ApprovalGranted():
                assert fact.artifact == artifact(fact.version)
                assert fact.mode == "automatic" or fact.by != self.requested_by[fact.version]
                self.granted[fact.version] = fact.artifact
            case ApprovalDenied():
                assert self.stages[fact.version] == "staging"
            case ModelStageChanged():
                self.check_move(fact, together)
                self.stages[fact.version] = fact.to_stage
            case ModelPromoted():
                assert fact.previous == (self.served[-1] if self.served else None)
                self.served.append(fact.version)
            case ModelRolledBack():
                assert self.served.pop() == fact.from_version
                assert self.served[-1] == fact.version
            case _:
                pass

    def check_move(self, fact: ModelStageChanged, together: Sequence[Fact]) -> None:
        assert fact.from_stage == self.stages.get(fact.version, "development")
        assert (fact.from_stage, fact.to_stage) in LEGAL
        if fact.to_stage == "staging":
            assert fact.version in self.validated
        if fact.to_stage == "production":
            assert self.granted[fact.version] == artifact(fact.version)
        if fact.from_stage == "archived":
            assert any(isinstance(one, ModelRolledBack) and one.version == fact.version for one in together)

    @rule(which=st.sampled_from(sorted(DEFINITIONS)))
    def declare(self, which: str) -> None:
        self.definition = DEFINITIONS[which]
        self.decide(register, self.definition, CODE)

    @rule(number=VERSIONS, brier=st.sampled_from([0.05, 0.15, 0.3]))
    def train(self, number: int, brier: float) -> None:
        # the artifact is named after the version that it becomes, so that the oracle knows it
        repeated = any(v.details and v.details.training_id == f"{MODEL}-{number}" for v in self.model.versions.values())
        if self.definition is not None:
            version = trained(len(self.model.versions) + 1).artifact
            fact = trained(number, self.definition, evaluation=evaluation(brier), artifact=version)
            self.decide(conclude, fact, NOW)
            if repeated:
                assert self.model == self.replayed_nothing(fact)

    def replayed_nothing(self, fact: Fact) -> Model:
        assert conclude(self.model, fact, NOW) == []  # type: ignore[arg-type]
        return self.model

    @rule(version=VERSIONS)
    def succeed(self, version: int) -> None:
        self.decide(promotion.succeed, version, "service:deployer", NOW)

    @rule(version=VERSIONS)
    def abort(self, version: int) -> None:
        self.decide(promotion.abort, aborted(version))

    @rule(version=VERSIONS, phase=st.sampled_from(["bake", "canary"]))
    def breach(self, version: int, phase: str) -> None:
        self.decide(promotion.breach, breached(version, phase))  # type: ignore[arg-type]

    @rule(version=VERSIONS, looked_at=ARTIFACTS, by=PEOPLE)
    def approve(self, version: int, looked_at: int, by: str) -> None:
        self.decide(approvals.approve, version, artifact(looked_at), by, "yes", NOW)

    @rule(version=VERSIONS, by=PEOPLE)
    def approve_what_was_looked_at(self, version: int, by: str) -> None:
        self.decide(approvals.approve, version, artifact(version), by, "yes", NOW)

    @rule(version=VERSIONS, by=PEOPLE)
    def deny(self, version: int, by: str) -> None:
        self.decide(approvals.deny, version, artifact(version), by, "no", NOW)

    @rule(version=VERSIONS, to=STAGES, by=PEOPLE)
    def move(self, version: int, to: Stage, by: str) -> None:
        self.decide(transitions.move_by_hand, version, to, by, "because", NOW)

    @rule()
    def roll_back(self) -> None:
        self.decide(promotion.roll_back, "bad")

    @invariant()
    def the_state_is_what_the_facts_say(self) -> None:
        assert {number: version.stage for number, version in self.model.versions.items()} == self.stages
        assert self.model.champion == (self.served[-1] if self.served else None)
        in_production = [number for number, stage in self.stages.items() if stage == "production"]
        assert in_production == ([self.model.champion] if self.served else [])


TestStageMachine = StageMachine.TestCase
TestStageMachine.settings = settings(max_examples=150, stateful_step_count=40)
