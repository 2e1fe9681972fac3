"""The settings that every service shares, read from the environment once, at the composition root."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PORT_OFFSETS = {
    "console": 0,
    "registry": 1,
    "feature": 2,
    "trainer": 3,
    "monitor": 4,
    "deployer": 5,
    "inference": 6,
    "audit": 7,
}


class PlatformSettings(BaseSettings):
    """Where the platform's parts are; each name is read from the environment as `PELTON_<NAME>`.

    `postgres` is a DSN without a database name: each service adds its own. Its password may come from the
    usual `PGPASSFILE`.
    """

    model_config = SettingsConfigDict(env_prefix="PELTON_", extra="ignore", frozen=True)

    home: Path = Path(".pelton")
    host: str = "127.0.0.1"
    port_base: int = Field(default=8100, ge=1, le=65000)
    kafka: str = "127.0.0.1:8130"
    postgres: str = "postgresql://pelton@127.0.0.1:8132"
    objects: str = ""
    log_level: str = "INFO"
    control_partitions: int = 2

    @property
    def objects_url(self) -> str:
        """The object store: a folder under `home` unless a URL is set."""
        return self.objects or (self.home.resolve() / "objects").as_uri()

    @property
    def key_file(self) -> Path:
        """The key that signs and verifies access tokens."""
        return self.home / "secrets" / "token.key"

    def port(self, service: str) -> int:
        """The HTTP port of a service."""
        return self.port_base + PORT_OFFSETS[service]

    def url(self, service: str) -> str:
        """Where a service is asked over HTTP."""
        return f"http://{self.host}:{self.port(service)}"

    def database(self, service: str) -> str:
        """The DSN of a service's own database."""
        base, _, query = self.postgres.replace("postgresql+asyncpg://", "postgresql://", 1).partition("?")
        return f"{base.rstrip('/')}/{service}" + (f"?{query}" if query else "")
