"""What can be wrong with a log, a note, a key or an entry."""


class LedgerError(Exception):
    """The base of this package's errors: something offered as evidence is not."""


class EntryError(LedgerError):
    """Bytes that are no log entry, or a record that cannot become one."""


class FrontierError(LedgerError):
    """Bytes that are no frontier, or a leaf that is no hash."""


class SigningKeyError(LedgerError):
    """A key, its text or its file cannot be used."""


class NoteError(LedgerError):
    """A text that is no signed note, or whose signature is not its key's."""


class CheckpointError(LedgerError):
    """A note that is no checkpoint of the log asked for."""


class ProofError(LedgerError):
    """A proof that does not prove what it was offered for."""
