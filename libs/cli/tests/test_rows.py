import json

import pytest

from pelton.cli.rows import show

ROWS = [
    {"name": "a", "why": None, "tags": [], "more": None},
    {"name": "b", "why": None, "tags": ["x", "y"], "more": {"deep": 1}},
]


def test_a_table_has_the_columns_that_have_something_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, as_json=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["name"], ["a"], ["b"]]


def test_a_table_has_the_columns_that_were_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, as_json=False, columns=("name", "tags"))
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["name", "tags"],
        ["a", "-"],
        ["b", "x,", "y"],
    ]


def test_as_json_nothing_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, as_json=True, columns=("name",))
    assert json.loads(capsys.readouterr().out) == ROWS
