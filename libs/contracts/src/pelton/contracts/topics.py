"""Names of the topics. `deploy/topics.yaml` says how many partitions each has."""

CONTROL_OWNERS = ("registry", "feature", "trainer", "monitor", "deployer", "audit")

PREDICTIONS = "pelton.predictions"
OUTCOMES = "pelton.outcomes"
USAGE = "pelton.usage"
DATA_PREFIX = "pelton.data."


def control_topic(owner: str) -> str:
    """Where a service publishes its facts."""
    return f"pelton.{owner}"


def data_topic(source: str) -> str:
    """Where upstream systems publish the events of a source."""
    return f"{DATA_PREFIX}{source}"


def dead_letter_topic(service: str) -> str:
    """Where a service puts what it could not handle."""
    return f"pelton.{service}.dlq"
