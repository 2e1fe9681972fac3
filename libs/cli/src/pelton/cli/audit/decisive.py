"""What is decisive about a fact, in one line or a few: the numbers that the decision was made by."""

from collections.abc import Callable, Mapping
from math import exp
from typing import Any, Final

from pelton.cli.audit import people

Data = Mapping[str, Any]

MOST_FEATURES: Final = 4
MOST_LOG: Final = 20.0
SHORT: Final = 40


def headline(kind: str) -> str:
    """`pelton.registry.model_promoted.v1` as `ModelPromoted`."""
    return "".join(word.capitalize() for word in kind.split(".")[-2].split("_"))


def decisive(kind: str, data: Data) -> list[str]:
    """Lines for a reader; of a type without any of its own, its short fields."""
    describe = _BY_NAME.get(headline(kind))
    if describe is not None:
        return describe(data)
    short = {name: value for name, value in data.items() if isinstance(value, str | int | float) and value != ""}
    return [", ".join(f"{name} {value}" for name, value in short.items() if len(str(value)) <= SHORT)]


def moment(data: Data) -> str | None:
    """The event time that a fact speaks of, where it says one."""
    if windows := data.get("windows"):
        return str(windows[-1]["window"]["end"])
    evidence = data.get("evidence") or {}
    trigger = data.get("trigger") or {}
    found = evidence.get("until") or trigger.get("moment") or data.get("watermark") or data.get("as_of")
    return str(found) if found else None


def _promoted(data: Data) -> list[str]:
    previous = f", in place of version {data['previous']}" if data.get("previous") else ", the first"
    scores = [_scores("held-out", data["details"]["evaluation"])] if data["details"] else []
    return [f"version {data['version']} is the champion{previous}", *scores]


def _rolled_back(data: Data) -> list[str]:
    return [f"from version {data['from_version']} back to {data['version']}: {data['reason']}"]


def _stage(data: Data) -> list[str]:
    return [f"version {data['version']}: {data['from_stage']} → {data['to_stage']}; {data['reason']}"]


def _gates(data: Data) -> list[str]:
    lines = [f"version {data['version']}"]
    for gate in data["gates"]:
        value = "" if gate["value"] is None else f" {gate['value']:.5g}"
        limit = "" if gate["limit"] is None else f" (limit {gate['limit']:.5g})"
        lines.append(f"{'✓' if gate['passed'] else '✗'} {gate['name']}{value}{limit}: {gate['reason']}")
    return lines


def _rollout_started(data: Data) -> list[str]:
    champion = f"champion {data['champion']['version']}" if data["champion"] else "no champion"
    return [f"challenger {data['challenger']['version']} against {champion}"]


def _tested(data: Data) -> list[str]:
    lines = [
        f"{name.replace('_', ' ')} {data[name]}"
        for name in ("version", "step", "weight", "reason", "guardrail")
        if name in data
    ]
    evidence = data.get("evidence")
    if not evidence:
        return [*lines, "nothing to be compared with"]
    settings = evidence["settings"]
    lines = [", ".join(lines)]
    lines.append(
        f"{settings['phase']} test of {evidence['rows']:,} labelled rows: {evidence['verdict'].replace('_', ' ')}; "
        f"Brier champion {_number(evidence['champion_loss'])}, challenger {_number(evidence['challenger_loss'])} "
        f"(margin {settings['margin']:g})"
    )
    lines.append(
        f"e-values: no worse {_e_value(evidence['log_e_no_worse'])}, worse {_e_value(evidence['log_e_worse'])}, "
        f"errors {_e_value(evidence['log_e_errors'])} (decisive from {1 / settings['alpha']:.4g}); "
        f"{evidence['errors']:,} errors in {evidence['answers']:,} answers"
    )
    return lines


def _trained(data: Data) -> list[str]:
    lines = [
        f"candidate {data['chosen'] + 1} of {len(data['candidates'])}",
        f"trained on {_span(data['train_span'])}, evaluated on {_span(data['holdout_span'])}",
        _scores("challenger", data["evaluation"]),
    ]
    if data["champion_evaluation"]:
        lines.append(_scores(f"champion {data['champion_version']}", data["champion_evaluation"]))
    elif data.get("champion_skipped"):
        lines.append(f"champion not evaluated: {data['champion_skipped']}")
    return lines


def _requested(data: Data) -> list[str]:
    trigger = data["trigger"]
    lines = [f"trigger {trigger['kind']}: {trigger['detail']}"]
    if "span" in data:
        lines.append(f"rows of {_span(data['span'])}, seed {data['seed']}")
    if "until" in data:
        lines.append(
            f"deferred for {data['reason'].replace('_', ' ')}" + (f" until {data['until']}" if data["until"] else "")
        )
    return lines


def _dataset(data: Data) -> list[str]:
    share = data["positives"] / data["rows"] if data["rows"] else 0.0
    return [
        f"{data['rows']:,} rows, {share:.1%} positive, {_span(data['span'])}, nothing later than {data['as_of']}",
        f"content {data['dataset']}",
    ]


def _drifted(data: Data) -> list[str]:
    lines = [f"version {data['version']}; reference {data['reference_digest'][:19]}…"]
    for one in data["windows"]:
        drifted = sorted((f for f in one["features"] if f["drifted"]), key=lambda f: -f["effect"])
        named = ", ".join(
            f"{f['feature']} (PSI {f['effect']:.3g}, p {f['p_value']:.2g})" for f in drifted[:MOST_FEATURES]
        )
        more = f" and {len(drifted) - MOST_FEATURES} more" if len(drifted) > MOST_FEATURES else ""
        lines.append(f"window {_span(one['window'])}, {one['rows']:,} rows: {one['share']:.0%} of the inputs drifted")
        lines += [f"  {named}{more}"] if drifted else []
    return lines


def _degraded(data: Data) -> list[str]:
    return [
        f"window {_span(one['window'])}: {_scores('labelled', one['evaluation'])}, p {one['p_value']:.2g}, "
        f"{one['unlabelled']:,} without label" for one in data["windows"]
    ]  # fmt: skip


def _advanced(data: Data) -> list[str]:
    return [f"{data['source']} up to {data['watermark']}: {data['events']:,} events"]


def _registered(data: Data) -> list[str]:
    return [f"definition {data['definition_digest']}, code {data['code']['digest']}"]


def _pinned(data: Data) -> list[str]:
    return [f"version {data['version']}, {len(data['features'])} inputs; {_scores('reference', data['evaluation'])}"]


def _created(data: Data) -> list[str]:
    return [f"version {data['version']['version']}: artifact {data['version']['artifact']['digest']}"]


def _scores(who: str, evaluation: Data) -> str:
    auc = "" if evaluation["auc"] is None else f", AUC {evaluation['auc']:.4f}"
    scores = f"Brier {evaluation['brier']:.5f}, accuracy {evaluation['accuracy']:.2%}{auc}"
    return f"{who}: {scores} on {evaluation['rows']:,} rows"


def _span(window: Data) -> str:
    start, end = (str(window[name])[:16].removesuffix("T00:00") for name in ("start", "end"))
    return f"{start} to {end}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.5f}"


def _e_value(logarithm: float) -> str:
    return f"{exp(logarithm):.4g}" if logarithm < MOST_LOG else f"e^{logarithm:.4g}"


_BY_NAME: Final[Mapping[str, Callable[[Data], list[str]]]] = {
    **people.BY_NAME,
    "ModelPromoted": _promoted,
    "ModelRolledBack": _rolled_back,
    "ModelStageChanged": _stage,
    "ModelVersionValidated": _gates,
    "ModelVersionRejected": _gates,
    "ModelVersionCreated": _created,
    "ModelRegistered": _registered,
    "RolloutStarted": _rollout_started,
    "RolloutAdvanced": _tested,
    "RolloutSucceeded": _tested,
    "RolloutAborted": _tested,
    "GuardrailBreached": _tested,
    "TrainingRequested": _requested,
    "TrainingDeferred": _requested,
    "TrainingCompleted": _trained,
    "DatasetMaterialized": _dataset,
    "DataDriftDetected": _drifted,
    "DataDriftResolved": _drifted,
    "PerformanceDegraded": _degraded,
    "PerformanceRecovered": _degraded,
    "ReferencePinned": _pinned,
    "SourceAdvanced": _advanced,
}
