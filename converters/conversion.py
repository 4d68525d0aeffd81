"""What a backend is asked for: one artifact of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from converters.values.artifact import Artifact, ComputeUnits, TensorSpec
from converters.weights.quantized import ModelWeights

if TYPE_CHECKING:
    from converters.values.program import TracedModel


@dataclass(frozen=True, kw_only=True)
class BackendOptions:
    """What a build chooses that concerns single backends; each reads what is its own.

    Attributes:
        compute_units: What Core ML may run its artifact on.
    """

    compute_units: ComputeUnits = "all"


NO_OPTIONS = BackendOptions()
"""Each as it is where nothing was chosen."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """One artifact to make.

    Attributes:
        traced: The model, in fp32.
        weights: What its weights are stored as.
        path: Where to write.
        options: What is chosen for single backends.
    """

    traced: "TracedModel"
    weights: ModelWeights
    path: Path
    options: BackendOptions = NO_OPTIONS

    def artifact(
        self,
        backend: str,
        *,
        requires: Mapping[str, str],
        entry_points: Sequence[str],
        by_position: bool = False,
    ) -> Artifact:
        """Describes what a backend has made.

        Args:
            backend: Its name.
            requires: The least versions of what runs the artifact on a phone.
            entry_points: What to call for each of the lengths.
            by_position: Whether its tensors go by position, as ExecuTorch's do, or by name.
        """
        return Artifact(
            backend=backend,
            precision=self.weights.precision,
            activations=self.weights.kind_of_activations,
            path=self.path,
            requires=requires,
            entry_points=tuple(entry_points),
            seq_lens=self.traced.seq_lens,
            inputs=_specs(self.traced.input_names, "int32", by_position),
            outputs=_specs(self.traced.output_names, "float32", by_position),
        )


def _specs(names: tuple[str, ...], dtype: str, by_position: bool) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name=name, artifact_name=str(position) if by_position else name, dtype=dtype)
        for position, name in enumerate(names)
    )
