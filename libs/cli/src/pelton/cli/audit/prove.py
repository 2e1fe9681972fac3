"""`pelton audit prove`: a proof to hand to somebody who has nothing but the log's public key."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pelton.cli.audit.trust import trusted_key
from pelton.ledger.errors import LedgerError
from pelton.ledger.proof import OfflineProof
from pelton.ledger.proof import verify as verify_proof
from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError


def prove(
    event_id: Annotated[str, typer.Argument(help="The fact's id.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; else <event id>.tlog-proof.")] = None,
    vkey: Annotated[Path | None, typer.Option("--vkey", help="The log's public key; else PELTON_HOME's.")] = None,
) -> None:
    """Write the offline proof that a fact is in the log; it is checked before it is written."""
    with Client() as client:
        key = trusted_key(client, vkey)
        text = client.send("audit", "GET", f"/v1/proof/{event_id}").text
    try:
        proof = OfflineProof.parse(text)
        sealed = verify_proof(proof, proof.extra, key)
    except LedgerError as error:
        raise PeltonError(f"the audit service's proof does not hold: {error} Run `pelton audit verify`.") from error
    path = output or Path(f"{event_id}.tlog-proof")
    path.write_text(text)
    size = sealed.checkpoint.size
    Console().print(
        f"{path}: fact {event_id} is entry {proof.index} of the {size} that {key.name} signed.\n"
        f"Whoever checks it needs this key: {key}",
        highlight=False,
        soft_wrap=True,
    )
