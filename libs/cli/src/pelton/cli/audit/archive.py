"""The archive on this machine's disk against the log."""

from collections.abc import Sequence
from pathlib import Path

from pelton.cli.audit.entries import LogEntry
from pelton.cli.audit.findings import Check, Finding, difference

BUNDLE = 256


def check_archive(folder: Path, bundles: int, entries: Sequence[LogEntry]) -> Check:
    """Each of so many whole bundles is there, and has the entries that are stored, to the byte."""
    findings: list[Finding] = []
    for number in range(bundles):
        path = bundle_path(folder, number)
        expected = entries[number * BUNDLE : (number + 1) * BUNDLE]
        try:
            content = path.read_bytes()
        except OSError as error:
            findings.append(Finding("archive", f"{path} cannot be read: {error.strerror}", index=number * BUNDLE))
            continue
        findings += _compare(path, content, expected)
    return Check("archive", "entries in the bundles on disk", bundles * BUNDLE, tuple(findings))


def bundle_path(folder: Path, number: int) -> Path:
    """Where a bundle is, by C2SP's tlog-tiles, e.g. `x001/234`."""
    digits = [f"{number % 1000:03}"]
    while number := number // 1000:
        digits.insert(0, f"x{number % 1000:03}")
    return folder.joinpath(*digits)


def _compare(path: Path, content: bytes, expected: Sequence[LogEntry]) -> list[Finding]:
    findings: list[Finding] = []
    at = 0
    for one in expected:
        length = int.from_bytes(content[at : at + 2], "big")
        archived = content[at + 2 : at + 2 + length]
        if archived != one.entry:
            there = difference(archived, one.entry)
            findings.append(one.finding("archive", f"{path.name} (here) and the stored entry (there): {there}"))
        if length != len(one.entry):
            return findings  # a changed length moves all that follows
        at += 2 + length
    if at != len(content):
        findings.append(Finding("archive", f"{path} has {len(content) - at} bytes beyond its last entry"))
    return findings
