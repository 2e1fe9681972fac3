import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from decimal import Decimal
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from pelton.registry.files import formats
from pelton.registry.files.formats import is_code, why_unsafe


class Trap:
    """Runs a command in whoever unpickles it; no test does."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("false",)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def saved(array: Any) -> bytes:  # noqa: ANN401
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def dumped(value: object, **options: Any) -> bytes:  # noqa: ANN401
    file = io.BytesIO()
    joblib.dump(value, file, **options)
    return file.getvalue()


def onnx_model() -> bytes:
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", tensors[:1], tensors[1:])
    return bytes(helper.make_model(graph).SerializeToString())


def tensors(offsets: list[int], size: int = 8) -> bytes:
    header = json.dumps({"__metadata__": {"a": "b"}, "w": {"dtype": "F32", "shape": [2], "data_offsets": offsets}})
    return struct.pack("<Q", len(header)) + header.encode() + bytes(size)


def node(module: str, name: str, loader: str = "ObjectNode") -> dict[str, Any]:
    return {"__module__": module, "__class__": name, "__loader__": loader, "content": {"a": []}}


def skops(*nodes: dict[str, Any], array: bytes | None = None) -> bytes:
    schema = {**node("sklearn.pipeline", "Pipeline"), "steps": [*nodes, node("builtins", "dict", "DictNode")]}
    return zipped({"schema.json": json.dumps(schema).encode(), "1.npy": saved(np.ones(3)) if array is None else array})


SAFE = {
    "onnx": onnx_model(),
    "safetensors": tensors([0, 8]),
    "skops": skops(node("sklearn.linear_model._logistic", "LogisticRegression")),
    "yaml": b"channels:\n- conda-forge\ndependencies:\n- python=3.11\n",
    "json": b'{"columns": ["x"], "data": [[1.5]]}',
    "text in another script": "模型的说明\n".encode(),
    "labels": b"cat\ndog\nbird\n",
    "names of packages": b"ipython\nnumpy\nRtree\n",
    "markdown": b"(lists)\n]N.\n# Model\n",
    "empty": b"",
    "array": saved(np.ones((3, 2))),
    "array of records": saved(np.zeros(2, dtype=[("O", "f8"), ("name", "U3")])),
    "parquet": b"PAR1" + bytes(range(256)) + b"PAR1",
    "packed text": gzip.compress(b"a,b\n1,2\n"),
    "zip of texts": zipped({"a.csv": b"a,b\n", "folder/b.json": b"{}"}),
}


@pytest.mark.parametrize("content", SAFE.values(), ids=SAFE)
def test_what_only_holds_data_is_safe(content: bytes) -> None:
    assert why_unsafe(io.BytesIO(content)) is None


TRAP = pickle.dumps(Trap())
UNSAFE = {
    **{f"protocol {number}": pickle.dumps(Trap(), protocol=number) for number in range(6)},
    "a pickle of an estimator's parts": pickle.dumps(OrderedDict(a=Decimal(1)), protocol=0),
    "a pickle of plain values": pickle.dumps({"a": 1}),
    "an instance of protocol 0": b"(S'x'\nios\nsystem\n.",
    "code before an error": b"cos\nsystem\n(S'x'\ntR\xff\xff nothing that can be read",
    "names in another script": "cmödul\nfünktion\n(tR.".encode(),
    "bytes that are no ASCII in a string": b"cos\nsystem\n(S'\xff\\q'\ntR.",
    "reached by the stack": b"\x8c\x02os\x8c\x06system\x93)R.",
    "reached by an extension": b"\x82\x01)R.",
    "joblib": dumped(Trap()),
    "joblib, gzip": dumped(Trap(), compress=("gzip", 3)),
    "joblib, zlib": dumped(Trap(), compress=("zlib", 3)),
    "joblib, xz": dumped(Trap(), compress=("xz", 3)),
    "joblib, lzma": dumped(Trap(), compress=("lzma", 3)),
    "joblib, bz2": dumped(Trap(), compress=("bz2", 3)),
    "gzip twice": gzip.compress(gzip.compress(TRAP)),
    "a zip packed by lzma": zipped({"a": TRAP}, zipfile.ZIP_LZMA),
    "bz2 in xz": lzma.compress(bz2.compress(TRAP)),
    "torch": zipped({"archive/data.pkl": TRAP, "archive/data/0": bytes(64)}, zipfile.ZIP_STORED),
    "a pickle in a zip under another name": zipped({"a.txt": b"x", "b.json": pickletools.optimize(TRAP)}),
    "a zip in a zip": zipped({"a": zipped({"b": TRAP})}),
    "a zip behind something else": b"\0" * 100 + zipped({"a": TRAP}),
    "code in a zip": zipped({"code/model.py": b"import os"}),
    "array of objects": saved(np.array([Trap()], dtype=object)),
    "array of records with objects": saved(np.zeros(1, dtype=[("a", "f8"), ("b", "O")])),
    "array with a bad header": b"\x93NUMPY\x01\x00\x10\x00" + b"[" * 16,
    "arrays with objects": zipped({"a.npy": saved(np.array([1], dtype=object))}),
    "skops with a foreign type": skops(node("os", "system", "FunctionNode")),
    "skops that calls a method": skops(node("sklearn.pipeline", "Pipeline", "MethodNode")),
    "skops with a type of somebody": skops(node("my_package.models", "Model")),
    "skops with a builtin that runs code": skops(node("builtins", "eval", "TypeNode")),
    "skops with objects in an array": skops(array=saved(np.array([Trap()], dtype=object))),
    "skops with no schema that can be read": zipped({"schema.json": b"{"}),
    "elf": b"\x7fELF" + bytes(60),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(60),
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(60),
    "bytes": bytes(range(128, 256)),
    "onnx that is cut off": onnx_model()[:-1],
    "onnx with more behind it": onnx_model() + b"\xff",
    "tensors beyond the file": tensors([0, 9]),
    "tensors before the file": tensors([-1, 4]),
    "a text with a zero": b"a\0b",
}


@pytest.mark.parametrize("content", UNSAFE.values(), ids=UNSAFE)
def test_what_could_run_code_or_is_unknown_is_unsafe(content: bytes) -> None:
    assert why_unsafe(io.BytesIO(content))


@pytest.mark.parametrize("name", ["code/model.py", "MODEL.PY", "ext.so", "a.ipynb"])
def test_code_is_told_by_its_name_since_it_is_text(name: str) -> None:
    assert is_code(name)
    assert why_unsafe(io.BytesIO(zipped({name: b"x = 1"}))) == f"packs {name!r}, which is code"


@pytest.mark.parametrize("name", ["model.onnx", "py", "MLmodel", "py.yaml"])
def test_what_has_no_name_of_code_is_not_told_by_it(name: str) -> None:
    assert not is_code(name)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MOST_READ", 10_000_000)
    zeros = b"1" * 20_000_000
    for bomb in (
        gzip.compress(zeros),
        zipped({"a.txt": zeros}),
        zipped({f"{number}.txt": zeros[:1_500_000] for number in range(10)}),
        gzip.compress(gzip.compress(zeros)),
        zipped({"a.zip": zipped({"a.txt": zeros})}),
    ):
        assert why_unsafe(io.BytesIO(bomb)) == "takes reading over 10000000 bytes to look into"


def test_what_is_packed_too_often_or_in_too_many_files_is_not_looked_into() -> None:
    packed = b"text"
    for _ in range(4):
        packed = gzip.compress(packed)
    assert "packed more than 3 times" in str(why_unsafe(io.BytesIO(packed)))
    many = zipped({str(number): b"" for number in range(10_001)})
    assert "packs 10001 files" in str(why_unsafe(io.BytesIO(many)))


@given(st.recursive(st.none() | st.integers() | st.text() | st.binary(), st.lists), st.data())
def test_no_pickle_that_imports_anything_passes(value: object, data: st.DataObject) -> None:
    protocol = data.draw(st.integers(0, 5))
    assert why_unsafe(io.BytesIO(pickle.dumps([value, Trap()], protocol=protocol)))


@given(st.text())
def test_a_text_is_safe_or_else_a_pickle_would_import_what_it_names(text: str) -> None:
    content = text.replace("\0", "").encode()
    reason = why_unsafe(io.BytesIO(content))
    assert reason is None or "pickle" in reason or "packed" in reason


@given(st.binary())
def test_any_bytes_get_a_verdict(content: bytes) -> None:
    why_unsafe(io.BytesIO(content))
