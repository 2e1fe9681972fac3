"""Whether a change of the facts breaks a reader: one that is newer than what it reads, or one that is older.

A new reader reads what was recorded before; while services are replaced, and in other people's programs, a released
reader reads what a new owner publishes. Both must go on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pelton.contracts.canonical import canonical_json
from pelton.contracts.schemas import Schema

RECORDED: Final = "what was recorded before is refused"
RELEASED: Final = "released readers refuse what is published from now on"

_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_OTHER: Final = ("pattern", "format", "multipleOf", "uniqueItems")


@dataclass(frozen=True, slots=True)
class Break:
    """One change that breaks readers: of which fact, where in it, and how."""

    type: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.type}: {self.path or 'the fact'}: {self.reason}"


def breaks(
    before: Mapping[str, Schema], after: Mapping[str, Schema], past: frozenset[str] = frozenset()
) -> list[Break]:
    """Every change from the released schemas to these that breaks readers; a new fact breaks none.

    `past` are the types of former versions that an upcaster reads.
    """
    found: list[Break] = []
    for type_, old in before.items():
        new = after.get(type_)
        if new is not None:
            comparison = _Comparison(old.get("$defs", {}), new.get("$defs", {}))
            found += [Break(type_, path, reason) for path, reason in comparison.of(old, new, "")]
        elif type_ not in past:
            found.append(Break(type_, "", "is gone: keep it, or give its next version an upcaster"))
    return found


class _Comparison:
    """Two versions of a schema, each with the definitions that it refers to."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new

    def of(self, old: Schema, new: Schema, path: str) -> Iterator[tuple[str, str]]:
        olds, news = _options(old, self._old), _options(new, self._new)
        for kind in sorted(olds.keys() - news.keys()):
            if kind != "integer" or "number" not in news:
                yield path, f"may no longer be {kind}: {RECORDED}"
        for kind in sorted(news.keys() - olds.keys()):
            if kind != "integer" or "number" not in olds:
                yield path, f"may now be {kind}: {RELEASED}"
        for kind in sorted(olds.keys() & news.keys()):
            yield from self._option(olds[kind], news[kind], path)

    def _option(self, old: Schema, new: Schema, path: str) -> Iterator[tuple[str, str]]:
        yield from _values(old, new, path)
        yield from _bounds(old, new, path)
        yield from self._fields(old, new, path)
        if "items" in old and "items" in new:
            yield from self.of(old["items"], new["items"], f"{path}[]")
        rest_old, rest_new = old.get("additionalProperties"), new.get("additionalProperties")
        if isinstance(rest_old, Mapping) and isinstance(rest_new, Mapping):
            yield from self.of(rest_old, rest_new, f"{path}.*")
        elif rest_old != rest_new and "properties" not in old:
            yield path, f"holds other values than before: {RECORDED}, or {RELEASED}"

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[tuple[str, str]]:
        olds, news = old.get("properties", {}), new.get("properties", {})
        needed_old, needed_new = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(olds.keys() | news.keys()):
            place = f"{path}.{name}" if path else name
            if name not in olds:
                if name in needed_new:
                    yield place, f"is new and has no default: {RECORDED}"
                if old.get("additionalProperties") is False:
                    yield place, f"is new in a part that takes no unknown field: {RELEASED}"
            elif name not in news:
                if name in needed_old:
                    yield place, f"is gone or renamed: {RELEASED}"
                if new.get("additionalProperties") is False:
                    yield place, f"is gone from a part that takes no unknown field: {RECORDED}"
            else:
                if name in needed_new - needed_old:
                    yield place, f"has no default any more: {RECORDED}"
                elif name not in needed_old and olds[name].get("default") != news[name].get("default"):
                    yield place, "has another default: what was recorded without it changes its meaning"
                yield from self.of(olds[name], news[name], place)


def _options(schema: Schema, definitions: Schema) -> dict[str, Schema]:
    """What a value may be, by its type; of several of one type, the others by their number."""
    found: dict[str, Schema] = {}
    for option in schema.get("anyOf", (schema,)):
        resolved = definitions[option["$ref"].rpartition("/")[2]] if "$ref" in option else option
        kind = str(resolved.get("type", "anything"))
        others = sum(one.partition(" ")[0] == kind for one in found)
        found[f"{kind} {others + 1}" if others else kind] = resolved
    return found


def _values(old: Schema, new: Schema, path: str) -> Iterator[tuple[str, str]]:
    olds, news = _enumerated(old), _enumerated(new)
    if olds is None or news is None:
        if olds is not None:
            yield path, f"is no longer one of a few values: {RELEASED}"
        if news is not None:
            yield path, f"is now one of a few values: {RECORDED}"
        return
    for value in sorted(olds - news):
        yield path, f"may no longer be {value}: {RECORDED}"
    for value in sorted(news - olds):
        yield path, f"may now be {value}: {RELEASED}"


def _enumerated(schema: Schema) -> set[str] | None:
    listed = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return {canonical_json(value).decode() for value in listed} if listed is not None else None


def _bounds(old: Schema, new: Schema, path: str) -> Iterator[tuple[str, str]]:
    for word in (*_LOWER, *_UPPER):
        was, now = old.get(word), new.get(word)
        if was == now:
            continue
        tighter = was is None or (now is not None and (now > was) == (word in _LOWER))
        yield path, f"{word} was {was} and is {now}: {RECORDED if tighter else RELEASED}"
    for word in _OTHER:
        if old.get(word) != new.get(word):
            yield path, f"{word} was {old.get(word)} and is {new.get(word)}: {RECORDED}, or {RELEASED}"
