"""Making the topics that a service needs, as `deploy/topics.yaml` of a cluster would."""

from collections.abc import Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

KEEP_FOREVER = {"retention.ms": "-1", "retention.bytes": "-1"}
STAMPED = {"message.timestamp.type": "LogAppendTime"}
# Where a topic's setting comes from, in Kafka's protocol: it was made for this topic.
_OF_THE_TOPIC = 1


async def ensure_topics(bootstrap: str, partitions: Mapping[str, int], *, stamped: bool = False) -> None:
    """Create the topics that do not exist yet, with records kept for good; the others are left as they are.

    Records of `stamped` topics have the moment that the broker took them in for their time, in place of the sender's:
    from here on in those that exist, too.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        missing = set(partitions) - set(await admin.list_topics())
        # -1: the cluster's own replication factor, which aiokafka takes only beside an (empty) assignment.
        made = KEEP_FOREVER | STAMPED if stamped else KEEP_FOREVER
        new = [NewTopic(name, partitions[name], -1, {}, made) for name in sorted(missing)]
        if new:
            response = await admin.create_topics(new)
            for name, code, *rest in response.topic_errors:
                if code not in (0, TopicAlreadyExistsError.errno):
                    raise OSError(f"cannot create topic {name}: error {code} {rest}")
        if stamped:
            await _stamp(admin, sorted(set(partitions) - missing))
    finally:
        await admin.close()


async def _stamp(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """Have the records of these topics stamped; what else was set for one stays as it is."""
    if not names:
        return
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    changed: list[ConfigResource] = []
    for response in await admin.describe_configs(asked):
        for code, message, _, name, settings in response.resources:
            if code:
                raise for_code(code)(f"topic {name}: {message}")
            # Altering replaces all that was set.
            own = {key: value for key, value, _, source, *_ in settings if source == _OF_THE_TOPIC}
            if not STAMPED.items() <= own.items():
                changed.append(ConfigResource(ConfigResourceType.TOPIC, name, own | STAMPED))
    for response in await admin.alter_configs(changed) if changed else ():
        for code, message, _, name in response.resources:
            if code:
                raise for_code(code)(f"topic {name}: {message}")


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
