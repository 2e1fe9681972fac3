"""Making the topics that a service needs, as `deploy/topics.yaml` of a cluster would."""

from collections.abc import Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

KEEP_FOREVER = {"retention.ms": "-1", "retention.bytes": "-1"}


async def ensure_topics(bootstrap: str, partitions: Mapping[str, int]) -> None:
    """Create the topics that do not exist yet, with records kept for good; the others are left as they are."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        missing = set(partitions) - set(await admin.list_topics())
        # -1: the cluster's own replication factor, which aiokafka takes only beside an (empty) assignment.
        new = [NewTopic(name, partitions[name], -1, {}, KEEP_FOREVER) for name in sorted(missing)]
        if new:
            response = await admin.create_topics(new)
            for name, code, *rest in response.topic_errors:
                if code not in (0, TopicAlreadyExistsError.errno):
                    raise OSError(f"cannot create topic {name}: error {code} {rest}")
    finally:
        await admin.close()


async def partitions_of(bootstrap: str, topics: Iterable[str]) -> list[tuple[str, int]]:
    """Every partition of these topics, as the cluster has them now.

    For a consumer without a group that is assigned by hand, so that it misses none.

    Raises:
        aiokafka.errors.KafkaError: a topic does not exist, or no broker answers.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found: list[tuple[str, int]] = []
        for topic in await admin.describe_topics(sorted(topics)):
            if topic["error_code"]:
                raise for_code(topic["error_code"])(f"topic {topic['topic']}")
            found += [(topic["topic"], part["partition"]) for part in topic["partitions"]]
        return sorted(found)
    finally:
        await admin.close()
