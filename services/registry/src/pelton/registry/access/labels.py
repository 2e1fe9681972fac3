"""The tags and aliases that rules may depend on, as the tables have them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.registry.access.domain import Resource

# A tag of a model has no version here.
OF_MODELS = text("""
    SELECT model, CAST(NULL AS integer) AS version, name, value, false AS alias
    FROM model_tags WHERE model = ANY(:models)
    UNION ALL SELECT model, version, name, value, false FROM version_tags WHERE model = ANY(:models)
    UNION ALL SELECT model, version, alias, '', true FROM aliases WHERE model = ANY(:models)
""")
# Runs and logged models are of the experiment they are in.
OF_EXPERIMENTS = text("""
    SELECT experiments.name, key, value FROM experiments LEFT JOIN experiment_tags USING (experiment_id)
    WHERE experiment_id = ANY(CAST(:experiments AS bigint[])) OR experiments.name = ANY(CAST(:names AS text[]))
       OR experiment_id IN (SELECT experiment_id FROM tracked_runs WHERE run_id = ANY(CAST(:runs AS text[])))
       OR experiment_id IN (SELECT experiment_id FROM logged_models WHERE model_id = ANY(CAST(:models AS text[])))
""")
VERSIONS_WITH = text("SELECT model, version FROM versions WHERE artifact = :digest")
VERSIONS_AT = text("""
    SELECT model, version FROM versions
    WHERE source = ANY(CAST(:sources AS text[])) OR logged_model_id = ANY(CAST(:models AS text[]))
""")


@dataclass(frozen=True, slots=True)
class _Label:
    model: str
    version: int | None
    name: str
    value: str
    alias: bool


class Labels:
    """The tags and aliases of some models."""

    def __init__(self, labels: Sequence[_Label]) -> None:
        self._labels = labels

    @classmethod
    async def of(cls, connection: AsyncConnection, models: Iterable[str]) -> "Labels":
        """Read them; a model that there is not has none."""
        found = (await connection.execute(OF_MODELS, {"models": list(models)})).all()
        return cls([_Label(*row) for row in found])

    def model(self, name: str) -> Resource:
        """A model by itself."""
        return self._resource(name, {None})

    def version(self, name: str, *versions: int) -> Resource:
        """A version, or several that an action is about at once, with the tags of the model."""
        return self._resource(name, {None, *versions})

    def everything(self, name: str) -> Resource:
        """A model with all of its versions."""
        return self._resource(name, None)

    def named(self, name: str, alias: str) -> int | None:
        """The version that an alias names."""
        return next((one.version for one in self._labels if one.alias and (one.model, one.name) == (name, alias)), None)

    def _resource(self, name: str, versions: set[int | None] | None) -> Resource:
        meant = [one for one in self._labels if one.model == name and (versions is None or one.version in versions)]
        return Resource(
            "model",
            name,
            tags=frozenset((one.name, one.value) for one in meant if not one.alias),
            aliases=frozenset(one.name for one in meant if one.alias),
        )


@dataclass(frozen=True, slots=True)
class Named:
    """What a request of tracking names: experiments by number and by name, runs, logged models."""

    experiments: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)


async def experiments(connection: AsyncConnection, named: Named) -> Sequence[Resource]:
    """The experiments that a request is about; what there is not is about none."""
    found = (await connection.execute(OF_EXPERIMENTS, asdict(named))).all()
    tags: dict[str, set[tuple[str, str]]] = {}
    for row in found:
        of_this = tags.setdefault(row.name, set())
        if row.key is not None:
            of_this.add((row.key, row.value))
    return [Resource("experiment", name, tags=frozenset(of_this)) for name, of_this in tags.items()]


async def versions_at(connection: AsyncConnection, named: Named, path: str) -> Sequence[tuple[str, int]]:
    """The versions of models whose files are those of these logged models, or lie at or above a path of artifacts."""
    parts = path.strip("/").split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    sources = [f"{scheme}/{one}" for one in above for scheme in ("mlflow-artifacts:", "mlflow-artifacts://")]
    sources += [f"models:/{one}" for one in named.models]
    found = await connection.execute(VERSIONS_AT, {"sources": sources, "models": named.models})
    return [(row.model, row.version) for row in found]


async def versions_with(connection: AsyncConnection, digest: str) -> Sequence[tuple[str, int]]:
    """The versions of models whose content has this digest."""
    found = await connection.execute(VERSIONS_WITH, {"digest": digest})
    return [(row.model, row.version) for row in found]
