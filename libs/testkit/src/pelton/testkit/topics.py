"""Topics for tests."""

from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from pelton.testkit.waiting import eventually


async def create_topics(bootstrap: str, partitions: Mapping[str, int]) -> None:
    """Create each topic with its number of partitions, and return once all of them have a leader to write to.

    Raises:
        aiokafka.errors.KafkaError: a topic was refused, for instance because it exists.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(name, count, 1) for name, count in partitions.items()])
        for name, code, *_ in answer.topic_errors:
            if code:
                raise for_code(code)(f"topic {name}")

        async def led() -> bool:
            topics = await admin.describe_topics(list(partitions))
            leaders = [part["leader"] for topic in topics for part in topic["partitions"]]
            return len(leaders) == sum(partitions.values()) and min(leaders) >= 0

        await eventually(led)
    finally:
        await admin.close()
