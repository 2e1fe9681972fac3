"""Topics are made as they are asked for, and what somebody set for one stays."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pelton.eventkit.topics import ensure_topics
from pelton.testkit import KafkaInstance


async def settings(broker: KafkaInstance, topic: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        ((_, _, _, _, found),) = response.resources
        return {name: value for name, value, *_ in found}
    finally:
        await admin.close()


async def test_records_of_a_stamped_topic_have_the_brokers_time_also_where_the_topic_was_there(
    broker: KafkaInstance, unique: str
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    own = {"retention.ms": "86400000", "max.message.bytes": "2000000"}
    await admin.create_topics([NewTopic(f"{unique}.old", 2, 1, topic_configs=own)])
    await admin.close()

    for _ in range(2):
        await ensure_topics(broker.bootstrap, {f"{unique}.old": 1, f"{unique}.new": 1}, stamped=True)
    await ensure_topics(broker.bootstrap, {f"{unique}.plain": 1})

    old, new, plain = [await settings(broker, f"{unique}.{name}") for name in ("old", "new", "plain")]
    stamped = {"message.timestamp.type": "LogAppendTime"}
    assert (own | stamped).items() <= old.items()
    assert ({"retention.ms": "-1"} | stamped).items() <= new.items()
    assert plain["message.timestamp.type"] == "CreateTime"
