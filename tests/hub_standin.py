"""A small Hub on the loopback interface: it serves folders as model repositories.

It answers what huggingface_hub 2.4.0 asks when it downloads: repository info, the tree, and files.
Every repository has one commit, reached as ``main`` or by its hash. Point a client at it with
``environment``, in a subprocess: huggingface_hub reads ``HF_ENDPOINT`` when it is imported.
"""

import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

# A repository is "name" or "organization/name". A revision's own slashes come as %2F, so the raw
# path is matched, and its parts are decoded afterwards.
_REPOSITORY = r"(?P<repository>[^/]+(?:/[^/]+)?)"
_INFO = re.compile(rf"/api/models/{_REPOSITORY}/revision/(?P<revision>[^/]+)")
_TREE = re.compile(rf"/api/models/{_REPOSITORY}/tree/(?P<revision>[^/]+)")
_DEFAULT_INFO = re.compile(rf"/api/models/{_REPOSITORY}")
_FILE = re.compile(rf"/{_REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


@dataclass(frozen=True, kw_only=True)
class _File:
    path: Path
    size_bytes: int
    blob_id: str


@dataclass(frozen=True, kw_only=True)
class _Repository:
    commit: str
    files: Mapping[str, _File]
    is_gated: bool


@contextmanager
def serve(repositories: Mapping[str, Path], *, gated: Collection[str] = ()) -> Iterator[str]:
    """Yields the endpoint's URL, and serves until the context ends.

    Args:
        repositories: repository id to the folder that holds its files, read as it is now.
        gated: the ids whose files are refused with 401, as the Hub does to strangers; their info
            and tree stay open, as there.
    """
    served = {
        name: _read_repository(folder, is_gated=name in gated)
        for name, folder in repositories.items()
    }

    class Handler(_HubHandler):
        repositories = served

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def environment(endpoint: str, *, home: Path) -> dict[str, str]:
    """Returns the environment for a subprocess whose Hub is ``endpoint`` and whose cache is new.

    Args:
        endpoint: what ``serve`` yielded.
        home: the folder for the Hub's cache and token.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return inherited | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        # Xet is a second protocol with servers of its own.
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # A proxy would look for 127.0.0.1 on its own machine.
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def _read_repository(folder: Path, *, is_gated: bool) -> _Repository:
    files = {
        path.relative_to(folder).as_posix(): _File(
            path=path, size_bytes=path.stat().st_size, blob_id=_git_blob_id(path)
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    listing = "".join(f"{file.blob_id} {name}\n" for name, file in files.items())
    commit = hashlib.sha1(listing.encode()).hexdigest()
    return _Repository(commit=commit, files=files, is_gated=is_gated)


def _git_blob_id(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\x00" % len(content) + content).hexdigest()


class _HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    repositories: ClassVar[Mapping[str, _Repository]]

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Stays silent: requests would mix with pytest's output."""

    def _answer(self) -> None:
        # More than one pattern fits some paths; the longer ones come first.
        path = urlsplit(self.path).path
        for pattern, send in (
            (_INFO, self._send_info),
            (_TREE, self._send_tree),
            (_DEFAULT_INFO, self._send_info),
            (_FILE, self._send_file),
        ):
            if match := pattern.fullmatch(path):
                parts = {name: unquote(part) for name, part in match.groupdict().items()}
                name = parts["repository"]
                repository = self.repositories.get(name)
                if repository is None:
                    self._refuse(HTTPStatus.NOT_FOUND, "RepoNotFound", "Repository not found")
                elif parts.get("revision", "main") not in ("main", repository.commit):
                    self._refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound", "Invalid rev id")
                else:
                    send(name, repository, parts.get("file", ""))
                return
        self._refuse(HTTPStatus.NOT_FOUND, "", f"The stand-in does not serve {path}")

    def _send_info(self, name: str, repository: _Repository, _file: str) -> None:
        info = {
            "id": name,
            "modelId": name,
            "sha": repository.commit,
            "private": False,
            "gated": "manual" if repository.is_gated else False,
            "siblings": [{"rfilename": file_name} for file_name in repository.files],
        }
        self._send_json(info)

    def _send_tree(self, _name: str, repository: _Repository, _file: str) -> None:
        # Always the whole tree, on one page and without folders: what a download asks for.
        entries = [
            {"type": "file", "path": file_name, "size": file.size_bytes, "oid": file.blob_id}
            for file_name, file in repository.files.items()
        ]
        self._send_json(entries)

    def _send_file(self, name: str, repository: _Repository, file_name: str) -> None:
        commit = {"X-Repo-Commit": repository.commit}
        if repository.is_gated:
            message = f"Access to model {name} is restricted. Please log in."
            self._refuse(HTTPStatus.UNAUTHORIZED, "GatedRepo", message)
        elif (file := repository.files.get(file_name)) is None:
            # The commit lets a client remember that this file does not exist.
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound", "Entry not found", commit)
        else:
            headers = commit | {"ETag": f'"{file.blob_id}"'}
            self._send_head(HTTPStatus.OK, file.size_bytes, headers)
            if self.command == "GET":
                with file.path.open("rb") as source:
                    shutil.copyfileobj(source, self.wfile)

    def _send_json(self, value: object) -> None:
        self._send_body(HTTPStatus.OK, value, {})

    def _refuse(
        self, status: HTTPStatus, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        errors = {"X-Error-Code": code, "X-Error-Message": message}
        self._send_body(status, {"error": message}, errors | dict(headers or {}))

    def _send_body(self, status: HTTPStatus, value: object, headers: Mapping[str, str]) -> None:
        body = json.dumps(value).encode()
        self._send_head(status, len(body), {"Content-Type": "application/json", **headers})
        if self.command == "GET":
            self.wfile.write(body)

    def _send_head(self, status: HTTPStatus, size_bytes: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(size_bytes))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
