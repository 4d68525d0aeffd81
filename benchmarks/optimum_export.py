"""Exports a model as optimum-executorch does; run by the Python of an environment that has it.

``python optimum_export.py MODEL FOLDER fp32|int8`` writes ``FOLDER/model.pte``. It pins a
Transformers of its own, so it cannot live beside this project; `benchmarks/peers.py` calls it. The
library has no task for question answering: its class for masked language models, which exports any
encoder of ids and mask, serves as well, and the recipe is its own (``--recipe xnnpack``, and
``--qlinear 8da8w --qembedding 8w`` in int8).
"""

import sys

from optimum.exporters.executorch.convert import export_to_executorch
from optimum.exporters.executorch.integrations import MaskedLMExportableModule
from optimum.exporters.executorch.quantization import quantize_model_
from transformers import AutoModelForQuestionAnswering


def main() -> None:
    """Writes the file."""
    model, folder, precision = sys.argv[1:]
    network = AutoModelForQuestionAnswering.from_pretrained(model).eval()
    if precision == "int8":
        quantize_model_(network, qlinear_config="8da8w", qembedding_config="8w")
    export_to_executorch(
        MaskedLMExportableModule(network), task="fill-mask", recipe="xnnpack", output_dir=folder
    )


if __name__ == "__main__":
    main()
