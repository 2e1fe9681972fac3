"""Sends one message to one target, and says what came of it; never raises for what the other side does."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Final

import httpx

from pelton.registry.webhooks.domain import Outcome
from pelton.registry.webhooks.messages import Message
from pelton.registry.webhooks.targets import Network, RefusedTargetError, Resolve, addresses, ask_name_server, parse

SECONDS: Final = 10.0
SHOWN_BYTES: Final = 1024
REDIRECTS: Final = range(300, 400)


class Sender:
    """Posts messages where they may go: `allowed` are the networks that are not public and may be reached all the same.

    The host is resolved here, and the connection goes to the address that was looked at: a name server that says
    something else a moment later is not asked again.
    """

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        resolve: Resolve = ask_name_server,
        seconds: float = SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.allowed = allowed
        self.resolve = resolve
        self._seconds = seconds
        # No connection is kept: they are kept by address, and what the next host at it may see is its own.
        self._http = httpx.AsyncClient(
            verify=tls or ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=seconds,
        )

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def send(self, url: str, message: Message, headers: Mapping[str, str]) -> Outcome:
        """Post a message; the outcome is of the first address that took a connection."""
        outcome = Outcome(error="the host has no address")
        try:
            async with asyncio.timeout(self._seconds):
                target = parse(url)
                for address in await addresses(target, self.allowed, self.resolve):
                    request = self._http.build_request(
                        "POST",
                        target.at(address),
                        content=message.body,
                        headers={
                            "host": target.authority,
                            "content-type": message.media_type,
                            "user-agent": "Pelton-Webhooks",
                            **headers,
                        },
                        extensions={"sni_hostname": target.host},
                    )
                    try:
                        return await self._post(request)
                    except httpx.ConnectError as error:
                        outcome = Outcome(error=f"no connection to {address}: {error}")
        except RefusedTargetError as error:
            outcome = Outcome(error=str(error))
        except TimeoutError:
            outcome = Outcome(error=f"no answer within {self._seconds:g} s")
        except (httpx.HTTPError, ssl.SSLError) as error:
            outcome = Outcome(error=f"{type(error).__name__}: {error}")
        return outcome

    async def _post(self, request: httpx.Request) -> Outcome:
        answer = await self._http.send(request, stream=True)
        try:
            shown = b""
            async for piece in answer.aiter_raw():
                shown += piece
                if len(shown) >= SHOWN_BYTES:
                    break
        finally:
            await answer.aclose()
        error = None
        if answer.status_code in REDIRECTS:
            error = "it redirects, which is not followed: register the URL that it leads to"
        return Outcome(answer.status_code, error, shown[:SHOWN_BYTES].decode("utf-8", "replace").replace("\x00", ""))
