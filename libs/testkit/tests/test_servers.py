import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import TopicAlreadyExistsError

from pelton.testkit import KafkaInstance, PostgresInstance, create_topics


async def test_topics_are_ready_with_their_partitions(kafka: KafkaInstance, unique: str) -> None:
    await create_topics(kafka.bootstrap, {f"{unique}.a": 1, f"{unique}.b": 3})

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        topics = await admin.describe_topics([f"{unique}.a", f"{unique}.b"])
    finally:
        await admin.close()
    assert {topic["topic"]: len(topic["partitions"]) for topic in topics} == {f"{unique}.a": 1, f"{unique}.b": 3}


async def test_a_topic_that_exists_is_an_error(kafka: KafkaInstance, unique: str) -> None:
    await create_topics(kafka.bootstrap, {unique: 1})

    with pytest.raises(TopicAlreadyExistsError, match=unique):
        await create_topics(kafka.bootstrap, {unique: 1})


def test_each_database_is_a_new_one_unless_named(postgres: PostgresInstance, unique: str) -> None:
    name = unique.replace("-", "_")

    assert postgres.database() != postgres.database()
    assert postgres.database(name) == postgres.database(name)


def test_a_private_server_is_not_the_shared_one(postgres: PostgresInstance, postgres_private: PostgresInstance) -> None:
    postgres_private.restart()

    assert postgres.pid != postgres_private.pid
