"""Builds the signed bundles that apps carry, each platform's packed from the same one."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from transformers import DistilBertConfig, DistilBertForQuestionAnswering

from pipeline.bundle.manifest import Platform
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.command import pocketbert
from tests.students import NUM_POSITIONS, save_tokenizer
from tests.vectors.tokenizers import uncased

ASSETS = {"android": Path("assets", "pocketbert"), "ios": Path("pocketbert")}
"""Where the zip for a platform has the bundle."""


@dataclass(frozen=True, kw_only=True)
class AppBundle:
    """A bundle of a small student, as it was built and as apps of both platforms unpack it."""

    whole: Path
    apps: Mapping[str, Path]
    public_key: bytes


def build_for_platforms(
    platforms: Sequence[Platform],
    backends: Sequence[str],
    student: Path,
    folder: Path,
    *,
    seq_lens: Sequence[int],
    data: Path,
    options: Sequence[str] = (),
) -> AppBundle:
    """Builds a signed bundle with the command line, and packs it for platforms.

    Args:
        platforms: Whose apps carry it.
        backends: Of its artifacts.
        student: Its folder.
        folder: Gets ``bundle/``, the whole bundle, and one with each platform's name, what the
            app unpacks.
        seq_lens: Of the artifacts, ascending.
        data: Labelled questions.
        options: More for ``pocketbert build``.
    """
    key = Ed25519PrivateKey.generate()
    secret = folder / "key.pem"
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    whole = folder / "bundle"
    chosen = [option for backend in backends for option in ("--backend", backend)]
    _run("build", student, "-o", whole, *chosen, "--seq-len", ",".join(map(str, seq_lens)),
         "--data", data, "--sign", secret, *options)  # fmt: skip
    for platform in platforms:
        packed = folder / f"{platform}.zip"
        _run("bundle", whole, "--platform", platform, "-o", packed)
        with zipfile.ZipFile(packed) as opened:
            opened.extractall(folder / platform)
        packed.unlink()
    secret.unlink()
    return AppBundle(
        whole=whole,
        apps={platform: folder / platform / ASSETS[platform] for platform in platforms},
        public_key=key.public_key().public_bytes_raw(),
    )


def _run(*arguments: str | Path) -> None:
    finished = pocketbert(*arguments)
    assert finished.code == 0, finished.stdout + finished.stderr


def save_small_student(folder: Path) -> Path:
    """Writes a student that is small, and random, and knows all ids of the vectors."""
    tokenizer = uncased()
    config = DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=NUM_POSITIONS, dim=32,
        n_layers=2, n_heads=4, hidden_dim=64, initializer_range=0.2,
    )  # fmt: skip
    torch.manual_seed(0)
    DistilBertForQuestionAnswering(config).eval().save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


def write_questions(path: Path, *, num_passages: int, num_each: int) -> Path:
    """Writes some of the package's own questions in SQuAD layout, so many for each passage."""
    by_context: dict[str, list[dict[str, Any]]] = {}
    for each in labelled_questions():
        start = each.context.index(each.answers[0])
        answers = [{"text": each.answers[0], "answer_start": start}]
        asked = {"id": each.id, "question": each.question, "answers": answers}
        by_context.setdefault(each.context, []).append(asked)
    paragraphs = [{"context": text, "qas": asked[:num_each]} for text, asked in by_context.items()]
    content = {"data": [{"title": "some", "paragraphs": paragraphs[:num_passages]}]}
    path.write_text(json.dumps(content))
    return path
