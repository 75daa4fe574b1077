"""`spark_udf`: a model as a Spark UDF."""

from __future__ import annotations

import base64
import functools
import json
import os
import re
import sys
import typing
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflight import _native
from mlflight.errors import invalid, unsupported
from mlflight.spark import _body, _session, _settings, _types
from mlflight.spark._mark import Mark, Marked

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, SparkSession
    from pyspark.sql.types import DataType

__all__ = ["ModelUdf", "spark_udf"]


def spark_udf(
    spark: SparkSession | str | os.PathLike[str] | None = None,
    model_uri: str | os.PathLike[str] | None = None,
    result_type: DataType | str | None = None,
    env_manager: str | None = None,
    params: Mapping[str, Any] | None = None,
    extra_env: Mapping[str, str] | None = None,
    prebuilt_env_uri: str | None = None,
    model_config: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    server: str | None = None,
    mode: str | None = None,
    engine: str | None = None,
    compat: str | None = None,
) -> ModelUdf:
    """Make a Spark UDF of an MLflow Model.

    Takes the arguments of ``mlflow.pyfunc.spark_udf``; the session may be left out: ``spark_udf(path)``.

    Parameters
    ----------
    spark : SparkSession, optional
        The session; the active one, else a new one, when left out.
    model_uri : str or path
        The model's directory, or its URI in a store, a run or a registry (``models:/fraud@champion``).
    result_type : DataType or str, optional
        Type of the prediction; by default the signature's, else what the model itself returns, else double with a warning. An
        output that the signature declares as an array of shape (-1,) is one array a row, as in MLflow, with a warning that names
        the ``result_type`` for plain values.
    env_manager : {"local", "virtualenv", "uv", "conda"}, optional
        Where a Python model's packages come from; by default ``local``: the executors' Python.
    params : dict, optional
        Inference params, checked here against the model's signature.
    extra_env : dict, optional
        Environment variables of the model's Python processes.
    prebuilt_env_uri : str, optional
        Not supported.
    model_config : dict or path, optional
        Overrides keys of the flavor's config; a path names a YAML or JSON file.
    server : str, optional
        A scoring service, as ``grpc+tls://host:port``; also ``spark.mlflight.server``. By default executors start their own.
    mode : {"service", "embedded", "python"}, optional
        How executors score; also ``spark.mlflight.mode``. ``python`` runs the model in Spark's own Python workers.
    engine : {"auto", "native", "python"}, optional
        Who scores; also ``spark.mlflight.engine``.
    compat : {"exact", "mlflow"}, optional
        Convert columns by MLflow's own matrix rather than whenever every value survives exactly.

    Returns
    -------
    ModelUdf
        Called with column names or columns, it gives a ``Column``.

    Examples
    --------
    >>> udf = mlflight.spark_udf("models/fraud")  # doctest: +SKIP
    >>> df.withColumn("prediction", udf("amount", "country"))  # doctest: +SKIP
    """
    if isinstance(spark, (str, os.PathLike)):
        if model_uri is not None:
            raise invalid("spark_udf takes a session and a model, or a model alone; it was given two models")
        spark, model_uri = None, spark
    if model_uri is None:
        raise invalid("spark_udf needs the model's directory: spark_udf(path)")
    if prebuilt_env_uri is not None:
        raise unsupported("prebuilt_env_uri is not supported; use env_manager='virtualenv', 'uv' or 'conda'")
    _check("env_manager", env_manager, _native.ENV_MANAGERS)
    session = _session.find(spark)
    line = _session.version(session)
    _settings.check(session)
    mode = _check("mode", mode, _native.MODES) or _settings.choice(session, "mode", _native.MODES)
    engine = _check("engine", engine, _native.ENGINES) or _settings.choice(session, "engine", _native.ENGINES)
    fallback = _settings.fallback(session)
    if server is None:
        server = _settings.server(session)
    else:
        _native.check_server(server, "server")
    _check("compat", compat, _native.COMPATS)
    asked = None if result_type is None else _types.parse(result_type)
    spec = _native.make_spec(
        os.fspath(model_uri),
        engine=engine,
        compat=compat,
        params=None if params is None else _json("params", params),
        model_config=_config(model_config),
        env_manager=env_manager,
        extra_env=None if extra_env is None else {str(key): str(value) for key, value in extra_env.items()},
        result_schema=None if asked is None else _types.schema_bytes(asked),
        time_zone=session.conf.get("spark.sql.session.timeZone"),
        python=sys.executable,
    )
    kind = asked or _planned(spec)
    spec = spec.with_result(_types.schema_bytes(kind))
    _session_ready(session, line, mode, fallback)
    if _settings.choice(session, "fetch", ("driver", "executor")) == "executor":
        spec = spec.at_origin()
    else:
        _session.ship_model(session, spec.model_dir, spec.digest)
    name = re.sub(r"\W+", "_", Path(spec.model_dir).name) or "model"
    mark = Mark(
        version=_native.__version__,
        spec=base64.b64encode(spec.to_bytes()).decode(),
        uri=spec.uri,
        digest=spec.digest,
        engine=spec.engine,
        mode=None if mode == "python" else mode,
        server=server,
        inputs=spec.input_names,
        required=spec.required_count,
        result=kind.json(),
        fallback=fallback or mode == "python",
        whole=_whole_columns(spec),
        nested=_nested_columns(spec),
    )
    text = mark.text()
    body = _body.make(text, name)
    if mode == "python":
        return ModelUdf(_make_udf(body, kind, line), spec)
    marked = Marked(text, body)
    if not _session.is_connect(session):
        _session.check_size(session, (marked, kind), fallback)
    return ModelUdf(_make_udf(marked, kind, line), spec)


class ModelUdf:
    """A model as a UDF: call it with names, columns, a list of them, one struct column, or nothing (the signature's names).

    Has what Spark looks for in a UDF, so that ``spark.udf.register("score", udf)`` works.
    """

    def __init__(self, inner: Any, spec: _native.Spec) -> None:
        functools.update_wrapper(self, inner)
        self._inner = inner
        self._spec = spec
        # Kept as text: the directory may be gone when somebody asks.
        self._mlmodel = (Path(spec.model_dir) / "MLmodel").read_text(encoding="utf-8")

    def __call__(self, *columns: Any, **named: Any) -> Column:
        """Return the prediction for these columns."""
        if len(columns) == 1 and isinstance(columns[0], (list, tuple)):
            columns = tuple(columns[0])
        names, required = self._spec.input_names, self._spec.required_count
        if not columns and not named:
            columns = self._defaults()
        if names is not None and required is not None and 1 < len(columns) < required and not named:
            raise invalid(
                f"Model input is missing required columns. Expected {len(names)} required input columns {names}, but the model "
                f"received only {len(columns)} unnamed input columns (Since the columns were passed unnamed they are expected "
                "to be in the order specified by the schema)."
            )
        if names is not None and len(columns) > len(names) > 0:
            columns = columns[: len(names)]
        return self._inner(*columns, **named)

    def _defaults(self) -> tuple[str, ...]:
        spec = self._spec
        if spec.optional_inputs:
            raise invalid("Cannot apply UDF without column names specified when model signature contains optional columns.")
        if spec.unnamed:
            kinds = "" if spec.input_schema is None else str([str(field.type) for field in spec.input_schema])
            count = 0 if spec.input_names is None else len(spec.input_names)
            raise invalid(
                f"Cannot apply udf because no column names specified. The udf expects {count} columns with types: {kinds}. "
                "Input column names could not be inferred from the model signature (column names not found)."
            )
        if spec.input_names is None:
            raise invalid(
                "Attempting to apply udf on zero columns because no column names were specified as arguments or inferred from "
                "the model signature."
            )
        # Quoted: a name with a dot is a column's name, not a field of a struct.
        return tuple(f"`{name.replace('`', '``')}`" for name in spec.input_names)

    def __reduce__(self) -> Any:
        # Where a user's own function holds the UDF, its function is what can be called there.
        return typing.cast, ("function", self._inner.func)

    @property
    def metadata(self) -> Any:
        """The model's ``mlflow.models.Model`` where mlflow is installed, else the text of its ``MLmodel`` file."""
        try:
            import yaml
            from mlflow.models import Model
        except ImportError:
            return self._mlmodel
        return Model.from_dict(yaml.safe_load(self._mlmodel))

    @property
    def engine(self) -> str:
        """Who scores: ``native`` or ``python``."""
        return self._spec.engine

    @property
    def reason(self) -> str:
        """Why that engine, in one line."""
        return self._spec.reason


def _planned(spec: _native.Spec) -> DataType:
    """Return the type of the prediction column where none was asked for: Spark must know it before the first answer."""
    if spec.output_schema is None:
        from pyspark.sql.types import DoubleType

        text = "the model has no output signature: its predictions are taken as double; give a result_type to change that"
        warnings.warn(text, stacklevel=3)
        return DoubleType()
    if spec.plain_type is not None:
        warnings.warn(
            "the signature declares the model's output as an array of shape (-1,), of which MLflow makes one array a row; give "
            f'result_type="{spec.plain_type}" for plain values',
            stacklevel=3,
        )
    return _types.from_arrow(spec.output_schema.field(0).type)


def _session_ready(session: SparkSession, line: tuple[int, int], mode: str | None, fallback: bool) -> None:
    if mode == "python":
        return
    # Whether a Connect server has the extension cannot be asked: the body runs, or raises, where it has not.
    if _session.is_connect(session):
        return
    reason = _session.install(session, line)
    if reason is not None:
        _session.fall_back(reason, fallback)


def _make_udf(body: Callable[..., Any], kind: DataType, line: tuple[int, int]) -> Any:
    from pyspark.sql import functions

    with warnings.catch_warnings():
        # Type hints cannot say how many columns there are.
        warnings.simplefilter("ignore")
        if line >= (4, 1):
            return functions.arrow_udf(body, kind, functions.ArrowUDFType.SCALAR)
        return functions.pandas_udf(body, kind, functions.PandasUDFType.SCALAR)


def _whole_columns(spec: _native.Spec) -> list[str]:
    import pyarrow as pa

    schema = spec.input_schema
    return [] if schema is None else [field.name for field in schema if pa.types.is_integer(field.type)]


def _nested_columns(spec: _native.Spec) -> str | None:
    import pyarrow as pa

    made = [(field.name, _wide(field.type)) for field in spec.input_schema or ()]
    fields = [pa.field(name, kind) for name, kind in made if kind is not None and not _is_plain(kind)]
    return base64.b64encode(pa.schema(fields).serialize().to_pybytes()).decode() if fields else None


def _is_plain(kind: pa.DataType) -> bool:
    """Whether a series says all about the type: a scalar, or lists of scalars."""
    import pyarrow as pa

    return _is_plain(kind.value_type) if pa.types.is_list(kind) else not pa.types.is_nested(kind)


def _wide(kind: pa.DataType) -> pa.DataType | None:
    """Return the type with the widest numbers, which hold whatever comes; ``None`` where a part is not declared."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        item = _wide(kind.value_type)
        return None if item is None else pa.list_(item)
    if pa.types.is_map(kind):
        item = _wide(kind.item_type)
        return None if item is None else pa.map_(kind.key_type, item)
    if pa.types.is_struct(kind):
        fields = [(field.name, _wide(field.type)) for field in kind]
        return None if any(made is None for _, made in fields) else pa.struct(fields)
    if pa.types.is_null(kind):
        return None
    return pa.int64() if pa.types.is_int32(kind) else pa.float64() if pa.types.is_float32(kind) else kind


def _check(key: str, value: str | None, allowed: tuple[str, ...]) -> str | None:
    if value is not None and value not in allowed:
        raise invalid(f"Invalid value for `{key}`: {value}. Must be one of {list(allowed)}")
    return value


def _json(key: str, value: Any) -> str:
    from mlflight.model import _plain

    if not isinstance(value, Mapping):
        raise invalid(f"{key} must be a dict, not {type(value).__qualname__}")
    return json.dumps(dict(value), default=_plain)


def _config(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, (str, os.PathLike)):
        import yaml

        path = Path(value)
        if not path.is_file():
            raise invalid(f"model_config names a file that does not exist: {path}")
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    return _json("model_config", value)
