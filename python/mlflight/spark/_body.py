"""The UDF's Python function: scores where Spark runs it, that is, where the planner did not replace it.

The function is pickled by value, so that executors without this package can still reach a service, and holds nothing but the mark
and the functions below. Spark calls it with arrays (``arrow_udf``) or series (``pandas_udf`` of Spark 3.5). A user's own function
may call it with either, or with the values of one row as in a plain ``udf``. It answers in kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def make(mark: str, name: str) -> Callable[..., Any]:
    """Return the function of a mark."""
    parsed: list[dict[str, Any]] = []

    def read() -> dict[str, Any]:
        import base64
        import json
        import zlib

        if not parsed:
            parsed.append(json.loads(zlib.decompress(base64.b64decode(mark[mark.index("{") + 1 : -1]))))
        return parsed[0]

    def columns_of(options: dict[str, Any], values: Any, named: dict[str, Any]) -> Any:
        import pyarrow as pa

        names, required = options["inputs"], options["required"]
        if len(values) == 1 and not named and pa.types.is_struct(values[0].type):
            struct = values[0]
            columns = struct.flatten()
            return pa.RecordBatch.from_arrays(columns, names=[struct.type.field(i).name for i in range(len(columns))])
        if names is None:
            names = [str(i) for i in range(len(values))]
        elif not named and len(values) < (len(names) if required is None else required):
            raise ValueError(
                f"Model input is missing required columns. Expected {len(names)} required input columns {names}, but the "
                f"model received only {len(values)} unnamed input columns (Since the columns were passed unnamed they are "
                "expected to be in the order specified by the schema)."
            )
        pairs = [*zip(names, values, strict=False), *named.items()]
        return pa.RecordBatch.from_arrays([value for _, value in pairs], names=[key for key, _ in pairs])

    def remote(options: dict[str, Any], batch: Any) -> Any:
        import base64
        import os

        import pyarrow as pa
        import pyarrow.flight as flight

        uri, how = options["server"], {}
        if uri.startswith("unix:/"):
            uri = uri.replace("unix:/", "grpc+unix:///", 1)
            # gRPC would name the socket's path as the authority, which is none.
            how["generic_options"] = [("grpc.default_authority", "localhost")]
        headers = []
        if os.environ.get("MLFLIGHT_TOKEN"):
            headers.append((b"authorization", b"Bearer " + os.environ["MLFLIGHT_TOKEN"].encode()))
        if os.environ.get("MLFLIGHT_CA_FILE"):
            with open(os.environ["MLFLIGHT_CA_FILE"], "rb") as file:
                how["tls_root_certs"] = file.read()
        descriptor = flight.FlightDescriptor.for_command(base64.b64decode(options["spec"]))
        answers = []
        with flight.connect(uri, **how) as client:
            writer, reader = client.do_exchange(descriptor, flight.FlightCallOptions(headers=headers))
            with writer:
                writer.begin(batch.schema)
                rows = max(1, min(batch.num_rows, (16 << 20) // max(1, batch.nbytes // max(1, batch.num_rows))))
                for start in range(0, batch.num_rows, rows):
                    writer.write_batch(batch.slice(start, rows))
                    answers.append(reader.read_chunk().data.column(0))
                writer.done_writing()
        return pa.concat_arrays(answers)

    def local(options: dict[str, Any], batch: Any) -> Any:
        try:
            from mlflight.spark import _worker
        except ImportError as error:
            raise RuntimeError(
                f"the model '{options['uri']}' cannot be scored in Spark's Python workers: their Python has no mlflight package. "
                "Install mlflight there, name a service with server=, or, where no function of your own calls the model, bring "
                "mlflight's jar into this Spark session"
            ) from error
        return _worker.score(options, batch)

    def score(values: Any, named: dict[str, Any]) -> Any:
        import pyarrow as pa

        options = read()
        if not options["fallback"]:
            raise RuntimeError(
                f"the model '{options['uri']}' would be scored in Spark's Python workers, because mlflight's jar is not in this "
                "Spark session or a function of your own calls the model, and spark.mlflight.fallback.enabled is false"
            )
        batch = columns_of(options, values, named)
        if batch.num_rows == 0:
            return None
        answer = remote(options, batch) if options["server"] else local(options, batch)
        return answer.combine_chunks() if isinstance(answer, pa.ChunkedArray) else answer

    def over_arrow(values: Any, named: dict[str, Any]) -> Any:
        answer = score(values, named)
        if answer is None:
            import pyarrow as pa

            # Spark casts it to the declared type.
            return pa.nulls(0)
        return answer

    def shapes(text: str | None) -> dict[str, Any]:
        """Return the declared types of lists, maps and records: pandas has dicts for two of them."""
        import base64

        import pyarrow as pa

        if not text:
            return {}
        return {field.name: field.type for field in pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))}

    def check_whole(value: Any, kind: Any, key: str) -> None:
        """Refuse whole numbers that this Spark version has made doubles of, because nulls were beside them."""
        import pyarrow as pa

        if value is None:
            return
        if pa.types.is_integer(kind):
            if isinstance(value, float) and abs(value) >= 2**53:
                raise ValueError(
                    f"column '{key}' has nulls beside whole numbers of 2^53 and more, which this Spark version sends to "
                    "Python as doubles; fill the nulls, or install mlflight's jar"
                )
        elif pa.types.is_list(kind):
            for item in value if pa.types.is_nested(kind.value_type) or pa.types.is_integer(kind.value_type) else ():
                check_whole(item, kind.value_type, key)
        elif pa.types.is_map(kind):
            for item in value.values():
                check_whole(item, kind.item_type, key)
        elif pa.types.is_struct(kind):
            for field in kind:
                check_whole(value.get(field.name), field.type, key)

    def over_pandas(values: Any, named: dict[str, Any]) -> Any:
        import pandas as pd
        import pyarrow as pa

        options = read()
        whole, nested = options["whole"], shapes(options.get("nested"))

        def to_arrow(value: Any, key: str | None) -> Any:
            if isinstance(value, pd.DataFrame):
                return pa.StructArray.from_arrays([to_arrow(value[k], k) for k in value.columns], names=list(value.columns))
            if key in whole and pd.api.types.is_float_dtype(value.dtype) and value.isna().any():
                known = value.dropna()
                if (known.abs() >= 2**53).any():
                    raise ValueError(
                        f"column '{key}' has nulls beside whole numbers of 2^53 and more, which Spark sends to a pandas UDF as "
                        "doubles; fill the nulls, or let Spark call the model itself with mlflight's jar in the session"
                    )
                if (known % 1 == 0).all():
                    return pa.array(value.astype("Int64"))
            if key in nested:
                for cell in value:
                    check_whole(cell, nested[key], key)
                return pa.array(value, nested[key], from_pandas=True)
            return pa.array(value, from_pandas=True)

        names = options["inputs"] or []
        arrays = [to_arrow(value, names[i] if i < len(names) else None) for i, value in enumerate(values)]
        answer = score(arrays, {key: to_arrow(value, key) for key, value in named.items()})
        if answer is None:
            return pd.Series([], dtype="object")
        if pa.types.is_struct(answer.type):
            return pa.Table.from_batches([pa.RecordBatch.from_struct_array(answer)]).to_pandas(types_mapper=nullable)
        return pa.table([answer], names=["prediction"]).to_pandas(types_mapper=nullable)["prediction"]

    def nullable(kind: Any) -> Any:
        import pandas as pd

        return {"int32": pd.Int32Dtype(), "int64": pd.Int64Dtype(), "bool": pd.BooleanDtype()}.get(str(kind))

    def over_row(values: Any, named: dict[str, Any]) -> Any:
        import pyarrow as pa

        def to_arrow(value: Any) -> Any:
            # A struct is a pyspark Row here.
            return pa.array([value.asDict(recursive=True) if hasattr(value, "asDict") else value])

        return score([to_arrow(value) for value in values], {key: to_arrow(value) for key, value in named.items()})[0].as_py()

    def body(*values: Any, **named: Any) -> Any:
        import sys

        import pyarrow as pa

        given = [*values, *named.values()]
        if any(isinstance(value, pa.Array) for value in given):
            return over_arrow(values, named)
        pandas = sys.modules.get("pandas")
        if pandas is not None and any(isinstance(value, (pandas.Series, pandas.DataFrame)) for value in given):
            return over_pandas(values, named)
        return over_row(values, named)

    body.__name__ = body.__qualname__ = name
    # A user's own function may hold the UDF, which is pickled as its function, or that function.
    body.func = body  # type: ignore[attr-defined]
    return body
