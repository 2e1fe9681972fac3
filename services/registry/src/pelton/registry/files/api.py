"""Upkeep of the files over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from pelton.contracts.values import Digest
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.registry.files.collection import Collected, Collector

Admin = Annotated[Actor, Depends(require(Role.ADMIN))]


class Collection(BaseModel):
    """A wish to collect; unless `dry_run` is false it only shows what would go."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = True


class CollectedAnswer(BaseModel):
    """What was deleted, or would be: files of what was deleted long ago, and contents with some of their digests."""

    dry_run: bool
    files: int
    contents: int
    bytes: int
    digests: list[Digest]


def router(collector: Collector) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["registry"])

    @routes.post("/artifacts/collect")
    async def collect(body: Collection, actor: Admin) -> CollectedAnswer:  # noqa: ARG001
        """Delete what nothing needs any more, or show what that is."""
        found: Collected = await (collector.preview() if body.dry_run else collector.collect())
        return CollectedAnswer(
            dry_run=body.dry_run,
            files=found.files,
            contents=found.contents,
            bytes=found.bytes,
            digests=list(found.digests),
        )

    return routes
