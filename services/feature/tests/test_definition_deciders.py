"""What may be registered, left and removed; pure."""

from datetime import UTC, datetime, timedelta

import pytest
from feature_definitions import source, view
from hypothesis import given, settings
from hypothesis import strategies as st

from pelton.contracts.definitions import (
    EntityDefinition,
    FeatureServiceDefinition,
    SourceDefinition,
    TransformationDefinition,
)
from pelton.contracts.fact import Fact
from pelton.contracts.feature import FeatureDefinitionRemoved, FeatureViewDeprecated
from pelton.feature.catalogue.notices import Notice, headers
from pelton.feature.domain import (
    IncompatibleError,
    UnknownDefinitionError,
    View,
    deprecate,
    register,
    remove_entity,
    remove_service,
    remove_transformation,
    remove_view,
    withdraw_deprecation,
)
from pelton.feature.domain.registered import Declared, Registered
from pelton.feature.domain.sources import Source

SUNSET = datetime(2030, 1, 1, tzinfo=UTC)


def registered(*declared: Declared) -> Registered:
    state = Registered()
    for definition in declared:
        state = state.evolve(definition, state.applied(definition))
    return state


def evolved(state: View, *facts: Fact) -> View:
    for fact in facts:
        state = state.evolve(fact)
    return state


FIRST, SECOND = view("v", "s"), view("v", "s", tile="30m")
V = registered(source("s"), FIRST, SECOND).views["v"]
NEXT = registered(source("s"), view("next", "s")).views["next"]


def test_a_view_is_deprecated_once_and_for_another_view() -> None:
    (fact,) = deprecate(V, reason="slow", sunset=SUNSET, successor=NEXT)
    assert fact == FeatureViewDeprecated(view="v", reason="slow", sunset=SUNSET, successor="next")
    left = evolved(V, fact)
    assert deprecate(left, reason="slow", sunset=SUNSET, successor=NEXT) == []
    assert len(deprecate(left, reason="slower", sunset=SUNSET, successor=NEXT)) == 1
    with pytest.raises(IncompatibleError, match="cannot succeed 'v'"):
        deprecate(V, reason="slow", sunset=None, successor=V)
    with pytest.raises(IncompatibleError, match="one that is not deprecated"):
        deprecate(NEXT, reason="slow", sunset=None, successor=left)
    with pytest.raises(UnknownDefinitionError, match="no feature view 'nowhere'"):
        deprecate(V, reason="slow", sunset=None, successor=View("nowhere"))
    (back,) = withdraw_deprecation(left, "needed")
    assert evolved(left, back).deprecation is None
    assert withdraw_deprecation(V, "needed") == []


def test_a_version_is_removed_when_no_model_uses_it_and_the_view_when_nothing_names_it() -> None:
    with pytest.raises(IncompatibleError, match=r"version 3 of late uses it"):
        remove_view(V, FIRST.digest, "old", models={FIRST.digest: ["version 3 of late"]}, readers=())
    with pytest.raises(IncompatibleError, match=r"model late, version 3 of late uses it"):
        remove_view(V, None, "old", models={FIRST.digest: ["version 3 of late"]}, readers=("model late",))
    (fact,) = remove_view(V, FIRST.digest, "old", models={}, readers=("model late",))
    assert evolved(V, fact).versions == (SECOND,)
    (fact,) = remove_view(V, None, "old", models={}, readers=())
    assert fact == FeatureDefinitionRemoved(
        kind="feature view", name="v", versions=(FIRST.digest, SECOND.digest), reason="old"
    )
    left = evolved(V, *deprecate(V, reason="slow", sunset=None, successor=None), fact)
    assert (left.definition, left.deprecation) == (None, None)
    with pytest.raises(UnknownDefinitionError):
        remove_view(left, None, "again", models={}, readers=())
    with pytest.raises(UnknownDefinitionError, match="has no version"):
        remove_view(V, NEXT.versions[0].digest, "old", models={}, readers=())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"aggregates": [{"name": "a", "function": "sum", "value": "carrier", "windows": ["1h"]}]}, "is a text"),
        (
            {"aggregates": [{"name": "a", "function": "count", "where": "carrier > 1", "windows": ["1h"]}]},
            "a text with a number",
        ),
        ({"latest": [{"name": "x", "value": "weight"}]}, "reads weight"),
        ({"keys": ["carrier", "wing"]}, "reads wing"),
    ],
)
def test_an_expression_must_fit_the_kinds_of_the_fields(changes: dict[str, object], words: str) -> None:
    with pytest.raises(IncompatibleError, match=words):
        registered(source("s")).applied(view("v", "s", **changes))


def test_texts_are_taken_by_what_takes_texts() -> None:
    texts = [
        {"name": name, "function": name, "value": "carrier", "windows": ["1h"]}
        for name in ("first", "last", "distinct")
    ]
    taken = view("v", "s", aggregates=texts, latest=[{"name": "newest", "value": "coalesce(carrier, 'none')"}])
    assert len(registered(source("s")).applied(taken)) == 1


def test_a_view_is_by_the_keys_of_its_entity_and_an_entity_has_the_keys_of_its_views() -> None:
    gate = EntityDefinition(name="gate", keys=("carrier", "gate"))
    with pytest.raises(IncompatibleError, match="the entity 'gate' has carrier, gate; give the view these `keys`"):
        registered(source("s"), gate).applied(view("v", "s", "gate"))
    by_gate = registered(source("s"), view("v", "s", "gate"))
    with pytest.raises(IncompatibleError, match="v is by the entity 'gate' with other keys"):
        by_gate.applied(gate)
    known = registered(source("s"), gate, view("v", "s", "gate", keys=["carrier", "gate"]))
    with pytest.raises(IncompatibleError, match="the feature views v are by 'gate'"):
        remove_entity(known.entities["gate"], "over", known.newest_views().values())
    assert len(remove_entity(known.entities["gate"], "over", ())) == 1


def test_what_reads_a_feature_keeps_it() -> None:
    known = registered(
        source("s"),
        FIRST,
        TransformationDefinition(name="t", inputs={"usual": "v:delay_2h"}, features={"f": "usual", "g": "usual * 2"}),
        FeatureServiceDefinition(name="asked", features=("t:f", "v:worst_6h")),
    )
    count = [{"name": "flights", "function": "count", "windows": ["1h"]}]
    with pytest.raises(IncompatibleError, match="feature service asked, transformation t reads delay_2h, worst_6h"):
        known.applied(view("v", "s", aggregates=count))
    with pytest.raises(IncompatibleError, match="feature services name f of transformation 't'"):
        known.applied(TransformationDefinition(name="t", inputs={"usual": "v:delay_2h"}, features={"g": "usual"}))
    with pytest.raises(IncompatibleError, match="a transformation has the name 't'"):
        known.applied(view("t", "s"))
    with pytest.raises(IncompatibleError, match="feature service asked uses it"):
        remove_transformation(known.transformations["t"], None, "over", models={}, readers=("feature service asked",))


def test_a_name_is_of_a_view_or_of_a_transformation() -> None:
    known = registered(source("s"), FIRST, view("t", "s"))
    for inputs in ({"x": "v:delay_2h"}, {"x": "t:delay_2h"}):
        with pytest.raises(IncompatibleError, match="a feature view has the name 't'"):
            known.applied(TransformationDefinition(name="t", inputs=inputs, features={"f": "x"}))


def test_a_list_is_no_input_of_a_transformation() -> None:
    top = [{"name": "top", "function": "top_k", "value": "carrier", "k": 3, "windows": ["1h"]}]
    known = registered(source("s"), view("v", "s", aggregates=top))
    with pytest.raises(IncompatibleError, match="v:top_1h, a list of values"):
        known.applied(TransformationDefinition(name="t", inputs={"x": "v:top_1h"}, features={"f": "x"}))


def test_records_are_partitioned_by_a_field() -> None:
    with pytest.raises(IncompatibleError, match="partitions its records by 'wing'"):
        register(Source("s"), source("s", partition_by="wing"), frozenset())
    assert len(register(Source("s"), source("s", partition_by="carrier"), frozenset())) == 1


POOL: list[Declared] = [
    source("s"),
    SourceDefinition.model_validate(source("s").model_dump() | {"lateness": "2h"}),
    EntityDefinition(name="carrier", keys=("carrier",)),
    EntityDefinition(name="carrier", keys=("gate",)),
    FIRST,
    SECOND,
    view("v", "s", aggregates=[{"name": "flights", "function": "count", "windows": ["1h"]}]),
    view("t", "s"),
    TransformationDefinition(name="t", inputs={"x": "v:delay_2h"}, features={"f": "x"}),
    TransformationDefinition(name="t", inputs={"x": "v:flights_1h"}, features={"f": "x", "g": "-x"}),
    TransformationDefinition(name="u", request=("x",), features={"f": "x + 1"}),
    FeatureServiceDefinition(name="a", features=("t:f", "v:flights_1h")),
    FeatureServiceDefinition(name="a", features=("t:g", "u:f")),
]


def removed(known: Registered, definition: Declared) -> list[Fact]:
    """The facts of removing what a definition is a version of."""
    readers = [reader for several in known.readers(definition.name).values() for reader in several]
    match known.state(definition):
        case View() as one:
            return [*remove_view(one, None, "over", models={}, readers=readers)]
        case Source():
            return []
        case state if isinstance(definition, TransformationDefinition):
            return [*remove_transformation(state, None, "over", models={}, readers=readers)]  # type: ignore[arg-type]
        case state if isinstance(definition, EntityDefinition):
            return [*remove_entity(state, "over", known.newest_views().values())]  # type: ignore[arg-type]
        case state:
            return [*remove_service(state, "over")]  # type: ignore[arg-type]


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(POOL), st.sampled_from([True, True, True, False])), max_size=25))
def test_whatever_is_registered_and_removed_nothing_names_what_is_not_there(
    commands: list[tuple[Declared, bool]],
) -> None:
    known = Registered()
    for definition, keep in commands:
        try:
            facts = known.applied(definition) if keep else removed(known, definition)
        except (IncompatibleError, UnknownDefinitionError):
            continue
        known = known.evolve(definition, facts)
        if keep:
            assert known.state(definition).definition == definition
            assert known.applied(definition) == []
        features, views = known.features(), known.newest_views()
        named = [ref for one in known.services.values() if one.definition for ref in one.definition.features]
        inputs = [
            ref for one in known.transformations.values() if one.definition for ref in one.definition.inputs.values()
        ]
        assert all(ref.partition(":")[2] in features[ref.partition(":")[0]] for ref in named)
        assert all(ref.partition(":")[2] in views[ref.partition(":")[0]].feature_names for ref in inputs)
        assert all(known.sources[one.source].definition is not None for one in views.values())
        transformed = {name for name, one in known.transformations.items() if one.definition is not None}
        assert not transformed & views.keys()
        for one in views.values():
            entity = known.entities.get(one.entity)
            assert entity is None or entity.definition is None or entity.definition.keys == one.join_keys


def test_readers_of_a_view_that_is_left_are_told() -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    notices = {
        "v": Notice(FeatureViewDeprecated(view="v", reason="slow", sunset=SUNSET, successor="next"), since),
        "w": Notice(FeatureViewDeprecated(view="w", reason="slow"), since),
    }
    assert headers(notices, ["x", "y"], since) == []
    assert headers(notices, ["v"], since) == [
        (b"deprecation", b"@1767225600"),
        (b"sunset", b"Tue, 01 Jan 2030 00:00:00 GMT"),
        (b"link", b'</v1/feature-views/next>; rel="successor-version"'),
        (b"warning", b'299 pelton "feature view v is deprecated"'),
    ]
    told = dict(headers(notices, ["v", "x"], SUNSET + timedelta(seconds=1)))
    assert told[b"warning"].endswith(b'its sunset has passed: answers may end at any time"')
    assert len(headers(notices, ["w", "v", "w"], since)) == 6
