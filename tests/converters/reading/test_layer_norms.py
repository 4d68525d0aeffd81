"""Where the layer norms of a graph end, in the forms that converters leave them in."""

import pytest

from converters.reading.layer_norms import Node, norm_results, taps


def node(kind: str, output: str, *inputs: str) -> Node[str]:
    return Node(kind=kind, inputs=inputs, outputs=(output,))  # type: ignore[arg-type]


def norm(name: str, x: str) -> list[Node[str]]:
    """Returns a norm that was taken apart; its gain and bias are constants."""
    return [
        node("other", f"{name}.mean", x),
        node("arithmetic", f"{name}.centered", x, f"{name}.mean"),
        node("arithmetic", f"{name}.square", f"{name}.centered", f"{name}.centered"),
        node("other", f"{name}.variance", f"{name}.square"),
        node("arithmetic", f"{name}.shifted", f"{name}.variance", "epsilon"),
        node("root", f"{name}.root", f"{name}.shifted"),
        node("arithmetic", f"{name}.normal", f"{name}.centered", f"{name}.root"),
        node("arithmetic", f"{name}.scaled", f"{name}.normal", f"{name}.gain"),
        node("arithmetic", f"{name}.result", f"{name}.scaled", f"{name}.bias"),
    ]


def test_norm_ends_before_what_is_added_to_it() -> None:
    """The residual beside it, and what a layer makes of it, are no part of it."""
    graph = [
        node("other", "x", "input"),
        node("other", "y", "input"),
        *norm("one", "x"),
        node("arithmetic", "residual", "one.result", "y"),
        node("other", "layer", "one.result"),
        node("arithmetic", "sum", "layer", "one.result"),
        *norm("two", "sum"),
    ]
    assert norm_results(graph) == ["one.result", "two.result"]


def test_norm_in_one_piece_gives_its_first_output() -> None:
    whole = Node(kind="layer_norm", inputs=("x", "gain"), outputs=("result", "mean", "rstd"))
    assert norm_results([whole, *norm("two", "result")]) == ["result", "two.result"]


@pytest.mark.parametrize("behind", ["one.root", "one.normal", "one.scaled", "one.result"])
def test_views_within_a_norm_are_gone_through_and_one_behind_it_is_left(behind: str) -> None:
    graph = []
    for each in [node("other", "x", "input"), *norm("one", "x")]:
        inputs = tuple(f"{name}.view" if name == behind else name for name in each.inputs)
        graph.append(node(each.kind, each.outputs[0], *inputs))
        if each.outputs[0] == behind:
            graph.append(node("view", f"{behind}.view", behind))
    graph.append(node("other", "layer", f"{behind}.view"))
    assert norm_results(graph) == ["one.result"]


def test_taps_are_named_in_the_order_of_the_norms() -> None:
    found = taps(3)
    assert [each.name for each in found] == ["norm_0", "norm_1", "norm_2"]
    assert {(each.artifact_name == each.name, each.dtype) for each in found} == {(True, "float32")}
