"""A governed model under whatever people do, beside a simple model of their own rules that shares no code with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from registry_facts import artifact

from pelton.contracts.definitions import Approvers, StageGates, StagePolicy
from pelton.contracts.fact import Fact
from pelton.contracts.registry import LoggedRun
from pelton.contracts.values import Artifact, Stage
from pelton.registry.domain import approvals, catalogue, policies, promotion, transitions
from pelton.registry.domain.catalogue import Draft
from pelton.registry.domain.model import Model
from pelton.registry.domain.policies import Seen
from pelton.registry.domain.refusals import (
    AgreedAlready,
    ArtifactMismatch,
    GatesFailed,
    OwnRequest,
    Refusal,
    RequestExpired,
)

VERSIONS = st.integers(1, 4)
PEOPLE = st.sampled_from(["ann", "bob", "carl", "dora"])
STAGES = st.sampled_from(["development", "staging", "production", "archived"])
EARNED = st.sampled_from(["staging", "production"])
LEGAL = {
    ("development", "staging"),
    ("development", "archived"),
    ("staging", "production"),
    ("staging", "archived"),
}
START = datetime(2026, 1, 1, tzinfo=UTC)
LIFETIME = timedelta(hours=1)
SAFE, UNSAFE = Seen(unsafe_files=()), Seen(unsafe_files=("model.pkl is a pickle",))


@dataclass
class Request:
    """What waits: who asked, for which stage, for which content, how many must agree, who did, and until when."""

    by: str
    to: str
    content: int
    needed: int
    until: datetime | None
    agreed: set[str] = field(default_factory=set)


@dataclass
class Rules:
    """What a stage asks for."""

    floor: float | None
    needed: int
    expires: bool


class Governance(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model.initial("loans")
        self.now = START
        self.stages: dict[int, str] = {}
        self.auc: dict[int, float] = {}
        self.content: dict[int, int] = {}
        self.unsafe: set[int] = set()
        self.requests: dict[int, Request] = {}
        self.rules: dict[str, Rules] = {}
        self.served: list[int] = []

    def decide(self, decider: Callable[..., Sequence[Fact]], *arguments: object) -> Sequence[Fact] | None:
        """The facts of a decision, or None where it is refused."""
        try:
            facts = decider(self.model, *arguments)
        except Refusal:
            return None
        for fact in facts:
            self.model = self.model.evolve(fact)
        return facts

    def passes(self, version: int, stage: str) -> bool:
        rules = self.rules.get(stage)
        good = rules is None or rules.floor is None or self.auc[version] >= rules.floor
        return good and version not in self.unsafe

    def seen(self, version: int) -> Seen:
        return UNSAFE if version in self.unsafe else SAFE

    def put(self, version: int, stage: str) -> None:
        """What a move does: to the stage, to what waits, and to who serves."""
        self.requests.pop(version, None)
        champion = self.champion
        self.stages[version] = stage
        if stage == "production":
            self.served = [one for one in self.served if one != version] + [version]
        elif champion == version:
            self.retire()

    @property
    def champion(self) -> int | None:
        return self.served[-1] if self.served and self.stages.get(self.served[-1]) == "production" else None

    def retire(self) -> None:
        """Of the versions that still stand in production the one that came last serves on."""
        beside = [one for one in self.served if self.stages[one] == "production"]
        if beside:
            self.served.remove(beside[-1])
            self.served.append(beside[-1])

    @initialize()
    def create(self) -> None:
        assert self.decide(catalogue.create, "loans") is not None

    @precondition(lambda self: len(self.stages) < 4)
    @rule(auc=st.sampled_from([0.5, 0.7, 0.9]), pickled=st.sampled_from([False, False, True]))
    def log(self, auc: float, *, pickled: bool) -> None:
        number = len(self.stages) + 1
        content = Artifact(digest=artifact(number), size=1, format="onnx")
        draft = Draft("here", artifact=content, run=LoggedRun(run_id="r", metrics={"auc": auc}))
        assert self.decide(catalogue.log, draft) is not None
        self.stages[number], self.auc[number], self.content[number] = "development", auc, number
        if pickled:
            self.unsafe.add(number)

    @rule(version=VERSIONS)
    def allow_or_revoke(self, version: int) -> None:
        """An administrator answers for what could run code, or does no longer."""
        self.unsafe ^= {version} & self.stages.keys()

    @rule(
        stage=EARNED,
        floor=st.sampled_from([None, 0.6, 0.8]),
        needed=st.integers(0, 3),
        expires=st.booleans(),
    )
    def set_policy(self, stage: Stage, floor: float | None, needed: int, *, expires: bool) -> None:
        policy = StagePolicy(
            gates=StageGates(floors={} if floor is None else {"auc": floor}),
            approvals=Approvers(count=needed, expires="1h" if expires else None) if needed else None,
        )
        facts = self.decide(policies.set_policy, stage, policy, "rules")
        assert facts is not None
        if facts:
            self.rules[stage] = Rules(floor, needed, expires and needed > 0)
            self.void(stage)

    @rule(stage=EARNED)
    def remove_policy(self, stage: Stage) -> None:
        facts = self.decide(policies.set_policy, stage, None, "no rules")
        assert bool(facts) == (stage in self.rules)
        if self.rules.pop(stage, None) is not None:
            self.void(stage)

    def void(self, stage: str) -> None:
        self.requests = {one: request for one, request in self.requests.items() if request.to != stage}

    def eligible(self) -> list[tuple[int, str]]:
        """The moves that would be a request."""
        return [
            (version, to)
            for version, stage in sorted(self.stages.items())
            for to, rules in sorted(self.rules.items())
            if rules.needed and (stage, to) in LEGAL and version not in self.requests and self.passes(version, to)
        ]

    @precondition(lambda self: self.eligible())
    @rule(data=st.data(), by=PEOPLE)
    def request(self, data: st.DataObject, by: str) -> None:
        version, to = data.draw(st.sampled_from(self.eligible()))
        self.move(version, to, by)

    @rule(version=VERSIONS, to=STAGES, by=PEOPLE)
    def move(self, version: int, to: Stage, by: str) -> None:
        facts = self.decide(transitions.move_by_hand, version, to, by, "ready", self.now, self.seen(version))
        if version not in self.stages:
            assert facts is None
        elif not self.rules:
            assert facts is not None
            if self.stages[version] != to:
                self.put(version, to)
        elif (self.stages[version], to) not in LEGAL:
            assert facts is None
        elif to == "archived":
            assert facts is not None
            self.put(version, to)
        elif version in self.requests or not self.passes(version, to):
            assert facts is None
        else:
            assert facts is not None
            self.go_on(version, to, by)

    def go_on(self, version: int, to: str, by: str) -> None:
        rules = self.rules.get(to)
        if rules is not None and rules.needed:
            until = self.now + LIFETIME if rules.expires else None
            self.requests[version] = Request(by, to, self.content[version], rules.needed, until)
        else:
            self.enter(version, to)

    def enter(self, version: int, to: str) -> None:
        if to == "production":
            for other, stage in self.stages.items():
                if stage == "production":
                    self.stages[other] = "archived"
        self.put(version, to)

    @rule(version=VERSIONS, looked_at=st.integers(1, 8), by=PEOPLE)
    def approve(self, version: int, looked_at: int, by: str) -> None:
        self.say_yes(version, looked_at, by)

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), by=PEOPLE)
    def approve_what_waits(self, data: st.DataObject, by: str) -> None:
        version = data.draw(st.sampled_from(sorted(self.requests)))
        self.say_yes(version, self.content[version], by)

    def say_yes(self, version: int, looked_at: int, by: str) -> None:
        seen = self.seen(version)
        facts = self.decide(approvals.approve, version, artifact(looked_at), by, "yes", self.now, seen)
        request = self.requests.get(version)
        if (
            request is None
            or (request.until is not None and self.now >= request.until)
            or looked_at != request.content
            or by == request.by
            or by in request.agreed
        ):
            assert facts is None
            return
        last = len(request.agreed) + 1 == request.needed
        if last and not self.passes(version, request.to):
            assert facts is None
            return
        assert facts is not None
        request.agreed.add(by)
        if last:
            self.enter(version, request.to)

    @rule(version=VERSIONS, by=PEOPLE)
    def deny(self, version: int, by: str) -> None:
        facts = self.decide(approvals.deny, version, artifact(self.content.get(version, 1)), by, "no", self.now)
        request = self.requests.get(version)
        if request is None or (request.until is not None and self.now >= request.until):
            assert facts is None
            return
        assert facts is not None
        del self.requests[version]
        if self.stages[version] == "staging":
            self.put(version, "archived")

    @rule(version=VERSIONS, by=PEOPLE)
    def withdraw(self, version: int, by: str) -> None:
        facts = self.decide(approvals.withdraw, version, by, "not yet")
        request = self.requests.get(version)
        assert (facts is not None) == (request is not None and request.by == by)
        if facts is not None:
            del self.requests[version]

    @precondition(lambda self: self.stages)
    @rule(data=st.data())
    def change_content(self, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(sorted(self.stages)))
        self.content[version] = self.content[version] % 4 + 5 if self.content[version] < 5 else version
        content = Artifact(digest=artifact(self.content[version]), size=1, format="onnx")
        assert self.decide(catalogue.look, version, content)
        self.requests.pop(version, None)

    @rule(hours=st.sampled_from([0.5, 1.0]))
    def wait(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def expire(self) -> None:
        late = [
            one for one, request in self.requests.items() if request.until is not None and self.now >= request.until
        ]
        facts = self.decide(approvals.expire, self.now)
        assert facts is not None
        assert len(facts) == len(late)
        for version in late:
            del self.requests[version]

    @rule()
    def roll_back(self) -> None:
        champion = self.champion
        former = self.served[-2] if champion is not None and len(self.served) > 1 else None
        facts = self.decide(promotion.roll_back, "worse")
        elsewhere = former is not None and self.stages[former] not in {"archived", "production"}
        if champion is None or former is None or (self.rules and elsewhere):
            assert facts is None
        else:
            assert facts is not None
            self.served.pop()
            self.stages[champion], self.stages[former] = "archived", "production"
            self.requests.pop(champion, None)
            self.requests.pop(former, None)

    @invariant()
    def stages_requests_and_the_champion_are_what_the_rules_made_them(self) -> None:
        assert {number: version.stage for number, version in self.model.versions.items()} == self.stages
        waiting = {number: version.agreed for number, version in self.model.versions.items() if version.pending}
        assert {number: set(agreed) for number, agreed in waiting.items()} == {
            number: request.agreed for number, request in self.requests.items()
        }
        assert self.model.champion == self.champion

    @invariant()
    def no_request_is_about_anything_but_what_the_version_is(self) -> None:
        for version in self.model.versions.values():
            assert version.pending is None or version.pending.artifact == version.artifact
            assert version.pending is None or version.pending.requested_by not in version.agreed

    @invariant()
    def nobody_gets_a_request_through_who_may_not(self) -> None:
        """Tried on whatever waits: who would succeed is rarely among those that the rules draw."""
        for version, request in self.requests.items():
            moment = self.now if request.until is None else min(self.now, request.until - LIFETIME)
            mine = artifact(request.content)
            self.refuses(OwnRequest, version, mine, request.by, moment)
            self.refuses(ArtifactMismatch, version, artifact(99), "eve", moment)
            for one in request.agreed:
                self.refuses(AgreedAlready, version, mine, one, moment)
            if request.until is not None:
                self.refuses(RequestExpired, version, mine, "eve", request.until)
            if len(request.agreed) + 1 == request.needed:
                self.refuses(GatesFailed, version, mine, "eve", moment, UNSAFE)

    def refuses(
        self, refusal: type[Refusal], version: int, looked_at: str, by: str, now: datetime, *seen: Seen
    ) -> None:
        with pytest.raises(refusal):
            approvals.approve(self.model, version, looked_at, by, "yes", now, *seen)


TestGovernance = Governance.TestCase
TestGovernance.settings = settings(max_examples=200, stateful_step_count=50)
