"""Real Kafka and PostgreSQL for tests, a steered clock and contract suites."""

from pelton.testkit.processes import at_work
from pelton.testkit.servers import KafkaInstance, PostgresInstance
from pelton.testkit.topics import create_topics
from pelton.testkit.waiting import eventually

__all__ = ["KafkaInstance", "PostgresInstance", "at_work", "create_topics", "eventually"]
