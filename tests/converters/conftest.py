"""Small packages that several test modules read."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.converters.small_models import ARCHITECTURES, WithMask, convert, ct, save


@pytest.fixture(scope="session")
def small_student() -> nn.Module:
    torch.manual_seed(0)
    return WithMask(ARCHITECTURES["distilbert"]()).eval()


@pytest.fixture(scope="session")
def small_models(small_student: nn.Module) -> dict[ct.target, ct.models.MLModel]:
    return {
        target: convert(small_student, "distilbert", fp16=True, target=target)
        for target in (ct.target.iOS17, ct.target.iOS18)
    }


@pytest.fixture(scope="session")
def small_package(small_models: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(small_models[ct.target.iOS17], tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def two_functions(small_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("functions") / "two.mlpackage"
    functions = ct.utils.MultiFunctionDescriptor()
    for name in ("first", "second"):
        functions.add_function(str(small_package), "main", name)
    functions.default_function_name = "second"
    ct.utils.save_multifunction(functions, str(path))
    return path
