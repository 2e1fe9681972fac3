"""One client for every service of a platform, over HTTP."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from pelton.sdk.errors import NotReachableError, PeltonError, RefusedError

PORT_OFFSETS = {"registry": 1, "feature": 2, "trainer": 3, "monitor": 4, "deployer": 5, "inference": 6, "audit": 7}
TIMEOUT_SECONDS = 60.0
LAST_PORT_BASE = 65_000


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
            PeltonError: there is no token, or the port is none.
        """
        home = Path(environment.get("PELTON_HOME") or ".pelton").resolve()
        port_base = _port(environment.get("PELTON_PORT_BASE") or "8100")
        host = environment.get("PELTON_HOST", "127.0.0.1")
        token = environment.get("PELTON_TOKEN", "").strip() or _token(home / "secrets" / "cli.token")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise PeltonError("the token has characters that no token has: look at PELTON_TOKEN, or the token's file")
        return cls(host, port_base, environment.get("PELTON_KAFKA", f"{host}:{port_base + 30}"), token, home)

    def url(self, service: str) -> str:
        """The root of a service."""
        return f"http://{self.host}:{self.port_base + PORT_OFFSETS[service]}"


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= LAST_PORT_BASE):
        raise PeltonError(f"PELTON_PORT_BASE is {text!r}: it must be a number from 1 to {LAST_PORT_BASE}")
    return int(text)


def _token(path: Path) -> str:
    help_ = "Start a platform with `pelton up`, or set PELTON_HOME to one that is up, or set PELTON_TOKEN."
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise PeltonError(f"no token: {path} cannot be read ({error.strerror}). {help_}") from error
    except ValueError:
        raise PeltonError(f"no token: {path} is no text. {help_}") from None
    if not token:
        raise PeltonError(f"no token: {path} is empty. {help_}")
    return token


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
            NotReachableError: it does not answer, or something else answers in its place.
            RefusedError: it answered with an error.
        """
        given = {name: value for name, value in params.items() if value is not None}
        return self._json(service, self.send(service, "GET", path, params=given))

    def post(self, service: str, path: str, body: object) -> Any:  # noqa: ANN401 - any JSON
        """What a service answers to a JSON body; None when it answers without one.

        Raises:
            NotReachableError: it does not answer, or something else answers in its place.
            RefusedError: it answered with an error.
        """
        answer = self.send(service, "POST", path, json=body)
        return self._json(service, answer) if answer.content else None

    def send(self, service: str, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        """Send a request as httpx would, and turn what is not a success into an error that explains it.

        Raises:
            NotReachableError: it does not answer.
            RefusedError: it answered with an error.
        """
        url = f"{self.address.url(service)}{path}"
        try:
            answer = self._http.request(method, url, **options)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise self._not_reachable(service, error) from error
        if answer.is_error:
            raise _refused(service, answer)
        return answer

    def stream(self, service: str, path: str) -> Iterator[bytes]:
        """What a service answers to GET, a piece at a time.

        Raises:
            NotReachableError: it does not answer, or stops in the middle.
            RefusedError: it answered with an error.
        """
        try:
            with self._http.stream("GET", f"{self.address.url(service)}{path}") as answer:
                if answer.is_error:
                    answer.read()
                    raise _refused(service, answer)
                yield from answer.iter_bytes()
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise self._not_reachable(service, error) from error

    def _not_reachable(self, service: str, error: Exception) -> NotReachableError:
        why = str(error) or type(error).__name__
        return NotReachableError(
            f"{service} does not answer on {self.address.url(service)} ({why}). Is the platform up? "
            "See `pelton status`."
        )

    def _json(self, service: str, answer: httpx.Response) -> Any:  # noqa: ANN401 - any JSON
        try:
            return answer.json()
        except ValueError as error:
            raise NotReachableError(
                f"what answers on {self.address.url(service)} ({answer.status_code}, no JSON) is not the {service}: "
                "another program may have its port. See PELTON_PORT_BASE and `pelton status`."
            ) from error


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
        words += [_field_error(one) for one in fields]
    said = " - ".join(word.strip() for word in words if word.strip()) or answer.text[:500]
    return RefusedError(f"{service} refused ({answer.status_code}): {said}", answer.status_code, problem)


def _field_error(one: object) -> str:
    if not isinstance(one, dict):
        return str(one)
    field, detail, fix = (str(one.get(name) or "").strip() for name in ("field", "detail", "fix"))
    said = "; ".join(part for part in (detail, fix) if part)
    return f"{field}: {said}" if field else said
