"""Whatever the registry and the records say, in whatever order."""

from collections.abc import Sequence

from deployer_stories import MODEL, PLAN, shown, version
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pelton.contracts.deployer import (
    Evidence,
    RolloutAborted,
    RolloutAdvanced,
    RolloutStarted,
    RolloutSucceeded,
    TrafficShifted,
    VariantArm,
    Variants,
)
from pelton.contracts.fact import Fact
from pelton.deployer.domain.decisions import (
    configure,
    end_variants,
    promoted,
    rolled_back,
    settle,
    stage,
    step_settings,
    withdraw,
)
from pelton.deployer.domain.rollout import Rollout

VERSIONS = st.integers(1, 6)


class AnyStory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.rollout = Rollout.initial(MODEL)
        self.stale: list[Evidence] = []
        self.open: set[str] = set()
        self.ended: set[str] = set()
        self.weights: dict[str, float] = {}
        self.trials = 0

    def tell(self, facts: Sequence[Fact]) -> None:
        """Check each fact against what was told before it."""
        for fact in facts:
            before = self.rollout
            self.rollout = before.evolve(fact)
            match fact:
                case RolloutStarted():
                    assert not self.open
                    self.open = {fact.rollout_id}
                    self.weights[fact.rollout_id] = 0.0
                case RolloutAdvanced():
                    assert fact.weight > self.weights[fact.rollout_id]
                    self.weights[fact.rollout_id] = fact.weight
                case RolloutSucceeded():
                    assert fact.rollout_id not in self.ended
                    assert fact.rollout_id in self.open
                case RolloutAborted():
                    assert fact.rollout_id in self.open
                    self.open.clear()
                    self.ended.add(fact.rollout_id)
                case TrafficShifted():
                    assert fact.revision == before.revision + 1
                    assert (fact.challenger is None) == (fact.mode == "champion")
                    assert fact.variants is None or fact.mode == "champion"
                    if fact.mode == "shadow":
                        self.weights |= dict.fromkeys(self.open, 0.0)

    @rule(number=VERSIONS)
    def staged(self, number: int) -> None:
        self.trials += 1
        self.tell(stage(self.rollout, f"rollout {self.trials}", version(number), PLAN))

    @precondition(lambda self: step_settings(self.rollout, "began") is not None)
    @rule(
        verdict=st.sampled_from(["no_worse", "no_worse", "worse", "inconclusive"]),
        breached=st.integers(0, 5).map(lambda n: n == 0),
        out_of_time=st.booleans(),
    )
    def tested(self, verdict: str, breached: bool, out_of_time: bool) -> None:  # noqa: FBT001
        evidence = shown(self.rollout, verdict, breached=breached)  # type: ignore[arg-type]
        self.stale.append(evidence)
        champion, baked = self.rollout.champion, self.rollout.bake is not None
        facts = settle(self.rollout, evidence, out_of_time=out_of_time)
        self.tell(facts)
        if any(isinstance(fact, RolloutAborted) for fact in facts):
            self.answers_alone(champion)
        if baked:
            assert bool(facts) == (breached or verdict == "worse" or out_of_time)
            assert (self.rollout.bake is None) == bool(facts)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def told_of_an_older_route(self, data: st.DataObject) -> None:
        evidence = data.draw(st.sampled_from(self.stale))
        if evidence.settings.revision != self.rollout.revision:
            assert settle(self.rollout, evidence, out_of_time=True) == []

    @rule(number=VERSIONS)
    def promoted(self, number: int) -> None:
        facts = promoted(self.rollout, version(number))
        self.tell(facts)
        if facts:
            self.open.clear()
        assert self.rollout.champion == version(number)

    @rule(number=VERSIONS)
    def rolled_back(self, number: int) -> None:
        facts = rolled_back(self.rollout, version(number))
        self.tell(facts)
        if facts:
            self.answers_alone(version(number))

    @rule(number=VERSIONS)
    def taken_out(self, number: int) -> None:
        champion, bake, variants = self.rollout.champion, self.rollout.bake, self.rollout.variants
        facts = withdraw(self.rollout, number, "person")
        self.tell(facts)
        assert self.rollout.bake == bake
        assert self.rollout.variants is None or not self.rollout.variants.has(number)
        if facts and champion is not None and bake is None and variants is None:
            self.answers_alone(champion)

    @rule(number=VERSIONS, other=VERSIONS)
    def shared_out(self, number: int, other: int) -> None:
        arms = tuple(VariantArm(name=f"arm-{one}", weight=0.5, version=version(one)) for one in (number, other))
        trial = self.rollout.trial
        self.tell(configure(self.rollout, Variants(key="key", salt="s", arms=arms)))
        assert self.rollout.trial == trial
        assert self.rollout.champion is None or self.rollout.variants is not None

    @rule()
    def shared_no_more(self) -> None:
        self.tell(end_variants(self.rollout))
        assert self.rollout.variants is None

    def answers_alone(self, champion: object) -> None:
        assert self.rollout.champion == champion
        assert (self.rollout.trial, self.rollout.bake, self.rollout.variants) == (None, None, None)

    @invariant()
    def at_most_one_is_on_trial(self) -> None:
        assert (self.rollout.trial is not None) == bool(self.open)
        assert self.rollout.trial is None or self.rollout.bake is None or self.rollout.trial.step == 0

    @invariant()
    def no_test_has_the_keys_that_variants_share(self) -> None:
        assert self.rollout.variants is None or step_settings(self.rollout, "began") is None
        assert self.rollout.variants is None or self.rollout.bake is None


TestAnyStory = AnyStory.TestCase
TestAnyStory.settings = settings(max_examples=60, stateful_step_count=25)
