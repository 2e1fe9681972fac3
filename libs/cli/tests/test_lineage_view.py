"""How lineage and differences look on a terminal."""

import io
from typing import Any

import pytest
from rich.console import Console

from pelton.cli.lineage import differences, named, tree
from pelton.sdk.errors import PeltonError


def node(kind: str, id_: str, **attributes: object) -> dict[str, Any]:
    return {"key": {"kind": kind, "id": id_}, "attributes": attributes}


def edge(child: dict[str, Any], role: str, parent: dict[str, Any]) -> dict[str, Any]:
    return {"child": child["key"], "role": role, "parent": parent["key"]}


def printed(thing: object) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(thing, highlight=False)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


VERSION, RUN = node("version", "late@1"), node("run", "late-1", name="[bold]x[/bold]")
DATASET = node("dataset", "sha256:" + "a" * 64, rows=1000)
VIEW = node("view", "sha256:" + "b" * 64, name="route")
EDGES = [
    edge(VERSION, "produced_by", RUN),
    edge(RUN, "trained_on", DATASET),
    edge(RUN, "used", VIEW),
    edge(DATASET, "derived_from", VIEW),
]


def test_a_tree_leads_from_a_version_to_its_data_and_unfolds_nothing_twice() -> None:
    found = {"nodes": [VERSION, RUN, DATASET, VIEW], "edges": EDGES, "truncated": False}
    assert printed(tree(found, down=False)).splitlines() == [
        "version late@1",
        "└── produced by run late-1  name [bold]x[/bold]",
        "    ├── trained on dataset aaaaaaaaaaaa  rows 1000",
        "    │   └── derived from view bbbbbbbbbbbb  name route",
        "    └── used view bbbbbbbbbbbb  name route",
    ]


def test_a_tree_downwards_begins_at_the_data() -> None:
    found = {"nodes": [VIEW, RUN, DATASET, VERSION], "edges": EDGES, "truncated": False}
    lines = printed(tree(found, down=True)).splitlines()
    assert lines[0].startswith("view bbbbbbbbbbbb")
    assert any("produced by version late@1" in line for line in lines)
    assert sum("(above)" in line for line in lines) == 1


def test_a_circle_is_unfolded_once() -> None:
    circle = [edge(VERSION, "derived_from", RUN), edge(RUN, "derived_from", VERSION)]
    lines = printed(tree({"nodes": [VERSION, RUN], "edges": circle}, down=False)).splitlines()
    assert len(lines) == 3


def test_a_comparison_is_told_by_section_with_deltas_and_code() -> None:
    found = {
        "sections": {
            "parameters": [{"path": ["leaves"], "kind": "changed", "before": 7, "after": 15}],
            "metrics": [],
            "features": [{"path": ["route", "flights"], "kind": "added", "before": None, "after": {"a": [1]}}],
        },
        "code": [
            {"path": "m.py", "kind": "changed", "diff": "-a[0]\n+b\n"},
            {"path": "m.bin", "kind": "removed", "diff": None},
        ],
        "code_note": None,
    }
    assert printed("\n".join(differences(found))).splitlines() == [
        "parameters",
        "  ~ leaves  7 → 15  (+8)",
        "features",
        '  + route.flights  {"a": [1]}',
        "~ m.py",
        "-a[0]",
        "+b",
        "",
        "- m.bin",
        "  no text, or too long to compare by lines",
    ]


@pytest.mark.parametrize(
    ("thing", "meant"),
    [
        ("late@3", ("version", "late@3")),
        ("mein modell@de@12", ("version", "mein modell@de@12")),
        ("run:abc", ("run", "abc")),
        ("dataset:mlflow:a:b", ("dataset", "mlflow:a:b")),
        ("version:late@1", ("version", "late@1")),
    ],
)
def test_a_thing_is_named_by_version_or_by_kind(thing: str, meant: tuple[str, str]) -> None:
    assert named(thing) == meant


@pytest.mark.parametrize("thing", ["late", "late@", "@1", "late@x"])
def test_what_names_nothing_is_told_how_to_name_something(thing: str) -> None:
    with pytest.raises(PeltonError, match="write model@version"):
        named(thing)
