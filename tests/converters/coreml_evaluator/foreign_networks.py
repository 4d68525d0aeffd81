"""Small networks that are no encoders of ours, and how coremltools alone converts them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from tests.converters.small_models import ct, save


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 2, 1), nn.ReLU(),
            nn.Conv2d(2, channels, 1), nn.Hardsigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


class UNet(nn.Module):
    """Down by a pool, up by a transposed convolution and by copies, with two skips."""

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Conv2d(3, 4, 3, padding=1)
        self.down = nn.Sequential(nn.MaxPool2d(2, 2), nn.Conv2d(4, 8, 3, padding=1), nn.SiLU())
        self.middle = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(16, 4, 3, stride=2, padding=1, output_padding=1)
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.into(x)
        low = self.down(x)
        lower = F.interpolate(self.middle(low), scale_factor=2.0, mode="nearest")
        return self.out(torch.cat([self.up(torch.cat([lower, low], 1)), x], 1))


class Segmenter(nn.Module):
    """A head that is drawn larger, once by interpolation and once by shuffled pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.GroupNorm(2, 8))
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(x)
        larger = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return larger, self.shuffle(x)


class VisionTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.layer = nn.TransformerEncoderLayer(
            16, 2, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.patches(x).flatten(2).transpose(1, 2)).mean(1)


class CausalBlock(nn.Module):
    """Embedding, RMS norm, rotated halves and causal attention, as in a small language model."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(30, 16)
        self.mix = nn.Linear(16, 48, bias=False)
        angles = torch.arange(6)[:, None] * torch.tensor([1.0, 0.3, 0.1, 0.03])
        self.register_buffer("cos", angles.cos().repeat(1, 2))
        self.register_buffer("sin", angles.sin().repeat(1, 2))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids)
        x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)
        q, k, v = (part.unflatten(-1, (2, 8)).transpose(1, 2) for part in self.mix(x).chunk(3, -1))
        q, k = self.rotate(q), self.rotate(k)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def rotate(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, -1)
        return x * self.cos + torch.cat([-second, first], -1) * self.sin


class SpatialTransformer(nn.Module):
    def forward(self, x: Tensor, grid: Tensor) -> Tensor:
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


class Recurrent(nn.Module):
    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.layer(x)[0]
        return states


@dataclass(frozen=True, kw_only=True)
class Network:
    """How to make a network and its example, and whether PyTorch must take it apart first."""

    make: Callable[[], nn.Module]
    example: Callable[[], tuple[Tensor, ...]]
    decompose: bool = False


def _image() -> tuple[Tensor, ...]:
    return (torch.randn(1, 3, 16, 16),)


def _series() -> tuple[Tensor, ...]:
    return (torch.randn(2, 6, 5),)


NETWORKS: dict[str, Network] = {
    "convolution": Network(
        make=lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
            nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.LeakyReLU(), nn.InstanceNorm2d(8),
            nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.Flatten(), nn.Linear(72, 5),
        ),
        example=_image,
    ),
    "depthwise": Network(
        make=lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU6(), nn.Conv2d(8, 8, 5, padding=2, groups=8),
            nn.BatchNorm2d(8), nn.Hardswish(), SqueezeExcite(8), nn.Conv2d(8, 16, 1),
            nn.PReLU(16), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 4), nn.Softmax(-1),
        ),
        example=_image,
    ),
    "gated-1d": Network(
        make=lambda: nn.Sequential(
            nn.Conv1d(4, 16, 5, padding=4, dilation=2), nn.GLU(1), nn.ConstantPad1d((2, 0), 0.0),
            nn.Conv1d(8, 4, 3), nn.ELU(), nn.MaxPool1d(2), nn.AvgPool1d(3, 1, 1),
            nn.ConvTranspose1d(4, 2, 4, 2, 1),
        ),
        example=lambda: (torch.randn(1, 4, 20),),
    ),
    "lstm": Network(
        make=lambda: Recurrent(nn.LSTM(5, 7, bidirectional=True, batch_first=True)),
        example=_series, decompose=True,
    ),
    "gru": Network(
        make=lambda: Recurrent(nn.GRU(5, 7, num_layers=2, batch_first=True)),
        example=_series, decompose=True,
    ),
    "vision-transformer": Network(make=VisionTransformer, example=_image),
    "causal-attention": Network(
        make=CausalBlock, example=lambda: (torch.randint(0, 30, (1, 6)),)
    ),
    "u-net": Network(make=UNet, example=_image),
    "segmenter": Network(make=Segmenter, example=_image),
    "spatial-transformer": Network(
        make=SpatialTransformer,
        example=lambda: (torch.randn(1, 3, 8, 8), torch.rand(1, 5, 6, 2) * 2.4 - 1.2),
    ),
}  # fmt: skip


def export(name: str) -> torch.export.ExportedProgram:
    """Returns the network as PyTorch exports it, with its example inputs inside."""
    torch.manual_seed(0)
    network = NETWORKS[name]
    return torch.export.export(network.make().eval(), network.example())


def convert(
    program: torch.export.ExportedProgram,
    *,
    fp16: bool,
    target: ct.target = ct.target.iOS17,
    decompose: bool = False,
    **settings: Any,
) -> ct.models.MLModel:
    """Converts as coremltools documents it, with nothing of ours."""
    return ct.convert(
        program.run_decompositions() if decompose else program.run_decompositions({}),
        minimum_deployment_target=target,
        compute_precision=ct.precision.FLOAT16 if fp16 else ct.precision.FLOAT32,
        skip_model_load=True,
        **settings,
    )


def save_network(
    name: str, folder: Path, *, fp16: bool = True, target: ct.target = ct.target.iOS17
) -> tuple[Path, torch.export.ExportedProgram]:
    """Returns the network's package and the program that it comes from."""
    program = export(name)
    decompose = NETWORKS[name].decompose
    return save(convert(program, fp16=fp16, target=target, decompose=decompose), folder), program


def example_of(program: torch.export.ExportedProgram) -> dict[str, np.ndarray]:
    """Returns the example inputs under the names that both sides know them by."""
    assert program.example_inputs is not None
    names = program.graph_signature.user_inputs
    return {
        str(name): value.numpy().astype(np.float32 if value.is_floating_point() else np.int32)
        for name, value in zip(names, program.example_inputs[0], strict=True)
    }


def run_program(program: torch.export.ExportedProgram) -> list[np.ndarray]:
    """Returns PyTorch's outputs for the example, in order."""
    assert program.example_inputs is not None
    with torch.inference_mode():
        outputs = program.module()(*program.example_inputs[0])
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return [output.numpy() for output in outputs]
