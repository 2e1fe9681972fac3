"""What two things differ in: nothing for equal ones, and for others changes that make the one of the other."""

import copy
import io
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.contracts.canonical import canonical_json
from pelton.registry.lineage import code
from pelton.registry.lineage.code import code_difference
from pelton.registry.lineage.difference import Change, difference

NAMES = st.sampled_from(["a", "b", "c", "ä b", ""])
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=3)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=15,
)


def applied(before: object, changes: tuple[Change, ...]) -> object:
    """What the changes make of a value: the meaning of a difference, said once more."""
    box = {"": copy.deepcopy(before)}
    ordered = [one for one in changes if one.kind != "removed"] + [
        one for one in changes[::-1] if one.kind == "removed"
    ]
    for change in ordered:
        holder: Any = box
        steps = ("", *change.path)
        for step in steps[:-1]:
            holder = holder[step]
        if change.kind == "removed":
            assert canonical_json(holder.pop(steps[-1])) == canonical_json(change.before)
        elif isinstance(holder, list) and change.kind == "added":
            assert steps[-1] == len(holder)
            holder.append(change.after)
        else:
            if change.kind == "changed":
                assert canonical_json(holder[steps[-1]]) == canonical_json(change.before)
            holder[steps[-1]] = change.after
    return box[""]


@given(VALUES)
def test_equal_values_differ_in_nothing(value: object) -> None:
    assert difference(value, copy.deepcopy(value)) == ()


@given(VALUES, VALUES)
def test_the_changes_make_the_one_of_the_other(before: object, after: object) -> None:
    assert canonical_json(applied(before, difference(before, after))) == canonical_json(after)


@given(VALUES, VALUES)
def test_the_other_way_round_the_changes_are_turned_round(before: object, after: object) -> None:
    there = difference(before, after)
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert [(one.path, turned[one.kind]) for one in there] == [
        (one.path, one.kind) for one in difference(after, before)
    ]


def test_one_changed_leaf_is_one_change_at_its_place() -> None:
    before = {"a": {"b": [1, {"c": "x"}]}, "z": 1}
    after = {"a": {"b": [1, {"c": "y"}]}, "z": 1}
    assert difference(before, after) == (Change(("a", "b", 1, "c"), "changed", "x", "y"),)


@pytest.mark.parametrize(("before", "after"), [(1, 1.0), (1, True), (0, False), (None, False), ("1", 1)])
def test_values_that_python_takes_for_equal_may_be_others(before: object, after: object) -> None:
    assert len(difference(before, after)) == 1


FILES = st.dictionaries(
    st.sampled_from(["a.py", "b.py", "c/d.py"]), st.lists(st.sampled_from(["x\n", "y\n", "z"]), max_size=5).map("".join)
)


def bundle(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@given(FILES, FILES)
def test_exactly_the_files_that_differ_are_shown(before: dict[str, str | bytes], after: dict[str, str | bytes]) -> None:
    found = code_difference(bundle(before), bundle(after))
    assert {one.path for one in found} == {path for path in {*before, *after} if before.get(path) != after.get(path)}
    for one in found:
        assert (one.path in before, one.path in after) == {
            "added": (False, True), "removed": (True, False), "changed": (True, True)
        }[one.kind]  # fmt: skip


def test_a_diff_is_one_that_patch_can_apply(tmp_path: Path) -> None:
    before, after = "a\nb\nc\nlast", "a\nB\nc\nlast\n"
    (change,) = code_difference(bundle({"m.py": before}), bundle({"m.py": after}))
    (tmp_path / "m.py").write_text(before)
    assert change.diff is not None
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=change.diff, text=True, check=True)  # noqa: S607
    assert (tmp_path / "m.py").read_text() == after


def test_what_is_no_text_or_too_long_is_told_without_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    (binary,) = code_difference(bundle({"m.bin": b"\xff\x00"}), bundle({"m.bin": b"\xff\x01"}))
    assert binary.diff is None
    monkeypatch.setattr(code, "MOST_LINES", 2)
    (long,) = code_difference(bundle({"m.py": "1\n2\n3\n"}), bundle({}))
    assert (long.kind, long.diff) == ("removed", None)
