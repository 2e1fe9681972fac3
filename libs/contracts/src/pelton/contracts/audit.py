"""Facts of the audit service."""

from pelton.contracts.fact import Fact


class CheckpointSealed(Fact, owner="audit"):
    """The log had this size and this root; `note` is the signed checkpoint."""

    origin: str
    size: int
    root: str
    note: str


class TamperingDetected(Fact, owner="audit"):
    """What stands on Kafka is not what was published."""

    topic: str
    partition: int
    offset: int
    finding: str
