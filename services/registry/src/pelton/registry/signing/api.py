"""Signatures over HTTP: the key to believe, and what was signed of a version."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel

from pelton.contracts.values import Digest
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.provenance import PublicKey
from pelton.registry.access.control import AccessControl
from pelton.registry.access.reading import may_read
from pelton.registry.files import FORMAT
from pelton.registry.signing import store

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


class SignatureAnswer(BaseModel):
    """A version's signature and statement, by their digests: fetch them from `/v1/artifacts`.

    What is signed are the files that the artifact lists where its `format` is `file-manifest`, or else the artifact
    itself as the only file `model.<format>`.
    """

    model: str
    version: int
    artifact: Digest
    format: str
    signature: Digest
    provenance: Digest
    key_id: str
    signed_at: datetime


def router(units: Units, key: PublicKey, access: AccessControl) -> APIRouter:
    """The routes of the signatures."""
    routes = APIRouter(prefix="/v1", tags=["signatures"], dependencies=[Depends(may_read(access))])

    @routes.get("/signing-key", response_class=Response)
    async def signing_key(actor: Viewer) -> Response:  # noqa: ARG001
        """The public part of the key that signs versions, in PEM.

        Keep it where you verify: a key that is asked for together with what it signed proves nothing.
        """
        return Response(key.pem, media_type="application/x-pem-file", headers={"etag": f'"{key.id}"'})

    @routes.get("/models/{model}/versions/{version}/signature")
    async def signature(
        model: str,
        version: Number,
        actor: Viewer,  # noqa: ARG001
    ) -> SignatureAnswer:
        """What was signed of a version."""
        async with units.engine.connect() as connection:
            row = await store.signed(connection, model, version)
        if row is None:
            detail = f"{model} has no version {version}, or Pelton does not keep what it is made of"
            raise ProblemError(404, "unknown-signature", "There is no such signature", detail)
        if row["signature"] is None:
            detail = f"{model} v{version} is signed a moment after it was made; ask again, or see the registry's log"
            raise ProblemError(404, "not-signed-yet", "The version is not signed yet", detail)
        return SignatureAnswer.model_validate(
            {**row, "model": model, "version": version, "format": row["format"] or FORMAT}
        )

    return routes
