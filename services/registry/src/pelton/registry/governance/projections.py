"""Policies, evidence, approvals, variants and deprecations as tables, made from their facts."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.canonical import canonical_json
from pelton.contracts.registry import (
    ApprovalCommented,
    ApprovalDenied,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRequested,
    ApprovalWithdrawn,
    DeprecationWithdrawn,
    EvidenceRecorded,
    ModelDeprecated,
    ModelPolicySet,
    ModelStageChanged,
    ModelVersionChanged,
    VariantsConfigured,
    VariantsEnded,
)
from pelton.registry.governance import store
from pelton.registry.store import StoredFact, write


async def project(connection: AsyncConnection, stored: StoredFact) -> None:
    """Show one fact in the tables."""
    origin = {"actor": stored.actor, "time": stored.time}
    match stored.fact:
        case ModelPolicySet() as fact:
            await _show_policy(connection, fact, stored)
        case EvidenceRecorded() as fact:
            evidence = canonical_json(fact.evidence).decode()
            about = {"model": fact.model, "version": fact.version, "by": fact.by, "time": stored.time}
            await write(connection, store.SAVE_EVIDENCE, **about, evidence=evidence)
        case VariantsConfigured() as fact:
            arms = canonical_json([one.model_dump(mode="json") for one in fact.variants]).decode()
            shares = {"variants": arms, "key": fact.key, "salt": fact.salt, "reason": fact.reason}
            await write(connection, store.SAVE_VARIANTS, model=fact.model, **shares, **origin)
        case VariantsEnded() as fact:
            await write(connection, store.DELETE_VARIANTS, model=fact.model)
        case ModelDeprecated() as fact:
            said = {"sunset": fact.sunset, "reason": fact.reason, "successor": fact.successor}
            subject = {"model": fact.model, "version": fact.version or 0}
            await write(connection, store.SAVE_DEPRECATION, **subject, **said, **origin)
        case DeprecationWithdrawn() as fact:
            await write(connection, store.DELETE_DEPRECATION, model=fact.model, version=fact.version or 0)
        case _:
            await _show_approval(connection, stored)


async def _show_policy(connection: AsyncConnection, fact: ModelPolicySet, stored: StoredFact) -> None:
    place = {"model": fact.model, "stage": fact.stage}
    if fact.policy is None:
        await write(connection, store.DELETE_POLICY, **place)
    else:
        policy = canonical_json(fact.policy).decode()
        said = {"policy": policy, "reason": fact.reason, "actor": stored.actor, "time": stored.time}
        await write(connection, store.SAVE_POLICY, **place, **said)
    # what waited was asked under the former policy
    void = {"status": "void", "by": stored.actor, "reason": f"another policy: {fact.reason}", "time": stored.time}
    await write(connection, store.END_REQUESTS_TO, **place, **void)


async def _show_approval(connection: AsyncConnection, stored: StoredFact) -> None:
    match stored.fact:
        case ApprovalRequested() as fact:
            await write(
                connection,
                store.SAVE_REQUEST,
                event_id=stored.id,
                correlation_id=stored.correlation_id,
                model=fact.model,
                version=fact.version,
                artifact=fact.artifact,
                role=fact.role,
                requested_by=fact.requested_by,
                to_stage=fact.to_stage,
                request=fact.reason,
                needed=fact.count,
                team=fact.team,
                expires_at=fact.expires_at,
                time=stored.time,
            )
        case ApprovalCommented() as fact:
            said = {"by": fact.by, "text": fact.text, "time": stored.time}
            subject = {"model": fact.model, "version": fact.version}
            await write(connection, store.SAVE_COMMENT, event_id=stored.id, **subject, **said)
        case ApprovalGranted() as fact:
            await _show_grant(connection, fact, stored)
        case ApprovalDenied() as fact:
            await _end(connection, fact.model, fact.version, "denied", fact.by, fact.reason, stored)
        case ApprovalWithdrawn() as fact:
            await _end(connection, fact.model, fact.version, "withdrawn", fact.by, fact.reason, stored)
        case ModelStageChanged() as fact:
            # whoever still waited for a decision waits no longer: a version that moves on has nothing pending
            await _end(connection, fact.model, fact.version, "withdrawn", stored.actor, fact.reason, stored)
        case ApprovalExpired() as fact:
            await _end(connection, fact.model, fact.version, "expired", stored.actor, "nobody decided in time", stored)
        case ModelVersionChanged() as fact:
            why = "the version is no longer what was requested"
            await _end(connection, fact.model, fact.version, "void", stored.actor, why, stored)
            # it was measured before it changed
            await write(connection, store.DELETE_EVIDENCE, model=fact.model, version=fact.version)
        case _:
            return


async def _show_grant(connection: AsyncConnection, fact: ApprovalGranted, stored: StoredFact) -> None:
    subject = {"model": fact.model, "version": fact.version}
    said = {"by": fact.by, "reason": fact.reason, "time": stored.time}
    await write(connection, store.SAVE_AGREEMENT, event_id=stored.id, **subject, **said)
    if fact.remaining:
        return
    if not await write(connection, store.END_REQUEST, **subject, **said, status="granted"):
        # the policy grants without being asked
        origin = {"event_id": stored.id, "correlation_id": stored.correlation_id, "artifact": fact.artifact}
        await write(connection, store.SAVE_UNASKED, **subject, **origin, **said, status="granted")


async def _end(
    connection: AsyncConnection, model: str, version: int, status: str, by: str, reason: str, stored: StoredFact
) -> None:
    values = {"model": model, "version": version, "status": status, "by": by, "reason": reason, "time": stored.time}
    await write(connection, store.END_REQUEST, **values)
