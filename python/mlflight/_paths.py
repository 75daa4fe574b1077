"""Where the pieces of the installed package lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent

#: The command line.
BINARY = ROOT / "bin" / "mlflight"
#: The JNI library and the service: what Spark's executors need.
NATIVE = ROOT / "native"
#: One jar a Spark and Scala line.
JARS = ROOT / "jars"
#: Files of `NATIVE` that are shipped to executors.
SHIPPED = ("libmlflight_jni.so", "mlflight-service")


def jar(spark_major: int, scala: str) -> Path | None:
    """Return the jar for a Spark major version and a Scala binary version, when the package has it."""
    path = JARS / f"mlflight-spark{spark_major}_{scala}.jar"
    return path if path.is_file() else None


def native() -> Path | None:
    """Return the directory of the native library and the service, when the package has both."""
    return NATIVE if all((NATIVE / name).is_file() for name in SHIPPED) else None
