"""The blob store keeps bytes whole or not at all."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.blobs import BlobStore, StoredBlob
from manifests.errors import DeepfieldError


@given(data=st.binary(max_size=5000), cut=st.integers(0, 5000))
def test_a_stream_is_stored_under_its_digest(tmp_path_factory, data, cut):
    store = BlobStore(tmp_path_factory.mktemp("blobs"))
    stored = store.put_stream([data[:cut], data[cut:]])
    assert stored.sha256 == hashlib.sha256(data).hexdigest()
    assert stored.size == len(data)
    assert store.read(stored.sha256) == data
    assert store.path(stored.sha256).relative_to(store.root).parts == (
        stored.sha256[:2],
        stored.sha256[2:4],
        stored.sha256,
    )
    assert not store.put(data).new
    assert list(store) == [stored.sha256]


def test_a_stream_that_breaks_leaves_nothing(tmp_path):
    store = BlobStore(tmp_path)

    def broken():
        yield b"half"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        store.put_stream(broken())
    assert list(store) == []
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_flipped_bit_is_found(tmp_path):
    store = BlobStore(tmp_path)
    name = store.put(b"original").sha256
    assert store.intact(name)
    store.path(name).chmod(0o644)
    store.path(name).write_bytes(b"originaL")
    assert not store.intact(name)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "/" * 64])
def test_only_digests_become_paths(tmp_path, name):
    with pytest.raises(DeepfieldError, match="hexadecimal"):
        BlobStore(tmp_path).path(name)


def test_a_kill_in_the_middle_leaves_no_blob(tmp_path):
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom manifests.blobs import BlobStore\n"
        "def slow():\n    yield b'x' * 100000\n    print('half', flush=True)\n    time.sleep(60)\n"
        f"BlobStore(Path({str(tmp_path)!r})).put_stream(slow())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"half\n"
        store = BlobStore(tmp_path)
        store.sweep()
        assert len(list((tmp_path / "incoming").iterdir())) == 1, "a writer at work keeps its file"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert list(store) == []
    store.sweep()
    assert list((tmp_path / "incoming").iterdir()) == []


def test_sweeping_beside_writers_takes_nothing_from_them(tmp_path):
    store, done = BlobStore(tmp_path), threading.Event()

    def sweep():
        while not done.is_set():
            store.sweep()

    with ThreadPoolExecutor(5) as pool:
        sweeper = pool.submit(sweep)
        try:
            stored = list(pool.map(lambda number: store.put(f"{number % 50}".encode()), range(300)))
        finally:
            done.set()
        sweeper.result()
    assert len({one.sha256 for one in stored}) == 50
    assert all(store.intact(one.sha256) for one in stored)


def test_a_damaged_blob_is_mended_by_the_same_bytes(tmp_path):
    store = BlobStore(tmp_path)
    name = store.put(b"light").sha256
    store.path(name).chmod(0o644)
    store.path(name).write_bytes(b"night")
    assert not store.intact(name)
    assert store.put(b"light") == StoredBlob(name, 5, False)
    assert store.read(name) == b"light"
