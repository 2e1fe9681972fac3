"""What a card says of the data and of how the version was made of it. Pure."""

from collections.abc import Iterator

from pelton.registry.cards.markdown import code, listed, number, plain, table
from pelton.registry.cards.source import CardSource


def training_data(source: CardSource) -> str:
    """Each dataset with its rows, times and columns; its sources and features."""
    return "\n\n".join(filter(None, _datasets(source)))


def training(source: CardSource) -> str:
    """Pipeline, parameters, and what it was computed with."""
    definition = source.definition or {}
    environment = source.contents.get("environment", {})
    parameters = source.contents.get("parameters", {})
    told = listed(
        {
            "Pipeline": code(definition["pipeline"]["entry"]) if "pipeline" in definition else "",
            "Python": plain(environment.get("python", "")),
            "Platform": plain(environment.get("platform", "")),
            "Packages": ", ".join(
                f"{plain(name)} {plain(version)}"
                for name, version in sorted(source.contents.get("dependencies", {}).items())
            ),
        }
    )
    chosen = table(("Parameter", "Value"), ((plain(name), code(value)) for name, value in sorted(parameters.items())))
    return "\n\n".join(filter(None, (told, chosen)))


def _datasets(source: CardSource) -> Iterator[str]:
    for name, one in source.contents.get("data", {}).items():
        if name != "dataset":
            yield f"### {plain(name)}"
        span = one.get("span")
        yield listed(
            {
                "Dataset": code(one["id"]),
                "Rows": number(one["rows"]) if "rows" in one else "",
                "Positive": number(one["positives"]) if "positives" in one else "",
                "Events of": f"{plain(span['start'])} to {plain(span['end'])}" if span else "",
                "Source": code(one["source"]) if isinstance(one.get("source"), str) else "",
            }
        )
        yield _columns(one.get("statistics"))
    yield _declared(source)


def _columns(statistics: object) -> str:
    """The statistics of the columns, where they are a profile of Pelton's."""
    columns = statistics.get("columns") if isinstance(statistics, dict) else None
    if not isinstance(columns, dict):
        return ""
    return table(
        ("Column", "Missing", "Distinct", "Mean", "Least", "Greatest"),
        (
            (plain(name), *(number(one.get(what)) for what in ("missing", "distinct", "mean", "minimum", "maximum")))
            for name, one in columns.items()
        ),
    )


def _declared(source: CardSource) -> str:
    views = source.contents.get("features", {})
    return listed(
        {
            "Sources": ", ".join(map(plain, source.contents.get("sources", {}))),
            "Features": ", ".join(map(plain, source.details.features)) if source.details is not None else "",
            "Fields of the request": ", ".join(map(plain, source.details.request)) if source.details else "",
            "Feature views": ", ".join(
                f"{plain(name)} by {plain(one['entity'])} of {plain(one['source'])}" for name, one in views.items()
            ),
        }
    )
