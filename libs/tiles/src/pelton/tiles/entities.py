"""Entities as the texts that features are kept under."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles.expressions import ExpressionError

Column = NDArray[Any] | pl.Series

_SEPARATOR: Final = "\x1f"
_ESCAPE: Final = "\x1b"
# Up to here every whole number is an int64.
_WHOLE: Final = 2.0**62


@dataclass(frozen=True, slots=True)
class Entities:
    """The entities of rows: `place`, of shape (n,), is where in `names` each row's is, -1 for null."""

    names: pl.Series
    place: NDArray[np.int64]

    @classmethod
    def of(cls, keys: pl.Series) -> "Entities":
        """The entities of keys, String with null."""
        rows = pl.DataFrame({"key": keys, "row": np.arange(keys.len())}).drop_nulls("key")
        found = rows.group_by("key").agg("row").sort("key")
        place = np.full(keys.len(), -1, np.int64)
        counts = found["row"].list.len().to_numpy()
        place[found["row"].explode(empty_as_null=False).to_numpy()] = np.repeat(np.arange(counts.size), counts)
        return cls(found["key"], place)

    def places(self, keys: pl.Series) -> NDArray[np.int64]:
        """Where in `names` each of some keys is, -1 for one that is not there; shape (n,)."""
        known = pl.DataFrame({"key": self.names, "place": np.arange(self.names.len())})
        asked = pl.DataFrame({"key": keys}).join(known, on="key", how="left", maintain_order="left")
        return asked["place"].fill_null(-1).to_numpy()


def entity_text(value: float | str) -> str:
    """An entity's value as a text: whole numbers without a fraction, as a request would write them."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(value)


def entity_key(values: Sequence[float | str | None]) -> str | None:
    """The text of an entity with these values of a view's `join_keys`; None, which no event has, if one is null."""
    texts = [entity_text(value) for value in values if value is not None]
    if len(texts) < len(values):
        return None
    return texts[0] if len(texts) == 1 else _SEPARATOR.join(map(_escaped, texts))


def entity_keys(view: FeatureViewDefinition, columns: Mapping[str, Column]) -> pl.Series:
    """The entity of each row as `entity_key` has it, String with null.

    Raises:
        ExpressionError: a field that the entity is made of is missing.
    """
    for name in view.join_keys:
        if name not in columns:
            known = ", ".join(sorted(columns))
            raise ExpressionError(
                f"the view {view.name!r} is by {name!r}, a field that the events do not have: {known}"
            )
    texts = [_texts(columns[name]) for name in view.join_keys]
    if len(texts) == 1:
        return texts[0]
    parts = pl.DataFrame({str(place): text for place, text in enumerate(texts)})
    escaped = [
        pl.col(name)
        .str.replace_all(_ESCAPE, _ESCAPE * 2, literal=True)
        .str.replace_all(_SEPARATOR, _ESCAPE + _SEPARATOR, literal=True)
        for name in parts.columns
    ]
    return parts.select(pl.concat_str(escaped, separator=_SEPARATOR)).to_series()


def _escaped(text: str) -> str:
    return text.replace(_ESCAPE, _ESCAPE * 2).replace(_SEPARATOR, _ESCAPE + _SEPARATOR)


def _texts(column: Column) -> pl.Series:
    """Values as texts, String with null."""
    if isinstance(column, np.ndarray) and column.dtype == object:
        values = column.tolist()
        if any(value is not None and not isinstance(value, str) for value in values):
            values = [None if value is None else entity_text(value) for value in values]
        return pl.Series(values, dtype=pl.String)
    series = column if isinstance(column, pl.Series) else pl.Series(column)
    if series.dtype == pl.String or series.dtype.is_integer():
        return series.cast(pl.String)
    numbers = series.cast(pl.Float64).fill_nan(None)
    whole = ((numbers.floor() == numbers) & (numbers.abs() < _WHOLE)).fill_null(value=False)
    texts = numbers.set(~whole, None).cast(pl.Int64).cast(pl.String)
    others = numbers.filter(~whole & numbers.is_not_null())
    if not others.is_empty():
        places = (~whole & numbers.is_not_null()).arg_true()
        texts = texts.scatter(places, [entity_text(value) for value in others.to_list()])
    return texts
