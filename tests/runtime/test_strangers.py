"""A bundle from a stranger is data: what its files ask for is looked at before anything runs them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from xspecnf.archive import load_arrays
from xspecnf.bundle import GRAPHS, load_bundle, shipped_bundles
from xspecnf.errors import BundleError
from xspecnf.graphfile import check_graph
from xspecnf.protobuf import fields
from xspecnf.response import Response


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bundle, tmp_path / "copy")


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Put a file into the bundle and its true checksum into the manifest, as its maker would."""
    (folder / name).write_bytes(content)
    list_file(folder, name, hashlib.sha256(content).hexdigest())


def list_file(folder: Path, name: str, digest: str = "0") -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = digest
    (folder / "manifest.json").write_text(json.dumps(manifest))


def flow(folder: Path) -> onnx.ModelProto:
    return onnx.load(folder / "flow.onnx")


def branch(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["x"], then_branch=body, else_branch=body))


def hidden_branch(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("then", helper.make_graph([], "body", [], [])))


def function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Exp", ["a"], ["b"])
    model.functions.append(helper.make_function("", "F", ["a"], ["b"], [node], [helper.make_opsetid("", 17)]))


def external(tensor: TensorProto) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def external_constant(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "t")
    external(tensor)
    model.graph.node.append(helper.make_node("Constant", [], ["t"], value=tensor))


CHANGES: dict[str, tuple[Callable[[onnx.ModelProto], object], str]] = {
    "operator set": (lambda m: setattr(m.opset_import[0], "version", 99), "operator set 99, 17 at most"),
    "negative operator set": (lambda m: setattr(m.opset_import[0], "version", -1), "operator set"),
    "IR": (lambda m: setattr(m, "ir_version", 12), "IR version 12, 8 at most"),
    "domain": (
        lambda m: setattr(m.graph.node[0], "domain", "com.microsoft"),
        "operators of the domain 'com.microsoft'",
    ),
    "imported domain": (lambda m: setattr(m.opset_import[0], "domain", "evil"), "operators of the domain 'evil'"),
    "two operator sets": (lambda m: m.opset_import.add(domain="", version=17), "1 graphs and 2 operator sets"),
    "random": (lambda m: setattr(m.graph.node[0], "op_type", "RandomNormal"), "the operator 'RandomNormal'"),
    "branch": (branch, "the operator 'If'"),
    "hidden branch": (hidden_branch, "a graph within the graph"),
    "function": (function, "field 25 of the model"),
    "external data": (lambda m: external(m.graph.initializer[0]), "data in another file"),
    "external constant": (external_constant, "data in another file"),
    "sparse": (lambda m: m.graph.sparse_initializer.add(), "sparse tensors"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_graph_of_more_than_arithmetic_is_refused(copy: Path, what: str) -> None:
    change, message = CHANGES[what]
    model = flow(copy)
    change(model)
    replace_file(copy, "flow.onnx", model.SerializeToString())
    with pytest.raises(BundleError, match=rf"flow\.onnx: no graph that a bundle may hold \({message}"):
        load_bundle(copy)


def test_a_key_that_other_readers_would_cut_is_refused(copy: Path) -> None:
    """A reader of 32 bits takes 2^35 + 25 * 8 + 2 for field 25, functions."""
    key, encoded = 2**35 + 25 * 8 + 2, bytearray()
    while key > 127:
        encoded.append(key & 127 | 128)
        key >>= 7
    replace_file(copy, "flow.onnx", (copy / "flow.onnx").read_bytes() + bytes(encoded) + b"\x01\x00")
    with pytest.raises(BundleError, match="field number"):
        load_bundle(copy)


def test_shipped_graphs_are_what_a_stranger_may_send() -> None:
    """They are not looked at when they load, as they came with the program."""
    for folder in shipped_bundles().values():
        for graph in (folder / f"{name}.onnx" for name in GRAPHS):
            check_graph(graph, graph.read_bytes())


@given(st.integers(0, 1 << 60), st.binary(max_size=4))
@settings(max_examples=50, deadline=None)
def test_a_damaged_graph_is_refused_or_a_graph(tiny_bundle: Path, place: int, patch: bytes) -> None:
    """Whatever bytes change, the check ends with a BundleError or passes; it raises nothing else."""
    content = bytearray((tiny_bundle / "flow.onnx").read_bytes())
    start = place % len(content)
    content[start : start + len(patch)] = patch
    with suppress(BundleError):
        check_graph(Path("flow.onnx"), bytes(content))


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 2**63 - 1) | st.binary(max_size=300)), max_size=5))
@settings(max_examples=50, deadline=None)
def test_fields_are_read_as_they_were_written(expected: list[tuple[int, int | bytes]]) -> None:
    message = b"".join(
        varint(number << 3) + varint(value) if isinstance(value, int) else varint(number << 3 | 2) + prefixed(value)
        for number, value in expected
    )
    found = [(n, value if isinstance(value, int) else bytes(value)) for n, value in fields(memoryview(message))]
    assert found == expected


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def prefixed(value: bytes) -> bytes:
    return varint(len(value)) + value


@pytest.mark.parametrize("name", ["a/../../b", "..", "/etc/hostname", "a\\b", "C:b", "", "./flow.onnx", "a//b", "a\0b"])
def test_a_name_that_leaves_the_folder_is_refused(copy: Path, name: str) -> None:
    list_file(copy, name)
    with pytest.raises(BundleError, match="lies outside the bundle"):
        load_bundle(copy)


def test_a_file_of_a_folder_within_is_the_bundles(copy: Path) -> None:
    (copy / "more").mkdir()
    replace_file(copy, "more/weights.bin", b"1")
    assert "more/weights.bin" in load_bundle(copy).files
    (copy / "more" / "weights.bin").unlink()
    (copy / "more").rmdir()
    (copy / "more").symlink_to(copy.parent, target_is_directory=True)
    (copy.parent / "weights.bin").write_bytes(b"1")
    with pytest.raises(BundleError, match="lies outside the bundle"):
        load_bundle(copy)


def test_a_link_within_the_folder_is_refused_too(copy: Path) -> None:
    (copy / "flow.onnx").rename(copy / "other.onnx")
    (copy / "flow.onnx").symlink_to(copy / "other.onnx")
    with pytest.raises(BundleError, match="lies outside the bundle"):
        load_bundle(copy)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_make_it_wait(copy: Path) -> None:
    (copy / "flow.onnx").unlink()
    os.mkfifo(copy / "flow.onnx")
    with pytest.raises(BundleError, match=r"flow\.onnx: not a file"):
        load_bundle(copy)


def test_sizes_are_bounded(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xspecnf.bundle.LARGEST_FILE", 100)
    with pytest.raises(BundleError, match="more than 100 bytes"):
        load_bundle(copy)
    monkeypatch.setattr("xspecnf.bundle.LARGEST_MANIFEST", 100)
    with pytest.raises(BundleError, match=r"manifest\.json: more than 100 bytes"):
        load_bundle(copy)
    monkeypatch.undo()
    for k in range(100):
        list_file(copy, f"{k}.txt")
    with pytest.raises(BundleError, match=r"lists 10\d files, 100 at most"):
        load_bundle(copy)


@pytest.mark.parametrize("field", ["name", "version", "description", "instrument"])
@pytest.mark.parametrize("text", ["red \x1b[31m", "two\nlines", 3])
def test_texts_that_would_write_on_a_terminal_are_refused(copy: Path, field: str, text: Any) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {field: text}))
    with pytest.raises(BundleError, match="is no line of text"):
        load_bundle(copy)


def test_a_deeply_nested_manifest_is_refused(copy: Path) -> None:
    (copy / "manifest.json").write_text("[" * 200_000)
    with pytest.raises(BundleError, match=r"manifest\.json: not a readable JSON file"):
        load_bundle(copy)


def npy(shape: str, descr: str = "'<f8'", data: bytes = bytes(80)) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (npy(f"({10**9}, {10**6})"), "reshape"),
        (npy(f"({10**12},)"), "reshape"),
        (npy("(10,)", "'|O'"), "Python objects"),
        (npy("(10,)", "'<f8'", bytes(81)), "multiple"),
        (b"", "EOF|magic"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "EOF|header"),
        (npy("(10,)").replace(b"\x01\x00", b"\x03\x00", 1), "version"),
    ],
)
def test_an_archive_that_lies_about_an_array_is_refused(member: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_arrays(packed(member))


def test_arrays_come_back_as_numpy_saved_them() -> None:
    saved = {
        "c": np.arange(6.0).reshape(2, 3),
        "f": np.arange(6).reshape(2, 3).T,
        "name": np.array("Γ"),
        "e": np.ones(0),
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, **saved)
    found = load_arrays(stream)
    assert found.keys() == saved.keys()
    for name, array in saved.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_what_unpacks_to_more_is_not_unpacked(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed(npy(f"({10**6},)", data=bytes(8 * 10**6))).getvalue()
    assert len(bomb) < 10**4
    with pytest.raises(ValueError, match="its arrays take 8000128 bytes, 1000 at most"):
        load_arrays(io.BytesIO(bomb), 1000)
    (copy / "response.npz").write_bytes(bomb[: len(bomb) // 2])
    with pytest.raises(BundleError, match=r"response\.npz: no stored response .* archive"):
        Response.load(copy / "response.npz")


def packed(member: bytes) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", member)
    return stream
