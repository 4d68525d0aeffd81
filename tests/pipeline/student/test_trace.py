import copy
import resource
from pathlib import Path

import pytest
import torch

from converters.values.errors import InputError, StorageError
from converters.values.program import TracedModel, sample_inputs
from pipeline.running.jobs import Job, run_jobs
from pipeline.student.trace import MIN_SEQ_LEN, ExportableEncoder, check_seq_lens, trace
from tests.students import ARCHITECTURES, VOCABULARY_SIZE

OUTPUT_NAMES = ("start_logits", "end_logits")
SEQ_LEN = 24


def batch(
    names: tuple[str, ...], *, lengths: tuple[int, ...], seq_len: int = SEQ_LEN
) -> dict[str, torch.Tensor]:
    """Returns random rows, each padded after its own length, ``(batch, seq_len) int32``."""
    generator = torch.Generator().manual_seed(7)
    shape = (len(lengths), seq_len)
    inputs = {
        "input_ids": torch.randint(0, VOCABULARY_SIZE, shape, generator=generator),
        "attention_mask": torch.tensor([[1] * n + [0] * (seq_len - n) for n in lengths]),
        "token_type_ids": torch.randint(0, 2, shape, generator=generator),
    }
    return {name: inputs[name].to(torch.int32) for name in names}


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-9)], ids=["fp32", "fp64"]
)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_wrapper_equals_the_unwrapped_model_at_every_position(
    students, architecture, dtype, tolerance
):
    student = students[architecture]
    model = copy.deepcopy(student.model).to(dtype)
    inputs = batch(student.input_names, lengths=(SEQ_LEN, 17, 8, 1))
    with torch.inference_mode():
        wrapped = ExportableEncoder(model, output_names=OUTPUT_NAMES)(**inputs)
        plain = model(**{name: value.long() for name, value in inputs.items()})
    assert tuple(wrapped) == OUTPUT_NAMES
    for name in OUTPUT_NAMES:
        assert wrapped[name].dtype == dtype
        assert plain[name].std() > 0.05, "logits this flat would hide a difference"
        torch.testing.assert_close(wrapped[name], plain[name], atol=tolerance, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_wrapper_what_stands_in_padding_changes_no_real_position(students, architecture):
    student = students[architecture]
    encoder = ExportableEncoder(student.model, output_names=OUTPUT_NAMES)
    inputs = batch(student.input_names, lengths=(10,))
    others = {name: value.clone() for name, value in inputs.items()}
    # The first padding token stays: MobileBERT embeds each token together with its neighbours.
    others["input_ids"][:, 11:] = 3
    with torch.inference_mode():
        expected, actual = encoder(**inputs), encoder(**others)
    for name in OUTPUT_NAMES:
        torch.testing.assert_close(actual[name][:, :10], expected[name][:, :10])
        assert not torch.equal(actual[name][:, 11:], expected[name][:, 11:])


def difference(
    program: torch.export.ExportedProgram,
    encoder: ExportableEncoder,
    inputs: dict[str, torch.Tensor],
) -> float:
    with torch.inference_mode():
        actual, expected = program.module()(**inputs), encoder(**inputs)
    assert tuple(actual) == OUTPUT_NAMES
    return max(float((actual[name] - expected[name]).abs().max()) for name in OUTPUT_NAMES)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_traced_program_equals_the_wrapper_at_several_lengths(students, architecture, tmp_path):
    student = students[architecture]
    encoder = ExportableEncoder(student.model, output_names=OUTPUT_NAMES)
    traced = trace(student, seq_lens=(32, 16, 32))
    assert traced.seq_lens == (16, 32)
    assert traced.input_names == student.input_names
    assert traced.output_names == OUTPUT_NAMES

    traced.save(tmp_path / "traced.pt2")
    loaded = TracedModel.load(tmp_path / "traced.pt2")
    assert (loaded.input_names, loaded.output_names, loaded.seq_lens) == (
        traced.input_names,
        traced.output_names,
        traced.seq_lens,
    )
    for seq_len in traced.seq_lens:
        inputs = batch(student.input_names, lengths=(seq_len - 5,), seq_len=seq_len)
        assert difference(traced.program, encoder, inputs) <= 1e-5
        assert difference(loaded.program, encoder, inputs) <= 1e-5
    inputs = batch(student.input_names, lengths=(11,), seq_len=16)
    assert difference(traced.at_length(16), encoder, inputs) <= 1e-5


def test_traced_program_at_one_length_equals_the_wrapper(students, tmp_path):
    student = students["bert"]
    encoder = ExportableEncoder(student.model, output_names=OUTPUT_NAMES)
    traced = trace(student, seq_lens=(SEQ_LEN,))
    assert traced.dynamic_shapes is None
    assert traced.at_length(SEQ_LEN) is traced.program
    traced.save(tmp_path / "traced.pt2")
    inputs = batch(student.input_names, lengths=(19,))
    for program in (traced.program, TracedModel.load(tmp_path / "traced.pt2").program):
        assert difference(program, encoder, inputs) <= 1e-5


def test_traced_program_at_length_has_that_length_alone(students):
    student = students["distilbert"]
    fixed = trace(student, seq_lens=(16, 32)).at_length(16)
    shapes = [
        tuple(node.meta["val"].shape)
        for node in fixed.graph.nodes
        if node.op == "placeholder" and node.name in student.input_names
    ]
    assert shapes == [(1, 16), (1, 16)]


def test_traced_program_as_a_module_is_a_copy(students):
    """Converters rewrite the module's graph; the next one starts from an untouched program."""
    traced = trace(students["distilbert"], seq_lens=(SEQ_LEN,))
    num_nodes = len(traced.program.graph.nodes)
    module = traced.module()
    for parameter in module.parameters():
        parameter.data.zero_()
    assert len(traced.program.graph.nodes) == num_nodes
    assert all(bool(weight.any()) for weight in traced.module().parameters() if weight.dim() == 2)


def save_where_files_stay_small(*, source: Path, copy: Path) -> None:
    traced = TracedModel.load(source)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    traced.save(copy)


def test_traced_program_that_the_disk_cannot_take_is_a_storage_error(students, tmp_path):
    source = tmp_path / "traced.pt2"
    trace(students["distilbert"], seq_lens=(SEQ_LEN,)).save(source)
    arguments = {"source": source, "copy": tmp_path / "copy.pt2"}
    job = Job(name="save", function=save_where_files_stay_small, arguments=arguments)
    with pytest.raises(StorageError, match="File too large"):
        run_jobs([job], max_parallel=1)[0].get()


def test_sample_inputs_are_distinct_tensors():
    first, second = sample_inputs(("input_ids", "attention_mask"), seq_len=8).values()
    assert first is not second
    assert first.data_ptr() != second.data_ptr()


def test_check_seq_lens_sorts_and_drops_repetition():
    assert check_seq_lens((384, 64, 64, MIN_SEQ_LEN), longest=384) == (MIN_SEQ_LEN, 64, 384)


@pytest.mark.parametrize("length", [-1, 0, 1, MIN_SEQ_LEN - 1, 513, 10**9])
def test_check_seq_lens_beyond_the_range_is_refused(students, length):
    with pytest.raises(InputError, match=f"sequence length {length} is outside") as caught:
        trace(students["distilbert"], seq_lens=(64, length))
    assert caught.value.hint == "choose lengths from 8 to 512, its number of positions"


def test_check_seq_lens_without_any_is_refused():
    with pytest.raises(InputError, match="no sequence length was given"):
        check_seq_lens((), longest=512)


def test_check_seq_lens_that_no_bundle_can_say_is_refused():
    assert check_seq_lens((8192,), longest=10**9) == (8192,)
    with pytest.raises(InputError, match="sequence length 8193 is outside"):
        check_seq_lens((8193,), longest=10**9)
    assert len(check_seq_lens(tuple(range(8, 72)), longest=512)) == 64
    with pytest.raises(InputError, match="65 sequence lengths are more than an artifact can have"):
        check_seq_lens(tuple(range(8, 73)), longest=512)
