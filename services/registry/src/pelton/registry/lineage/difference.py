"""What two values that JSON can say differ in, place by place. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pelton.contracts.canonical import canonical_json

Step = str | int
"""A part of a path: the name of a member, or the place in a list."""


@dataclass(frozen=True, slots=True)
class Change:
    """One place that differs. What was `added` has no `before`, what was `removed` no `after`, both whole."""

    path: tuple[Step, ...]
    kind: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None


def difference(before: object, after: object) -> tuple[Change, ...]:
    """Every place in which two values differ, in the order of their paths; empty for equal ones.

    Objects are compared by name, and lists by place: a longer list has places added at its end. 1, 1.0 and true are
    three values. Made in this order, and removals from the end of a list, the changes make the one of the other.
    """
    return tuple(_changes((), before, after))


def _changes(path: tuple[Step, ...], before: object, after: object) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_objects(path, before, after)
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        yield from _of_lists(path, before, after)
    elif canonical_json(before) != canonical_json(after):
        yield Change(path, "changed", before, after)


def _of_objects(path: tuple[Step, ...], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        if name not in after:
            yield Change((*path, name), "removed", before=before[name])
        elif name not in before:
            yield Change((*path, name), "added", after=after[name])
        else:
            yield from _changes((*path, name), before[name], after[name])


def _of_lists(path: tuple[Step, ...], before: Sequence[Any], after: Sequence[Any]) -> Iterator[Change]:
    shared = min(len(before), len(after))
    for place in range(shared):
        yield from _changes((*path, place), before[place], after[place])
    for place in range(shared, len(before)):
        yield Change((*path, place), "removed", before=before[place])
    for place in range(shared, len(after)):
        yield Change((*path, place), "added", after=after[place])
