"""The fact of the outbox benchmark; it has an owner, and so a topic, of its own."""

from pelton.contracts.fact import Fact


class Measured(Fact, owner="bench"):
    """Something with a number, as large as a usual fact."""

    number: int
    text: str = "x" * 200
