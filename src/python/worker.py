"""The program of a Python worker: scores Arrow batches with one MLflow model.

It runs in the model's own environment, which need hold only pyarrow and pandas beside the model's packages. Descriptor 0 is a
socket to the service: frames of a JSON header and a body (an Arrow IPC stream), answered one by one. Descriptor 1 is the read end
of a pipe that the service holds open for life. Standard output is sent to standard error, so that a model may print.
"""

from __future__ import annotations

import faulthandler
import importlib
import inspect
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from types import ModuleType
from typing import Any

PROGRAM = "<mlflight worker>"
FRAME = struct.Struct("<IQ")
#: Values that are not written as one text where others can be columns.
COLLECTIONS = (list, tuple, dict)
#: Characters of an exception that are sent: of its message, or of one part of its traceback, and of the whole traceback.
MESSAGE, TRACEBACK = 2048, 65536
#: Parts of a model that are looked at to see what it was fitted on.
PARTS = 10_000


class Refused(Exception):
    """Something the caller can mend; ``kind`` and ``code`` go back as they are."""

    def __init__(self, kind: str, code: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.code = kind, code


class Channel:
    """Frames over a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def _fill(self, view: memoryview) -> bool:
        while len(view):
            count = self.connection.recv_into(view, 0, socket.MSG_WAITALL)
            if count == 0:
                return False
            view = view[count:]
        return True

    def receive(self) -> tuple[bytes, Any] | None:
        """Return the next frame's header and body, or ``None`` when the service is gone."""
        head = bytearray(FRAME.size)
        if not self._fill(memoryview(head)):
            return None
        header_size, body_size = FRAME.unpack(head)
        header = bytearray(header_size)
        if not self._fill(memoryview(header)):
            return None
        body = None
        if body_size:
            import pyarrow as pa

            body = pa.allocate_buffer(body_size)
            if not self._fill(memoryview(body)):
                return None
        return bytes(header), body

    def send(self, header: dict[str, Any], body: Any = b"") -> None:
        """Send one frame."""
        text = json.dumps(header).encode()
        view = memoryview(body)
        self.connection.sendall(FRAME.pack(len(text), len(view)) + text)
        if len(view):
            self.connection.sendall(view)


def end_with_service(life: int) -> None:
    """Make this process and its children end when the service does, whatever the model is doing."""
    parent = os.getppid()
    own_group = os.getpgrp() == os.getpid()

    def end() -> None:
        if own_group:
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    def watch() -> None:
        poll = select.poll()
        poll.register(life, select.POLLIN | select.POLLHUP)
        while not poll.poll(5000) and os.getppid() == parent:
            pass
        end()

    threading.Thread(target=watch, name="mlflight-watch", daemon=True).start()
    try:
        import fcntl

        # A model that never releases the interpreter's lock would starve the thread: the kernel kills the group by itself.
        fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp() if own_group else os.getpid())
        fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    except (AttributeError, OSError):
        pass


def leave_nothing(connection: socket.socket, life: int) -> None:
    """Fork a process that kills what this one has started and left behind, once it or the service has ended.

    A child that called setsid is in no group that could be killed; but it has this process's mark in its environment.
    """
    mark, worker = os.environ.get("MLFLIGHT_WORKER"), os.getpid()
    try:
        if not mark or not os.path.isdir("/proc/self") or os.fork():
            return
    except OSError:
        # No process may be started: then the model cannot leave one behind either.
        return
    try:
        os.setsid()
        connection.close()
        # The service reads standard error until everybody has closed it.
        os.closerange(0, 3)
        poll = select.poll()
        poll.register(life, select.POLLIN | select.POLLHUP)
        if hasattr(os, "pidfd_open"):
            poll.register(os.pidfd_open(worker), select.POLLIN)
        while os.getppid() == worker and not poll.poll(1000):
            pass
        kill_marked(f"MLFLIGHT_WORKER={mark}".encode())
    finally:
        os._exit(0)


def kill_marked(mark: bytes) -> None:
    """Kill every other process that has this in its environment, until there is none."""
    for _ in range(500):
        found = False
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if mark in file.read().split(b"\0"):
                        os.kill(int(name), signal.SIGKILL)
                        found = True
            except OSError:
                continue
        if not found:
            return
        time.sleep(0.01)


def configuration(own: dict[str, Any] | None, given: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the flavor's config with the caller's values for the keys it has (MLflow's rule)."""
    overrides = dict(json.loads(os.environ.get("MLFLOW_PYFUNC_INFERENCE_CONFIG") or "{}"), **(given or {}))
    ignored = [key for key in overrides if key not in (own or {})]
    if ignored:
        print(f"model_config: {', '.join(ignored)} ignored, the model was saved without such keys")
    return dict(own, **{k: v for k, v in overrides.items() if k in own}) if own else None


class Model:
    """A loaded model: its predict function and the form of input it takes."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        sys.path[:0] = ([spec["code"]] if spec.get("code") else []) + spec.get("path", [])
        importlib.invalidate_caches()
        module = importlib.import_module(spec["loader"])
        loader = getattr(module, "_load_pyfunc", None) or getattr(module, "load_pyfunc", None)
        if loader is None:
            raise Refused("INVALID_MODEL", "NO_LOADER", f"module {spec['loader']} has no function _load_pyfunc")
        config = configuration(spec.get("config"), spec.get("overrides"))
        implementation = loader(spec["data"], config) if config else loader(spec["data"])
        spec["none"] = knows_none(implementation)
        name = spec.get("predict_fn") or "predict"
        self.predict: Callable[..., Any] | None = getattr(implementation, name, None)
        if self.predict is None:
            raise Refused("INVALID_MODEL", "NO_PREDICT", f"the model has no method {name}")
        parameter = inspect.signature(self.predict).parameters.get("params")
        self.takes_params = parameter is not None and parameter.kind is not inspect.Parameter.VAR_KEYWORD
        self.example = None
        if spec.get("example"):
            from mlflow.models import Model as Metadata

            self.example = Metadata.load(spec["directory"]).load_input_example(spec["directory"])
        self.header: bytes | None = None
        self.params: dict[str, Any] = {}
        self.target: Any = None
        self.declared: Any = None
        self.exact = True

    def bind(self, header: bytes) -> None:
        """Take params and result type from a request; the same request again costs nothing."""
        if header == self.header:
            return
        request = json.loads(header)
        self.params = request.get("params") or {}
        for name in request.get("datetimes", ()):
            if self.params.get(name) is not None:
                self.params[name] = datetimes(self.params[name])
        if self.params and not self.takes_params:
            print(f"params {', '.join(self.params)} ignored, the model's predict has no argument 'params'")
        self.target, self.declared = kind(request.get("result")), kind(request.get("declared"))
        self.exact = request.get("exact", True)
        self.header = header

    def input(self, body: Any) -> Any:
        """Return what predict takes, from an IPC stream of one batch."""
        import pyarrow as pa

        with pa.ipc.open_stream(body) as reader:
            batch = reader.read_next_batch()
        data = tensors(batch, self.spec["tensors"]) if self.spec.get("tensors") else frame(batch, body, self.spec)
        if self.example is not None:
            from mlflow.models.utils import _convert_dataframe_to_example_format

            data = _convert_dataframe_to_example_format(data, self.example)
        return data

    def score(self, header: bytes, body: Any) -> Any:
        """Score one batch, given and returned as an IPC stream."""
        ours("INTERNAL", "REQUEST_INVALID", "the request could not be read", self.bind, header)
        data = ours("INTERNAL", "INPUT_CONVERSION", "the batch could not be made into the model's input", self.input, body)
        result = self.predict(data, params=self.params) if self.takes_params else self.predict(data)
        del data
        what = f"the model answered, and its answer (a {type(result).__name__}) could not be made into columns"
        return ours("MODEL_FAILED", "ANSWER_CONVERSION", what, self.reply, result)

    def reply(self, result: Any) -> Any:
        """Return what predict gave as an IPC stream of one batch."""
        import pyarrow as pa

        names, arrays = own(result, self.declared) if self.target is None else answer(result, self.target, self.exact)
        del result
        if not arrays:
            raise Refused("MODEL_FAILED", "NO_ANSWER", "the model's predict returned no columns")
        sink = pa.BufferOutputStream()
        out = pa.RecordBatch.from_arrays(arrays, names=names)
        with pa.ipc.new_stream(sink, out.schema) as writer:
            writer.write_batch(out)
        return sink.getvalue()


def kind(text: str | None) -> Any:
    """Return the type of a schema's one field, sent as base64."""
    if not text:
        return None
    import base64

    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text))).field(0).type


def ours(kind: str, code: str, what: str, step: Callable[..., Any], *arguments: Any) -> Any:
    """Run a step of this program, so that what it raises is not taken for an exception of the model's predict."""
    try:
        return step(*arguments)
    except Refused:
        raise
    except MemoryError as error:
        raise Refused("RESOURCE_EXHAUSTED", "MEMORY_LIMIT", f"{what}: the worker's memory does not suffice") from error
    except Exception as error:
        raise Refused(kind, code, f"{what}: {type(error).__name__}: {text_of(error)}") from error


def datetimes(value: Any) -> Any:
    """Return ISO text, or a list of it, as ``datetime``."""
    import numpy as np

    return [datetimes(item) for item in value] if isinstance(value, list) else np.datetime64(value).item()


def same_doubles(batch: Any, body: Any) -> Any:
    """Return the batch as a matrix over its own memory when it is null-free float64 columns at equal distances, else ``None``."""
    import numpy as np
    import pyarrow as pa

    columns = batch.columns
    if len(columns) < 2 or any(column.type != pa.float64() or column.null_count for column in columns):
        return None
    starts = [column.buffers()[1].address + 8 * column.offset for column in columns]
    step = starts[1] - starts[0]
    if step <= 0 or any(start != starts[0] + step * index for index, start in enumerate(starts)):
        return None
    offset = starts[0] - body.address
    if offset < 0 or offset + step * (len(starts) - 1) + 8 * batch.num_rows > body.size:
        return None
    return np.ndarray((batch.num_rows, len(starts)), np.float64, body, offset, (8, step))


def frame(batch: Any, body: Any, spec: dict[str, Any]) -> Any:
    """Return the batch as the data frame that MLflow's schema enforcement would give the model."""
    import pandas as pd
    import pyarrow as pa

    unnamed = spec.get("unnamed")
    names = list(range(batch.num_columns)) if unnamed else batch.schema.names
    matrix = same_doubles(batch, body)
    if matrix is not None:
        return pd.DataFrame(matrix, columns=names, copy=False)
    kinds = spec.get("columns") or []
    named = {} if unnamed else {kind["name"]: kind for kind in kinds}
    objects, plain = {}, {}
    for index, column in enumerate(batch.columns):
        kind = (kinds[index] if index < len(kinds) else None) if unnamed else named.get(names[index])
        values = as_objects(batch.schema.field(index), column, kind, spec.get("none"))
        if values is None:
            plain[index] = column
        else:
            objects[index] = pd.Series(values, dtype=object)
    if objects:
        data = pd.DataFrame(objects)
        if plain:
            table = pa.Table.from_arrays([*plain.values()], names=[str(index) for index in plain])
            left = table.to_pandas(use_threads=False, **temporal())
            left.columns = [*plain]
            data = pd.concat([left, data], axis=1)[[*range(batch.num_columns)]]
    else:
        data = pa.Table.from_batches([batch]).to_pandas(use_threads=False, **temporal())
    data.columns = names
    return data


def temporal() -> dict[str, Any]:
    """Return pyarrow's options for times and maps; older versions have none."""
    import pyarrow as pa

    return {"maps_as_pydicts": "lossy", "coerce_temporal_nanoseconds": True} if int(pa.__version__.split(".")[0]) >= 13 else {}


def as_objects(field: Any, column: Any, kind: dict[str, Any] | None, none: bool | None) -> Any:
    """Return a column whose cells are Python objects as these; ``None`` where pandas converts it.

    ``none`` is whether the model was fitted on text that is ``None`` where it is missing.
    """
    import pyarrow as pa

    notes = field.metadata or {}
    if pa.types.is_nested(field.type):
        if kind is None and int(notes.get(b"mlflight.dimensions", 0)) > 1:
            kind = {"type": "any"}
            for _ in range(int(notes[b"mlflight.dimensions"])):
                kind = {"type": "array", "items": kind}
        return generic(column) if kind is None else declared(column, kind)
    if not column.null_count:
        return None
    if is_text(field.type):
        # A pandas frame that the caller made says what it holds where text is missing; Arrow has one null for all.
        missing = notes.get(b"mlflight.missing", b"none" if none else None)
        if missing in (None, b"str"):
            return None
        values = column.to_numpy(zero_copy_only=False)
        if missing == b"nan":
            values[~column.is_valid().to_numpy(zero_copy_only=False)] = float("nan")
        return values
    if kind is not None and pa.types.is_integer(field.type) and field.type.bit_width == 64:
        refuse_rounding(field.name, column)
    return None


def knows_none(model: Any) -> bool:
    """Whether a part of the model was fitted on ``None`` as what stands for missing text: scikit-learn tells it from NaN."""
    seen: set[int] = set()
    waiting = deque([model])
    while waiting and len(seen) < PARTS:
        part = waiting.popleft()
        if id(part) in seen or isinstance(part, (type, ModuleType)):
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, (list, tuple)):
            waiting.extend(part)
        elif isinstance(getattr(part, "__dict__", None), dict):
            if hasattr(part, "fit") and "missing_values" in part.__dict__ and part.missing_values is None:
                return True
            categories = part.__dict__.get("categories_")
            if isinstance(categories, (list, tuple)) and any(value is None for values in categories for value in values):
                return True
            waiting.extend(part.__dict__.values())
    return False


def is_text(kind: Any) -> bool:
    """Whether a type is there and is text in any layout."""
    import pyarrow as pa

    if kind is None:
        return False
    view = getattr(pa.types, "is_string_view", None)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or (view is not None and view(kind))


def refuse_rounding(name: str, column: Any) -> None:
    """Refuse whole numbers beside nulls that the doubles pandas makes of them cannot hold."""
    import pyarrow.compute as pc

    bounds = pc.min_max(column)
    for bound in (bounds["min"].as_py(), bounds["max"].as_py()):
        if bound is not None and abs(bound) > 2**53:
            message = f"column '{name}' has nulls beside {bound}: pandas holds such a column as doubles, which would round it"
            raise Refused("INVALID_ARGUMENT", "VALUE_MISMATCH", f"{message}; fill the nulls or drop the rows")


def generic(column: Any) -> Any:
    """Return a nested column as Spark's conversion gives it to a model: arrays and dicts, whole numbers beside nulls exact."""
    import numpy as np

    made = column.to_pandas(integer_object_nulls=True, **temporal())
    values = np.empty(len(made), dtype=object)
    values[:] = made
    return values


def declared(column: Any, kind: dict[str, Any]) -> list[Any]:
    """Return the values of a declared type as MLflow's enforcement gives them to a model."""
    import pyarrow as pa

    shape, name = column.type, kind["type"]
    if not pa.types.is_nested(shape):
        return scalars(column)
    if name == "array" and (pa.types.is_list(shape) or pa.types.is_large_list(shape) or pa.types.is_fixed_size_list(shape)):
        made = lists(column, kind["items"])
    elif name == "map" and pa.types.is_map(shape):
        keys, values = column.keys.to_pylist(), declared(column.items, kind["values"])
        made = [dict(zip(keys[a:b], values[a:b])) for a, b in bounds_of(column)]
    elif name in ("object", "map") and pa.types.is_struct(shape):
        names = [shape[index].name for index in range(shape.num_fields)]
        kinds = [kind["properties"][key] if name == "object" else kind["values"] for key in names]
        columns = [declared(column.field(index), inner) for index, inner in enumerate(kinds)]
        made = [dict(zip(names, row)) for row in zip(*columns)] if columns else [{} for _ in range(len(column))]
    else:
        return list(generic(column))
    if column.null_count:
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        made = [value if there else None for value, there in zip(made, valid)]
    return made


def scalars(column: Any) -> list[Any]:
    """Return the values of records and maps: numpy's scalars, and ``None`` for nulls."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind):
        return list(column.to_pandas(**temporal()))
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return column.to_pylist()
    if not column.null_count:
        return list(column.to_numpy(zero_copy_only=False))
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    filled = column.fill_null(pa.scalar(0, pa.int8()).cast(kind)).to_numpy(zero_copy_only=False)
    return [value if there else None for value, there in zip(filled, valid)]


def bounds_of(column: Any) -> list[tuple[int, int]]:
    """Return where the items of each list, or the entries of each map, begin and end; nulls have none."""
    offsets = column.offsets.to_numpy(zero_copy_only=False).tolist()
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    return [(a, b) if there else (0, 0) for a, b, there in zip(offsets, offsets[1:], valid)]


def lists(column: Any, kind: dict[str, Any]) -> list[Any]:
    """Return lists as the arrays MLflow makes of them."""
    import pyarrow as pa

    item = column.type.value_type
    if pa.types.is_fixed_size_list(column.type):
        column = pa.array(column.to_pylist(), pa.list_(item))
    if kind["type"] != "any" and pa.types.is_nested(item):
        values = declared(column.values, kind)
        return [stacked(values[a:b]) for a, b in bounds_of(column)]
    if is_text(item) or pa.types.is_boolean(item):
        values = column.values.to_numpy(zero_copy_only=False)
        dtype = bool if pa.types.is_boolean(item) else str
        valid = column.values.is_valid().to_numpy(zero_copy_only=False)
        # numpy's text and booleans have no value that says "missing": arrays with nulls are of objects.
        return [values[a:b].astype(dtype) if a < b and valid[a:b].all() else values[a:b] for a, b in bounds_of(column)]
    return list(generic(column))


def stacked(values: list[Any]) -> Any:
    """Return arrays of one shape as one array with a dimension more, and what has no common shape as an array of objects."""
    import numpy as np

    shapes = {getattr(value, "shape", None) for value in values}
    if len(shapes) <= 1:
        return np.array(values)
    made = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        made[index] = value
    return made


def tensors(batch: Any, specs: list[dict[str, Any]]) -> Any:
    """Return the batch as the array, or the dict of arrays by name, that a tensor signature declares."""
    import numpy as np

    rows = batch.num_rows

    def values(index: int, dtype: str) -> Any:
        column = batch.column(index)
        nested = False
        while hasattr(column, "flatten") and hasattr(column.type, "value_type"):
            nested = nested or column.null_count > 0
            column = column.flatten()
        # Missing numbers are NaN; whole numbers and booleans have none.
        if nested or (column.null_count and np.dtype(dtype).kind in "iub"):
            name = batch.schema.names[index]
            raise Refused("INVALID_ARGUMENT", "NULL_TENSOR", f"tensor '{name}' of {dtype} has nulls; fill them or drop the rows")
        return column.to_numpy(zero_copy_only=False)

    def tensor(index: int, spec: dict[str, Any]) -> Any:
        made = values(index, spec["dtype"]).astype(spec["dtype"], copy=False)
        try:
            return made.reshape([rows, *spec["shape"][1:]])
        except ValueError as error:
            name = batch.schema.names[index]
            raise Refused("INVALID_ARGUMENT", "TENSOR_SHAPE", f"tensor '{name}': {error}") from None

    if specs[0].get("name") is not None:
        return {spec["name"]: tensor(index, spec) for index, spec in enumerate(specs)}
    if batch.num_columns == 1:
        return tensor(0, specs[0])
    columns = [values(index, specs[0]["dtype"]) for index in range(batch.num_columns)]
    return np.stack(columns, axis=1).astype(specs[0]["dtype"], copy=False).reshape([rows, *specs[0]["shape"][1:]])


def plain(value: Any) -> Any:
    """Return a value without numpy's and pydantic's types."""
    if hasattr(value, "model_dump"):
        return plain(value.model_dump())
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def simple(result: Any) -> Any:
    """Return what predict gave without forms that few models answer in: matrices, sparse ones too, and pydantic models."""
    import numpy as np

    if result is None:
        raise Refused("MODEL_FAILED", "NO_ANSWER", "the model's predict returned None")
    if isinstance(result, (set, frozenset)):
        raise Refused("MODEL_FAILED", "NO_ORDER", "the model's predict returned a set, which has no order of rows")
    if isinstance(result, np.matrix):
        return np.asarray(result)
    if hasattr(result, "toarray") and hasattr(result, "nnz"):
        return result.toarray()
    if isinstance(result, list) and result and hasattr(result[0], "model_dump"):
        return [item.model_dump() for item in result]
    return result


def own(result: Any, declared: Any) -> tuple[list[str], list[Any]]:
    """Return what predict gave as names and Arrow arrays of the types it has; ``declared`` tells which dicts are maps."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    result = simple(result)
    if isinstance(result, (pa.Table, pa.RecordBatch)):
        table = pa.Table.from_batches([result]) if isinstance(result, pa.RecordBatch) else result
        return table.schema.names, [joined(column) for column in table.columns]
    if isinstance(result, pd.DataFrame):
        names = [str(name) for name in result.columns]
        return names, [column(result.iloc[:, i], None, hint=field_of(declared, name)) for i, name in enumerate(names)]
    if isinstance(result, pd.Series):
        return ["0" if result.name is None else str(result.name)], [column(result, None, hint=declared)]
    if isinstance(result, np.ndarray) and result.ndim == 2:
        return [str(i) for i in range(result.shape[1])], [column(result[:, i], None) for i in range(result.shape[1])]
    if isinstance(result, dict):
        if isinstance(declared, pa.MapType):
            return ["0"], [objects([result], declared)]
        pairs = [(str(key), values(item, field_of(declared, str(key)))) for key, item in result.items()]
        return [name for name, _ in pairs], [array for _, array in pairs]
    if isinstance(result, (np.ndarray, list, tuple)) or np.isscalar(result):
        try:
            return ["0"], [values(result, declared)]
        except Refused:
            # Records without names: each place is a column.
            if not all(isinstance(item, (list, tuple)) for item in result) or len({len(item) for item in result}) != 1:
                raise
    result = pd.DataFrame(result)
    return [str(name) for name in result.columns], [column(result.iloc[:, i], None) for i in range(result.shape[1])]


def values(item: Any, declared: Any) -> Any:
    """Return one column of an answer, whatever holds it."""
    import numpy as np
    import pandas as pd

    if isinstance(item, np.ndarray):
        if item.ndim > 1:
            return nested(item)
        return column(item.reshape(-1), None, hint=declared)
    if isinstance(item, (pd.Series, pd.Index)):
        return column(pd.Series(item), None, hint=declared)
    return objects([item] if np.isscalar(item) or not hasattr(item, "__iter__") else list(item), declared)


def objects(items: list[Any], declared: Any) -> Any:
    """Return Python objects as Arrow, in the type that they have in common; NaN is a number among numbers."""
    import numpy as np
    import pyarrow as pa

    if holds_map(declared):
        try:
            return pa.array([shaped(item, declared) for item in items], declared, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError):
            pass
    try:
        return pa.array(items, from_pandas=False)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    if all(isinstance(item, (int, np.integer)) and item >= 0 for item in items):
        whole = np.asarray(items)
        if whole.dtype.kind == "u":
            return pa.array(whole)
    return cells(items, None)


def field_of(declared: Any, name: str) -> Any:
    """Return the declared type of one column of an answer."""
    import pyarrow as pa

    return leaf(declared, name) if isinstance(declared, pa.StructType) else declared


def holds_map(kind: Any) -> bool:
    """Whether a type is known and a map, or has one in it."""
    import pyarrow as pa

    if kind is None:
        return False
    if isinstance(kind, pa.MapType):
        return True
    if isinstance(kind, pa.StructType):
        return any(holds_map(kind.field(i).type) for i in range(kind.num_fields))
    return depth(kind) > 0 and holds_map(kind.value_type)


def shaped(value: Any, kind: Any) -> Any:
    """Return a value as Arrow takes one of a type, maps as pairs. A record with a key that the type lacks is not of that type."""
    import pyarrow as pa

    value = plain(value)
    if value is None or not pa.types.is_nested(kind):
        return value
    if isinstance(kind, pa.MapType):
        return [(key, shaped(item, kind.item_type)) for key, item in value.items()]
    if isinstance(kind, pa.StructType):
        if set(value) - {kind.field(i).name for i in range(kind.num_fields)}:
            raise TypeError
        return {name: shaped(item, kind.field(name).type) for name, item in value.items()}
    return [shaped(item, kind.value_type) for item in value]


def joined(column: Any) -> Any:
    """Return a column of a table as one array, dictionaries as their values."""
    array = column.combine_chunks() if hasattr(column, "chunks") else column
    if hasattr(array, "chunks"):
        import pyarrow as pa

        array = array.chunk(0) if array.num_chunks == 1 else pa.concat_arrays(array.chunks)
    return array.dictionary_decode() if hasattr(array, "dictionary_decode") else array


def answer(result: Any, target: Any, exact: bool = True) -> tuple[list[str], list[Any]]:
    """Return what predict gave as names and Arrow arrays, one for each column of the library's own answer.

    ``exact`` keeps missing values of a text missing, else they are ``None`` and ``nan`` as in MLflow.
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    result = simple(result)
    if isinstance(result, (pa.Table, pa.RecordBatch)):
        result = result.to_pandas()
    listed = isinstance(result, list)
    # A list of arrays is one of rows, of which the first column is taken.
    rows = listed and bool(result) and all(map(is_array, result))
    if exact and listed and is_text(target) and not rows and not any(isinstance(item, COLLECTIONS) for item in result):
        return ["0"], [texts(result)]
    if isinstance(target, pa.MapType) and isinstance(result, dict):
        result = [result]
    by_row = isinstance(target, pa.MapType) or (target is not None and depth(target) > 1)
    if by_row and isinstance(result, (list, np.ndarray)):
        return ["0"], [cells(result, target) if isinstance(result, list) or result.ndim < 2 else nested(result)]
    if isinstance(result, np.ndarray) and result.ndim > 2:
        return ["0"], [nested(result)]
    if isinstance(result, np.ndarray) and result.dtype.kind in "biuf":
        matrix = result.reshape(-1, 1) if result.ndim < 2 else result
        return [str(i) for i in range(matrix.shape[1])], [
            column(matrix[:, i], leaf(target, None), exact=exact) for i in range(matrix.shape[1])
        ]
    lists = columns_of(result) if exact else None
    if lists is not None:
        wanted = {name: leaf(target, name) for name in lists}
        return list(lists), [
            texts(items) if is_text(wanted[name]) else from_objects(items, wanted[name]) for name, items in lists.items()
        ]
    if isinstance(result, pd.Series):
        result = result.to_frame("0" if result.name is None else result.name)
    elif isinstance(result, dict):
        result = pd.DataFrame({key: list(value) for key, value in result.items()})
    elif not isinstance(result, pd.DataFrame):
        result = pd.DataFrame([result] if np.isscalar(result) else result)
    names = [str(name) for name in result.columns]
    struct = isinstance(target, pa.StructType)
    return names, [column(result.iloc[:, i], leaf(target, name), struct, exact) for i, name in enumerate(names)]


def is_array(item: Any) -> bool:
    """Whether an item of an answer holds values in order, as NumPy's arrays and pandas' series do."""
    return hasattr(item, "__array__") and getattr(item, "ndim", 0) > 0


def columns_of(result: Any) -> dict[str, list[Any]] | None:
    """Return the columns of an answer in lists, named as in a data frame; ``None`` of other answers.

    A data frame would make doubles of whole numbers beside missing ones, and NaN of a key that a dict lacks.
    """
    if isinstance(result, dict):
        lists = all(isinstance(items, (list, tuple)) for items in result.values())
        return {str(key): list(items) for key, items in result.items()} if lists and result else None
    if not isinstance(result, (list, tuple)) or not result:
        return None
    if all(isinstance(item, dict) for item in result):
        return {str(key): [item.get(key) for item in result] for key in dict.fromkeys(key for item in result for key in item)}
    if all(isinstance(item, (list, tuple)) and not hasattr(item, "_fields") for item in result):
        width = max(map(len, result))
        return {str(i): [item[i] if i < len(item) else None for item in result] for i in range(width)}
    if any(isinstance(item, COLLECTIONS) or is_array(item) for item in result):
        return None
    return None if any(hasattr(item, "__dataclass_fields__") for item in result) else {"0": list(result)}


def from_objects(items: list[Any], target: Any) -> Any:
    """Return Python objects as Arrow in the type they have in common, else in the one wanted."""
    try:
        return objects(items, None)
    except Refused:
        return cells(items, target)


def depth(kind: Any) -> int:
    """Return how many lists are around the innermost type."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return 1 + depth(kind.value_type)
    return 0


def leaf(target: Any, name: str | None) -> Any:
    """Return the type one column of the answer is wanted in, when the result type says so."""
    import pyarrow as pa

    if isinstance(target, pa.StructType):
        index = target.get_field_index(name) if name is not None else -1
        return target.field(index).type if index >= 0 else None
    return target.value_type if target is not None and depth(target) else target


def nested(values: Any) -> Any:
    """Return an n-dimensional array as nested lists, one a row, without making Python objects."""
    import numpy as np
    import pyarrow as pa

    array = pa.array(np.ascontiguousarray(values).reshape(-1))
    for size in reversed(values.shape[1:]):
        count = len(array) // size if size else int(np.prod(values.shape[: values.ndim - 1]))
        array = pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * size), array)
    return array


def texts(items: list[Any]) -> Any:
    """Return the text of every value, and null for those that are missing."""
    import pandas as pd
    import pyarrow as pa

    gone = pd.isna(pd.Series(items, dtype=object))
    made = [None if missing else str(item) for item, missing in zip(items, gone)]
    try:
        return pa.array(made, pa.string())
    except UnicodeEncodeError:
        refuse_surrogate(made)
        raise


def refuse_surrogate(items: list[Any]) -> None:
    """Refuse an answer that has a text with half of a surrogate pair, which cannot be encoded."""
    for row, item in enumerate(items):
        if isinstance(item, str) and any("\ud800" <= character <= "\udfff" for character in item):
            raise Refused("MODEL_FAILED", "INVALID_TEXT", f"the model's answer to row {row} is a text with a lone surrogate")


def column(values: Any, target: Any, field: bool = False, exact: bool = True, hint: Any = None) -> Any:
    """Return one column as Arrow; ``target`` is the type wanted for objects and text, ``field`` says it goes into a struct.

    Without a target, ``hint`` tells which dicts are maps.
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    if is_text(target):
        series = pd.Series(values)
        # A NaN among numbers is a number.
        number = isinstance(series.dtype, np.dtype) and series.dtype.kind in "biufc"
        if not field:
            items = list(series.astype(object))
            return texts(items) if exact and not number else pa.array([str(item) for item in items], pa.string())
        if exact and not number:
            gone = series.isna()
            return pa.array([None if missing else item for item, missing in zip(series.astype(str), gone)], pa.string())
        if not series.isna().all():
            values = series.astype(str)
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf" and dtype.itemsize <= 8:
        array = values.to_numpy() if isinstance(values, pd.Series) else values
        return pa.array(array.astype(np.float32) if dtype == np.float16 else array, from_pandas=False)
    if dtype != object:
        array = pa.array(values, from_pandas=True)
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        array = array.dictionary_decode() if isinstance(array, pa.DictionaryArray) else array
        return array.cast(pa.string()) if pa.types.is_large_string(array.type) and array.nbytes < 2**31 else array
    return cells(list(values), target) if target is not None or not holds_map(hint) else objects(list(values), hint)


def cells(values: list[Any], target: Any) -> Any:
    """Return Python objects as Arrow: nested ones in the type wanted, others in their own, where there is one."""
    import pyarrow as pa

    nested_target = target is not None and pa.types.is_nested(target)
    for kind in [target, None] if nested_target else [None, target]:
        for items in (values, None):
            try:
                return pa.array([plain(value) for value in values] if items is None else items, kind, from_pandas=True)
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                continue
    refuse_surrogate(values)
    kinds = sorted({type(value).__name__ for value in values if value is not None})[:5]
    message = f"the model's answers ({', '.join(kinds)}) have no common Arrow type; ask for the result type string"
    raise Refused("MODEL_FAILED", "MIXED_ANSWER", message)


def end_of(text: str, limit: int) -> str:
    """Return the end of a text that is longer than the limit."""
    return text if len(text) <= limit else f"[the last {limit} of {len(text)} characters] {text[-limit:]}"


def text_of(error: BaseException) -> str:
    """Return an exception's message, whatever it does when it is asked."""
    try:
        text = str(error)
    except BaseException as other:  # noqa: BLE001 - the model's class may raise anything
        text = f"<its message cannot be had: {type(other).__name__}>"
    return end_of(text.encode("utf-8", "backslashreplace").decode(), MESSAGE)


def failure(error: BaseException, loading: bool) -> dict[str, Any]:
    """Describe an exception, its traceback without this program's own frames; never more than the bounds allow."""
    if isinstance(error, Refused):
        return {"kind": error.kind, "code": error.code, "message": text_of(error)}
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == PROGRAM:
        trace = trace.tb_next
    try:
        # Each frame and each message is cut by itself, so that a long message leaves the frames.
        lines = [end_of(line, MESSAGE) for line in traceback.format_exception(type(error), error, trace or error.__traceback__)]
        lines = [line if line.endswith("\n") else line + "\n" for line in lines]
    except BaseException as other:  # noqa: BLE001 - formatting asks the model's class again
        lines = [f"<no traceback: {type(other).__name__}>\n"]
    text = end_of("".join(lines).encode("utf-8", "backslashreplace").decode(), TRACEBACK)
    described = {"type": type(error).__name__, "message": text_of(error), "traceback": text}
    if loading and isinstance(error, ModuleNotFoundError) and error.name:
        described["missing"] = error.name
    return described


def main() -> None:
    """Answer requests until the service is gone."""
    connection = socket.socket(fileno=os.dup(0))
    life = os.dup(1)
    leave_nothing(connection, life)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)
    end_with_service(life)
    faulthandler.enable()
    channel = Channel(connection)
    try:
        import pandas  # noqa: F401
        import pyarrow  # noqa: F401
    except Exception as error:  # noqa: BLE001 - a broken package raises what it likes
        channel.send({"error": failure(error, loading=True)})
        return
    channel.send({"python": sys.version.split()[0]})
    model: Model | None = None
    while True:
        request = channel.receive()
        if request is None:
            return
        header, body = request
        try:
            if model is None:
                model = Model(json.loads(header))
                channel.send({"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})
            else:
                channel.send({}, model.score(header, body))
        except BaseException as error:  # noqa: BLE001 - a model may raise anything, sys.exit included
            channel.send({"error": failure(error, loading=model is None)})


main()
