"""One client for every service of a platform, over HTTP."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from pelton.sdk.errors import NotReachableError, PeltonError, RefusedError

PORT_OFFSETS = {"registry": 1, "feature": 2, "trainer": 3, "monitor": 4, "deployer": 5, "inference": 6, "audit": 7}
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a platform is and how one is let in."""

    host: str
    port_base: int
    kafka: str
    token: str
    home: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Take `PELTON_HOME`, `PELTON_PORT_BASE`, `PELTON_HOST`, `PELTON_KAFKA` and `PELTON_TOKEN`.

        Without `PELTON_TOKEN` the token that `pelton up` left in the home is used.

        Raises:
            PeltonError: there is no token.
        """
        home = Path(environment.get("PELTON_HOME", ".pelton")).resolve()
        port_base = int(environment.get("PELTON_PORT_BASE", "8100"))
        host = environment.get("PELTON_HOST", "127.0.0.1")
        token = environment.get("PELTON_TOKEN", "")
        if not token:
            try:
                token = (home / "secrets" / "cli.token").read_text().strip()
            except OSError as error:
                raise PeltonError(
                    f"no token: {home / 'secrets' / 'cli.token'} cannot be read ({error.strerror}). Start a platform "
                    "with `pelton up`, or set PELTON_HOME to one that is up, or set PELTON_TOKEN."
                ) from error
        return cls(host, port_base, environment.get("PELTON_KAFKA", f"{host}:{port_base + 30}"), token, home)

    def url(self, service: str) -> str:
        """The root of a service."""
        return f"http://{self.host}:{self.port_base + PORT_OFFSETS[service]}"


class Client:
    """Asks the services of one platform. Use it as a context manager, or call `close`."""

    def __init__(self, address: Address | None = None) -> None:
        self.address = address or Address.from_environment()
        self._http = httpx.Client(
            headers={"authorization": f"Bearer {self.address.token}"}, timeout=TIMEOUT_SECONDS, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def get(self, service: str, path: str, **params: str | float | None) -> Any:  # noqa: ANN401 - any JSON
        """What a service answers to GET.

        Raises:
            NotReachableError: it does not answer.
            RefusedError: it answered with an error.
        """
        given = {name: value for name, value in params.items() if value is not None}
        return self.send(service, "GET", path, params=given).json()

    def post(self, service: str, path: str, body: object) -> Any:  # noqa: ANN401 - any JSON
        """What a service answers to a JSON body; None when it answers without one."""
        answer = self.send(service, "POST", path, json=body)
        return answer.json() if answer.content else None

    def send(self, service: str, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        """Send a request as httpx would, and turn what is not a success into an error that explains it."""
        url = f"{self.address.url(service)}{path}"
        try:
            answer = self._http.request(method, url, **options)
        except httpx.TransportError as error:
            raise NotReachableError(
                f"{service} does not answer on {self.address.url(service)} ({error}). Is the platform up? "
                "See `pelton status`."
            ) from error
        if answer.is_error:
            raise _refused(service, answer)
        return answer


def _refused(service: str, answer: httpx.Response) -> RefusedError:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {"detail": str(problem)}
    words = [str(problem.get("title", "")), str(problem.get("detail") or problem.get("error") or "")]
    fields = problem.get("errors")
    if isinstance(fields, list):
        words += [f"{one.get('field')}: {one.get('detail')} {one.get('fix') or ''}" for one in fields]
    said = " - ".join(word.strip() for word in words if word.strip()) or answer.text[:500]
    return RefusedError(f"{service} refused ({answer.status_code}): {said}", answer.status_code, problem)
