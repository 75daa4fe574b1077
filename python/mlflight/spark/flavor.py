"""Spark ML models: saved, logged and loaded. PySpark is imported when that is asked for."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflight.errors import invalid
from mlflight.models import Model
from mlflight.models.environment import pinned, version
from mlflight.models.flavor import full_name, opened
from mlflight.models.save import save

if TYPE_CHECKING:
    from mlflight.models import ModelInfo

DATA = "sparkml"

__all__ = ["load_model", "log_model", "save_model"]


def save_model(spark_model: Any, path: str | os.PathLike[str], *, dfs_tmpdir: str | None = None, **options: Any) -> None:
    """Save a Spark ML model.

    Parameters
    ----------
    spark_model : pyspark.ml.Model
        The model; one that is no ``PipelineModel`` is saved as the only stage of one.
    path : str or path
        Where it shall stand on the driver's machine; must not exist.
    dfs_tmpdir : str, optional
        Where a cluster's executors and the driver can both write; by default Spark's default file system.
    **options
        What every flavor takes, as `mlflight.sklearn.save_model`. No signature is told from an input example.
    """
    import pyspark
    from pyspark.ml import PipelineModel
    from pyspark.ml.util import MLWritable

    if not isinstance(spark_model, MLWritable):
        raise invalid(f"a Spark ML model that can be saved is expected, not {full_name(spark_model)}")
    model = spark_model if isinstance(spark_model, PipelineModel) else PipelineModel([spark_model])
    save(
        path,
        "spark",
        lambda _, root: _write(model, root / DATA, dfs_tmpdir),
        keys={"pyspark_version": pyspark.__version__, "model_data": DATA, "model_class": full_name(model)},
        loader="mlflow.spark",
        function={"data": DATA},
        defaults=[pinned("pyspark") if version("pyspark") else f"pyspark=={pyspark.__version__}"],
        # Loading it would start another Spark.
        infer=False,
        **options,
    )


def _write(model: Any, target: Path, dfs_tmpdir: str | None) -> None:
    if dfs_tmpdir is None and _is_local():
        model.write().save(target.as_uri())
        return
    from pyspark import SparkContext

    context = SparkContext.getOrCreate()
    scratch = f"{(dfs_tmpdir or '/tmp/mlflight').rstrip('/')}/{uuid.uuid4().hex}"
    model.write().save(scratch)
    hadoop = context._jvm.org.apache.hadoop.fs
    source = hadoop.Path(scratch)
    files = source.getFileSystem(context._jsc.hadoopConfiguration())
    try:
        files.copyToLocalFile(False, source, hadoop.Path(target.as_uri()), True)
    finally:
        files.delete(source, True)


def _is_local() -> bool:
    """Whether the executors write to this machine's own disk."""
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    master = None if session is None else session.conf.get("spark.master", "")
    return master is None or master.startswith("local")


def log_model(spark_model: Any, artifact_path: str | None = None, **options: Any) -> ModelInfo:
    """Save a model and log it; takes what `save_model` and `mlflight.models.Model.log` take."""
    return Model.log(artifact_path, sys.modules[__name__], spark_model=spark_model, **options)


def load_model(
    model_uri: str | os.PathLike[str], dfs_tmpdir: str | None = None, dst_path: str | os.PathLike[str] | None = None
) -> Any:
    """Return the ``pyspark.ml.PipelineModel``, in the active session or a new one.

    Parameters
    ----------
    model_uri : str or path
        The model.
    dfs_tmpdir : str, optional
        Where a cluster's executors and the driver can both read; by default the driver's own disk.
    dst_path : str or path, optional
        Where the model is downloaded to.
    """
    from pyspark.ml import PipelineModel

    directory, flavors = opened(model_uri, dst_path, "spark")
    source = Path(directory, flavors["spark"].get("model_data") or DATA).resolve()
    if dfs_tmpdir is None:
        return PipelineModel.load(source.as_uri())
    from pyspark import SparkContext

    context = SparkContext.getOrCreate()
    target = f"{dfs_tmpdir.rstrip('/')}/{uuid.uuid4().hex}"
    path = context._jvm.org.apache.hadoop.fs.Path
    files = path(target).getFileSystem(context._jsc.hadoopConfiguration())
    files.copyFromLocalFile(False, True, path(source.as_uri()), path(target))
    return PipelineModel.load(target)
