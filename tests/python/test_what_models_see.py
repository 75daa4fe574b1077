"""docs/what-models-see.md is what MLflow and mlflight do today."""

from __future__ import annotations

from pathlib import Path

import what_models_see as seen
from pyspark.sql import SparkSession


def test_the_document_is_what_models_see(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "declared").mkdir()
    plain = seen.look(spark, tmp_path / "plain", seen.PLAIN)
    declared = seen.look(spark, tmp_path / "declared", seen.DECLARED)
    for case, row in zip([*seen.PLAIN, *seen.DECLARED], [*plain, *declared], strict=True):
        mine = {row[name] for name in ("Spark", "Arrow", "batch-score")}
        assert len(mine) == 1, (case.name, row)
        # Where mlflight does something else than MLflow, the document says why.
        assert bool(case.why) == (mine != {row["MLflow, Spark"]}), (case.name, row)
    assert seen.document(plain, declared) == seen.DOCUMENT.read_text()
