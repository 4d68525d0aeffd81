"""Asks Google's Task Library.

It runs as a script in an environment of its own and imports nothing of this project::

    python -I task_library_client.py [REQUEST.json REPLY.json]

The request holds ``model`` (a path), ``num_threads`` and ``questions`` (pairs of a question and
its context), the reply the best answer's text for each, or null. Without arguments it only tells,
by its exit code, whether the library can be imported.
"""

import ctypes
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any


def load_libusb() -> None:
    """Loads the libusb that a package brings: the library is linked to it, for Coral's sticks."""
    package = importlib.util.find_spec("libusb_package")
    for folder in (package and package.submodule_search_locations) or ():
        for path in Path(folder).glob("libusb-1.0.*"):
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def answer(request: dict[str, Any]) -> list[str | None]:
    """Returns the best answer to each question, or None where the library finds none."""
    # The package ``tflite_support`` would import audio as well, which needs libportaudio2.
    from tensorflow_lite_support.python.task.core.base_options import BaseOptions
    from tensorflow_lite_support.python.task.text import bert_question_answerer as library

    options = library.BertQuestionAnswererOptions(
        base_options=BaseOptions(file_name=request["model"], num_threads=request["num_threads"])
    )
    answerer = library.BertQuestionAnswerer.create_from_options(options)
    texts: list[str | None] = []
    for question, context in request["questions"]:
        found = answerer.answer(context, question).answers
        texts.append(found[0].text if found else None)
    return texts


def main(arguments: list[str]) -> None:
    """Reads the request and writes the reply."""
    load_libusb()
    if not arguments:
        import tensorflow_lite_support.python.task.text.bert_question_answerer  # noqa: F401

        return
    request, reply = map(Path, arguments)
    texts = answer(json.loads(request.read_text(encoding="utf-8")))
    reply.write_text(json.dumps(texts), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
