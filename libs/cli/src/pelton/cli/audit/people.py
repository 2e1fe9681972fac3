"""What people laid down and decided about a model, in a line each: their numbers and their reasons."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Data = Mapping[str, Any]


def _requested(data: Data) -> list[str]:
    until = f", by {data['expires_at']}" if data.get("expires_at") else ""
    to_stage, reason = data.get("to_stage", "production"), data.get("reason") or "no reason given"
    return [
        f"version {data['version']} to {to_stage}, asked by {data['requested_by']}: {reason}",
        f"{_persons(data)} must agree{until}, to {data['artifact']}",
    ]


def _decided(data: Data) -> list[str]:
    more = f"; {data['remaining']} more must agree" if data.get("remaining") else ""
    reason = data["reason"] or "no reason given"
    return [f"version {data['version']} by {data['by']} ({data.get('mode', 'person')}): {reason}{more}"]


def _policy(data: Data) -> list[str]:
    if data["policy"] is None:
        return [f"no policy for {data['stage']} any more: {data['reason']}"]
    gates, approvals = data["policy"]["gates"], data["policy"]["approvals"]
    asked = [f"{metric} {limit:g} at least" for metric, limit in sorted(gates["floors"].items())]
    asked += [f"{metric} {limit:g} at most" for metric, limit in sorted(gates["ceilings"].items())]
    asked += [name.replace("_", " ") for name in sorted(gates.keys() - {"floors", "ceilings"}) if gates[name]]
    if approvals is not None:
        asked.append(f"{_persons(approvals)} must agree")
    return [f"to enter {data['stage']}: {', '.join(asked) or 'no gate, and nobody to ask'}: {data['reason']}"]


def _variants(data: Data) -> list[str]:
    arms = ", ".join(f"{one['name']} is version {one['version']} for {one['weight']:.3g}" for one in data["variants"])
    return [f"{arms} of the values of {data['key']} (salt {data['salt']}): {data['reason']}"]


def _deprecated(data: Data) -> list[str]:
    until = f"until {data['sunset']}" if data["sunset"] else "without a date"
    after = f", then version {data['successor']}" if data.get("successor") else ""
    return [f"{_subject(data)} {until}{after}: {data['reason']}"]


def _retired(data: Data) -> list[str]:
    after = "nobody is" if data["successor"] is None else f"version {data['successor']}, which stood beside it, is"
    return [f"version {data['version']} is the champion no more; {after}"]


def _allowed(data: Data) -> list[str]:
    return [f"{data['artifact']}, by {data['by']}: {data['reason']}"]


def _reason(data: Data) -> list[str]:
    return [f"{_subject(data)}: {data['reason'] or 'no reason given'}"]


def _persons(data: Data) -> str:
    count, team = data.get("count", 1), f" of the team {data['team']}" if data.get("team") else ""
    return f"{'one person' if count == 1 else f'{count} persons'} with the role {data['role']}{team}"


def _subject(data: Data) -> str:
    return "the model" if data.get("version") is None else f"version {data['version']}"


BY_NAME: Final[Mapping[str, Callable[[Data], list[str]]]] = {
    "ApprovalRequested": _requested,
    "ApprovalGranted": _decided,
    "ApprovalDenied": _decided,
    "ApprovalWithdrawn": _decided,
    "ModelPolicySet": _policy,
    "VariantsConfigured": _variants,
    "VariantsEnded": _reason,
    "ModelDeprecated": _deprecated,
    "DeprecationWithdrawn": _reason,
    "ModelRetired": _retired,
    "ModelVersionDeleted": _reason,
    "RegisteredModelDeleted": _reason,
    "ArtifactAllowed": _allowed,
    "ArtifactAllowanceRevoked": _allowed,
}
