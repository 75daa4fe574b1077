"""The tree ensembles that ``kernels.py`` scores, with the libraries that score them beside us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature

ROWS = 100_000
TRAINED = 30_000
FEATURES = 28

Predict = Callable[[np.ndarray], Any]


@dataclass
class Subject:
    """A trained model: how it is saved, and who scores it from which matrix."""

    title: str
    save: Callable[[Path], None]
    #: The table as the library itself takes it.
    x: np.ndarray
    #: The library's own method comes first; then peers, each with its matrix.
    peers: dict[str, tuple[Predict, np.ndarray]]
    method: str = "predict"
    #: Peers that could not be had, and why.
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, make: Callable[[], tuple[Predict, np.ndarray]]) -> Subject:
        """Add a peer, or note why it is not there."""
        try:
            predict, x = make()
            predict(x[:100])
            self.peers[name] = (predict, x)
        except Exception as error:  # A peer may fail in any way; the table says so.
            self.missing[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return self


def table() -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to score, and what is to be predicted."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, FEATURES)).astype("float32").astype("float64")
    score = x[:, 0] * x[:, 1] + np.sin(x[:, 2]) + x[:, 3] ** 2 * 0.3 + rng.normal(size=ROWS) * 0.5
    return x, score


def frame(x: np.ndarray) -> pd.DataFrame:
    """Return the table with names."""
    return pd.DataFrame(x, columns=[f"f{i}" for i in range(x.shape[1])])


def onnx(model: Any, x: np.ndarray, output: int = 0) -> tuple[Predict, np.ndarray]:
    """Convert a scikit-learn model for onnxruntime, one thread."""
    import onnxruntime
    from skl2onnx import to_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    single = x.astype("float32")
    zipmap = {"options": {id(model): {"zipmap": False}}} if hasattr(model, "classes_") else {}
    session = onnxruntime.InferenceSession(to_onnx(model, single[:1], **zipmap).SerializeToString(), options)
    names = [session.get_outputs()[output].name]
    return lambda rows: session.run(names, {session.get_inputs()[0].name: rows}), single


def onedal(model: Any, x: np.ndarray) -> tuple[Predict, np.ndarray]:
    """Convert a boosted model for oneDAL, one thread."""
    import daal4py

    daal4py.daalinit(1)
    converted = daal4py.mb.convert_model(model)
    return converted.predict, x


def xgboost(x: np.ndarray, score: np.ndarray) -> Subject:
    """500 trees of depth 6."""
    import xgboost as xgb

    params = {"objective": "reg:squarederror", "max_depth": 6, "eta": 0.1, "nthread": 1}
    names = [f"f{i}" for i in range(FEATURES)]
    booster = xgb.train(params, xgb.DMatrix(x[:TRAINED], score[:TRAINED], feature_names=names), 500)
    booster.set_param({"nthread": 1})
    single = x.astype("float32")
    own = lambda rows: booster.inplace_predict(rows, validate_features=False)  # noqa: E731
    save = lambda path: mlflow.xgboost.save_model(booster, path, signature=infer_signature(frame(x[:9])))  # noqa: E731
    subject = Subject("XGBoost, 500 trees of depth 6", save, x, {"xgboost": (own, single)})
    return subject.add("oneDAL", lambda: onedal(booster, single))


def lightgbm(x: np.ndarray, score: np.ndarray) -> Subject:
    """500 trees of 31 leaves."""
    import lightgbm as lgb

    params = {"objective": "regression", "num_leaves": 31, "learning_rate": 0.1, "num_threads": 1, "verbosity": -1}
    booster = lgb.train(params, lgb.Dataset(frame(x[:TRAINED]), score[:TRAINED]), 500)
    own = lambda rows: booster.predict(rows, num_threads=1, validate_features=False)  # noqa: E731
    save = lambda path: mlflow.lightgbm.save_model(booster, path, signature=infer_signature(frame(x[:9])))  # noqa: E731
    subject = Subject("LightGBM, 500 trees of 31 leaves", save, x, {"lightgbm": (own, x)})
    return subject.add("oneDAL", lambda: onedal(booster, x))


def sklearn(title: str, model: Any, x: np.ndarray, y: np.ndarray, method: str = "predict") -> Subject:
    """Fit a scikit-learn estimator."""
    model.fit(frame(x[:TRAINED]), y[:TRAINED])
    # Without names there is no check of names.
    del model.feature_names_in_
    # Its trees take single precision as it is; histogram boosting takes double.
    taken = x if "Hist" in type(model).__name__ else x.astype("float32")

    def save(path: Path) -> None:
        model.feature_names_in_ = np.array(frame(x[:1]).columns, dtype=object)
        mlflow.sklearn.save_model(model, path, serialization_format="cloudpickle", signature=infer_signature(frame(x[:9])))
        del model.feature_names_in_

    subject = Subject(title, save, x, {"sklearn": (getattr(model, method), taken)}, method)
    return subject.add("onnxruntime", lambda: onnx(model, x, 1 if method == "predict_proba" else 0))


def subjects() -> dict[str, Callable[[], Subject]]:
    """Return what makes each model."""
    from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestClassifier

    x, score = table()
    forest = lambda depth: RandomForestClassifier(100, max_depth=depth, random_state=0)  # noqa: E731
    label = (score > 0.3).astype(int)
    return {
        "xgb500": lambda: xgboost(x, score),
        "lgb500": lambda: lightgbm(x, score),
        "hgb": lambda: sklearn(
            "HistGradientBoostingRegressor, 300 trees of 31 leaves",
            HistGradientBoostingRegressor(max_iter=300, early_stopping=False, random_state=0),
            x,
            score,
        ),
        "gb100": lambda: sklearn(
            "GradientBoostingRegressor, 100 trees of depth 3",
            GradientBoostingRegressor(n_estimators=100, random_state=0),
            x,
            score,
        ),
        "rf10": lambda: sklearn("RandomForestClassifier, 100 trees of depth 10", forest(10), x, label, "predict_proba"),
        "rf20": lambda: sklearn("RandomForestClassifier, 100 trees of depth 20", forest(20), x, label, "predict_proba"),
    }
