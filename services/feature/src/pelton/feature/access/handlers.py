"""The registry's teams, as the grants name them."""

from pelton.contracts.registry import TeamChanged, TeamRemoved
from pelton.eventkit.envelope import Received
from pelton.eventkit.handlers import subscribe
from pelton.eventkit.unit import UnitOfWork
from pelton.feature.access import store


@subscribe(TeamChanged, id="feature.teams")
async def on_team_changed(event: Received[TeamChanged], unit: UnitOfWork) -> None:
    """Remember who is in a team; what role they have in it is about models."""
    await store.save_team(unit.connection, event.data.team, event.data.members)


@subscribe(TeamRemoved, id="feature.removed_teams")
async def on_team_removed(event: Received[TeamRemoved], unit: UnitOfWork) -> None:
    """Forget a team: its grants let nobody in until it is formed again."""
    await store.remove_team(unit.connection, event.data.team)


HANDLERS = (on_team_changed, on_team_removed)
