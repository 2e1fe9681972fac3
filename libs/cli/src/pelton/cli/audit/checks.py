"""The comparisons of an audit: pure functions over what was fetched, each naming the records that differ."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pelton.cli.audit.bus import Item
from pelton.cli.audit.entries import LogEntry
from pelton.cli.audit.findings import Check, Finding, difference
from pelton.contracts.canonical import sha256
from pelton.eventkit.envelope import Envelope, InvalidEnvelopeError
from pelton.ledger import checkpoint
from pelton.ledger.entry import Record, RecordDigest, decode, encode
from pelton.ledger.errors import EntryError, LedgerError
from pelton.ledger.keys import VerifierKey
from pelton.ledger.merkle import Tree, hash_leaf

Claim = tuple[str, int]


def check_entries(entries: Sequence[LogEntry]) -> Check:
    """Every index is there, every entry has its leaf hash, and the service's index says what the entries say."""
    findings: list[Finding] = []
    for expected, one in enumerate(entries):
        if one.index != expected:
            findings.append(one.finding("log", f"entry {expected} is missing from the log"))
            break
        if hash_leaf(one.entry) != one.leaf_hash:
            findings.append(one.finding("log", "the stored bytes do not have the leaf hash that was logged for them"))
        elif problem := _misindexed(one):
            findings.append(one.finding("log", problem))
    return Check("log", "stored entries, their hashes and their index", len(entries), tuple(findings))


def check_checkpoints(notes: Sequence[tuple[int, str]], entries: Sequence[LogEntry], vkey: VerifierKey) -> Check:
    """Every checkpoint is signed, and has the root that the raw entries have at its size; no two contradict.

    Those that were published as facts are checked as well: a log that was forked must answer for both.
    """
    tree = Tree(hash_leaf(one.entry) for one in entries)
    findings: list[Finding] = []
    good = 0
    for size, note in notes:
        problem = _misfit(note, size, tree, vkey)
        if problem is None:
            good = max(good, size)
            continue
        findings.append(Finding("checkpoints", f"checkpoint of size {size}: {problem}; entries {good} on are suspect"))
    served = dict(notes)
    sealed = [one for one in entries if one.type == "pelton.audit.checkpoint_sealed.v1"]
    for one in sealed:
        fact = payload(one)
        if fact is None:
            findings.append(one.finding("checkpoints", "the fact cannot be read"))
            continue
        problem = _misfit(str(fact.get("note")), int(fact.get("size", -1)), tree, vkey)
        if problem is None and served.get(fact["size"]) != fact["note"]:
            problem = f"the service has another checkpoint of size {fact['size']}, or none"
        if problem:
            findings.append(one.finding("checkpoints", f"the published checkpoint: {problem}"))
    return Check("checkpoints", "signatures, roots and sizes", len(notes) + len(sealed), tuple(findings))


def check_kafka(items: Sequence[Item], entries: Sequence[LogEntry], taken: Mapping[tuple[str, int], int]) -> Check:
    """Every record of the control topics is the entry that was logged for it, to the byte, and none is missing.

    `taken` says where the log's readers were before its entries were fetched: what is beyond waits to be logged.
    """
    by_place = {one.place: one for one in entries}
    by_claim = {one.claim: one for one in entries}
    findings: list[Finding] = []
    seen: set[tuple[str, int, int]] = set()
    for item in items:
        place = (item.topic, item.partition, item.offset)
        entry = _entry_of(item)
        logged = by_place.get(place)
        if logged is not None:
            seen.add(place)
            if entry != logged.entry:
                there = difference(entry, logged.entry) if entry else "it cannot be read"
                findings.append(logged.finding("kafka", f"the record on Kafka (here) and the entry (there): {there}"))
            continue
        problem = _unlogged(item, entry, by_claim, taken)
        if problem:
            findings.append(_about(item, problem))
    findings += [one.finding("kafka", "the record is no longer on Kafka") for one in entries if one.place not in seen]
    return Check("kafka", "records of the control topics, byte by byte", len(items), tuple(findings))


def check_positions(entries: Iterable[LogEntry], waiting: Iterable[Claim]) -> Check:
    """Each owner's positions run from 1 without a gap."""
    found: dict[str, dict[int, LogEntry | None]] = defaultdict(dict)
    for source, position in waiting:
        found[source][position] = None
    highest: dict[str, int] = defaultdict(int)
    for one in entries:
        found[one.source][one.position] = one
        highest[one.source] = max(highest[one.source], one.position)
    findings = [
        Finding("positions", f"position {position} of {source} is missing below {last}", topic=_topic(source))
        for source, last in sorted(highest.items())
        for position in range(1, last)
        if position not in found[source]
    ]
    return Check("positions", "positions of each owner, without a gap", sum(map(len, found.values())), tuple(findings))


def check_store(
    service: str, events: Sequence[Mapping[str, Any]], entries: Sequence[LogEntry], waiting: frozenset[Claim]
) -> Check:
    """A service's own event store says what the log says it published."""
    source = f"/pelton/{service}"
    logged = {one.position: one for one in entries if one.source == source}
    pending = {position for owner, position in waiting if owner == source}
    newest = max(logged, default=0)  # beyond it a fact may still be on its way
    findings: list[Finding] = []
    for row in events:
        one = logged.pop(row["position"], None)
        if one is not None:
            problem = _restored_differs(service, row, one)
            if problem:
                findings.append(
                    one.finding(service, f"the service's event store (here) and the log (there): {problem}")
                )
        elif row["position"] <= newest and row["position"] not in pending:
            findings.append(
                Finding(
                    service,
                    f"position {row['position']} of its event store was never logged",
                    event_id=row["id"],
                    type=row["type"],
                    subject=row["stream"],
                    topic=f"pelton.{service}",
                )
            )
    findings += [one.finding(service, "the service's event store no longer has it") for one in logged.values()]
    return Check(service, "facts of the service's own event store", len(events), tuple(findings))


def waiting_claims(items: Iterable[Item], entries: Iterable[LogEntry]) -> frozenset[Claim]:
    """The facts on Kafka that are not in the log."""
    logged = {one.claim for one in entries}
    found = set()
    for item in items:
        envelope = _envelope(item)
        if envelope is not None and (envelope.source, envelope.position) not in logged:
            found.add((envelope.source, envelope.position))
    return frozenset(found)


def payload(one: LogEntry) -> dict[str, Any] | None:
    """The JSON of a fact; None where the log has only its digest, or it cannot be read."""
    try:
        content = decode(one.entry)
        value = None if isinstance(content, RecordDigest) else json.loads(content.value or b"")
    except (EntryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _misindexed(one: LogEntry) -> str | None:
    """What the service's columns say of an entry, against what its bytes say."""
    try:
        content = decode(one.entry)
    except EntryError as error:
        return f"the stored bytes are no entry: {error}"
    if isinstance(content, RecordDigest):
        return None
    try:
        about = Envelope.from_headers((name, value or b"") for name, value in content.headers)
    except InvalidEnvelopeError as error:
        return f"the entry is no fact: {error}"
    says = {
        "topic": content.topic,
        "id": str(about.id),
        "type": about.type,
        "subject": about.subject,
        "source": about.source,
        "position": about.position,
        "causation_id": about.causation_id,
        "correlation_id": about.correlation_id,
        "time": about.time,
    }
    held = {name: getattr(one, name) for name in says} | {"time": datetime.fromisoformat(one.time)}
    wrong = [name for name, value in says.items() if held[name] != value]
    return f"the index says {wrong[0]} {held[wrong[0]]!r}, the entry {says[wrong[0]]!r}" if wrong else None


def _misfit(note: str, size: int, tree: Tree, vkey: VerifierKey) -> str | None:
    try:
        sealed = checkpoint.verify(note, vkey).checkpoint
    except LedgerError as error:
        return str(error)
    if sealed.size != size:
        return f"the signed note says size {sealed.size}"
    if size > tree.size:
        return f"it covers {size} entries, and the log has only {tree.size}: entries were cut off"
    root = tree.root(size)
    return None if root == sealed.root else f"it signed root {sealed.root.hex()}, and the entries have {root.hex()}"


def _unlogged(
    item: Item, entry: bytes | None, by_claim: Mapping[Claim, LogEntry], taken: Mapping[tuple[str, int], int]
) -> str | None:
    """What is wrong with a record that is not an entry itself: nothing, if it waits or is an equal copy."""
    envelope = _envelope(item)
    if envelope is None or entry is None or envelope.topic != item.topic:
        return "a record that is no fact of this topic's owner"
    logged = by_claim.get((envelope.source, envelope.position))
    if logged is not None and logged.entry != entry:
        return f"claims the position of entry {logged.index}: {difference(entry, logged.entry)}"
    if logged is None and item.offset < taken.get((item.topic, item.partition), 0):
        return "the fact is on Kafka, and was passed over or cut out of the log"
    return None


def _restored_differs(service: str, row: Mapping[str, Any], one: LogEntry) -> str | None:
    """The record that the relay would publish of a stored row, against the entry."""
    content = decode(one.entry)
    if isinstance(content, RecordDigest):
        value = str(row["data"]).encode()
    else:
        value = content.value or b""
        if row["data_digest"] != sha256(value):
            shown = Record(content.topic, content.key, content.headers, str(row["data"]).encode())
            return difference(encode(shown), one.entry)
    meta = row["meta"]
    envelope = Envelope(
        id=UUID(row["id"]),
        owner=service,
        type=row["type"],
        subject=row["stream"],
        time=datetime.fromisoformat(row["time"]),
        correlation_id=meta["correlation_id"],
        causation_id=meta["causation_id"],
        actor=meta["actor"],
        stream_version=row["version"],
        position=row["position"],
        traceparent=meta["traceparent"],
    )
    entry = encode(Record(envelope.topic, row["stream"].encode(), tuple(envelope.headers()), value))
    return None if entry == one.entry else difference(entry, one.entry)


def _topic(source: str) -> str:
    return source.removeprefix("/").replace("/", ".")


def _entry_of(item: Item) -> bytes | None:
    try:
        return encode(Record(item.topic, item.key, tuple(item.headers), item.value))
    except EntryError:
        return None


def _envelope(item: Item) -> Envelope | None:
    try:
        return Envelope.from_headers(item.headers)
    except InvalidEnvelopeError:
        return None


def _about(item: Item, problem: str) -> Finding:
    envelope = _envelope(item)
    about = (str(envelope.id), envelope.type, envelope.subject) if envelope else ("", "", "")
    return Finding("kafka", problem, None, *about, item.topic, item.partition, item.offset)
