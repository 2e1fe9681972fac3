"""The offline store: every accepted event, in Parquet files by source and day of arrival that anybody can read.

`segments` says what a file is and when files are merged or dropped; `collector` takes events in; `upkeep` merges,
drops and sweeps; `reading` gives events back, through the expressions of `relations`.
"""

from pelton.feature.offline.collector import FLUSH_ROWS, OfflineStore

__all__ = ["FLUSH_ROWS", "OfflineStore"]
