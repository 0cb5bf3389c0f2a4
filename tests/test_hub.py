"""The model folder on a hub: a small server of its protocol stands in for huggingface.co."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

import sparring
from helpers import Command
from sparring.errors import InputError

hub = pytest.importorskip("huggingface_hub", reason="needs the extra hub")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "somebody/digits"


class Server(ThreadingHTTPServer):
    """Holds the files of repositories: {name: {file: content}}; `asked` are the paths of calls."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, dict[str, bytes]] = {}
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, code: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_HEAD(self) -> None:
        user, repo, _, revision, *rest = self.path.strip("/").split("/")
        self.server.asked.append(self.path)
        files = self.server.files.get(f"{user}/{repo}")
        if files is None:
            return self.answer(401, X_Error_Code="RepoNotFound")
        content = files.get("/".join(rest))
        if content is None:
            return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
        assert revision in ("main", COMMIT)
        etag = f'"{hashlib.sha1(content).hexdigest()}"'
        return self.answer(200, content, ETag=etag, X_Repo_Commit=COMMIT)

    def do_GET(self) -> None:
        self.do_HEAD()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.path)
        if self.path.endswith("/create"):
            wanted = json.loads(body)
            name = f"{wanted['organization']}/{wanted['name']}"
            self.server.files[name] = {}
            told: dict[str, Any] = {"url": f"{self.server.address}/{name}"}
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            told = {"files": [{"path": f["path"], "uploadMode": "regular"} for f in files]}
            told["files"] = [{**f, "shouldIgnore": False} for f in told["files"]]
        elif "/commit/" in self.path:
            user, repo = self.path.split("/")[3:5]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.server.files[f"{user}/{repo}"][line["value"]["path"]] = content
            told = {"commitUrl": f"{self.server.address}/{user}/{repo}/commit/{COMMIT}"}
            told["commitOid"] = COMMIT
        else:
            told = {"errors": [], "warnings": []}
        self.answer(200, json.dumps(told).encode(), Content_Type="application/json")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_nobody")
        yield server
        server.shutdown()
        thread.join()


def test_push_and_load_again(
    images: Path, server: Server, command: Command, tmp_path: Path
) -> None:
    address = sparring.push(images, NAME)
    assert address == f"{server.address}/{NAME}"
    assert set(server.files[NAME]) == {"config.json", "model.safetensors", "README.md"}
    generator = sparring.load(f"hf:{NAME}")
    z = torch.randn(2, 8)
    assert torch.equal(generator(z), sparring.load(images)(z))
    out = tmp_path / "x.npz"
    answer = command("sample", f"hf:{NAME}", "--count", "3", "--out", str(out), "--json")
    assert answer.code == 0, answer.stderr
    server.files.clear()
    assert torch.equal(sparring.from_pretrained(NAME)(z), generator(z))  # from the cache


def test_what_is_not_there_is_told(images: Path, server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no model `hf:nobody/nothing`"):
        sparring.load("hf:nobody/nothing")
    server.files[NAME] = {"README.md": b"a text"}
    with pytest.raises(InputError, match="is no model of this program"):
        sparring.load(f"hf:{NAME}")
    with pytest.raises(InputError, match="`hf:a/b/c` is no name of a model"):
        sparring.load("hf:a/b/c")
    with pytest.raises(InputError, match=r"holds no model: config\.json is missing"):
        sparring.push(tmp_path, NAME)


def test_code_of_others_is_not_run(images: Path, server: Server) -> None:
    files = {path.name: path.read_bytes() for path in (images / "model").iterdir()}
    config = json.loads(files["config.json"])
    config["generator"] = {"name": "antigravity:run"}
    server.files[NAME] = {**files, "config.json": json.dumps(config).encode()}
    with pytest.raises(InputError, match=r"is code of its author's own .* which is not run"):
        sparring.load(f"hf:{NAME}")


def test_no_network_is_told(server: Server, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody answers there
    with pytest.raises(InputError, match="the hub does not answer"):
        sparring.load(f"hf:{NAME}")
    with pytest.raises(InputError, match="cannot be reached"):
        sparring.push(images, NAME)


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(InputError, match="needs huggingface_hub") as told:
        sparring.load(f"hf:{NAME}")
    assert told.value.hint == "pip install 'sparring[hub]'"
