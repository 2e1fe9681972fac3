"""Teams and restrictions over HTTP, and why somebody may or may not."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Final, Self, TypeVar

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, Json, StringConstraints, TypeAdapter, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.fact import Fact
from pelton.contracts.registry import AccessAction, Condition, RestrictionSet, RoleName, TeamChanged
from pelton.contracts.values import Name
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import FieldError, ProblemError
from pelton.eventkit.unit import Units
from pelton.registry.access import store
from pelton.registry.access.changes import (
    Restriction,
    Team,
    UnknownRule,
    change_team,
    lift_restriction,
    remove_team,
    set_restriction,
)
from pelton.registry.access.control import AccessControl, OnModel
from pelton.registry.access.domain import Action, Resource
from pelton.registry.access.labels import Labels, Named, experiments
from pelton.registry.api.paging import cut, decode_page, encode_page
from pelton.registry.projections import record
from pelton.registry.store import rows

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
Admin = Annotated[Actor, Depends(require(Role.ADMIN))]
Limit = Annotated[int, Query(ge=1, le=200)]
# PostgreSQL has no text with a zero character in it
Text = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"^[^\x00]+$")]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]+$")]
Many = Field(max_length=1000)

BY_NAME: Final = TypeAdapter(str)

A = TypeVar("A", Team, Restriction)


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TeamBody(_Command):
    """Who is in a team, each with a role, and the models (globs over names) on which they have it."""

    members: Annotated[dict[Text, RoleName], Many]
    models: Annotated[list[Text], Many]


class ConditionBody(_Command):
    """Tags that must all be there, with a value or (null) any; aliases of which the version must have one."""

    tags: Annotated[dict[Text, str | None], Many] = Field(default_factory=dict)
    aliases: Annotated[list[Text], Many] = Field(default_factory=list)


class RestrictionBody(_Command):
    """Which actions on what are only for these users and for members of these teams, and why."""

    models: Annotated[list[Text], Many] = Field(default_factory=list)
    experiments: Annotated[list[Text], Many] = Field(default_factory=list)
    actions: Annotated[list[AccessAction], Field(min_length=1, max_length=len(Action))]
    when: ConditionBody = Field(default_factory=ConditionBody)
    users: Annotated[list[Text], Many] = Field(default_factory=list)
    teams: Annotated[list[Name], Many] = Field(default_factory=list)
    reason: Reason


class TeamAnswer(BaseModel):
    """A team, and who made it what it is."""

    details: Json[TeamChanged]
    changed_at: datetime
    changed_by: str


class TeamsPage(BaseModel):
    """Teams by name; `next_page` is for the `page` of the next request."""

    teams: list[TeamAnswer]
    next_page: str | None


class RestrictionAnswer(BaseModel):
    """A restriction, and who set it."""

    details: Json[RestrictionSet]
    set_at: datetime
    set_by: str


class RestrictionsPage(BaseModel):
    """Restrictions by name."""

    restrictions: list[RestrictionAnswer]
    next_page: str | None


class Question(_Command):
    """May somebody do this? By default the one who asks; `user` and `role` ask for another.

    `tag` and `value` are those that would be set.
    """

    action: Action
    model: Text | None = None
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    alias: Text | None = None
    tag: Text | None = None
    value: str | None = None
    experiment: Text | None = None
    user: Text | None = None
    role: RoleName | None = None

    @model_validator(mode="after")
    def _is_about_one_thing(self) -> Self:
        if (self.model is None) == (self.experiment is None):
            raise ValueError("name either a model or an experiment")
        return self


class Explanation(BaseModel):
    """Whether somebody may, why, and by which rules."""

    allowed: bool
    because: str
    rules: list[str]


def router(units: Units, access: AccessControl) -> APIRouter:
    """The routes of teams and restrictions."""
    routes = APIRouter(tags=["access"])

    async def change(actor: Actor, kind: type[A], name: str, decide: Callable[[A], Sequence[Fact]]) -> Response:
        async with units.begin(actor=actor.name) as unit:
            rule = await unit.load(kind, name)
            try:
                facts = decide(rule)
            except UnknownRule as error:
                raise ProblemError(404, "unknown-rule", "No such rule", str(error)) from error
            await record(unit, rule, facts)
        access.forget()
        return Response(status_code=204)

    @routes.get("/teams")
    async def list_teams(actor: Viewer, limit: Limit = 50, page: str | None = None) -> TeamsPage:  # noqa: ARG001
        """Teams by name."""
        after = decode_page(BY_NAME, page, "")
        async with units.engine.connect() as connection:
            found = await rows(connection, store.TEAMS, after=after, limit=limit + 1)
        shown, more = cut(found, limit)
        teams = [TeamAnswer.model_validate(dict(row)) for row in shown]
        return TeamsPage(teams=teams, next_page=encode_page(BY_NAME, teams[-1].details.team) if more else None)

    @routes.put("/teams/{team}", status_code=204)
    async def put_team(team: Name, body: TeamBody, actor: Admin) -> Response:
        """Form a team, or give it other members and models."""
        wanted = TeamChanged(team=team, members=body.members, models=_set(body.models))
        return await change(actor, Team, team, lambda now: change_team(now, wanted))

    @routes.delete("/teams/{team}", status_code=204)
    async def delete_team(team: Name, actor: Admin) -> Response:
        """Dissolve a team; a restriction that names it names nobody by that any more."""
        return await change(actor, Team, team, remove_team)

    @routes.get("/restrictions")
    async def list_restrictions(
        actor: Viewer,  # noqa: ARG001
        limit: Limit = 50,
        page: str | None = None,
    ) -> RestrictionsPage:
        """Restrictions by name."""
        after = decode_page(BY_NAME, page, "")
        async with units.engine.connect() as connection:
            found = await rows(connection, store.RESTRICTIONS, after=after, limit=limit + 1)
        shown, more = cut(found, limit)
        restrictions = [RestrictionAnswer.model_validate(dict(row)) for row in shown]
        last = restrictions[-1].details.restriction if more else None
        return RestrictionsPage(restrictions=restrictions, next_page=last and encode_page(BY_NAME, last))

    @routes.put("/restrictions/{restriction}", status_code=204)
    async def put_restriction(restriction: Name, body: RestrictionBody, actor: Admin) -> Response:
        """Keep some actions for some people, or change for whom and on what."""
        if not (body.models or body.experiments):
            raise _invalid("models", "the restriction is about nothing", "name `models`, `experiments` or both, or `*`")
        unknown = sorted(set(body.teams) - set((await access.rules()).teams))
        if unknown:
            raise _invalid("teams", f"there is no team {unknown[0]!r}", "form it first: PUT /v1/teams/{team}")
        wanted = RestrictionSet(
            restriction=restriction,
            models=_set(body.models),
            experiments=_set(body.experiments),
            actions=tuple(action.value for action in Action if action in body.actions),
            when=Condition(tags=body.when.tags, aliases=_set(body.when.aliases)),
            users=_set(body.users),
            teams=_set(body.teams),
            reason=body.reason,
        )
        return await change(actor, Restriction, restriction, lambda now: set_restriction(now, wanted))

    @routes.delete("/restrictions/{restriction}", status_code=204)
    async def delete_restriction(restriction: Name, reason: Annotated[Reason, Query()], actor: Admin) -> Response:
        """Lift a restriction; the reason stays on record."""
        return await change(actor, Restriction, restriction, lambda now: lift_restriction(now, reason))

    @routes.get("/access/check")
    async def check(question: Annotated[Question, Query()], actor: Viewer) -> Explanation:
        """Whether an action would be allowed, and the rules that say so; nothing is done."""
        who = Actor(question.user or actor.name, Role[question.role.upper()] if question.role else actor.role)
        async with units.engine.connect() as connection:
            resource = await _resource(connection, question)
            verdict = (await access.rules(connection)).decide(who, question.action, resource)
        return Explanation(allowed=verdict.allowed, because=verdict.because, rules=list(verdict.rules))

    return routes


async def _resource(connection: AsyncConnection, question: Question) -> Resource:
    tag = None if question.tag is None else (question.tag, question.value)
    if question.model is not None:
        subject = OnModel(question.model, question.version, question.alias, tag)
        return subject.resource(question.action, await Labels.of(connection, [question.model]))
    name = question.experiment or ""
    found = await experiments(connection, Named(names=[name]))
    return (found[0] if found else Resource("experiment", name)).changing(tag=tag)


def _set(words: Sequence[str]) -> tuple[str, ...]:
    """Without order and repetition, so that the same rule is the same fact."""
    return tuple(sorted(set(words)))


def _invalid(field: str, detail: str, fix: str) -> ProblemError:
    return ProblemError(
        422, "invalid-request", "The request is not valid", "see `errors`", [FieldError(field, detail, fix)]
    )
