"""Models and tables of the measurements: seeded, made once, in ``build/bench``."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

HOME = Path(os.environ.get("MLFLIGHT_BENCH_DATA", Path(__file__).resolve().parent.parent / "build" / "bench"))
BLOCK = 100_000


def names(features: int) -> list[str]:
    """Return the names of the features."""
    return [f"f{i}" for i in range(features)]


def block(features: int, seed: int, rows: int = BLOCK) -> pa.Table:
    """Return rows of normal doubles."""
    values = np.random.default_rng(seed).normal(size=(features, rows))
    return pa.table(dict(zip(names(features), values, strict=True)))


def parquet(features: int, rows: int) -> Path:
    """Return a Parquet file of doubles."""
    path = HOME / f"{features}x{rows}.parquet"
    if not path.exists():
        HOME.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        with pq.ParquetWriter(draft, block(features, 0, 1).schema, use_dictionary=False) as writer:
            for start in range(0, rows, BLOCK):
                writer.write_table(block(features, start, min(BLOCK, rows - start)))
        draft.rename(path)
    return path


def csv(features: int, rows: int) -> Path:
    """Return the same rows as CSV."""
    path = HOME / f"{features}x{rows}.csv"
    if not path.exists():
        draft = path.with_suffix(".draft")
        source = pq.ParquetFile(parquet(features, rows))
        with pa.csv.CSVWriter(draft, source.schema_arrow, write_options=pa.csv.WriteOptions(quoting_style="none")) as writer:
            for batch in source.iter_batches(BLOCK):
                writer.write_batch(batch)
        draft.rename(path)
    return path


def model(name: str) -> Path:
    """Return an MLflow Model: ``xgb500`` or ``linreg20``; beside it lies ``NAME.joblib``."""
    path = HOME / name
    if not path.exists():
        import joblib
        import mlflow
        from mlflow.models import ModelSignature, infer_signature
        from mlflow.types.schema import ColSpec, Schema

        HOME.mkdir(parents=True, exist_ok=True)
        features = 28 if name == "xgb500" else 20
        x = block(features, 1, 30_000).to_pandas()
        y = x["f0"] * x["f1"] + np.sin(x["f2"]) + 0.3 * x["f3"] ** 2
        signature = ModelSignature(infer_signature(x).inputs, Schema([ColSpec("double")]))
        if name == "linreg20":
            from sklearn.linear_model import LinearRegression

            fitted = LinearRegression().fit(x, y)
            mlflow.sklearn.save_model(fitted, path, signature=signature, pip_requirements=["mlflow", "scikit-learn"])
        else:
            import xgboost

            fitted = xgboost.XGBRegressor(n_estimators=500, max_depth=6, learning_rate=0.1, n_jobs=1).fit(x, y)
            mlflow.xgboost.save_model(fitted, path, signature=signature, pip_requirements=["mlflow", "xgboost"])
        joblib.dump(fitted, HOME / f"{name}.joblib")
    return path
