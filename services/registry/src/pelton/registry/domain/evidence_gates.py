"""Gates on what was measured about a version: against the champion, for fairness, speed, inputs and formats.

A gate without evidence fails, with a reason that says how to give it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pelton.contracts.definitions import ChampionTest, EvidenceGates, LatencyLimit
from pelton.contracts.evidence import Comparison, Evidence
from pelton.contracts.registry import Gate
from pelton.registry.domain.noninferiority import p_value

RATIO: Final = "_ratio"
"""A fairness measure whose name ends so is best at one, and every other at zero."""
MOST_NAMED: Final = 5
"""How many of the files that could run code a refusal names."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a version has to show, and the champion that it is shown against.

    `inputs` are what callers must send, None where nobody said; `unsafe_files` None where its files are not kept here.
    `served` is the version that callers have now, `champion` the one that it must not be worse than: another, where a
    training began before a promotion. `how` says where missing evidence comes from.
    """

    metrics: Mapping[str, float]
    evidence: Evidence | None
    inputs: tuple[str, ...] | None
    unsafe_files: tuple[str, ...] | None
    champion: int | None
    served: int | None
    served_inputs: tuple[str, ...] | None
    how: str


def judge_evidence(gates: EvidenceGates, shown: Shown) -> Iterator[Gate]:
    """Each gate that is asked for, in a fixed order."""
    evidence = shown.evidence or Evidence()
    if gates.champion_test is not None:
        yield _champion_test(gates.champion_test, evidence.comparison, shown)
    for attribute, limits in sorted(gates.fairness.items()):
        for measure, limit in sorted(limits.items()):
            yield _fairness(attribute, measure, limit, evidence, shown.how)
    if gates.latency is not None:
        yield from _latency(gates.latency, evidence, shown.how)
    if gates.compatible_inputs:
        yield _inputs(shown)
    if gates.safe_formats:
        yield _formats(shown)


def floor(metric: str, value: float | None, limit: float, missing: str) -> Gate:
    """A metric that must not be below a limit; `missing` is the reason where it has no value."""
    return _limit(f"{metric}_floor", metric, value, limit, missing, lowest=True)


def ceiling(metric: str, value: float | None, limit: float, missing: str) -> Gate:
    """A metric that must not be above a limit; `missing` is the reason where it has no value."""
    return _limit(f"{metric}_ceiling", metric, value, limit, missing, lowest=False)


def _limit(name: str, what: str, value: float | None, limit: float, missing: str, *, lowest: bool) -> Gate:
    if value is None:
        return Gate(name=name, passed=False, value=None, limit=limit, reason=missing)
    passed = value >= limit if lowest else value <= limit
    side, bound = ("below", "floor") if lowest else ("above", "ceiling")
    reason = f"{what} {value:.6g} is {'not ' if passed else ''}{side} the {bound} {limit:.6g}"
    return Gate(name=name, passed=passed, value=value, limit=limit, reason=reason)


def _champion_test(test: ChampionTest, comparison: Comparison | None, shown: Shown) -> Gate:
    name = "champion_test"
    if shown.champion is None:
        return Gate(name=name, passed=True, value=None, limit=test.alpha, reason="there is no champion to compare with")
    if comparison is None or comparison.against != shown.champion:
        found = "it was not compared with any" if comparison is None else f"it was compared with v{comparison.against}"
        reason = f"the champion is v{shown.champion}, and {found} row by row; {shown.how}"
        return Gate(name=name, passed=False, value=None, limit=test.alpha, reason=reason)
    p = p_value(comparison, test.margin)
    passed = p <= test.alpha
    reason = (
        f"{comparison.loss} higher than that of v{comparison.against} by {comparison.mean:.6g} on {comparison.rows} "
        f"rows: {'' if passed else 'not '}shown to be within {test.margin:.6g} "
        f"(p {p:.3g}, needed {test.alpha:.3g} at most)"
    )
    return Gate(name=name, passed=passed, value=p, limit=test.alpha, reason=reason)


def _fairness(attribute: str, measure: str, limit: float, evidence: Evidence, how: str) -> Gate:
    found = next((one for one in evidence.fairness if one.attribute == attribute), None)
    missing = f"{measure} by {attribute} was not measured; {how}"
    if found is not None and measure in found.undefined:
        missing = f"{measure} by {attribute} has no value: {found.undefined[measure]}"
    value = None if found is None else found.measures.get(measure)
    name = f"fairness:{attribute}:{measure}"
    return _limit(name, f"{measure} by {attribute}", value, limit, missing, lowest=measure.endswith(RATIO))


def _latency(limit: LatencyLimit, evidence: Evidence, how: str) -> Iterator[Gate]:
    measured = evidence.latency
    for name, most in (("p50_ms", limit.p50_ms), ("p99_ms", limit.p99_ms)):
        if most is not None:
            value = None if measured is None else float(getattr(measured, name))
            missing = f"how long single rows take was not measured; {how}"
            yield _limit(f"latency_{name}", f"latency {name}", value, most, missing, lowest=False)


def _inputs(shown: Shown) -> Gate:
    name = "compatible_inputs"
    if shown.served is None:
        return Gate(name=name, passed=True, value=None, limit=None, reason="there is no champion that anybody calls")
    if shown.inputs is None or shown.served_inputs is None:
        which = "the version" if shown.inputs is None else f"the champion v{shown.served}"
        reason = f"{which} has no signature that names its inputs; log the model with one (`signature` or an example)"
        return Gate(name=name, passed=False, value=None, limit=None, reason=reason)
    more = sorted(set(shown.inputs) - set(shown.served_inputs))
    reason = (
        f"callers of v{shown.served} do not send {', '.join(more)}"
        if more
        else f"callers of v{shown.served} send every input"
    )
    return Gate(name=name, passed=not more, value=float(len(more)), limit=0.0, reason=reason)


def _formats(shown: Shown) -> Gate:
    name = "safe_formats"
    if shown.unsafe_files is None:
        reason = (
            "its files are not kept by Pelton, and nobody can look at them; log the model to Pelton's own artifacts"
        )
        return Gate(name=name, passed=False, value=None, limit=None, reason=reason)
    count = len(shown.unsafe_files)
    reason = "no file could run code when it is loaded, or an administrator answers for it"
    if count:
        more = f" and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
        reason = (
            f"{', '.join(shown.unsafe_files[:MOST_NAMED])}{more}: to load it could run code; log the model as ONNX, "
            "skops or safetensors, or let an administrator answer for each file, or for the whole artifact, by its "
            "digest (`pelton artifact allow`)"
        )
    return Gate(name=name, passed=not count, value=float(count), limit=0.0, reason=reason)
