"""What a model card says, and that nothing a user wrote becomes markup in it."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import TypeAdapter, ValidationError
from registry_facts import SPAN, define, evaluation

from pelton.contracts.canonical import sha256
from pelton.contracts.evidence import Comparison, Evidence, Fairness, GroupScores, Latency, Segment
from pelton.contracts.values import Artifact, ModelVersion
from pelton.registry.cards.card import body, card
from pelton.registry.cards.markdown import code, plain
from pelton.registry.cards.page import page
from pelton.registry.cards.sections import SectionText, read_sections
from pelton.registry.cards.source import CardSource

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>[x](javascript:alert(1))|`*_# <!-- pelton:human:x -->"


def source(**changes: Any) -> CardSource:  # noqa: ANN401
    details = ModelVersion(
        model="late",
        version=3,
        training_id="late-3",
        artifact=Artifact(digest=sha256(b"m"), size=7, format="onnx"),
        request=("distance",),
        features=("route:delay_mean_1d",),
        views={"route": sha256(b"v")},
        threshold=0.5,
        dataset=sha256(b"d"),
        evaluation=evaluation(),
    )
    evidence = Evidence(
        comparison=Comparison(against=2, dataset=sha256(b"h"), loss="brier", rows=500, mean=-0.01, variance=0.1),
        segments=(
            Segment(
                attribute="carrier",
                groups=(
                    GroupScores(group="UA", rows=300, positives=50, selected=0.2, metrics={"brier": 0.14}),
                    GroupScores(group="HA", rows=3, positives=1, selected=0.3, metrics={}),
                ),
            ),
        ),
        fairness=(
            Fairness(
                attribute="carrier",
                measures={"demographic_parity_difference": 0.04},
                undefined={"equalized_odds_difference": "HA has no negative rows"},
            ),
        ),
        latency=Latency(rows=200, p50_ms=0.1, p99_ms=0.4),
    )
    fields: dict[str, Any] = {
        "model": "late",
        "version": 3,
        "stage": "production",
        "description": "Whether a flight lands late.",
        "tags": {"license": "apache-2.0"},
        "definition": define(owner="flight ops").model_dump(mode="json"),
        "definition_digest": define().digest,
        "details": details,
        "artifact": details.artifact.digest,
        "evidence": evidence,
        "metrics": {"auc": 0.7, "brier": 0.15},
        "gates": [{"name": "auc_floor", "passed": True, "value": 0.7, "limit": 0.6, "reason": "auc is enough"}],
        "history": [
            {
                "time": datetime(2013, 3, 1, tzinfo=UTC),
                "from_stage": "development",
                "to_stage": "staging",
                "actor": "ann",
                "reason": "passed",
            }
        ],
        "approvals": [
            {
                "to_stage": "production",
                "requested_by": "ann",
                "status": "granted",
                "decided_by": "bob",
                "reason": "ok",
                "agreed": [{"by": "eve", "reason": "fine"}, {"by": "bob", "reason": "ok"}],
                "comments": [{"by": "joe", "text": "why now?"}, {"by": "ann", "text": "drift"}],
            }
        ],
        "created_at": "2013-03-01T00:00:00",
        "created_by": "service:registry",
        "run_id": "late-3",
        "contents": {
            "parameters": {"leaves": 15},
            "dependencies": {"scikit-learn": "1.7"},
            "environment": {"python": "3.11.9", "platform": "linux", "lock": sha256(b"lock")},
            "code": {"bundle": sha256(b"c")},
            "sources": {"departures": {}},
            "features": {"route": {"entity": "route", "source": "departures"}},
            "data": {
                "dataset": {
                    "id": sha256(b"d"),
                    "rows": 1000,
                    "positives": 200,
                    "span": SPAN.model_dump(mode="json"),
                    "statistics": {"columns": {"distance": {"missing": 3, "distinct": 9, "mean": 512.5}}},
                }
            },
        },
        "sections": {"limits": "Not for *cargo*.", "zz": "A note."},
    }
    return CardSource(**(fields | changes))


# how huggingface_hub finds the front matter of a card
FRONT_MATTER = re.compile(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))")


def parts(text: str) -> tuple[dict[str, Any], str]:
    found = FRONT_MATTER.search(text)
    assert found is not None
    return yaml.safe_load(found[2]), text[found.end() :]


def test_a_card_says_all_that_is_known() -> None:
    front, rest = parts(card(source()))
    assert front["library_name"] == "onnx"
    assert front["license"] == "apache-2.0"
    (result,) = front["model-index"][0]["results"]
    assert {one["type"]: one["value"] for one in result["metrics"]} == {"auc": 0.7, "brier": 0.15}
    assert front["pelton"]["dataset"] == sha256(b"d") == result["dataset"]["revision"]
    assert front["pelton"]["code"] == sha256(b"c")
    titles = re.findall(r"^## (.*)$", rest, re.MULTILINE)
    assert titles == [
        "Intended use",
        "Limits",
        "Performance",
        "Fairness",
        "Training data",
        "Training",
        "Approval and history",
        "Maintenance",
        "How to make it again",
        "Notes",
    ]
    shown = page("x", rest)
    for words in (
        "<td>UA</td>",
        "<td>demographic_parity_difference</td>",
        "<td>HA has no negative rows</td>",
        "lower by 0.01 on the mean of the same 500 rows",
        "Of carrier HA there were too few rows to score",
        "<td>512.5</td>",
        "flight ops",
        "scikit-learn 1.7",
        "0.4 ms at 99 %",
    ):
        assert words in shown, words


def test_the_same_facts_make_the_same_card() -> None:
    assert card(source()) == card(source())


def test_what_people_wrote_stands_between_marks_and_is_read_back() -> None:
    text = card(source())
    assert read_sections(text) == {"limits": "Not for *cargo*.", "zz": "A note."}
    assert text.index("## Limits") < text.index("pelton:human:limits") < text.index("## Performance")
    assert "pelton:human" not in body(source(), marks=False)


def test_a_logged_version_of_which_little_is_known_has_a_card_too() -> None:
    bare = CardSource(model="模型 ä", version=1, stage="development", created_at="2013-03-01", created_by="ann")
    front, rest = parts(card(bare))
    assert front["model-index"] == [{"name": "模型 ä", "results": []}]
    assert "# 模型 ä version 1" in rest
    assert "None" not in rest


def test_the_metrics_of_a_logged_run_are_not_said_to_be_of_rows_held_out() -> None:
    front, _ = parts(card(source(details=None, contents={}, run_id="r1", metrics={"training_auc": 0.9})))
    (result,) = front["model-index"][0]["results"]
    assert result["task"] == {"type": "other"}
    assert result["dataset"] == {"type": "pelton", "name": "as run r1 logged it"}


def test_a_deprecated_version_says_so_at_its_head() -> None:
    told = {"reason": "an error in the labels", "sunset": "2013-06-01T00:00:00", "successor": 4}
    text = page("x", body(source(deprecation=told), marks=False))
    assert "an error in the labels. It goes on until 2013-06-01. Use version 4 instead." in text


class Tags(HTMLParser):
    """What a browser would see: elements, and the attributes that could run something."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.links: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [value for name, value in attrs if name in {"href", "src"} or name.startswith("on")]


WRITTEN = {"h1", "h2", "h3", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "strong", "em", "code"}
ALLOWED = {"html", "head", "meta", "title", "style", "body", *WRITTEN}
# what people may write in their own sections besides
ALLOWED |= {"ol", "pre", "blockquote", "hr", "br", "a", "img", "h4", "h5", "h6"}


def hostile(text: str) -> CardSource:
    return source(
        model=text,
        description=text,
        version_description=text,
        tags={text: text, "license": text},
        metrics={text: 1.0},
        gates=[{"name": text, "passed": True, "value": None, "limit": None, "reason": text}],
        sections={"limits": text},
        contents={
            "parameters": {text: text},
            "data": {text: {"id": text, "source": text}},
            "dependencies": {text: text},
            "code": {"commit": text},
            "sources": {text: {}},
        },
        deprecation={"reason": text, "sunset": None, "successor": None},
        created_by=text,
        run_id=text,
    )


@given(st.one_of(st.just(SCRIPT), st.text(alphabet="<>&\"'`*_[]()|#-=~!:\\/ \n\tabjs", max_size=60)))
def test_what_a_user_wrote_is_text_on_the_page(text: str) -> None:
    parser = Tags()
    parser.feed(page(text, body(hostile(text), marks=False)))
    assert parser.seen <= ALLOWED
    assert not [one for one in parser.links if one and one.lower().lstrip().startswith(("javascript:", "vbscript:"))]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40))
def test_plain_text_is_shown_as_it_was_written(text: str) -> None:
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parseInline(plain(text))[0].children or []
    assert {token.type for token in tokens} <= {"text", "text_special"}
    assert " ".join("".join(token.content for token in tokens).split()) == " ".join(text.split())


@given(st.text(alphabet="`ab |", min_size=1, max_size=12).filter(lambda text: text.strip()))
def test_code_is_shown_as_it_was_written(text: str) -> None:
    shown = MarkdownIt("commonmark").enable("table").render(f"| a |\n| --- |\n| {code(text)} |\n")
    assert shown.count("<td>") == 1
    found = re.search(r"<code>(.*?)</code>", shown)
    assert found is not None
    assert found[1].strip() == " ".join(text.split())


@given(st.text(max_size=60))
def test_the_front_matter_is_one_document_whatever_a_tag_says(text: str) -> None:
    front, _ = parts(card(source(tags={"a": f"x\n---\n{text}"}, model="m")))
    assert front["pelton"]["model"] == "m"


@pytest.mark.parametrize("text", ["<!-- pelton:human:x -->", "a <!--/pelton:human:x-->", "a\0b", "x" * 20_001])
def test_a_section_cannot_pretend_to_be_the_card_s_own_marks(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(SectionText).validate_python(text)
