"""Every reader that is fuzzed, by name."""

from collections.abc import Callable
from pathlib import Path

from tests.fuzz.loop import Target

NAMES = (
    "manifest", "rehashed-manifest", "zip", "recipe", "tokenizer", "on-device", "pte", "tflite",
    "mlpackage", "labelled", "classifier-config", "classifier-vectors",
)  # fmt: skip


def make(name: str, work: Path) -> Target:
    """Returns a target, and imports no more than it needs.

    Args:
        name: One of ``NAMES``.
        work: A folder for the valid files that it makes.
    """
    if name == "zip":
        from tests.fuzz.zip_target import zip_target

        return zip_target(work)
    if name == "on-device":
        from tests.fuzz.on_device_target import on_device_target

        return on_device_target(work)
    if name in ("pte", "tflite", "mlpackage"):
        from tests.fuzz import artifact_targets

        artifacts: dict[str, Callable[[], Target]] = {
            "pte": lambda: artifact_targets.file_target("pte", "executorch"),
            "tflite": lambda: artifact_targets.file_target("tflite", "tflite"),
            "mlpackage": artifact_targets.package_target,
        }
        return artifacts[name]()
    if name.startswith("classifier") or name == "labelled":
        from tests.fuzz import classifier_targets

        classifiers = {
            "labelled": classifier_targets.labelled_target,
            "classifier-config": classifier_targets.classifier_config_target,
            "classifier-vectors": classifier_targets.classifier_vectors_target,
        }
        return classifiers[name](work)
    from tests.fuzz import text_targets

    texts = {
        "manifest": text_targets.manifest_target,
        "rehashed-manifest": text_targets.rehashed_manifest_target,
        "recipe": text_targets.recipe_target,
        "tokenizer": text_targets.tokenizer_target,
    }
    return texts[name](work)
