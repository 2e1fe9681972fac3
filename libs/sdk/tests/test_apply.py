"""Applying a project: the plan says what is done, and a second time there is nothing to do."""

from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdk_platform import Platform, client_of
from sdk_project import write

from pelton.sdk.apply import Step, apply, plan
from pelton.sdk.errors import RefusedError
from pelton.sdk.project import Project, load_project

CHANGES = ("source", "view", "transformation", "model", "code")
NAMES = ["carrier", "departures", "landings", "by_carrier", "surprise", "usual", "late"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return load_project(write(tmp_path_factory.mktemp("project")))


def changed(project: Project, what: str) -> Project:
    match what:
        case "source":
            first, second = project.sources
            return replace(project, sources=(first, second.model_copy(update={"lateness": "2h"})))
        case "view":
            return replace(project, views=(project.views[0].model_copy(update={"description": "new"}),))
        case "transformation":
            (surprise,) = project.transformations
            return replace(project, transformations=(surprise.model_copy(update={"description": "new"}),))
        case "model":
            return replace(project, model=project.model.model_copy(update={"threshold": 0.3}))
        case _:
            return replace(project, code=project.code + b"more")


def actions(steps: list[Step]) -> list[str]:
    assert [step.name for step in steps] == NAMES
    return [step.action for step in steps]


def applied(platform: Platform, project: Project) -> list[str]:
    with client_of(platform.answer) as client:
        steps = plan(client, project)
        apply(client, project, steps)
    return actions(steps)


def test_a_new_project_is_created_sources_first_and_its_code_before_its_model(project: Project) -> None:
    platform = Platform()
    assert applied(platform, project) == ["create"] * 7
    assert platform.writes == [
        "POST entities",
        "POST sources",
        "POST sources",
        "POST feature-views",
        "POST transformations",
        "POST feature-services",
        "PUT artifacts",
        "POST models",
    ]


def test_a_plan_changes_nothing(project: Project) -> None:
    platform = Platform()
    with client_of(platform.answer) as client:
        plan(client, project)
    assert platform.writes == []


def test_the_same_project_again_writes_nothing(project: Project) -> None:
    platform = Platform()
    applied(platform, project)
    platform.writes.clear()
    assert applied(platform, project) == ["leave"] * 7
    assert platform.writes == []


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("source", "landings"),
        ("view", "by_carrier"),
        ("transformation", "surprise"),
        ("model", "late"),
        ("code", "late"),
    ],
)
def test_what_changed_is_written_and_nothing_else(project: Project, what: str, expected: str) -> None:
    platform = Platform()
    applied(platform, project)
    platform.writes.clear()
    assert applied(platform, changed(project, what)) == ["change" if name == expected else "leave" for name in NAMES]
    assert len(platform.writes) == (2 if what in {"model", "code"} else 1)


@given(changes=st.lists(st.sampled_from(CHANGES), max_size=4), fail_at=st.integers(1, 8), known=st.booleans())
def test_wherever_it_was_interrupted_applying_again_goes_on_and_then_there_is_nothing_to_do(
    *, project: Project, changes: list[str], fail_at: int, known: bool
) -> None:
    newer = project
    for what in changes:
        newer = changed(newer, what)
    platform = Platform()
    if known:
        applied(platform, project)
        platform.writes.clear()
    platform.fail_at = fail_at
    try:
        applied(platform, newer)
    except RefusedError:
        assert set(applied(platform, newer)) != {"leave"}
    assert applied(platform, newer) == ["leave"] * 7


def test_a_refusal_that_is_not_about_absence_ends_the_plan(project: Project) -> None:
    client = client_of(lambda _: httpx.Response(403, json={"title": "Not allowed"}))
    with pytest.raises(RefusedError, match="Not allowed") as refused:
        plan(client, project)
    assert refused.value.status == 403
