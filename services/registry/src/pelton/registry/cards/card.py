"""A model card as Markdown: the same facts make the same card, to the byte. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from pelton.registry.cards import data, performance
from pelton.registry.cards.front_matter import front_matter
from pelton.registry.cards.markdown import code, listed, number, paragraphs, plain, table
from pelton.registry.cards.sections import PLACED, marked
from pelton.registry.cards.source import CardSource


def card(source: CardSource) -> str:
    """The whole card: front matter, and the sections that facts and people have something to say in."""
    return f"---\n{front_matter(source)}---\n\n{body(source, marks=True)}\n"


def body(source: CardSource, *, marks: bool) -> str:
    """The card without its front matter; with `marks`, what people wrote stands between comments that say so."""
    parts = [f"# {plain(source.model)} version {source.version}", _standing(source)]
    for title, written in _written(source):
        name = title.lower().replace(" ", "-")
        human = source.sections.get(name, "") if name in PLACED else ""
        inside = "\n\n".join(part for part in (written, _human(name, human, marks=marks)) if part)
        if inside:
            parts.append(f"## {title}\n\n{inside}")
    notes = {name: text for name, text in sorted(source.sections.items()) if name not in PLACED}
    if notes:
        parts.append("## Notes")
    parts += [f"### {plain(name)}\n\n{_human(name, text, marks=marks)}" for name, text in notes.items()]
    return "\n\n".join(parts)


def _human(name: str, text: str, *, marks: bool) -> str:
    return marked(name, text) if text and marks else text


def _written(source: CardSource) -> Iterator[tuple[str, str]]:
    yield "Intended use", "\n\n".join(filter(None, map(paragraphs, (source.description, source.version_description))))
    yield "Limits", _limits(source)
    yield "Ethics", ""
    yield "Performance", performance.performance(source)
    yield "Fairness", performance.fairness(source)
    yield "Training data", data.training_data(source)
    yield "Training", data.training(source)
    yield "Approval and history", _history(source)
    yield "Maintenance", _maintenance(source)
    yield "How to make it again", _again(source)


def _standing(source: CardSource) -> str:
    words = f"In **{plain(source.stage)}**; made by {plain(source.created_by)} on {plain(source.created_at[:10])}."
    told = source.deprecation
    if told is None:
        return words
    until = f" It goes on until {plain(str(told['sunset'])[:10])}." if told.get("sunset") else ""
    after = f" Use version {told['successor']} instead." if told.get("successor") else ""
    return f"{words}\n\n> **Deprecated:** {plain(told['reason'])}.{until}{after}"


def _limits(source: CardSource) -> str:
    lines = []
    if source.details is not None:
        lines.append(f"- It answers yes from a probability of {number(source.details.threshold)} on.")
    for name, one in source.contents.get("data", {}).items():
        span = one.get("span")
        if span:
            which = "" if name == "dataset" else f" ({plain(name)})"
            start, end = plain(span["start"][:10]), plain(span["end"][:10])
            lines.append(f"- It was made from events of {start} to {end}{which}; of other times it has seen nothing.")
    for segment in source.evidence.segments:
        few = [group.group for group in segment.groups if not group.metrics]
        if few:
            groups = ", ".join(map(plain, few))
            lines.append(f"- Of {plain(segment.attribute)} {groups} there were too few rows to score.")
    return "\n".join(lines)


def _history(source: CardSource) -> str:
    gates = table(
        ("Gate", "Passed", "Value", "Limit", "Reason"),
        (
            (plain(one["name"]), "yes" if one["passed"] else "no", number(one["value"]), number(one["limit"]),
             plain(one["reason"]))
            for one in source.gates
        ),
    )  # fmt: skip
    stages = table(
        ("When", "From", "To", "Who", "Why"),
        (
            (plain(one["time"].isoformat()[:19]), plain(one["from_stage"]), plain(one["to_stage"]), plain(one["actor"]),
             plain(one["reason"]))
            for one in source.history
        ),
    )  # fmt: skip
    approvals = table(
        ("Asked for", "Asked by", "Status", "Decided by", "Reason", "Agreed", "Comments"),
        (
            (plain(one["to_stage"]), plain(one["requested_by"] or "the policy"), plain(one["status"]),
             plain(one["decided_by"] or "-"), plain(one["reason"] or ""), _said(one["agreed"], "reason"),
             _said(one["comments"], "text"))
            for one in source.approvals
        ),
    )  # fmt: skip
    return "\n\n".join(filter(None, (gates, stages, approvals)))


def _said(words: Iterable[Mapping[str, str]], what: str) -> str:
    """Who said what, in the order in which they said it."""
    return "; ".join(f"**{plain(one['by'])}**: {plain(one[what])}" for one in words)


def _maintenance(source: CardSource) -> str:
    definition = source.definition or {}
    triggers, monitor = definition.get("triggers", {}), definition.get("monitor", {})
    asked = {"on_drift": "drift", "on_degradation": "degradation", "new_data": "new data", "schedule": "a schedule"}
    reasons = ", ".join(words for name, words in asked.items() if triggers.get(name))
    return listed(
        {
            "Owner": plain(definition.get("owner", "")),
            "Trained again on": reasons,
            "Watched in windows of": plain(monitor.get("window", "")),
        }
    )


def _again(source: CardSource) -> str:
    told = source.contents.get("code", {})
    environment = source.contents.get("environment", {})
    return listed(
        {
            "Artifact": code(source.artifact) if source.artifact else "",
            "Code": code(told["bundle"]) if "bundle" in told else "",
            "Git commit": code(told["commit"]) if "commit" in told else "",
            "Definition": code(source.definition_digest) if source.definition_digest else "",
            "Lock of the environment": code(environment["lock"]) if "lock" in environment else "",
            "Run": code(source.run_id) if source.run_id else "",
            "All that it was made of": code(f"pelton lineage '{source.model}@{source.version}'"),
        }
    )
