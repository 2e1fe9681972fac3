"""The registry's own settings."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import field_validator
from pydantic_settings import NoDecode

from pelton.eventkit.settings import PlatformSettings


class RegistrySettings(PlatformSettings):
    """`webhook_allow` are networks, separated by commas, that webhooks may reach although they are not public."""

    webhook_allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()

    @field_validator("webhook_allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(ip_network(word.strip()) for word in value.split(",") if word.strip())
