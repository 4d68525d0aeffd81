"""Writes what an app needs to test itself on the phone that it runs on."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.load import Student
from pipeline.manifest import canonical_json, json_value
from pipeline.parity import reference_cases
from pipeline.squad import Question

NUM_VECTORS = 8
"""Enough to notice a wrong tokenizer, artifact or decoder, and done in a blink on a phone."""


def write(path: Path, student: Student, examples: Sequence[Question], *, seq_len: int) -> None:
    """Writes texts with their ids, logits and answers, as the PyTorch student gives them.

    Logits are those of the real tokens alone.
    """
    chosen = examples[:: max(1, len(examples) // NUM_VECTORS)][:NUM_VECTORS]
    cases = reference_cases(student, chosen, (seq_len,))
    vectors = []
    for example, case in zip(chosen, cases, strict=True):
        windows = [
            {
                "input_ids": window.inputs["input_ids"][0, : window.num_tokens].tolist(),
                "offsets": [list(span) for span in window.offsets],
                **{
                    name: [round(float(value), 4) for value in logits[0, : window.num_tokens]]
                    for name, logits in outputs.items()
                },
            }
            for window, outputs in zip(case.encoded.windows, case.outputs, strict=True)
        ]
        answer = {
            "text": case.answer.text,
            "start": case.answer.start,
            "end": case.answer.end,
            "score": round(case.answer.score, 4),
        }
        vectors.append(
            {
                "question": example.question,
                "context": example.context,
                "windows": windows,
                "answer": answer,
            }
        )
    path.write_bytes(canonical_json(json_value({"seq_len": seq_len, "vectors": vectors})))
