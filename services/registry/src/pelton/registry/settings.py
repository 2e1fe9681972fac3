"""The registry's own settings."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from pelton.eventkit.settings import PlatformSettings


class RegistrySettings(PlatformSettings):
    """`webhook_allow` are networks, separated by commas, that webhooks may reach although they are not public.

    `max_file` is how many bytes one artifact may have that MLflow's clients upload in one piece. Contents that nothing
    needs are deleted when they are older than `file_grace`, which must be longer than any upload takes, and the files
    of runs and logged models that were deleted `file_retention` ago.
    """

    webhook_allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    max_file: int = Field(default=5 * 1024**3, ge=1)
    file_grace: timedelta = Field(default=timedelta(days=1), ge=timedelta(hours=1))
    file_retention: timedelta = Field(default=timedelta(days=30), ge=timedelta(0))

    @property
    def signing_key_file(self) -> Path:
        """The key that signs versions; its public part lies beside it."""
        return self.home / "secrets" / "signing.key"

    @field_validator("webhook_allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(ip_network(word.strip()) for word in value.split(",") if word.strip())
