"""The Hub stand-in, asked by the real client in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_standin import environment, serve

FILES = {
    "config.json": b'{"model_type": "bert"}\n',
    "weights.bin": bytes(range(256)) * 300,
    "empty.txt": b"",
    "onnx/größe 1.txt": "naïve — 茶\n".encode(),
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def endpoint(repository: Path) -> Iterator[str]:
    repositories = {"org/name": repository, "alone": repository, "org/gated": repository}
    with serve(repositories, gated={"org/gated"}) as url:
        yield url


def client(call: str, endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Returns what a new interpreter printed for ``huggingface_hub.<call>``."""
    code = f"import huggingface_hub\nprint(huggingface_hub.{call})"
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment(endpoint, home=home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def downloaded(result: subprocess.CompletedProcess[str]) -> dict[str, bytes]:
    assert result.returncode == 0, result.stderr
    folder = Path(result.stdout.strip())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["org/name", "alone"])
def test_snapshot_download_yields_the_same_bytes(endpoint, tmp_path, name):
    result = client(f"snapshot_download({name!r})", endpoint, tmp_path / "home")
    assert downloaded(result) == FILES


def test_snapshot_download_patterns_leave_the_other_files_out(endpoint, tmp_path):
    call = "snapshot_download('org/name', allow_patterns=['*.json', 'onnx/*'])"
    result = client(call, endpoint, tmp_path / "home")
    assert downloaded(result) == {name: FILES[name] for name in ("config.json", "onnx/größe 1.txt")}


def test_snapshot_download_by_commit_equals_main(endpoint, tmp_path):
    home = tmp_path / "home"
    commit = client("model_info('org/name').sha", endpoint, home).stdout.strip()
    result = client(f"snapshot_download('org/name', revision={commit!r})", endpoint, home)
    assert downloaded(result) == FILES
    assert Path(result.stdout.strip()).name == commit


def test_list_repo_files_names_all_files(endpoint, tmp_path):
    result = client("list_repo_files('org/name')", endpoint, tmp_path / "home")
    assert result.stdout.strip() == str(sorted(FILES)), result.stderr


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("snapshot_download('org/absent')", "RepositoryNotFoundError"),
        ("hf_hub_download('org/absent', 'config.json')", "RepositoryNotFoundError"),
        ("snapshot_download('org/name', revision='v2/x')", "RevisionNotFoundError"),
        ("hf_hub_download('org/name', 'absent.json')", "EntryNotFoundError"),
        ("snapshot_download('org/gated')", "GatedRepoError"),
        ("hf_hub_download('org/gated', 'config.json')", "GatedRepoError"),
    ],
)
def test_what_is_not_there_or_closed_raises_the_clients_own_error(endpoint, tmp_path, call, error):
    result = client(call, endpoint, tmp_path / "home")
    assert result.returncode != 0
    assert f"{error}: " in result.stderr


def test_endpoint_is_gone_when_the_context_ends(repository, tmp_path):
    with serve({"org/name": repository}) as url:
        pass
    result = client("HfApi().model_info('org/name', timeout=5)", url, tmp_path / "home")
    assert "ConnectError" in result.stderr
