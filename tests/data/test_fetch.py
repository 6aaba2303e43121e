"""Downloads from a server that can fail in every way."""

from __future__ import annotations

import fcntl
import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from egraff_lmp.data.entry import RemoteFile
from egraff_lmp.data.fetch import download, fetch_part
from egraff_lmp.data.table import DATA_SETS
from egraff_lmp.errors import EgraffError

CONTENT = bytes(range(256)) * 5000  # 1.2 MiB, several blocks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT in the way that the path names."""

    def do_GET(self):
        server, name = self.server, self.path.rsplit("/", 1)[1]
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if name == "missing":
            self.send_error(404)
            return
        body = {"page": b"<!DOCTYPE html><p>log in", "lfs": b"version https://git-lfs.x\n"}.get(
            name, CONTENT
        )
        start = 0
        if asked and name != "no-range":
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        end = len(body) // 2 if name == "cut" and not start else len(body)
        self.wfile.write(body[start:end])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()


def test_a_verified_file(tmp_path, server):
    seen = []
    goal = tmp_path / "new" / "a.npz"
    found = download(
        f"{server.url}/whole", goal, sha256=SHA256, progress=lambda *numbers: seen.append(numbers)
    )
    assert (found.sha256, found.verified, found.fresh) == (SHA256, True, True)
    assert goal.read_bytes() == CONTENT
    assert [path.name for path in goal.parent.iterdir()] == ["a.npz"]
    assert seen[-1] == ("a.npz", len(CONTENT), len(CONTENT))
    again = download(f"{server.url}/whole", goal, sha256=SHA256)
    assert not again.fresh
    assert len(server.asked) == 1


def test_a_cut_off_file_goes_on_where_it_stopped(tmp_path, server):
    goal = tmp_path / "a.npz"
    with pytest.raises(EgraffError, match="repeat the command to go on"):
        download(f"{server.url}/cut", goal, sha256=SHA256)
    assert not goal.exists()
    half = (tmp_path / ".a.npz.part").stat().st_size
    assert half == len(CONTENT) // 2
    assert download(f"{server.url}/cut", goal, sha256=SHA256).fresh
    assert goal.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={half}-"]
    assert not (tmp_path / ".a.npz.part").exists()


def test_a_part_of_another_file_is_thrown_away(tmp_path, server):
    goal, part = tmp_path / "a.npz", tmp_path / ".a.npz.part"
    for wrong in (b"x" * 1000, b"x" * (len(CONTENT) + 5), CONTENT):
        part.write_bytes(wrong)
        assert download(f"{server.url}/whole", goal, sha256=SHA256).sha256 == SHA256
        assert goal.read_bytes() == CONTENT
        goal.unlink()


def test_a_server_without_ranges_sends_everything_again(tmp_path, server):
    (tmp_path / ".a.npz.part").write_bytes(CONTENT[:1000])
    download(f"{server.url}/no-range", tmp_path / "a.npz", sha256=SHA256)
    assert (tmp_path / "a.npz").read_bytes() == CONTENT


def test_without_a_checksum_nothing_is_appended(tmp_path, server):
    (tmp_path / ".a.npz.part").write_bytes(b"x" * 1000)
    found = download(f"{server.url}/whole", tmp_path / "a.npz")
    assert (found.sha256, found.verified) == (SHA256, False)
    assert server.asked == [None]


def test_other_content_is_refused(tmp_path, server):
    goal = tmp_path / "a.npz"
    with pytest.raises(EgraffError, match="the file has changed at its source"):
        download(f"{server.url}/whole", goal, sha256="0" * 64)
    for name in ("page", "lfs"):
        with pytest.raises(EgraffError, match="a web page or a pointer"):
            download(f"{server.url}/{name}", goal)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_but_another(tmp_path, server):
    goal = tmp_path / "a.npz"
    goal.write_bytes(b"mine")
    with pytest.raises(EgraffError, match="move it away"):
        download(f"{server.url}/whole", goal, sha256=SHA256)
    assert goal.read_bytes() == b"mine"
    assert not server.asked


def test_servers_that_are_not_there(tmp_path, server):
    with pytest.raises(EgraffError, match="404"):
        download(f"{server.url}/missing", tmp_path / "a.npz")
    with pytest.raises(EgraffError, match="repeat the command"):
        download("http://127.0.0.1:9/x", tmp_path / "a.npz")
    with pytest.raises(EgraffError, match="expected an address with https or http or file"):
        download("ftp://127.0.0.1/x", tmp_path / "a.npz")


def test_two_at_once(tmp_path, server):
    with open(tmp_path / ".a.npz.part", "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(EgraffError, match="another process is fetching it"):
            download(f"{server.url}/whole", tmp_path / "a.npz", sha256=SHA256)


def test_a_folder_that_cannot_be_written(tmp_path, server):
    (tmp_path / "file").write_text("")
    with pytest.raises(EgraffError, match="choose another folder"):
        download(f"{server.url}/whole", tmp_path / "file" / "a.npz")


def test_a_file_address(tmp_path):
    source = tmp_path / "source.npz"
    source.write_bytes(CONTENT)
    (tmp_path / ".a.npz.part").write_bytes(CONTENT[:10])
    found = download(source.as_uri(), tmp_path / "a.npz", sha256=SHA256)
    assert found.fresh
    with pytest.raises(EgraffError, match="expected a file"):
        download((tmp_path / "none").as_uri(), tmp_path / "b.npz")


def test_a_part_of_a_set_from_a_mirror(tmp_path):
    remote = RemoteFile("http://127.0.0.1:9/x", "Somewhere/a b.npz")
    entry = replace(DATA_SETS["benzene"], remote={"whole": (remote,)})
    (tmp_path / "mirror/Somewhere").mkdir(parents=True)
    (tmp_path / "mirror/Somewhere/a b.npz").write_bytes(CONTENT)
    mirror = (tmp_path / "mirror").as_uri()
    found = fetch_part(entry, "whole", root=tmp_path / "data", mirror=mirror)
    assert [file.path for file in found] == [tmp_path / "data/Somewhere/a b.npz"]
    assert not found[0].verified


def test_no_known_address(tmp_path):
    with pytest.raises(EgraffError, match=r"no public address of its part 'train' is known.*see h"):
        fetch_part(DATA_SETS["gete"], "train", root=tmp_path)
    with pytest.raises(EgraffError, match="part out of"):
        fetch_part(DATA_SETS["gete"], "dev", root=tmp_path)
    assert not list(tmp_path.iterdir())
