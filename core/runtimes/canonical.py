"""ONNX graphs in one form: two inputs, names that follow from the contents, each computation once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

__all__ = ["NUMBERS", "TEXTS", "joined"]

NUMBERS, TEXTS = "numbers", "texts"
"""The inputs: single-precision numbers `[rows, numeric features]`, and texts `[rows, categories]`."""
IR_VERSION = 9
WHOLE, FLOAT, STRING = 7, 1, 8
"""As ONNX numbers the types of elements."""


def joined(graphs: Sequence[tuple[ModelProto, str]], columns: Mapping[str, bool]) -> bytes:
    """One model that gives an output of each of several graphs over the same columns.

    A converter names tensors by counters and sets, whose order depends on PYTHONHASHSEED, and takes each column as an
    input of its own. Here a tensor's name follows from its place, what no output needs is left out, and what two
    graphs compute alike is computed once, so that the same model gives the same bytes in every process.

    Args:
        graphs: Converted models, each with the name of the output wanted; each takes every column, in one order.
        columns: The columns in that order, and whether each is a category.

    Returns:
        An ONNX file with the outputs `said_0`, `said_1` and so on.

    Raises:
        ValueError: A graph holds another graph, as loops do, or takes other columns.
    """
    from onnx import helper

    merged = _Merged(columns)
    for place, (model, wanted) in enumerate(graphs):
        merged.put(model, wanted, f"said_{place}")
    inputs = [
        helper.make_tensor_value_info(name, kind, [None, len(held)])
        for name, kind, held in ((NUMBERS, FLOAT, merged.numbers), (TEXTS, STRING, merged.texts))
        if held
    ]
    outputs = [helper.make_empty_tensor_value_info(f"said_{place}") for place in range(len(graphs))]
    for place, (model, wanted) in enumerate(graphs):
        (kind,) = (value.type for value in model.graph.output if value.name == wanted)
        outputs[place].type.CopyFrom(kind)
    graph = helper.make_graph(merged.nodes, "model", inputs, outputs, merged.weights)
    versions: dict[str, int] = {}
    for model, _ in graphs:
        for used in model.opset_import:
            versions[used.domain] = max(versions.get(used.domain, 0), used.version)
    opsets = [helper.make_opsetid(domain, version) for domain, version in sorted(versions.items())]
    made: ModelProto = helper.make_model(graph, opset_imports=opsets, producer_name="prefect-mlops")
    made.ir_version = IR_VERSION
    return bytes(made.SerializeToString(deterministic=True))


class _Merged:
    """The nodes and weights of one graph, by what they compute."""

    def __init__(self, columns: Mapping[str, bool]) -> None:
        self._columns = tuple(columns)
        self.numbers = tuple(name for name, is_text in columns.items() if not is_text)
        self.texts = tuple(name for name, is_text in columns.items() if is_text)
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        self._known: dict[tuple[Any, ...], list[str]] = {}

    def put(self, model: ModelProto, wanted: str, name: str) -> None:
        """Add what an output of a model needs; the output is called `name`."""
        made = {output: node for node in model.graph.node for output in node.output if output}
        weights = {weight.name: weight for weight in model.graph.initializer}
        inputs = [value.name for value in model.graph.input]
        if len(inputs) != len(self._columns):
            raise ValueError(f"the graph takes {len(inputs)} columns of {len(self._columns)}")
        columns = dict(zip(inputs, self._columns, strict=True))  # a converter spells names as identifiers
        known: dict[str, str] = {"": ""}

        def resolve(tensor: str) -> str:
            if tensor not in known:
                if tensor in made:
                    node = made[tensor]
                    block = self._block(node, [columns.get(name, "") for name in node.input])
                    outputs = [block] if block else self._node(node, [resolve(one) for one in node.input])
                    known.update({theirs: ours for theirs, ours in zip(node.output, outputs, strict=True) if theirs})
                elif tensor in weights:
                    known[tensor] = self._weight(weights[tensor])
                else:
                    known[tensor] = self._column(columns[tensor])
            return known[tensor]

        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [resolve(wanted)], [name]))

    def _block(self, node: NodeProto, taken: list[str]) -> str:
        """The input that a node puts together again from its columns; empty for every other node."""
        if node.op_type == "Concat" and node.attribute[0].i == 1:
            for name, columns in ((NUMBERS, self.numbers), (TEXTS, self.texts)):
                if tuple(taken) == columns:
                    return name
        return ""

    def _node(self, node: NodeProto, inputs: list[str]) -> list[str]:
        from onnx import NodeProto

        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise ValueError(f"{node.op_type} holds a graph of its own")
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        told = tuple(attribute.SerializeToString(deterministic=True) for attribute in attributes)
        key = (node.domain, node.op_type, tuple(inputs), told, len(node.output))
        if key not in self._known:
            place = len(self.nodes)
            outputs = [f"t{place}_{number}" if name else "" for number, name in enumerate(node.output)]
            ours = NodeProto(op_type=node.op_type, domain=node.domain, name=f"n{place}", input=inputs, output=outputs)
            ours.attribute.extend(attributes)
            self.nodes.append(ours)
            self._known[key] = outputs
        return self._known[key]

    def _weight(self, weight: TensorProto) -> str:
        from onnx import TensorProto

        bare = TensorProto()
        bare.CopyFrom(weight)
        bare.name = bare.doc_string = ""
        key = ("weight", bare.SerializeToString(deterministic=True))
        if key not in self._known:
            bare.name = f"w{len(self.weights)}"
            self.weights.append(bare)
            self._known[key] = [bare.name]
        return self._known[key][0]

    def _column(self, name: str) -> str:
        """One column of an input, as a column."""
        from onnx import helper

        source, columns = (NUMBERS, self.numbers) if name in self.numbers else (TEXTS, self.texts)
        if len(columns) == 1:
            return source
        place = self._weight(helper.make_tensor("", WHOLE, [1], [columns.index(name)]))
        return self._node(helper.make_node("Gather", ["", ""], [name], axis=1), [source, place])[0]
