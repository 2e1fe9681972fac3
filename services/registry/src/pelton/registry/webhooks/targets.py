"""Where a webhook may be sent: to public addresses over HTTPS, and to what an administrator allows."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as a name server gives them."""

LONGEST_URL: Final = 2000
PORTS: Final = {"https": 443, "http": 80}

# What Python takes for public, and is not where it counts: the metadata service of a cloud, and translations of IPv4.
NOT_PUBLIC: Final = (
    IPv4Network("168.63.129.16/32"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("3fff::/20"),
)
TRANSLATED: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))


class RefusedTargetError(Exception):
    """A webhook may not be sent there; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that is well formed; whether it may be reached is said by the addresses that its host has."""

    url: str
    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as the header `Host` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The URL without its path and query, in which receivers like to keep a secret."""
        return f"{self.scheme}://{self.authority}"

    def at(self, address: Address) -> str:
        """The URL with an address for the host: a connection to it asks no name server again."""
        host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def parse(url: str) -> Target:
    """Read a URL.

    Raises:
        RefusedTargetError: it is none of HTTP, or has a user or a fragment in it.
    """
    if len(url) > LONGEST_URL or not url.isascii() or any(char.isspace() or not char.isprintable() for char in url):
        raise RefusedTargetError(f"the URL must have at most {LONGEST_URL} characters, all of ASCII and none a space")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise RefusedTargetError(f"this is no URL: {error}") from error
    if parts.scheme not in PORTS or not host:
        raise RefusedTargetError("the URL must begin with https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise RefusedTargetError("the URL has a user or a password in it: verify the signature instead")
    if parts.fragment:
        raise RefusedTargetError("the URL has a fragment (#…), which is never sent: leave it out")
    if port == 0:
        raise RefusedTargetError("port 0 is none: use one from 1 to 65535")
    return Target(url, parts.scheme, host, port or PORTS[parts.scheme], _path(parts))


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


async def ask_name_server(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as this machine resolves it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


async def addresses(target: Target, allowed: Sequence[Network], resolve: Resolve) -> Sequence[Address]:
    """The addresses to connect to, each of which may be reached.

    Raises:
        RefusedTargetError: the host has no address, or one that may not be reached, or would be sent to unencrypted.
    """
    try:
        found = [ip_address(text.partition("%")[0]) for text in await resolve(target.host, target.port)]
    except (OSError, UnicodeError, ValueError) as error:
        raise RefusedTargetError(f"the host {target.host} has no address: {error}") from error
    if not found:
        raise RefusedTargetError(f"the host {target.host} has no address")
    # One that may not be reached beside one that may is no accident, and nobody knows which would be taken.
    for address in found:
        if any(_is_in(address, network) for network in allowed):
            continue
        if not is_public(address):
            raise RefusedTargetError(
                f"the host {target.host} is at {address}, which is not public; an administrator can allow its network "
                "in PELTON_WEBHOOK_ALLOW"
            )
        if target.scheme != "https":
            raise RefusedTargetError("the URL must begin with https://: over http everybody on the way can read it")
    return list(dict.fromkeys(found))


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet; one that stands for IPv4 addresses is where these are."""
    return all(
        one.is_global and not one.is_multicast and not one.is_reserved and not any(_is_in(one, no) for no in NOT_PUBLIC)
        for one in _meant(address) or (address,)
    )


def _meant(address: Address) -> Sequence[Address]:
    """The IPv4 addresses that a packet to this IPv6 address may end at."""
    if isinstance(address, IPv4Address):
        return []
    meant = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in TRANSLATED):
        meant.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in meant if one is not None]


def _is_in(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network
