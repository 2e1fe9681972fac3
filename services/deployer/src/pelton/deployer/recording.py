"""Recording what was decided: the facts, and the test of the step that they begin or end."""

from collections.abc import Sequence

from pelton.contracts.deployer import TrafficShifted
from pelton.contracts.fact import Fact
from pelton.deployer import store
from pelton.deployer.domain.decisions import step_settings
from pelton.deployer.domain.rollout import Rollout
from pelton.deployer.step import StepTest
from pelton.eventkit.envelope import Cause
from pelton.eventkit.unit import UnitOfWork


async def record(unit: UnitOfWork, rollout: Rollout, facts: Sequence[Fact], *, cause: Cause | None = None) -> Rollout:
    """Append facts to a loaded rollout, and let the test of the step they lead to begin."""
    if not facts:
        return rollout
    # Before the stream, as the evidence does: two that take both in different orders would wait for each other.
    await store.hold_test(unit.connection, rollout.model)
    before = len(unit.recorded)
    rollout = await unit.append(rollout, facts, cause=cause)
    # A step begins with its route, which a replay holds the step's settings against.
    shifts = [str(event.id) for event in unit.recorded[before:] if isinstance(event.fact, TrafficShifted)]
    settings = step_settings(rollout, shifts[-1] if shifts else "")
    if settings is None:
        await store.end_test(unit.connection, rollout.model)
    elif shifts:
        await store.begin_test(unit.connection, StepTest.begin(settings), unit.correlation_id)
    return rollout
