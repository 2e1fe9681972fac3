"""Go's own note and tlog packages accept what is made here, and nothing that was changed."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pelton.ledger import checkpoint as checkpoints
from pelton.ledger import proof as proofs
from pelton.ledger.checkpoint import Checkpoint
from pelton.ledger.entry import Record, encode
from pelton.ledger.keys import SigningKey
from pelton.ledger.merkle import Tree, hash_leaf

pytestmark = [pytest.mark.peer, pytest.mark.skipif(shutil.which("go") is None, reason="go is not on PATH")]

LOG = SigningKey("example.com/log", bytes(range(32)))
ENTRIES = [encode(Record("pelton.registry", b"models/m", (("ce_id", b"%d" % n),), b"{}")) for n in range(1_000)]
TREE = Tree(map(hash_leaf, ENTRIES))


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("go") / "verifier"
    go = shutil.which("go")
    assert go is not None
    subprocess.run([go, "build", "-o", program, "."], cwd=Path(__file__).parent / "go_verifier", check=True)
    return program


def evidence(index: int, old: int, new: int) -> dict[str, object]:
    return {
        "Vkey": str(LOG.verifier),
        "Entry": base64.b64encode(ENTRIES[index]).decode(),
        "Proof": proofs.prove(TREE, index, sealed(new)).text,
        "Older": sealed(old),
        "Consistency": [base64.b64encode(step).decode() for step in TREE.consistency(old, new)],
    }


def sealed(size: int) -> str:
    return checkpoints.sign(Checkpoint(LOG.name, size, TREE.root(size)), LOG)


def judge(verifier: Path, given: dict[str, object]) -> str:
    ran = subprocess.run([verifier], input=json.dumps(given), text=True, capture_output=True, check=False)
    assert (ran.returncode == 0) == (not ran.stderr)
    return ran.stderr


@pytest.mark.parametrize(
    ("index", "old", "new"), [(0, 1, 1), (0, 1, 2), (6, 4, 7), (511, 512, 513), (998, 700, 999), (123, 1_000, 1_000)]
)
def test_go_verifies_the_checkpoints_and_proofs_made_here(verifier: Path, index: int, old: int, new: int) -> None:
    assert judge(verifier, evidence(index, old, new)) == ""


def test_go_refuses_each_part_when_it_was_changed(verifier: Path) -> None:
    good = evidence(123, 700, 999)
    other_path = evidence(124, 699, 999)
    changed = {
        "Vkey": (str(SigningKey(LOG.name, bytes(32)).verifier), "no verifiable signatures"),
        "Entry": (other_path["Entry"], "inclusion"),
        "Proof": (str(good["Proof"]).replace("index 123", "index 122"), "inclusion"),
        "Older": (sealed(700).replace("\n700\n", "\n701\n"), "invalid signature"),
        "Consistency": (other_path["Consistency"], "consistency"),
    }
    for part, (forged, reason) in changed.items():
        assert reason in judge(verifier, good | {part: forged}), part
