"""Opens a finished ``.tflite`` file with the format's own schema."""

from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from pipeline.errors import InputError

LEAST_RUNTIME = b"min_runtime_version"
"""The name of its metadata."""

_IDENTIFIER = b"TFL3"


class TFLiteFile:
    """The content of a ``.tflite`` file.

    Attributes:
        model: The schema's root table.
        graphs: The graph of each signature, by its name; where the file names none, by number.
    """

    def __init__(self, path: Path) -> None:
        """Reads a file.

        Raises:
            InputError: The file is no TFLite model, or it is damaged.
        """
        self._bytes = path.read_bytes()
        damaged = InputError(f"{path} cannot be read as a TFLite model", hint="build it again")
        if self._bytes[4:8] != _IDENTIFIER:
            raise damaged
        try:
            self.model = schema.ModelT.InitFromPackedBuf(self._bytes, 0)
            names = {each.subgraphIndex: each for each in self.model.signatureDefs or ()}
            self.graphs: dict[str, Any] = {
                names[index].signatureKey.decode() if index in names else str(index): graph
                for index, graph in enumerate(self.model.subgraphs)
            }
        except Exception as err:  # the parser fails in as many ways as there are damaged bytes
            raise damaged from err

    @property
    def least_runtime(self) -> str:
        """The oldest release of TensorFlow Lite that runs it, as the file itself states."""
        (metadata,) = (each for each in self.model.metadata if each.name == LEAST_RUNTIME)
        return bytes(self.model.buffers[metadata.buffer].data).rstrip(b"\0").decode()

    def content_of(self, tensor: Any) -> bytes:
        """Returns what a tensor holds in the file; nothing where it is computed."""
        buffer = self.model.buffers[tensor.buffer]
        if buffer.data is not None:
            return bytes(buffer.data)
        # Some writers keep buffers behind the flatbuffer, by offset and size.
        return self._bytes[buffer.offset : buffer.offset + buffer.size]

    def code(self, operator: Any) -> int:
        """Returns which built-in operator it is."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        return int(flatbuffer_utils.get_builtin_code_from_operator_code(code))
