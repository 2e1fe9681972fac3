"""What can go wrong with tiles."""


class TilesError(Exception):
    """Tiles that cannot be read or written; the message says why."""


class ForeignRecordError(TilesError):
    """A record of another format version, or damaged."""


class StaleWriterError(TilesError):
    """Another writer has taken the partition over: nothing was changed, and this one must stop."""
