"""Access: who may read and write which feature views and sources, and which features are masked."""

from pelton.feature.access.control import Access
from pelton.feature.access.domain import Action

__all__ = ["Access", "Action"]
