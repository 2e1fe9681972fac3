"""Inference's own settings."""

from pathlib import Path

from pelton.eventkit.settings import PlatformSettings


class InferenceSettings(PlatformSettings):
    """`signing_keys` is a file with the public keys that are believed, in PEM: those of registries elsewhere, too."""

    signing_keys: Path | None = None

    @property
    def public_keys(self) -> Path:
        """The keys that are believed: by default the registry's of the same `home`."""
        return self.signing_keys or self.home / "secrets" / "signing.pub"
