"""The audit service's own settings."""

from pathlib import Path

from pelton.eventkit.settings import PlatformSettings


class AuditSettings(PlatformSettings):
    """`origin` names the log in its checkpoints; change it before the first start, never after."""

    origin: str = "pelton.local/audit"

    @property
    def audit_key(self) -> Path:
        """The key that signs checkpoints."""
        return self.home / "secrets" / "audit.key"

    @property
    def audit_vkey(self) -> Path:
        """The public key, for whoever verifies."""
        return self.home / "secrets" / "audit.vkey"

    @property
    def archive(self) -> Path:
        """The folder of the entry bundles."""
        return self.home / "audit" / "archive"
