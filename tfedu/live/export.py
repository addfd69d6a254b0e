"""A PyTorch model as one file that the engine in a page can run: `NAME.live.safetensors`.

torch exports the traced model to ONNX; this file turns that into what a page needs and a student can read. It
folds what depends on constants alone, names each value after the module that makes it, keeps each weight once
for all graphs, and leaves out everything else that an exporter writes (stack traces, paths, comments).

The format is a safetensors archive. Its tensors are the constants (floats in half precision, integers in 32
bits). Its metadata, all strings, are "format", "version", "extra.NAME" for texts, and "graphs", as JSON:

    {"GRAPH": {"inputs":  [{"name", "dtype", "shape"}],        a dynamic axis is its symbol, as in [1, "T"]
               "outputs": [{"name", "dtype", "shape"}],
               "maps":    {"decoder.attention": "the value that is this map"},
               "constants": {"c0": {"dtype", "shape", "data"}},          the small ones
               "nodes":   [{"op", "inputs", "outputs", "attributes", "tap"}]}}

Nodes mean what ONNX (opset 20) says, in an order in which they can run; "" is an absent input; "tap" is the
path of the module that a node belongs to. Nodes that read constants alone may be left, where their result
would be a second copy of a weight: they can run once.
"""

from __future__ import annotations

import copy
import inspect
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tfedu.attention.mechanism import Mechanism
from tfedu.live.norm import with_scales
from tfedu.live.recurrent import with_recurrences
from tfedu.trace import Traced, trace

if TYPE_CHECKING:
    import onnx

OPSET = 20

#: What the engine can do; `web/src/operators.ts` lists the same.
# fmt: off
ENGINE_OPERATORS = frozenset([
    "Abs", "Add", "And", "ArgMax", "Cast", "Clip", "Concat", "Conv", "Cos", "CumSum", "Div", "Equal",
    "Erf", "Exp", "Expand", "Flatten", "Floor", "GRU", "Gather", "GatherElements", "Gelu", "Gemm",
    "Greater", "GreaterOrEqual", "Identity", "LSTM", "LayerNormalization", "Less", "LessOrEqual", "Log",
    "MatMul", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pad", "Pow", "Range", "Reciprocal",
    "ReduceMax", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Shape", "Sigmoid", "Sin", "Slice",
    "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Tile", "Transpose", "Trilu", "Unsqueeze",
    "Where",
])
# fmt: on

#: Constants of integers up to this many entries, and single floats, stand in the graph, where one can read them.
INLINE = 16
#: Above this many entries a constant is not folded if that would put a second copy of it into the file.
COPY = 1024

DTYPES = {np.dtype(np.float32): "float32", np.dtype(np.int64): "int64", np.dtype(np.bool_): "bool"}


FREEDOM = (
    "What its forward does must not depend on the numbers in its inputs, and an axis in `dynamic` must be free "
    "to have any length."
)


class ExportError(ValueError):
    """A model that cannot become a file for the page; the message names the fix."""


class UnsupportedOperatorError(ExportError):
    """A model that needs an operator which the engine lacks."""


class Graph(NamedTuple):
    """One graph of a file, to be exported.

    Attributes:
        module: takes and returns tensors (a tensor or a tuple of them).
        example: its inputs, as in a call; a dynamic axis must be at least 2 long.
        dynamic: for an input's name (that of the argument of `forward`), which axes may have any length, and
            the symbol of each: ``{"tokens": {1: "T"}}``. Axes of one symbol have one length.
        inputs: names of the inputs, where `forward` does not name them.
        outputs: names of the outputs; "output", or "output_0", "output_1" ... unless given.
        maps: which output is which attention map, by the name that `trace` gives it.
        inside: modules are named as seen from this submodule, for a module that wraps the model.
    """

    module: nn.Module
    example: tuple[Tensor, ...]
    dynamic: Mapping[str, Mapping[int, str]] = {}
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    maps: Mapping[str, str] = {}
    inside: str = ""


def export(
    model: nn.Module,
    example: Tensor | tuple[Tensor, ...],
    path: str | Path,
    *,
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
    outputs: Sequence[str] = (),
    half: bool = True,
    extras: Mapping[str, str] | None = None,
) -> Path:
    """Write `model` and its attention maps to one file, as the graph "model".

    Args:
        model: any module; it is exported as it is in evaluation, and left as it was. Its maps become outputs
            named ``PATH.map``.
        example, dynamic, outputs: see `Graph`; `outputs` names those of the model itself.
        path: where to, by custom ``NAME.live.safetensors``.
        half: whether floats are stored in 16 bits.
        extras: texts that travel along, such as a tokenizer's JSON.

    Returns:
        The path.

    Raises:
        ExportError: if the model cannot be exported, or uses an operator that the engine lacks.
    """
    examples = (example,) if isinstance(example, Tensor) else tuple(example)
    if not any(isinstance(part, Mechanism) for part in model.modules()):
        graph = Graph(model, examples, dynamic or {}, outputs=outputs)
    else:
        still = copy.deepcopy(model).eval()
        with trace(still) as maps:  # a part that this example does not use has no map
            own = _output_names(_run(still, examples), outputs)
            names = list(maps)
        graph = Graph(
            Traced(model, names),
            examples,
            dynamic or {},
            _parameters(model)[: len(examples)],
            [*own, *(f"{name}.map" for name in names)],
            {name: f"{name}.map" for name in names},
            inside="model",
        )
    return export_graphs({"model": graph}, path, half=half, extras=extras)


def export_graphs(
    graphs: Mapping[str, Graph | tuple[Any, ...]],
    path: str | Path,
    *,
    half: bool = True,
    extras: Mapping[str, str] | None = None,
) -> Path:
    """Write several graphs, which share their weights, to one file; it appears whole or not at all.

    Args:
        graphs: a `Graph`, or its first fields as a tuple, by name.
        path, half, extras: see `export`.

    Raises:
        ExportError: as `export` does.
    """
    drafts = {name: _draft(name, Graph(*graph)) for name, graph in graphs.items()}
    kept = {key for draft in drafts.values() for key in draft.kept()}
    for draft in drafts.values():
        draft.fold(kept)
    for draft in drafts.values():
        draft.check_operators()
        draft.check_maps()
    store = _Store(half)
    written = {name: draft.write(store) for name, draft in drafts.items()}
    header = {"format": "tfedu-live", "version": "1", "graphs": to_json(written)}
    header |= {f"extra.{name}": text for name, text in (extras or {}).items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(archive(store.tensors, header))
    os.replace(temporary, path)
    return path


@dataclass
class _Node:
    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    tap: str
    proto: onnx.NodeProto


@dataclass
class _Draft:
    """A graph on its way from ONNX to the file."""

    name: str
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    maps: dict[str, str]
    nodes: list[_Node]
    constants: dict[str, np.ndarray]
    parameters: dict[bytes, str] = field(default_factory=dict)  # fingerprint -> readable name

    def kept(self) -> set[bytes]:
        """Fingerprints of the large constants that the file holds in any case."""
        known = set(self.constants)
        used = set()
        for node in self.nodes:
            if all(name in known for name in node.inputs if name):
                known.update(node.outputs)
            else:
                used.update(node.inputs)
        return {_fingerprint(self.constants[name]) for name in used & set(self.constants)}

    def fold(self, kept: set[bytes]) -> None:
        """Compute what depends on constants alone, unless that would make a copy of a large one in `kept`."""
        left = []
        for node in self.nodes:
            names = [name for name in node.inputs if name]
            if node.op != "Shape" and all(name in self.constants for name in names):
                large = [self.constants[name] for name in names if self.constants[name].size > COPY]
                if not any(_fingerprint(value) in kept for value in large):
                    self.constants |= zip(node.outputs, _evaluate(node.proto, self.constants), strict=True)
                    continue
            left.append(node)
        self.nodes = left
        self._drop_unused()

    def _drop_unused(self) -> None:
        wanted = {output["name"] for output in self.outputs}
        left = []
        for node in reversed(self.nodes):
            if wanted & set(node.outputs):
                left.append(node)
                wanted.update(node.inputs)
        self.nodes = left[::-1]
        self.constants = {name: value for name, value in self.constants.items() if name in wanted}

    def check_operators(self) -> None:
        """Complain about the operators that the engine lacks, all at once."""
        lacking: dict[str, str] = {}
        for node in self.nodes:
            if node.op not in ENGINE_OPERATORS:
                lacking.setdefault(node.op, node.tap or "the model itself")
        if lacking:
            found = ", ".join(f"{op} (in {tap})" for op, tap in sorted(lacking.items()))
            raise UnsupportedOperatorError(
                f"graph {self.name!r} needs what the engine in the page lacks: {found}. Write the module with "
                f"operators it has ({', '.join(sorted(ENGINE_OPERATORS))}), or add the operator to "
                "web/src/operators.ts and to tfedu.live.ENGINE_OPERATORS."
            )

    def check_maps(self) -> None:
        """Each map must be what the model goes on with, so that an edit of it in the page has its effect."""
        maker = {value: node for node in self.nodes for value in node.outputs}
        for name, value in self.maps.items():
            alone = not self._readers(value)
            # Back through changes of shape alone: nothing else may read the map on its way.
            while (node := maker.get(value)) and node.op in ("Reshape", "Squeeze", "Unsqueeze"):
                value = node.inputs[0]
                alone |= self._readers(value) != [node]
            if alone:
                raise ExportError(
                    f"the map {name!r} of graph {self.name!r} is only a copy: editing it in the page would "
                    "change nothing. Make the output from the very weights that are the map."
                )

    def _readers(self, value: str) -> list[_Node]:
        return [node for node in self.nodes if value in node.inputs]

    def write(self, store: _Store) -> dict[str, Any]:
        """This graph as it stands in the file; the large constants go to `store`."""
        names = {port["name"]: port["name"] for port in (*self.inputs, *self.outputs)}
        taken = set(names) | {""}
        inline: dict[str, Any] = {}
        seen: dict[bytes, str] = {}
        written = []
        for node in self.nodes:
            for place, value in enumerate(node.inputs):
                if value not in self.constants or value in names:
                    continue
                constant = self.constants[value]
                key = _fingerprint(constant)
                if key not in seen:
                    if _short(constant):
                        seen[key] = _free(f"c{len(inline)}", taken)
                        inline[seen[key]] = _literal(constant)
                    else:
                        readable = value if "." in value else self.parameters.get(key)
                        seen[key] = store.add(constant, readable or _path(node.tap, _role(node, place)))
                        taken.add(seen[key])
                names[value] = seen[key]
        for node in self.nodes:
            for place, value in enumerate(node.outputs):
                if value and value not in names:
                    label = _path(node.tap, node.op.lower())
                    if len(node.outputs) > 1:
                        label += f".{_role(node, place, outputs=True)}"
                    names[value] = _free(label, taken)
            one: dict[str, Any] = {
                "op": node.op,
                "inputs": [names[value] if value else "" for value in node.inputs],
                "outputs": [names[value] if value else "" for value in node.outputs],
            }
            one |= {"attributes": node.attributes} if node.attributes else {}
            one |= {"tap": node.tap} if node.tap else {}
            written.append(one)
        return {
            "inputs": self.inputs,
            "outputs": self.outputs,
            "maps": self.maps,
            "constants": inline,
            "nodes": written,
        }


class _Store:
    """The tensors of a file, each once."""

    def __init__(self, half: bool) -> None:
        self.half = half
        self.tensors: dict[str, np.ndarray] = {}
        self._names: dict[bytes, str] = {}

    def add(self, value: np.ndarray, name: str) -> str:
        stored = self._stored(value, name)
        key = _fingerprint(stored)
        if key not in self._names:
            self._names[key] = _free(name, set(self.tensors))
            self.tensors[self._names[key]] = stored
        return self._names[key]

    def _stored(self, value: np.ndarray, name: str) -> np.ndarray:
        if value.dtype == np.int64:
            if value.size and (value.max() > 2**31 - 1 or value.min() < -(2**31)):
                raise ExportError(f"{name} holds integers beyond 32 bits, which the file cannot keep.")
            return value.astype(np.int32)
        if value.dtype == np.float32 and self.half:
            with np.errstate(over="ignore"):
                small = value.astype(np.float16)
            # Too large for 16 bits (the -3e38 of a mask, say): this one stays as it is.
            return small if (np.isfinite(small) == np.isfinite(value)).all() else value
        return value


def _draft(name: str, graph: Graph) -> _Draft:
    """Export one module with torch, and read what came out."""
    import onnx.helper

    inputs = _input_names(graph)
    module = copy.deepcopy(graph.module).eval()
    outputs = _output_names(_run(module, graph.example), graph.outputs)
    if len(set(inputs + outputs)) < len(inputs + outputs):
        raise ExportError(f"graph {name!r}: inputs {inputs} and outputs {outputs} need names of their own.")
    if unknown := set(graph.maps.values()) - set(outputs):
        raise ExportError(f"graph {name!r}: maps {sorted(unknown)} are none of its outputs {outputs}.")
    proto = _to_onnx(name, module, graph, inputs, outputs)
    shapes = _output_shapes(module, graph, inputs, proto)
    if len(shapes) != len(outputs):
        raise ExportError(f"graph {name!r} has {len(shapes)} outputs, but {len(outputs)} names: {outputs}.")

    rename: dict[str, str] = {}  # values that only repeat another
    constants = {
        tensor.name: _widened(onnx.numpy_helper.to_array(tensor), tensor.name)
        for tensor in proto.graph.initializer
    }
    nodes = []
    for node in proto.graph.node:
        node.input[:] = [rename.get(value, value) for value in node.input]
        if node.op_type == "Identity" and node.output[0] not in outputs:
            rename[node.output[0]] = node.input[0]
        elif node.op_type == "Constant":
            constants[node.output[0]] = _evaluate(node, {})[0]
        else:
            if node.op_type == "ConstantOfShape":  # the same said with an operator that there is already
                filler = f"{node.output[0]}.filler"
                (value,) = [onnx.numpy_helper.to_array(a.t) for a in node.attribute] or [
                    np.zeros(1, np.float32)
                ]
                constants[filler] = value.reshape(())
                node = onnx.helper.make_node("Expand", [filler, *node.input], node.output, name=node.name)
            nodes.append(_node(node, graph.inside))
    prefix = f"{graph.inside}." if graph.inside else ""
    draft = _Draft(
        name,
        [_port(each, x, graph.dynamic.get(each, {})) for each, x in zip(inputs, graph.example, strict=True)],
        [
            {"name": each, "dtype": dtype, "shape": shape}
            for each, (dtype, shape) in zip(outputs, shapes, strict=True)
        ],
        dict(graph.maps),
        nodes,
        {},
    )
    for old, constant in constants.items():
        plain = old.removeprefix(prefix)
        draft.constants[plain] = constant
        if plain != old:
            for node_ in nodes:
                node_.inputs = [plain if value == old else value for value in node_.inputs]
                node_.proto.input[:] = node_.inputs
    for old, parameter in module.named_parameters():
        if parameter.dim() == 2 and parameter.numel() > INLINE:
            turned = _fingerprint(parameter.detach().numpy().T)
            draft.parameters[turned] = f"{old.removeprefix(prefix)}.T"
        if "." not in old.removeprefix(prefix):  # the model's own, such as a token
            for shape in (parameter.shape, parameter.shape[1:]):
                if parameter.numel() == shape.numel():
                    stands = parameter.detach().numpy().reshape(shape)
                    draft.parameters[_fingerprint(stands)] = old.removeprefix(prefix)
    return draft


def _to_onnx(
    name: str, module: nn.Module, graph: Graph, inputs: list[str], outputs: list[str]
) -> onnx.ModelProto:
    try:
        import onnx  # noqa: F401 - tells what is missing before torch does
        import onnxscript.optimizer
    except ImportError as error:
        raise ExportError(
            "exporting a model needs onnx and onnxscript: pip install onnx onnxscript"
        ) from error
    symbols = {
        symbol: torch.export.Dim(symbol) for axes in graph.dynamic.values() for symbol in axes.values()
    }
    shapes = tuple(
        {axis: symbols[symbol] for axis, symbol in graph.dynamic.get(each, {}).items()} for each in inputs
    )
    star = any(
        p.kind is inspect.Parameter.VAR_POSITIONAL
        for p in inspect.signature(module.forward).parameters.values()
    )
    with _quiet():
        try:
            program = torch.onnx.export(
                with_scales(with_recurrences(copy.deepcopy(module))),
                graph.example,
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=(shapes,) if star else shapes,
                input_names=inputs,
                output_names=outputs,
                optimize=False,
                verbose=False,
            )
        except Exception as error:  # torch raises many kinds
            raise ExportError(
                f"graph {name!r}: torch could not export {type(module).__name__} "
                f"({_first_line(error)}). {FREEDOM}"
            ) from error
        assert program is not None
        onnxscript.optimizer.optimize(program.model, input_size_limit=COPY, output_size_limit=COPY)
    proto = program.model_proto
    if [port.name for port in proto.graph.input] != inputs:
        raise ExportError(f"graph {name!r}: an output must not be an input as it came; leave it out.")
    _name_outputs(proto, outputs)
    for port, each in zip(proto.graph.input, inputs, strict=True):
        for axis, symbol in graph.dynamic.get(each, {}).items():
            if not port.type.tensor_type.shape.dim[axis].dim_param:
                raise ExportError(
                    f"graph {name!r}: {type(module).__name__} works only where {each} has the example's length "
                    f"along {symbol!r}. {FREEDOM}"
                )
    return proto


def _name_outputs(proto: onnx.ModelProto, outputs: list[str]) -> None:
    """Where two outputs are one value, torch mixes up their names: give each its own."""
    from onnx import helper

    sources = [port.name for port in proto.graph.output]
    if sources == outputs:
        return
    for node in proto.graph.node:
        for values in (node.input, node.output):
            values[:] = [f"{value}.source" if value in sources else value for value in values]
    for port, source, output in zip(proto.graph.output, sources, outputs, strict=True):
        proto.graph.node.append(helper.make_node("Identity", [f"{source}.source"], [output]))
        port.name = output


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns about its own dependencies; nothing that a reader could act upon."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _first_line(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _parameters(module: nn.Module) -> list[str]:
    return list(inspect.signature(module.forward).parameters)


def _input_names(graph: Graph) -> list[str]:
    names = list(graph.inputs) or _parameters(graph.module)[: len(graph.example)]
    if len(graph.example) != len(names):
        raise ExportError(f"the inputs are {', '.join(names)}; the example has {len(graph.example)}.")
    if unknown := set(graph.dynamic) - set(names):
        raise ExportError(f"no input is named {', '.join(sorted(unknown))}; there are {', '.join(names)}.")
    for name, x in zip(names, graph.example, strict=True):
        for axis, symbol in graph.dynamic.get(name, {}).items():
            if not 0 <= axis < x.dim():
                raise ExportError(
                    f"{name} has axes 0 to {x.dim() - 1}; {symbol!r} was given for axis {axis}."
                )
            if x.shape[axis] < 2:
                raise ExportError(
                    f"the example's {name} has length {x.shape[axis]} along {symbol!r}: give at least 2, or "
                    "the exporter takes this axis for one that is never longer."
                )
    return names


def _output_names(found: tuple[Tensor, ...], given: Sequence[str] = ()) -> list[str]:
    if given:
        return list(given)
    return ["output"] if len(found) == 1 else [f"output_{i}" for i in range(len(found))]


def _run(module: nn.Module, example: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    with torch.no_grad():
        output = module(*example)
    outputs = output if isinstance(output, tuple) else (output,)
    if not all(isinstance(one, Tensor) for one in outputs):
        raise ExportError(f"{type(module).__name__} must return a tensor or a tuple of tensors; wrap it.")
    return outputs


def _output_shapes(
    module: nn.Module, graph: Graph, inputs: list[str], proto: onnx.ModelProto
) -> list[tuple[str, list[int | str]]]:
    """Type and shape of each output; the axes that follow a symbol are found by changing its length.

    Where onnxruntime is installed, it also says whether the graph still equals the model at that length.
    """
    session = _session(proto)
    usual = _run(module, graph.example)
    _compare(graph, session, inputs, graph.example, usual)
    shapes: list[list[int | str]] = [list(one.shape) for one in usual]
    for symbol in sorted({symbol for axes in graph.dynamic.values() for symbol in axes.values()}):
        changed, length = [], 0
        for name, x in zip(inputs, graph.example, strict=True):
            for axis, its in graph.dynamic.get(name, {}).items():
                if its == symbol:
                    old = x.shape[axis]
                    length = old - 1 if old > 2 else old + 1
                    x = x.index_select(axis, torch.arange(length) % old)
            changed.append(x)
        try:
            found = _run(module, tuple(changed))
            _compare(graph, session, inputs, tuple(changed), found)
        except Exception as error:  # the module's own, or onnxruntime's
            what = f"{type(module).__name__} at {symbol} = {length} ({_first_line(error)})"
            raise ExportError(f"the graph differs from {what}. {FREEDOM}") from error
        for shape, one in zip(shapes, found, strict=True):
            for axis, size in enumerate(one.shape):
                if shape[axis] != size and not isinstance(shape[axis], str):
                    shape[axis] = symbol if size == length else f"f({symbol})"
    return [(_dtype_name(one, "an output"), shape) for one, shape in zip(usual, shapes, strict=True)]


def _session(proto: onnx.ModelProto) -> Any:
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # its warnings are about speed
    try:
        return onnxruntime.InferenceSession(proto.SerializeToString(), options)
    except Exception:  # it cannot judge what it cannot run; the engine may
        return None


def _compare(
    graph: Graph,
    session: Any,
    inputs: list[str],
    example: tuple[Tensor, ...],
    expected: tuple[Tensor, ...],
) -> None:
    if session is None:
        return
    found = session.run(None, {name: x.numpy() for name, x in zip(inputs, example, strict=True)})
    for place, (ours, torchs) in enumerate(zip(found, expected, strict=True)):
        if not np.allclose(ours, torchs.numpy(), rtol=1e-3, atol=1e-3, equal_nan=True):
            name = graph.outputs[place] if graph.outputs else place
            raise ExportError(f"output {name} of the exported graph has other numbers than the module's")


def _port(name: str, x: Tensor, dynamic: Mapping[int, str]) -> dict[str, Any]:
    shape = [dynamic.get(axis, size) for axis, size in enumerate(x.shape)]
    return {"name": name, "dtype": _dtype_name(x, name), "shape": shape}


def _dtype_name(x: Tensor, what: str) -> str:
    known = {torch.float32: "float32", torch.int64: "int64", torch.bool: "bool"}
    if x.dtype not in known:
        raise ExportError(f"{what} is {x.dtype}; the engine knows float32, int64 and bool: convert it first.")
    return known[x.dtype]


def _widened(value: np.ndarray, name: str) -> np.ndarray:
    if value.dtype == np.int32:
        value = value.astype(np.int64)
    if value.dtype not in DTYPES:
        raise ExportError(f"{name} is {value.dtype}; the engine knows {', '.join(DTYPES.values())}.")
    return value


def _node(proto: onnx.NodeProto, inside: str) -> _Node:
    """What we keep of a node; its module's path stands among what the exporter noted on it."""
    import onnx

    notes = {entry.key: entry.value for entry in proto.metadata_props}
    scopes = json.loads(notes.get("pkg.torch.onnx.name_scopes", "[]").replace("'", '"'))
    tap = scopes[-2] if len(scopes) > 1 else ""
    if tap.startswith("_empty_nn_module_stack") or tap == inside:
        tap = ""
    if inside:
        tap = tap.removeprefix(f"{inside}.")
    attributes = {}
    for attribute in proto.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, (onnx.GraphProto, onnx.TensorProto)):
            raise UnsupportedOperatorError(
                f"{proto.op_type} (in {tap or 'the model itself'}) carries a graph or a tensor of its own, "
                "which the engine in the page lacks: write the module without a loop or branch on numbers."
            )
        attributes[attribute.name] = _plain(value)
    op = f"{proto.domain}.{proto.op_type}" if proto.domain else proto.op_type
    return _Node(op, list(proto.input), list(proto.output), attributes, tap, proto)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float):
        return _decimal(value)
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _decimal(value: float) -> float:
    """The shortest decimal that means the same number in 32 bits: 1e-05, not 9.999999747378752e-06."""
    return float(str(np.float32(value)))


def _evaluate(node: onnx.NodeProto, constants: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    from onnx.reference import ReferenceEvaluator

    wanted = {value: constants[value] for value in node.input if value}
    graph = _model([node], list(wanted), list(node.output), "folding")
    return [_widened(np.asarray(x), node.output[0]) for x in ReferenceEvaluator(graph).run(None, wanted)]


def _model(nodes: Sequence[onnx.NodeProto], inputs: list[str], outputs: list[str], name: str) -> Any:
    from onnx import helper

    def port(each: str) -> onnx.ValueInfoProto:
        return helper.make_empty_tensor_value_info(each)

    graph = helper.make_graph(nodes, name, [port(each) for each in inputs], [port(each) for each in outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def _role(node: _Node, place: int, outputs: bool = False) -> str:
    """What ONNX calls this input or output of the operator."""
    import onnx

    try:
        schema = onnx.defs.get_schema(node.op, OPSET)
    except onnx.defs.SchemaError:
        return str(place)
    ports = schema.outputs if outputs else schema.inputs
    return ports[place].name if place < len(ports) and len(ports) > 1 else str(place)


def _path(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def _free(name: str, taken: set[str]) -> str:
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _fingerprint(value: np.ndarray) -> bytes:
    return repr((value.dtype.str, value.shape)).encode() + np.ascontiguousarray(value).tobytes()


def _short(value: np.ndarray) -> bool:
    if value.dtype == np.float32:
        return value.size == 1 and bool(np.isfinite(value).all())
    return value.size <= INLINE


def _literal(value: np.ndarray) -> dict[str, Any]:
    data = value.ravel().tolist()
    if value.dtype == np.int64:  # a slice "to the end" says 2**63 - 1, which no number of a page can hold
        data = [min(max(one, -(2**31)), 2**31 - 1) for one in data]
    if value.dtype == np.float32:
        data = [_decimal(one) for one in data]
    return {"dtype": DTYPES[value.dtype], "shape": list(value.shape), "data": data}


def to_json(value: Any) -> str:
    """JSON as a file holds it: short, and nothing that no page could read."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def archive(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file; they depend on its content alone (the library shuffles the metadata)."""
    from safetensors.numpy import save

    contiguous = {name: np.ascontiguousarray(value) for name, value in sorted(tensors.items())}
    raw = save(contiguous, {"": ""})
    size = int.from_bytes(raw[:8], "little")
    header = {**json.loads(raw[8 : 8 + size]), "__metadata__": dict(metadata)}
    text = to_json(dict(sorted(header.items()))).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8, so that a page can view them
    return len(text).to_bytes(8, "little") + text + raw[8 + size :]
