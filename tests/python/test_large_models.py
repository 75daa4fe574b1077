"""Models larger than a core's cache are scored in blocks of more rows: the answers are the library's, whatever the batch."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from lightgbm import LGBMRegressor
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

import mlflight

PICKLED = functools.partial(mlflow.sklearn.save_model, serialization_format="cloudpickle")
MODELS: dict[str, tuple[Callable[..., None], Any]] = {
    "classifier": (PICKLED, RandomForestClassifier(40, random_state=0)),
    "pipeline": (PICKLED, make_pipeline(StandardScaler(), RandomForestRegressor(20, random_state=0))),
    "isolation": (PICKLED, IsolationForest(n_estimators=60, max_samples=3000, random_state=0)),
    "xgboost": (mlflow.xgboost.save_model, XGBRegressor(n_estimators=30, max_depth=16, min_child_weight=0, n_jobs=1)),
    "lightgbm": (
        mlflow.lightgbm.save_model,
        LGBMRegressor(n_estimators=60, num_leaves=1000, min_child_samples=1, n_jobs=1, verbosity=-1),
    ),
}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Return more rows than two blocks of 4,096, some of them beyond what the models were fitted on."""
    values = np.random.default_rng(3).normal(size=(9_000, 6)).astype("float32").astype("float64")
    return pd.DataFrame(values, columns=[f"f{at}" for at in range(6)])


@pytest.mark.parametrize("name", MODELS)
def test_many_rows_at_once_give_the_answers_of_the_library(name: str, rows: pd.DataFrame, tmp_path: Path, monkeypatch):
    save, model = MODELS[name]
    target = rows.f0 * rows.f1 + np.random.default_rng(4).normal(size=len(rows))
    fitted = rows[:6_000]
    model.fit(fitted, (target > 0).astype(int)[:6_000] if name == "classifier" else target[:6_000])
    save(model, tmp_path / "model", pip_requirements=["mlflow"])
    # Columns of single precision are converted, fewer rows at a time.
    tables = [rows, rows.astype("float32")]
    answers = [(pa.Table.from_pandas(table, preserve_index=False), np.asarray(model.predict(table))) for table in tables]
    for path, (table, expected) in itertools.product(("portable", ""), answers):
        monkeypatch.setenv("MLFLIGHT_KERNEL", path)
        loaded = mlflight.load_model(tmp_path / "model", engine="native")
        assert np.array_equal(loaded.predict(table.combine_chunks()).to_numpy(), expected)
        cuts = [0, 1, 30, 400, 1_700, 6_000, 9_000]
        parts = [loaded.predict(table[start:end]).to_numpy() for start, end in itertools.pairwise(cuts)]
        assert np.array_equal(np.concatenate(parts), expected)
