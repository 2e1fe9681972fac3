"""Where code comes from, of real git repositories: the commit, what differs, and no program but git."""

import subprocess
from pathlib import Path

import pytest
from sdk_platform import Platform, client_of
from sdk_project import PIPELINE, write

from pelton.contracts.canonical import sha256
from pelton.sdk import origin as origins
from pelton.sdk.apply import apply, plan
from pelton.sdk.origin import origin_of
from pelton.sdk.project import load_project


def git(folder: Path, *arguments: str) -> str:
    named = ("-c", "user.name=ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")
    command = ("git", *named, *arguments)
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project in a folder of a repository, committed."""
    project = write(tmp_path / "repository" / "project")
    git(project.parent, "init", "--quiet")
    git(project.parent, "add", ".")
    git(project.parent, "commit", "--quiet", "--message", "first")
    return project


def head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD").strip()


def test_a_clean_project_comes_from_its_commit(folder: Path) -> None:
    (folder.parent / "elsewhere.py").write_text("changed beside the project")
    assert origin_of(folder) == origins.Origin(head(folder), dirty=False)


def test_what_differs_is_a_patch_that_makes_the_same_files_of_the_commit(folder: Path, tmp_path: Path) -> None:
    (folder / "pipeline.py").write_text(PIPELINE + "# more\n")
    (folder / "häuser.py").write_bytes(b"a = 1\r\nno end of line")
    (folder / "features.py").write_bytes(b"\0\1binary")
    git(folder, "add", "features.py")
    (folder / "pelton.yaml").unlink()
    found = origin_of(folder)
    assert found is not None
    assert found.commit == head(folder)
    assert found.dirty
    assert found.diff is not None
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(folder.parent), str(other))
    patch = tmp_path / "patch"
    patch.write_bytes(found.diff)
    git(other, "apply", "--directory=project", "--whitespace=nowarn", str(patch))

    def files(of: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in of.iterdir()}

    assert files(other / "project") == files(folder)


def test_untracked_files_that_are_no_part_of_a_project_stay_where_they_are(folder: Path) -> None:
    (folder / ".env").write_text("TOKEN=secret")
    (folder / "data.csv").write_text("1,2")
    assert origin_of(folder) == origins.Origin(head(folder), dirty=False)


def test_a_diff_that_is_too_long_is_left_out_and_the_project_is_dirty(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "big.py").write_text("x = 1\n" * 100)
    found = origin_of(folder)
    assert found is not None
    assert found.diff is not None
    for most, expected in ((len(found.diff), found.diff), (len(found.diff) - 1, None), (1, None)):
        monkeypatch.setattr(origins, "MOST_DIFF", most)
        assert origin_of(folder) == origins.Origin(head(folder), dirty=True, diff=expected)


def test_notebooks_of_the_folder_are_named_with_their_content(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "MOST_NOTEBOOK", 5)
    for name, content in (("explore.ipynb", b"{}"), ("empty.ipynb", b""), ("long.ipynb", b"123456")):
        (folder / name).write_bytes(content)
    found = origin_of(folder)
    assert found is not None
    assert found.notebooks == {"explore.ipynb": b"{}"}


def test_where_git_knows_nothing_there_is_no_origin(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert origin_of(write(tmp_path / "alone")) is None
    git(write(tmp_path / "unborn"), "init", "--quiet")
    assert origin_of(tmp_path / "unborn") is None
    (folder.parent / ".gitignore").write_text("ignored/\n")
    assert origin_of(write(folder.parent / "ignored")) is None
    assert origin_of(folder) is not None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert origin_of(folder) is None


def test_a_git_that_does_not_end_is_ended(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = tmp_path / "bin" / "git"
    stuck.parent.mkdir()
    stuck.write_text("#!/bin/sh\nexec sleep 60\n")
    stuck.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stuck.parent}:/usr/bin:/bin")
    monkeypatch.setattr(origins, "TIMEOUT_SECONDS", 0.1)
    assert origin_of(folder) is None


def test_no_program_that_the_repository_names_is_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    program = f"touch {ran}; cat"
    (folder / ".gitattributes").write_text("*.py filter=odd=name diff=shown\n")
    git(folder, "add", ".gitattributes")
    git(folder, "commit", "--quiet", "--message", "attributes")
    settings = (
        ("core.fsmonitor", program),
        ("diff.external", program),
        ("diff.shown.textconv", program),
        ("diff.shown.command", program),
        ("filter.odd=name.clean", program),
        ("filter.odd=name.process", program),
        ("filter.odd=name.required", "true"),
        ("core.pager", program),
    )
    for name, value in settings:
        git(folder, "config", name, value)
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", program)
    (folder / "pipeline.py").write_text(PIPELINE + "# more\n")
    (folder / "new.py").write_text("")
    found = origin_of(folder)
    assert found is not None
    assert found.diff is not None
    assert b"+# more" in found.diff
    assert not ran.exists()


def test_applying_says_where_the_code_came_from_and_another_commit_alone_is_no_change(folder: Path) -> None:
    (folder / "pipeline.py").write_text(PIPELINE + "# more\n")
    (folder / "explore.ipynb").write_text("{}")
    platform = Platform()
    project = load_project(folder)
    with client_of(platform.answer) as client:
        apply(client, project, plan(client, project))
        told = platform.kept["models"]["late"]["origin"]
        assert (told["commit"], told["dirty"]) == (head(folder), True)
        assert told["notebooks"] == {"explore.ipynb": sha256(b"{}")}
        assert {told["diff"], *told["notebooks"].values()} <= set(platform.kept["artifacts"])
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", "second")
        assert plan(client, project)[-1].action == "leave"
