"""What the deciders refuse."""


class IncompatibleError(ValueError):
    """A change that would break what is built on the thing; the message says what and what to do."""


class UnknownDefinitionError(LookupError):
    """What is to be changed was never registered, or is removed; the message says what there is."""
