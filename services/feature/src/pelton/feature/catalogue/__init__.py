"""What is registered: kept in tables, held in memory by every replica, searched, and planned against."""

from pelton.feature.catalogue.memory import Catalogue

__all__ = ["Catalogue"]
