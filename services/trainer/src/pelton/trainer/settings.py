"""The trainer's own settings."""

from pydantic import Field

from pelton.eventkit.settings import PlatformSettings


class TrainerSettings(PlatformSettings):
    """What one training may use: bytes of address space, and seconds of wall clock."""

    training_memory: int = Field(default=8 * 1024**3, ge=512 * 1024**2)
    training_seconds: float = Field(default=3600, gt=0)
