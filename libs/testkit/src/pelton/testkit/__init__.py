"""Real Kafka, PostgreSQL and services for tests, and how to wait for what they do."""

from pelton.testkit.processes import at_work
from pelton.testkit.servers import KafkaInstance, PostgresInstance
from pelton.testkit.services import ServiceInstance
from pelton.testkit.topics import create_topics
from pelton.testkit.waiting import eventually

__all__ = ["KafkaInstance", "PostgresInstance", "ServiceInstance", "at_work", "create_topics", "eventually"]
