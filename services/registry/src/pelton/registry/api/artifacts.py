"""Artifacts by their content: code bundles and models, as bytes."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from pelton.contracts.values import Digest
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.objects import CorruptObjectError, ObjectNotFoundError, Objects
from pelton.registry.access.control import AccessControl
from pelton.registry.access.reading import may_read_content
from pelton.registry.api.answers import Stored
from pelton.registry.files.manifests import manifests_with
from pelton.registry.files.tree import AREA

# An artifact is anybody's bytes: a browser must neither guess what they are nor show them.
HEADERS = {"x-content-type-options": "nosniff", "content-disposition": "attachment"}


def router(units: Units, objects: Objects, access: AccessControl) -> APIRouter:
    """The routes of the artifacts."""
    routes = APIRouter()

    @routes.put("/artifacts")
    async def put_artifact(
        request: Request,
        actor: Annotated[Actor, Depends(require(Role.CONTRIBUTOR))],  # noqa: ARG001
    ) -> Stored:
        """Store the body as it is; its digest is its name, and the same bytes again are the same artifact."""
        body = await request.body()
        if not body:
            raise ProblemError(
                422, "empty-artifact", "There is nothing to store", "send the artifact's bytes as the body"
            )
        return Stored(digest=await objects.put(body), size=len(body))

    @routes.get("/artifacts/{digest}", response_class=Response)
    async def get_artifact(
        digest: Digest,
        actor: Annotated[Actor, Depends(require(Role.VIEWER))],
    ) -> Response:
        """An artifact's bytes, checked against its digest: what is damaged is never sent to its end.

        The files that a version is made of are artifacts too, and so is the manifest that names them.
        """
        async with units.engine.connect() as connection:
            manifests = await manifests_with(connection, digest)
            for one in (digest, *manifests):
                await may_read_content(access, connection, actor, one)
        try:
            held = objects.within(AREA) if manifests and not await objects.exists(digest) else objects
            size = await held.size(digest)
            pieces = held.stream(digest)
            first = await anext(pieces)
        except ObjectNotFoundError as error:
            raise ProblemError(
                404, "unknown-artifact", "No such artifact", f"nothing has the digest {digest}"
            ) from error
        except CorruptObjectError as error:
            raise ProblemError(500, "corrupt-artifact", "The stored artifact is damaged", str(error)) from error
        headers = {**HEADERS, "etag": f'"{digest}"', "content-length": str(size)}
        return StreamingResponse(_after(first, pieces), media_type="application/octet-stream", headers=headers)

    return routes


async def _after(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece
