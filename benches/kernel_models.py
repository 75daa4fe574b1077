"""The models that ``kernels.py`` scores, with the libraries that score them beside us."""

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

#: Named with every model, so that MLflow does not load it to find them.
REQUIREMENTS = ["mlflow"]
#: Takes a slice of a matrix, or of a table where columns are not all numbers.
Predict = Callable[[Any], Any]


@dataclass
class Subject:
    """A trained model: how it is saved, and who scores it from which matrix."""

    title: str
    save: Callable[[Path], None]
    #: What is scored here.
    table: pd.DataFrame
    #: The library's own method comes first; then peers, each with the matrix or table it takes.
    peers: dict[str, tuple[Predict, Any]]
    method: str = "predict"
    #: Whether to show, too, what only reading the numbers takes.
    read: bool = False
    #: Peers that could not be had, and why.
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, make: Callable[[], tuple[Predict, Any]]) -> Subject:
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
    named = {"signature": infer_signature(frame(x[:9])), "pip_requirements": REQUIREMENTS}
    save = lambda path: mlflow.xgboost.save_model(booster, path, **named)  # noqa: E731
    subject = Subject("XGBoost, 500 trees of depth 6", save, frame(x), {"xgboost": (own, single)})
    return subject.add("oneDAL", lambda: onedal(booster, single))


def lightgbm(x: np.ndarray, score: np.ndarray) -> Subject:
    """500 trees of 31 leaves."""
    import lightgbm as lgb

    params = {"objective": "regression", "num_leaves": 31, "learning_rate": 0.1, "num_threads": 1, "verbosity": -1}
    booster = lgb.train(params, lgb.Dataset(frame(x[:TRAINED]), score[:TRAINED]), 500)
    own = lambda rows: booster.predict(rows, num_threads=1, validate_features=False)  # noqa: E731
    named = {"signature": infer_signature(frame(x[:9])), "pip_requirements": REQUIREMENTS}
    save = lambda path: mlflow.lightgbm.save_model(booster, path, **named)  # noqa: E731
    subject = Subject("LightGBM, 500 trees of 31 leaves", save, frame(x), {"lightgbm": (own, x)})
    return subject.add("oneDAL", lambda: onedal(booster, x))


def pickled(model: Any, path: Path, example: pd.DataFrame) -> None:
    """Save a scikit-learn model as a pickle."""
    signature = infer_signature(example)
    mlflow.sklearn.save_model(model, path, serialization_format="cloudpickle", signature=signature, pip_requirements=REQUIREMENTS)


def sklearn(title: str, model: Any, x: np.ndarray, y: np.ndarray, method: str = "predict", *, read: bool = False) -> Subject:
    """Fit a scikit-learn estimator on a matrix."""
    model.fit(frame(x[:TRAINED]), y[:TRAINED])
    # Without names there is no check of names.
    del model.feature_names_in_
    # Its trees take single precision as it is; histogram boosting and linear models take double.
    taken = x if hasattr(model, "coef_") or "Hist" in type(model).__name__ else x.astype("float32")

    def save(path: Path) -> None:
        model.feature_names_in_ = np.array(frame(x[:1]).columns, dtype=object)
        pickled(model, path, frame(x[:9]))
        del model.feature_names_in_

    subject = Subject(title, save, frame(x), {"sklearn": (getattr(model, method), taken)}, method, read)
    return subject.add("onnxruntime", lambda: onnx(model, x, 1 if method == "predict_proba" else 0))


def mixed() -> Subject:
    """Fit a pipeline on six columns of numbers and five of texts, nulls among them."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rng = np.random.default_rng(1)
    numbers = {f"n{i}": rng.normal(size=ROWS) * 10**i for i in range(6)}
    texts = {f"t{i}": rng.choice([f"text {word}" for word in range(4 * i + 4)], ROWS) for i in range(5)}
    table = pd.DataFrame(numbers | texts)
    table = table.mask(rng.random(table.shape) < 0.05)
    label = (numbers["n0"] + (texts["t0"] == "text 1") + rng.normal(size=ROWS) > 0.5).astype(int)
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    lit = make_pipeline(SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder(handle_unknown="ignore"))
    columns = ColumnTransformer([("numbers", scaled, [*numbers]), ("texts", lit, [*texts])])
    model = make_pipeline(columns, LogisticRegression(max_iter=200)).fit(table[:TRAINED], label[:TRAINED])
    save = lambda path: pickled(model, path, table[:TRAINED])  # noqa: E731
    title = "ColumnTransformer: impute and scale 6 columns, impute and one-hot 5 of texts; LogisticRegression"
    return Subject(title, save, table, {"sklearn": (model.predict_proba, table)}, "predict_proba")


def large_forest() -> Subject:
    """Fit as many nodes as make a file of some 100 MB."""
    from sklearn.ensemble import RandomForestRegressor

    x, score = table()
    model = RandomForestRegressor(30, max_features=1, random_state=0)
    return sklearn("RandomForestRegressor, 30 trees", model, x, score)


def subjects() -> dict[str, Callable[[], Subject]]:
    """Return what makes each model."""
    from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestClassifier
    from sklearn.linear_model import LinearRegression

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
        "mixed": mixed,
        "linear": lambda: sklearn("LinearRegression of 20 columns", LinearRegression(), x[:, :20].copy(), score, read=True),
    }
