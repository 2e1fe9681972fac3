"""The SQL of models, as the feature service knows them."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.definitions import ModelDefinition

SAVE_MODEL = text("""
    INSERT INTO models (name, digest, definition, registered_by)
    VALUES (:name, :digest, CAST(:definition AS jsonb), :registered_by)
    ON CONFLICT (name, digest) DO NOTHING
""")
MODEL = text("SELECT definition, registered_by FROM models WHERE name = :name AND digest = :digest")


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A version of a model's definition, and who registered it first."""

    definition: ModelDefinition
    registered_by: str


async def save_model(connection: AsyncConnection, definition: ModelDefinition, registered_by: str) -> None:
    """Remember a version of a model's definition, and who registered it first."""
    values = {"name": definition.name, "digest": definition.digest, "definition": definition.model_dump_json()}
    await connection.execute(SAVE_MODEL, values | {"registered_by": registered_by})


async def model(connection: AsyncConnection, name: str, digest: str) -> KnownModel | None:
    """A version of a model's definition; None when it was not seen."""
    row = (await connection.execute(MODEL, {"name": name, "digest": digest})).first()
    return KnownModel(ModelDefinition.model_validate(row.definition), row.registered_by) if row else None
