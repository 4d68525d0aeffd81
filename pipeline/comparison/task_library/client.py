"""Asks Google's Task Library.

It runs as a script in an environment of its own and imports nothing of this project::

    python -I client.py [REQUEST.json REPLY.json]

The request holds ``client`` (the script of a task, whose ``ask`` is called), ``model`` (a path),
``texts`` (those of each example) and ``num_threads``; the reply holds what ``ask`` returned, an
item for each example. Without arguments it only tells, by its exit code, whether the library can be
imported. The package ``tflite_support`` would import audio as well, which needs libportaudio2, so
no script imports that.
"""

import ctypes
import importlib.util
import json
import runpy
import sys
from pathlib import Path


def load_libusb() -> None:
    """Loads the libusb that a package brings: the library is linked to it, for Coral's sticks."""
    package = importlib.util.find_spec("libusb_package")
    for folder in (package and package.submodule_search_locations) or ():
        for path in Path(folder).glob("libusb-1.0.*"):
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def main(arguments: list[str]) -> None:
    """Reads the request and writes the reply."""
    load_libusb()
    if not arguments:
        import tensorflow_lite_support.python.task.text.bert_question_answerer  # noqa: F401

        return
    request, reply = map(Path, arguments)
    asked = json.loads(request.read_text(encoding="utf-8"))
    ask = runpy.run_path(asked["client"])["ask"]
    replies = ask(asked["model"], asked["texts"], asked["num_threads"])
    reply.write_text(json.dumps(replies), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
