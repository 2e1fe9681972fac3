"""What two datasets differ in, without their rows. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from pelton.contracts.feature import DatasetProfile

# What makes a dataset what it is; where it lies and when it was made does not.
COMPARED: Final = ("name", "query", "model", "known", "span", "as_of", "views", "transformations", "sources", "offsets")


def differences(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    profiles: tuple[DatasetProfile | None, DatasetProfile | None],
) -> dict[str, Any]:
    """The differences of two datasets, given as facts: `same` content or not, rows, columns, recipe, statistics.

    `recipe` has the parts of what they were made of that differ, `statistics` by column those of its figures that do;
    each as `{before, after}`. Of a dataset without a profile there are no statistics.
    """
    recipe = {name: _pair(before.get(name), after.get(name)) for name in COMPARED}
    old, new = profiles
    statistics: dict[str, Any] = {}
    if old is not None and new is not None:
        for name in sorted(old.columns.keys() & new.columns.keys()):
            a, b = (one.columns[name].model_dump(mode="json") for one in (old, new))
            changed = {figure: _pair(a[figure], b[figure]) for figure in a if a[figure] != b[figure]}
            if changed:
                statistics[name] = changed
    return {
        "same": before["dataset"] == after["dataset"],
        "rows": _pair(before["rows"], after["rows"]),
        "columns": {
            "added": [name for name in after["columns"] if name not in before["columns"]],
            "removed": [name for name in before["columns"] if name not in after["columns"]],
        },
        "recipe": {name: pair for name, pair in recipe.items() if pair["before"] != pair["after"]},
        "statistics": statistics,
    }


def _pair(before: object, after: object) -> dict[str, object]:
    return {"before": before, "after": after}
