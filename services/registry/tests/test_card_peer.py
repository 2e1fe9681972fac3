"""Our cards as Hugging Face's own client reads them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lineage_facts import tell_everything
from registry_door import Door
from registry_facts import CODE, define, evaluation

from pelton.testkit.peers import Peer

REQUIREMENTS = Path(__file__).parents[3] / "tests" / "peers" / "huggingface.txt"
READ = """
import json, socket, sys

def no_network(*_, **__):
    raise OSError("there is no network here")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = no_network
from huggingface_hub import ModelCard

card = ModelCard.load(sys.argv[1])
results = [(one.metric_type, one.metric_value) for one in card.data.eval_results]
print(json.dumps({"data": card.data.to_dict(), "results": results, "text": card.text}))
"""


def read(card: Path) -> dict[str, Any]:
    peer = Peer(REQUIREMENTS)
    command = [peer.python, "-c", READ, card]
    told = subprocess.run(command, env=peer.env, check=True, stdout=subprocess.PIPE, timeout=120).stdout
    return json.loads(told)  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.peer
async def test_hugging_face_s_client_reads_our_card_with_its_metrics(door: Door, tmp_path: Path) -> None:
    await door.declare(define(), CODE.digest)
    await tell_everything(door)
    for name, words in (("limits", "---\nNot for *cargo* & 模型."), ("ethics", "metrics: [none]")):
        answer = await door.ask("PUT", f"/models/late/card/sections/{name}", json={"text": words})
        assert answer.status_code == 200, answer.text
    path = tmp_path / "README.md"
    path.write_bytes((await door.ask("GET", "/models/late/versions/1/card")).content)
    found = read(path)
    scores = evaluation().model_dump()
    assert {name: scores[name] for name in ("accuracy", "auc", "brier", "log_loss")}.items() <= dict(
        found["results"]
    ).items()
    (index,) = found["data"]["model-index"]
    assert {one["type"]: one["value"] for one in index["results"][0]["metrics"]} == dict(found["results"])
    assert found["data"]["library_name"] == "onnx"
    assert "# late version 1" in found["text"]
    assert "Not for *cargo* & 模型." in found["text"]
    assert found["data"]["pelton"]["version"] == 1
