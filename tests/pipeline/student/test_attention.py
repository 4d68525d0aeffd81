"""The attention that is traced, against that of Transformers."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers.models.distilbert.modeling_distilbert import eager_attention_forward

from pipeline.student.attention import attend, one_row_attention
from pipeline.student.trace import trace


@given(
    heads=st.integers(1, 5),
    seq_len=st.integers(1, 17),
    width=st.integers(1, 9),
    value_width=st.integers(1, 9),
    num_tokens=st.integers(1, 17),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_attention_equals_transformers_own_at_every_shape(
    heads: int, seq_len: int, width: int, value_width: int, num_tokens: int, seed: int
) -> None:
    torch.manual_seed(seed)
    query, key = torch.randn(2, 1, heads, seq_len, width)
    value = torch.randn(1, heads, seq_len, value_width)
    mask = torch.where(torch.arange(seq_len) < num_tokens, 0.0, -1e4)[None, None, None]
    layer = nn.Module().eval()

    ours, none = attend(layer, query, key, value, mask, scaling=width**-0.5)

    theirs, _ = eager_attention_forward(layer, query, key, value, mask, scaling=width**-0.5)
    assert none is None
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_one_row_attention_is_left_with_the_block(students) -> None:
    model = students["distilbert"].model
    with one_row_attention(model):
        assert model.config._attn_implementation != "eager"
    assert model.config._attn_implementation == "eager"


def test_traced_attention_multiplies_in_three_dimensions(students) -> None:
    for student in students.values():
        calls = {node.target for node in trace(student, seq_lens=(16, 32)).program.graph.nodes}
        assert torch.ops.aten.bmm.default in calls, student.name
        assert torch.ops.aten.matmul.default not in calls, student.name
