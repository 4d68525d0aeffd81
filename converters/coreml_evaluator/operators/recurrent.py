"""MIL operators that carry a state from step to step.

``gru`` is not among them: what the format says of its reset gate contradicts itself, and
coremltools expects its own comparison with PyTorch to fail. PyTorch's GRU reaches Core ML in other
operators.
"""

import functools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody knows
from torch import Tensor

_Function = Callable[[Tensor], Tensor]

_ACTIVATIONS: dict[str, _Function] = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


def _activation(name: str) -> _Function:
    if name.lower() not in _ACTIVATIONS:
        # The hard and the scaled ones have parameters, which the operators do not give.
        raise NotImplementedError(f"recurrent activation {name!r}")
    return _ACTIVATIONS[name.lower()]


def _lstm(
    x: Tensor,
    initial_h: Tensor,
    initial_c: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    direction: str,
    output_sequence: Tensor,
    recurrent_activation: str,
    cell_activation: str,
    activation: str,
    bias: Tensor | None = None,
    peephole: Tensor | None = None,
    weight_ih_back: Tensor | None = None,
    weight_hh_back: Tensor | None = None,
    bias_back: Tensor | None = None,
    peephole_back: Tensor | None = None,
    clip: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    if peephole is not None or peephole_back is not None or clip is not None:
        raise NotImplementedError("lstm with peephole or clip")
    names = (recurrent_activation, cell_activation, activation)
    run = functools.partial(_one_way, activations=[_activation(name) for name in names])
    if direction != "bidirectional":
        is_reverse = direction == "reverse"
        given = x.flip(0) if is_reverse else x
        states, h, c = run(given, initial_h, initial_c, weight_ih, weight_hh, bias)
        states = states.flip(0) if is_reverse else states
        return (states if output_sequence else h[None]), h, c

    if weight_ih_back is None or weight_hh_back is None:
        raise ValueError("a bidirectional lstm has no weights for its way back")
    (h, h_back), (c, c_back) = initial_h.chunk(2, -1), initial_c.chunk(2, -1)
    states, h, c = run(x, h, c, weight_ih, weight_hh, bias)
    states_back, h_back, c_back = run(
        x.flip(0), h_back, c_back, weight_ih_back, weight_hh_back, bias_back
    )
    last = torch.cat([h, h_back], -1)
    both = torch.cat([states, states_back.flip(0)], -1)
    return (both if output_sequence else last[None]), last, torch.cat([c, c_back], -1)


def _one_way(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b: Tensor | None,
    *,
    activations: Sequence[_Function],
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the hidden state after each step of an LSTM, and both states after the last."""
    gate, cell, out = activations
    states = []
    for from_input in F.linear(x, w_ih, b):  # (batch, 4 * hidden)
        i, f, o, z = (from_input + F.linear(h, w_hh)).chunk(4, dim=-1)
        c = gate(f) * c + gate(i) * cell(z)
        h = gate(o) * out(c)
        states.append(h)
    return torch.stack(states), h, c  # (seq, batch, hidden), (batch, hidden) twice


def _rnn(
    x: Tensor,
    initial_h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    direction: str,
    output_sequence: Tensor,
    activation: str,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    act, h, states = _activation(activation), initial_h, []
    is_reverse = direction == "reverse"
    for from_input in F.linear(x.flip(0) if is_reverse else x, weight_ih, bias):
        h = act(from_input + F.linear(h, weight_hh))
        states.append(h)
    if not output_sequence:
        return h[None], h
    return torch.stack(states[::-1] if is_reverse else states), h


RECURRENT: dict[str, Callable[..., tuple[Tensor, ...]]] = {"lstm": _lstm, "rnn": _rnn}
