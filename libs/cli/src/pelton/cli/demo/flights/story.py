"""What the platform has decided so far, read from its own facts on Kafka."""

from collections.abc import Callable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer
from pydantic import ValidationError

from pelton.contracts import deployer, feature, monitor, registry, trainer
from pelton.contracts.fact import Fact, UnknownFactError, fact_class
from pelton.contracts.topics import CONTROL_OWNERS, control_topic
from pelton.eventkit.envelope import Envelope, InvalidEnvelopeError


@dataclass(frozen=True, slots=True)
class Told:
    """One fact, and where it stands."""

    id: str
    type: str
    owner: str
    fact: Fact


@dataclass
class Story:
    """The facts of the run, by kind, and in lines what a reader should know."""

    facts: list[Told] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    watermark: str = ""
    champion: int | None = None
    versions: dict[int, str] = field(default_factory=dict)
    traffic: str = "nobody answers yet"
    training: str = ""
    alerts: dict[str, str] = field(default_factory=dict)

    def of(self, kind: type[Fact]) -> list[Told]:
        """The facts of one kind, in the order they came."""
        return [told for told in self.facts if isinstance(told.fact, kind)]

    def take(self, told: Told) -> None:
        """One more fact."""
        self.facts.append(told)
        line = _tell(self, told.fact)
        if line:
            self.lines.append(line)


async def follow(kafka: str, see: Callable[[Told], None]) -> None:
    """Read every control fact from the beginning, until cancelled; each is seen once."""
    topics = [control_topic(owner) for owner in CONTROL_OWNERS]
    seen: dict[str, int] = {}
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        async for record in consumer:
            try:
                envelope = Envelope.from_headers(record.headers)
                place = f"{record.topic}/{record.partition}"
                if envelope.position <= seen.get(place, 0):
                    continue
                seen[place] = envelope.position
                fact = fact_class(envelope.type).from_bytes(record.value)
            except (InvalidEnvelopeError, UnknownFactError, ValidationError):
                continue
            see(Told(str(envelope.id), envelope.type, envelope.owner, fact))
    finally:
        await consumer.stop()


def _tell(story: Story, fact: Fact) -> str | None:  # noqa: C901, PLR0912, PLR0915 - one case a fact
    """Bring the story up to date, and say in a line what happened; None for what needs no line."""
    match fact:
        case feature.SourceAdvanced():
            story.watermark = max(story.watermark, f"{fact.watermark:%Y-%m-%d}")
        case monitor.DataDriftDetected():
            last = fact.windows[-1]
            story.alerts["drift"] = f"{last.window.end:%d %b}"
            names = ", ".join(one.feature for one in sorted(last.features, key=lambda one: -one.effect)[:3])
            return f"[yellow]{last.window.end:%d %b}  drift[/] {last.share:.0%} of the inputs, most of all {names}"
        case monitor.DataDriftResolved():
            story.alerts.pop("drift", None)
            return f"[green]{fact.windows[-1].window.end:%d %b}  drift is over[/]"
        case monitor.PerformanceDegraded():
            last_seen = fact.windows[-1]
            story.alerts["degradation"] = f"{last_seen.window.end:%d %b}"
            return f"[yellow]{last_seen.window.end:%d %b}  degraded[/] Brier {last_seen.evaluation.brier:.4f}"
        case monitor.PerformanceRecovered():
            story.alerts.pop("degradation", None)
        case trainer.TrainingRequested():
            story.training = f"since {fact.as_of:%d %b} ({fact.trigger.kind})"
            return f"{fact.as_of:%d %b}  training asked for: {fact.trigger.detail}"
        case trainer.TrainingDeferred():
            return f"[dim]{fact.trigger.moment:%d %b}  no training now: {fact.reason}[/]"
        case trainer.TrainingFailed():
            story.training = ""
            return f"[red]training failed: {fact.reason}[/]"
        case trainer.TrainingCompleted():
            story.training = ""
            champion = fact.champion_evaluation
            beside = f", champion {champion.brier:.4f}" if champion else ""
            return f"        trained in {fact.duration_seconds:.1f} s: Brier {fact.evaluation.brier:.4f}{beside}"
        case registry.ModelVersionRejected():
            story.versions[fact.version] = "rejected"
            return f"[red]        version {fact.version} failed a gate[/]"
        case registry.ModelStageChanged():
            story.versions[fact.version] = fact.to_stage
        case deployer.RolloutAdvanced():
            rows = fact.evidence.rows
            return f"        canary at {fact.weight:.0%}: no worse on {rows} labelled rows"
        case deployer.RolloutAborted():
            mean = fact.evidence and (fact.evidence.champion_loss, fact.evidence.challenger_loss)
            losses = f": Brier {mean[1]:.4f} against {mean[0]:.4f}" if mean and mean[0] and mean[1] else ""
            return f"[red]        version {fact.version} is out ({fact.reason}){losses}[/]"
        case deployer.GuardrailBreached():
            return f"[red]        guardrail: version {fact.version}, {fact.guardrail}[/]"
        case deployer.TrafficShifted():
            other = f", version {fact.challenger.version} in {fact.mode}" if fact.challenger else ""
            share = f" with {fact.weight:.0%}" if fact.mode == "canary" else ""
            story.traffic = f"version {fact.champion.version} answers{other}{share}"
        case registry.ModelPromoted():
            story.champion = fact.version
            story.alerts.clear()  # they stood against the former one
            return f"[bold green]        version {fact.version} is the champion[/]"
        case registry.ModelRolledBack():
            story.champion = fact.version
            story.alerts.clear()
            return f"[bold red]        rolled back to version {fact.version}: {fact.reason}[/]"
        case registry.ModelRetired():
            story.champion = fact.successor
            return f"[bold red]        version {fact.version} is the champion no more[/]"
        case registry.ApprovalRequested():
            return f"        version {fact.version} waits for a person to let it into {fact.to_stage}"
        case registry.VariantsConfigured():
            shares = ", ".join(f"version {one.version} {one.weight:.0%}" for one in fact.variants)
            return f"        by {fact.key}: {shares}"
        case registry.VariantsEnded():
            return f"        no variants any more: {fact.reason}"
        case _:
            pass
    return None
