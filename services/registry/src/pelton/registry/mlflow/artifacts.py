"""MLflow's artifacts: the proxy that clients upload to and download from, and the list of a run's."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from starlette.types import Receive, Send

from pelton.eventkit.identity import Role
from pelton.objects import CorruptObjectError, ObjectNotFoundError
from pelton.registry.files import FileTree
from pelton.registry.files.paths import InvalidPathError, of_location, parse
from pelton.registry.files.store import artifact_uri
from pelton.registry.files.tree import Child, FileKeptError, PathTakenError, UnknownFileError
from pelton.registry.mlflow.front import answer
from pelton.registry.mlflow.wire import Backend, Call, Endpoint, ErrorCode, MlflowError, invalid, missing

PROXY: Final = "2.0/mlflow-artifacts/artifacts"
MULTIPART: Final = "2.0/mlflow-artifacts/mpu"
BODIES: Final = (f"{PROXY}/", f"{MULTIPART}/parts/")
"""Where bodies are files, and not requests that are read as a whole."""
# A file is anybody's bytes: a browser must neither guess what they are nor show them.
DOWNLOAD: Final = (
    (b"content-type", b"application/octet-stream"),
    (b"content-disposition", b"attachment"),
    (b"x-content-type-options", b"nosniff"),
)


class Listing(msgspec.Struct):
    """Which folder is asked for, from the root."""

    path: str = ""


class RunListing(msgspec.Struct):
    """Which folder of a run is asked for."""

    run_id: str = ""
    run_uuid: str = ""
    path: str = ""


def tree_of(backend: Backend) -> FileTree:
    """The files, as these routes see them."""
    return FileTree.of(backend.pool, backend.objects, backend.units.clock)


@contextmanager
def refusals() -> Iterator[None]:
    """Say in MLflow's words why a file cannot be read or written."""
    try:
        yield
    except InvalidPathError as error:
        raise invalid(f"Invalid path: {error}") from error
    except UnknownFileError as error:
        raise missing(f"There is no such artifact: {error}") from error
    except (PathTakenError, FileKeptError) as error:
        raise MlflowError(ErrorCode.RESOURCE_CONFLICT, f"The artifact cannot be changed: {error}") from error
    except (CorruptObjectError, ObjectNotFoundError) as error:
        raise MlflowError(ErrorCode.INTERNAL_ERROR, f"The stored artifact is damaged: {error}") from error


async def body_of(receive: Receive) -> AsyncIterator[bytes]:
    """A request's body as it comes.

    Raises:
        MlflowError: the connection was lost midway.
    """
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MlflowError(ErrorCode.BAD_REQUEST, "The connection was lost before the whole artifact had come")
        if piece := message.get("body"):
            yield piece
        if not message.get("more_body", False):
            return


async def upload(call: Call, receive: Receive, send: Send) -> None:
    """Write a file; it is there only once all of it has come."""
    with refusals():
        await tree_of(call.backend).write(call.parameters["path"], body_of(receive), call.actor.name)
    await answer(send, 200, b"{}")


async def download(call: Call, _: Receive, send: Send) -> None:
    """Send a file, checked on the way.

    Its last bytes are sent only once all of them were found to be right: of a file that was damaged in the store a
    client gets less than was announced, and the end of the connection.
    """
    tree = tree_of(call.backend)
    with refusals():
        file = await tree.find(call.parameters["path"])
        pieces = tree.read(file.digest)
        first = await anext(pieces)
    headers = ((b"content-length", str(file.size).encode()), (b"etag", f'"{file.digest}"'.encode()), *DOWNLOAD)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": first, "more_body": True})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def list_folder(call: Call, request: Listing) -> object:
    """What lies in a folder, by name alone."""
    with refusals():
        children = await tree_of(call.backend).children(request.path)
    return {"files": [_info(child, "") for child in children]}


async def list_run(call: Call, request: RunListing) -> object:
    """What lies in a folder of a run."""
    run_id = request.run_id or request.run_uuid
    uri = await artifact_uri(call.backend.pool, run_id)
    if uri is None:
        raise missing(f"Run with id={run_id} not found")
    return await listing_of(call, uri, request.path)


async def listing_of(call: Call, uri: str, path: str) -> object:
    """What lies in a folder of a place, by path from it; files that Pelton does not keep are not listed."""
    with refusals():
        root = of_location(uri)
        folder = root if root is None or not path else f"{root}/{parse(path)}"
        children = [] if folder is None else await tree_of(call.backend).children(folder)
    prefix = f"{path}/" if path else ""
    return {"root_uri": uri, "files": [_info(child, prefix) for child in children]}


async def delete(call: Call, _: None) -> object:
    """Take away a file, or a folder with all that is in it; nothing there is nothing to do."""
    with refusals():
        # clients name a folder, such as that of a whole run, with a slash at its end
        await tree_of(call.backend).delete(call.parameters["path"].removesuffix("/"))
    return {}


def _info(child: Child, prefix: str) -> dict[str, object]:
    size = {} if child.size is None else {"file_size": child.size}
    return {"path": prefix + child.name, "is_dir": child.is_folder, **size}


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    Endpoint("GET", PROXY, Role.VIEWER, Listing, handle=list_folder),
    Endpoint("GET", PROXY + "/{path:path}", Role.VIEWER, stream=download),
    Endpoint("PUT", PROXY + "/{path:path}", Role.CONTRIBUTOR, stream=upload),
    Endpoint("DELETE", PROXY + "/{path:path}", Role.CONTRIBUTOR, handle=delete),
    Endpoint("GET", "2.0/mlflow/artifacts/list", Role.VIEWER, RunListing, handle=list_run),
)
