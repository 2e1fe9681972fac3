"""How a service says what it does about a fact."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pelton.contracts.fact import Fact
from pelton.eventkit.envelope import Received
from pelton.eventkit.unit import UnitOfWork

F = TypeVar("F", bound=Fact)
Call = Callable[[Received[F], UnitOfWork], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Handler:
    """One reaction to one kind of fact. The id is permanent: the inbox remembers by it what was handled."""

    fact: type[Fact]
    id: str
    call: Call[Any]


def subscribe(fact: type[F], *, id: str) -> Callable[[Call[F]], Handler]:  # noqa: A002 - the field's own word
    """Make a handler of a function that gets the fact and a unit of work.

    The unit commits when the function returns; the function publishes nothing itself.
    """
    return lambda call: Handler(fact, id, call)
