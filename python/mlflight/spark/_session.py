"""What `spark_udf` does to a session: finds it, installs the planner strategy, ships the model and the native library."""

from __future__ import annotations

import atexit
import shutil
import tarfile
import tempfile
import warnings
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflight import _native, _paths
from mlflight.errors import precondition, unsupported

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Spark lines that are tested.
SUPPORTED = ((3, 5), (4, 2), (4, 3))

#: Files sent to the executors, by application, or by session of Spark Connect; forgotten with it.
_shipped: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()


def find(spark: SparkSession | None) -> SparkSession:
    """Return the session given, else the active one, else a new one."""
    if spark is not None:
        return spark
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()


def is_connect(spark: SparkSession) -> bool:
    """Whether the session is a Spark Connect client."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


def version(spark: SparkSession) -> tuple[int, int]:
    """Return the Spark line of the session; raises for one that is not supported."""
    major, minor = (int(part) for part in spark.version.split(".")[:2])
    if (major, minor) not in SUPPORTED:
        lines = ", ".join(f"{a}.{b}" for a, b in SUPPORTED)
        raise precondition(f"mlflight works with Spark {lines}; this session is Spark {spark.version}", "SPARK_VERSION")
    return major, minor


def install(spark: SparkSession, line: tuple[int, int]) -> str | None:
    """Bring the planner strategy into a classic session; returns why not, where it cannot."""
    jvm, session = spark._jvm, spark._jsparkSession
    if "io.mlflight.spark.plan.MlflightStrategy" in session.experimental().extraStrategies().toString():
        return None
    scala = ".".join(jvm.scala.util.Properties.versionNumberString().split(".")[:2])
    jar, native = _paths.jar(line[0], scala), _paths.native()
    if jar is None:
        return f"this installation of mlflight has no jar for Spark {line[0]} with Scala {scala}"
    if native is None:
        return "this installation of mlflight has no native library for Spark"
    quoted = str(jar).replace("\\", "\\\\").replace("'", "\\'")
    spark.sql(f"ADD JAR '{quoted}'")
    loader = session.sharedState().jarClassLoader()
    cls = jvm.java.lang.Class.forName("io.mlflight.spark.Mlflight", True, loader)
    method = next(method for method in cls.getMethods() if method.getName() == "install")
    arguments = spark.sparkContext._gateway.new_array(jvm.java.lang.Object, 2)
    arguments[0], arguments[1] = session, str(native)
    method.invoke(None, arguments)
    master = spark.sparkContext.master or ""
    if not master.startswith("local") or master.startswith("local-cluster"):
        _ship(spark, _native_archive(native))
    return None


def check_size(spark: SparkSession, function: Any, allowed: bool) -> None:
    """Say where Spark will send a function as a broadcast, which its planner does not look into."""
    from pyspark.serializers import CloudPickleSerializer

    limit = spark.sparkContext._jvm.PythonUtils.getBroadcastThreshold(spark.sparkContext._jsc)
    size = len(CloudPickleSerializer().dumps(function))
    if size > limit:
        fall_back(
            f"the model's UDF takes {size} bytes, because of its many columns or large params, and Spark hides functions above "
            f"spark.broadcast.UDFCompressionThreshold ({limit} bytes) from its planner",
            allowed,
        )


def ship_model(spark: SparkSession, directory: Path, digest: str) -> None:
    """Send a model to the executors, once an application."""
    if f"mlflight-model-{digest}.mlflight" not in _sent(spark):
        _ship(spark, _native.pack_model(directory, _drafts()))


def fall_back(reason: str, allowed: bool) -> None:
    """Say that rows will be scored in Spark's Python workers, or raise where that is not wanted."""
    if not allowed:
        raise unsupported(
            f"{reason}, and spark.mlflight.fallback.enabled is false: the model would be scored in Spark's Python workers",
            "FALLBACK_DISABLED",
        )
    warnings.warn(f"{reason}: the model will be scored in Spark's Python workers, which is slower", stacklevel=4)


def _ship(spark: SparkSession, archive: str | Path) -> None:
    sent, name = _sent(spark), Path(archive).name
    if name in sent:
        return
    if is_connect(spark):
        # Where the server does not take files, executors read the model by its URI.
        spark.addArtifacts(str(archive), file=True)
    else:
        spark.sparkContext.addFile(str(archive))
    sent.add(name)


def _sent(spark: SparkSession) -> set[str]:
    return _shipped.setdefault(spark if is_connect(spark) else spark.sparkContext, set())


_draft_directory: str | None = None


def _drafts() -> str:
    """Return a directory for archives that Spark serves to executors as long as this process lives."""
    global _draft_directory
    if _draft_directory is None:
        _draft_directory = tempfile.mkdtemp(prefix="mlflight-")
        atexit.register(shutil.rmtree, _draft_directory, ignore_errors=True)
    return _draft_directory


def _native_archive(native: Path) -> str:
    """Pack what executors need beside the model."""
    archive = Path(_drafts()) / f"mlflight-native-{_native.__version__}.mlflight"
    if not archive.exists():
        draft = archive.with_suffix(".draft")
        with tarfile.open(draft, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name in _paths.SHIPPED:
                tar.add(native / name, arcname=name)
        draft.rename(archive)
    return str(archive)
