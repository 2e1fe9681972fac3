"""Reads filters and orders.

A filter is comparisons joined by AND: a name, an operator, a value. A name is an attribute or `prefix.key`; what is no
plain word stands in backticks or double quotes. Text stands in single or double quotes, numbers do not need any; a
quote inside quotes is written twice. Words of the language are read in any case.

Scripts join filters of pieces that may be empty, so a filter may also begin and end with AND, as MLflow lets it.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from pelton.registry.search.grammar import DATASET_KEYS, PREFIXES, Grammar, Type
from pelton.registry.search.terms import Comparison, Kind, Operator, OrderTerm, SearchSyntaxError, Value, whole_number

REMEMBERED: Final = 1024
LONGEST_REMEMBERED: Final = 2000

_HEAD = r"`((?:[^`]|``)*+)`|\"((?:[^\"]|\"\")*+)\"|(\w++)"
_KEY = r"`((?:[^`]|``)*+)`|\"((?:[^\"]|\"\")*+)\"|([\w.]++)"
NAME: Final = re.compile(rf"(?:{_HEAD})(?:\.(?:{_KEY}))?+")
OPERATOR: Final = re.compile(r"<=|>=|!=|=|<|>|(?:NOT\s+IN|IN|I?LIKE|IS\s+NOT\s+NULL|IS\s+NULL)\b", re.IGNORECASE)
TEXT: Final = re.compile(r"'((?:[^']|'')*+)'|\"((?:[^\"]|\"\")*+)\"")
NUMBER: Final = re.compile(r"-?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:e[+-]?[0-9]++)?+(?![\w.])", re.IGNORECASE)
AND: Final = re.compile(r"AND\b", re.IGNORECASE)
DIRECTION: Final = re.compile(r"(?:ASC|DESC)\b", re.IGNORECASE)
OPEN, COMMA, CLOSE = re.compile(r"\("), re.compile(","), re.compile(r"\)")
SPACE: Final = re.compile(r"\s*+")
SHOWN: Final = 30


def parse(filter_string: str | None, grammar: Grammar) -> tuple[Comparison, ...]:
    """The comparisons of a filter, all of which must hold; no filter has none.

    Raises:
        SearchSyntaxError: it cannot be read, or asks what the grammar does not know.
    """
    if not filter_string:
        return ()
    return (_parse if len(filter_string) > LONGEST_REMEMBERED else _remembered)(filter_string, grammar)


def parse_order(order_by: Sequence[str], grammar: Grammar) -> tuple[OrderTerm, ...]:
    """The terms of an order, each a name with or without ASC or DESC.

    Raises:
        SearchSyntaxError: one cannot be read or is not known, or two name the same.
    """
    terms = tuple(_order_term(clause, grammar) for clause in order_by)
    if len({(term.kind, term.key) for term in terms}) < len(terms):
        raise SearchSyntaxError(f"The order {list(order_by)} names a column twice; leave one of the two out")
    return terms


def parse_field(name: str, grammar: Grammar) -> tuple[Kind, str]:
    """The column that a field of its own names: an attribute, or everything after `prefix.` as it is written.

    Raises:
        SearchSyntaxError: there is no such column, or the grammar does not order by it.
    """
    prefix, dot, key = name.partition(".")
    kind = PREFIXES.get(prefix) if dot else Kind.ATTRIBUTE
    if kind not in grammar.ordered:
        raise SearchSyntaxError(f"Invalid order by field name: {name}. {grammar.searched} have no such column")
    if kind is not Kind.ATTRIBUTE:
        return kind, key
    attribute = grammar.attribute(key or prefix, ordering=True)
    if attribute is None:
        raise SearchSyntaxError(f"Invalid order by field name: {name}. {grammar.searched} have no such column")
    return kind, attribute


def _parse(filter_string: str, grammar: Grammar) -> tuple[Comparison, ...]:
    reader = _Reader("filter", filter_string)
    found = []
    _skip_ands(reader)
    while not reader.done:
        found.append(_comparison(reader, grammar))
        if not (_skip_ands(reader) or reader.done):
            raise reader.expected("AND or the end")
    return tuple(found)


_remembered = lru_cache(maxsize=REMEMBERED)(_parse)


@lru_cache(maxsize=REMEMBERED)
def _order_term(clause: str, grammar: Grammar) -> OrderTerm:
    reader = _Reader("order", clause)
    kind, key = _name(reader, grammar, ordering=True)
    direction = reader.take(DIRECTION)
    if not reader.done:
        raise reader.expected("ASC, DESC or the end")
    return OrderTerm(kind, key, ascending=direction is None or direction[0].upper() == "ASC")


class _Reader:
    """A text, the place reached in it, and where the last word began; white space between words is passed over."""

    def __init__(self, what: str, text: str) -> None:
        self._what, self._text, self._at, self._last = what, text, 0, 0
        if "\0" in text:
            raise SearchSyntaxError(f"The {what} has a character of value zero, which nothing stored can have")
        self._pass_space()

    @property
    def done(self) -> bool:
        return self._at == len(self._text)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._last, self._at = self._at, match.end()
            self._pass_space()
        return match

    def expect(self, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
        match = self.take(pattern)
        if match is None:
            raise self.expected(expected)
        return match

    def expected(self, expected: str) -> SearchSyntaxError:
        """What comes next is not what may come here."""
        rest = self._text[self._at :]
        found = f"found {rest[:SHOWN]!r}" if rest else "it ends here"
        return SearchSyntaxError(f"Invalid {self._what} at character {self._at + 1}: expected {expected}, {found}")

    def refusal(self, said: str) -> SearchSyntaxError:
        """What was taken last can be read, and is not known or not allowed."""
        return SearchSyntaxError(f"Invalid {self._what} at character {self._last + 1}: {said}")

    def _pass_space(self) -> None:
        match = SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at


def _skip_ands(reader: _Reader) -> bool:
    skipped = False
    while reader.take(AND):
        skipped = True
    return skipped


def _comparison(reader: _Reader, grammar: Grammar) -> Comparison:
    kind, key = _name(reader, grammar, ordering=False)
    written = reader.expect(OPERATOR, "an operator such as =, !=, >, LIKE or IN")[0]
    operator = Operator(" ".join(written.upper().split()))
    allowed = grammar.operators(kind, key)
    if operator not in allowed:
        words = ", ".join(one for one in Operator if one in allowed)
        raise reader.refusal(f"{kind} {key!r} cannot be compared by {operator}, only by {words}")
    return Comparison(kind, key, operator, _value(reader, operator, grammar.type_of(kind, key), kind))


def _name(reader: _Reader, grammar: Grammar, *, ordering: bool) -> tuple[Kind, str]:
    match = reader.expect(NAME, "a name such as metrics.loss or tags.`my tag`")
    head, key = _unquoted(match, "`", 1) or "", _unquoted(match, "`", 4)
    if key is None:
        kind, key = Kind.ATTRIBUTE, head
    elif head in PREFIXES:
        kind = PREFIXES[head]
    else:
        raise reader.refusal(f"{head!r} is no prefix, use one of {', '.join(sorted(grammar.kinds))}")
    if kind not in (grammar.ordered if ordering else grammar.kinds):
        deed = "ordered" if ordering else "searched"
        raise reader.refusal(f"{grammar.searched} cannot be {deed} by {kind}")
    if kind is Kind.ATTRIBUTE:
        attribute = grammar.attribute(key, ordering=ordering)
        if attribute is None:
            known = ", ".join(grammar.known(ordering=ordering))
            raise reader.refusal(f"Invalid attribute key {key!r}, {grammar.searched} have {known}")
        return kind, attribute
    if kind is Kind.DATASET and key not in DATASET_KEYS:
        raise reader.refusal(f"Invalid dataset key {key!r}, datasets have {', '.join(DATASET_KEYS)}")
    return kind, key


def _value(reader: _Reader, operator: Operator, type_: Type, kind: Kind) -> Value:
    if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL}:
        return None
    if operator in {Operator.IN, Operator.NOT_IN}:
        return _list(reader)
    if type_ is Type.TEXT:
        return _text(reader)
    return _number(reader, whole=kind is Kind.ATTRIBUTE)


def _list(reader: _Reader) -> tuple[str, ...]:
    reader.expect(OPEN, "a list such as ('a', 'b')")
    found = [_text(reader)]
    while reader.take(COMMA):
        if reader.take(CLOSE):
            return tuple(found)
        found.append(_text(reader))
    reader.expect(CLOSE, "a comma or the end of the list")
    return tuple(found)


def _text(reader: _Reader) -> str:
    match = reader.expect(TEXT, "a value in quotes such as 'mine'")
    return _unquoted(match, "'", 1) or ""


def _number(reader: _Reader, *, whole: bool) -> int | float:
    match = reader.take(NUMBER)
    if match is None:
        # clients write numbers of versions in quotes
        quoted = reader.expect(TEXT, "a number")
        match = NUMBER.fullmatch(quoted[0][1:-1])
        if match is None:
            raise reader.refusal(f"expected a number, found {quoted[0][:SHOWN]}")
    number = whole_number(match[0]) if whole else None
    return float(match[0]) if number is None else number


def _unquoted(match: re.Match[str], first: str, group: int) -> str | None:
    """What one of the ways to write a word says: in `first` quotes, in double quotes, or plain."""
    if match[group] is not None:
        return match[group].replace(first * 2, first)
    if match[group + 1] is not None:
        return match[group + 1].replace('""', '"')
    return match[group + 2] if match.re.groups > group + 1 else None
