"""MLflow's uploads in parts: clients of a proxy ask where to put each part, and the answer is the registry itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from starlette.types import Receive, Send

from pelton.eventkit.identity import Role
from pelton.registry.files.uploads import UnfitPartsError, UnknownUploadError, Uploads
from pelton.registry.mlflow.artifacts import MULTIPART, body_of, refusals, tree_of
from pelton.registry.mlflow.front import JSON, answer
from pelton.registry.mlflow.wire import Call, Endpoint, invalid, missing


class Beginning(msgspec.Struct):
    """The file on the client's disk, of which the name counts, and how many parts it has."""

    path: str
    num_parts: int = 1


class Part(msgspec.Struct):
    """A part that was sent, and what its answer said it was."""

    part_number: int
    etag: str | None = None


class Ending(msgspec.Struct):
    """An upload that is to be completed or aborted."""

    path: str
    upload_id: str
    parts: list[Part] = []


async def create(call: Call, request: Beginning) -> object:
    """Begin an upload, and say where each part is to be put."""
    with _refusals():
        upload_id = await _uploads(call).begin(_path(call, request.path), request.num_parts, call.actor.name)
    root = f"{_origin(call)}/api/{MULTIPART}/parts/{upload_id}"
    # Clients send a part with these headers and no others: theirs are given back to them.
    headers = {"Authorization": _header(call, b"authorization")}
    credentials = [
        {"url": f"{root}/{number}", "part_number": number, "headers": headers}
        for number in range(1, request.num_parts + 1)
    ]
    return {"upload_id": upload_id, "credentials": credentials}


async def put_part(call: Call, receive: Receive, send: Send) -> None:
    """Take a part; the `ETag` of the answer is what the client says of it at the end."""
    number = call.parameters["number"]
    if not (number.isascii() and number.isdigit() and len(number) < _DIGITS):
        raise invalid(f"{number!r} is no number of a part")
    with _refusals():
        digest = await _uploads(call).put_part(call.parameters["upload_id"], int(number), body_of(receive))
    await answer(send, 200, b"{}", (JSON, (b"etag", f'"{digest}"'.encode())))


async def complete(call: Call, request: Ending) -> object:
    """Put the file together."""
    told = {part.part_number: (part.etag or "").strip('"') for part in request.parts}
    with _refusals():
        await _uploads(call).complete(request.upload_id, _path(call, request.path), told, call.actor.name)
    return {}


async def abort(call: Call, request: Ending) -> object:
    """Give the upload up."""
    await _uploads(call).abort(request.upload_id)
    return {}


_DIGITS = 6


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        with refusals():
            yield
    except UnknownUploadError as error:
        raise missing(str(error)) from error
    except UnfitPartsError as error:
        raise invalid(f"Invalid parts: {error}") from error


def _uploads(call: Call) -> Uploads:
    return Uploads(tree_of(call.backend))


def _path(call: Call, local_file: str) -> str:
    """Where the file goes: the folder of the route, and the file's own name, from whatever system it comes."""
    return f"{call.parameters['path']}/{local_file.replace(chr(92), '/').rpartition('/')[2]}"


def _origin(call: Call) -> str:
    """The registry's own address as this client has it."""
    return f"{call.scope['scheme']}://{_header(call, b'host')}"


def _header(call: Call, wanted: bytes) -> str:
    found: bytes = next((value for name, value in call.scope["headers"] if name == wanted), b"")
    return found.decode("latin-1")


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    Endpoint("POST", MULTIPART + "/create/{path:path}", Role.CONTRIBUTOR, Beginning, handle=create),
    Endpoint("PUT", MULTIPART + "/parts/{upload_id}/{number}", Role.CONTRIBUTOR, stream=put_part),
    Endpoint("POST", MULTIPART + "/complete/{path:path}", Role.CONTRIBUTOR, Ending, handle=complete),
    Endpoint("POST", MULTIPART + "/abort/{path:path}", Role.CONTRIBUTOR, Ending, handle=abort),
)
