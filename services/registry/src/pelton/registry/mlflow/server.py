"""What MLflow's clients ask of the server itself, in plain text and without a token."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from pelton.registry.mlflow.endpoints import VERSION

router = APIRouter(tags=["mlflow"], default_response_class=PlainTextResponse)


@router.get("/health")
async def health() -> str:
    """Whether the process lives."""
    return "OK"


@router.get("/version")
async def version() -> str:
    """The version of MLflow's interface that is answered."""
    return VERSION
