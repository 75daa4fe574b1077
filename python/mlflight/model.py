"""Scoring in the caller's process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlflight import _frames, _native
from mlflight.errors import invalid

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Model", "load_model"]


def load_model(
    uri: str | os.PathLike[str],
    engine: str = "auto",
    *,
    model_config: Mapping[str, Any] | None = None,
    env_manager: str | None = None,
    compat: str | None = None,
    result_type: str | pa.DataType | None = None,
) -> Model:
    """Load an MLflow Model.

    Parameters
    ----------
    uri : str or path
        The model's directory, or its URI in a store, a run or a registry: ``s3://bucket/model``, ``runs:/RUN/model``,
        ``models:/fraud@champion``.
    engine : {"auto", "native", "python"}
        ``native`` scores in Rust or raises, ``python`` scores in Python processes of its own, ``auto`` takes ``native`` where it
        agrees with the model's library and ``python`` elsewhere.
    model_config : dict, optional
        Overrides keys of the flavor's config.
    env_manager : {"local", "virtualenv", "uv", "conda"}, optional
        Where a Python model's packages come from; ``local`` is this interpreter's.
    compat : {"exact", "mlflow"}, optional
        Convert columns by MLflow's own matrix rather than whenever every value survives exactly.
    result_type : str or pyarrow.DataType, optional
        Type of the prediction, as Spark names it: ``double``, ``array<double>``, ``a double, b string``. By default the model's
        own, whatever its signature declares: what ``mlflow.pyfunc`` 's ``predict`` answers. Several columns are one struct.

    Returns
    -------
    Model

    Examples
    --------
    >>> model = mlflight.load_model("models/fraud")  # doctest: +SKIP
    >>> model.predict(table)  # doctest: +SKIP
    """
    return Model(
        _native.load_model(
            os.fspath(uri),
            engine=engine,
            compat=compat,
            model_config=None if model_config is None else json.dumps(dict(model_config)),
            env_manager=env_manager,
            python=sys.executable,
            **_result(result_type),
        )
    )


def _result(result_type: str | pa.DataType | None) -> dict[str, Any]:
    if result_type is None or isinstance(result_type, str):
        return {"result_type": result_type}
    import pyarrow as pa

    if not isinstance(result_type, pa.DataType):
        raise invalid(f"result_type is a type's name or a pyarrow.DataType, not {type(result_type).__qualname__}")
    return {"result_schema": pa.schema([pa.field("prediction", result_type)]).serialize().to_pybytes()}


class Model:
    """A loaded model; made by `load_model`."""

    def __init__(self, native: _native.Model) -> None:
        self._native = native

    @property
    def engine(self) -> str:
        """Who scores: ``native`` or ``python``."""
        return self._native.engine

    @property
    def reason(self) -> str:
        """Why that engine, in one line."""
        return self._native.reason

    @property
    def flavor(self) -> str:
        """The flavor that scores."""
        return self._native.flavor

    @property
    def input_schema(self) -> pa.Schema | None:
        """The columns to send, in order; ``None`` when any will do."""
        return self._native.input_schema

    @property
    def output_schema(self) -> pa.Schema | None:
        """The one column ``prediction``; ``None`` where only an answer tells its type: a Python model without ``result_type``."""
        return self._native.output_schema

    def predict(
        self, data: pa.Table | pa.RecordBatch | pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pa.ChunkedArray | pa.Array | pd.Series | pd.DataFrame:
        """Score rows.

        Parameters
        ----------
        data : pyarrow.Table, pyarrow.RecordBatch or pandas.DataFrame
            The model's input columns, by name, in any order. Arrow data is not copied.
        params : dict, optional
            Inference params.

        Returns
        -------
        pyarrow.ChunkedArray, pyarrow.Array, pandas.Series or pandas.DataFrame
            One prediction a row, in the same order: a chunked array for a table, an array for a batch, for a frame a series, or a
            frame where the model has several outputs. Maps in a series or frame are dicts; whole numbers beside nulls are pandas'
            ``Int64``.
        """
        import pyarrow as pa

        text = None if params is None else json.dumps(dict(params), default=_plain)
        if isinstance(data, pa.Table):
            return self._predict(data, text)
        if isinstance(data, pa.RecordBatch):
            chunks = self._predict(pa.Table.from_batches([data]), text)
            return chunks.combine_chunks() if chunks.num_chunks != 1 else chunks.chunk(0)
        pandas = sys.modules.get("pandas")
        if pandas is not None and isinstance(data, pandas.DataFrame):
            return self._predict_frame(data, text)
        raise invalid(
            f"predict takes a pyarrow.Table, a pyarrow.RecordBatch or a pandas.DataFrame, not {type(data).__qualname__}"
        )

    def _predict(self, table: pa.Table, params: str | None) -> pa.ChunkedArray:
        return self._native.predict(table, params).read_all().column(0)

    def _predict_frame(self, frame: pd.DataFrame, params: str | None) -> pd.Series | pd.DataFrame:
        import pyarrow as pa
        import pyarrow.compute as pc

        inputs = self._native.inputs
        table = _frames.to_table(frame, None if inputs is None else json.loads(inputs))
        chunks = self._predict(table, params)
        if pa.types.is_struct(chunks.type) and chunks.null_count == 0:
            fields = [field.name for field in chunks.type]
            answer = _to_pandas(pa.table([pc.struct_field(chunks, i) for i in range(len(fields))], names=fields))
        else:
            answer = _to_pandas(pa.table({"prediction": chunks}))["prediction"]
        answer.index = frame.index
        return answer

    def __repr__(self) -> str:
        return f"<mlflight.Model {self._native.uri!r}, {self.flavor}, {self.engine}>"


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """Turn answers into a frame without changing a value: a null makes no double of whole numbers."""
    import pyarrow as pa

    frame = table.to_pandas(integer_object_nulls=True, maps_as_pydicts="lossy")
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_integer(column.type) and column.null_count:
            frame[name] = frame[name].astype(str(column.type).replace("int", "Int").replace("uInt", "UInt"))
    return frame


def _plain(value: Any) -> Any:
    """Turn numpy's scalars and arrays into what JSON has."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise invalid(f"a param of type {type(value).__qualname__} cannot be sent to a model")
