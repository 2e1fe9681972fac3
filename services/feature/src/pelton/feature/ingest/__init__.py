"""Taking events in: parsed by columns, judged, counted once, folded online, kept offline.

`schemas`, `times` and `parsing` make columns of records; `ingestion` says what becomes of them.
"""

from pelton.feature.ingest.ingestion import Ingestion, quarantined

__all__ = ["Ingestion", "quarantined"]
