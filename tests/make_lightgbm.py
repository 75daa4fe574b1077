"""Train and save LightGBM models of every objective, class and format, with what MLflow and LightGBM predict.

``make_lightgbm.py OUT`` writes for each case ``OUT/NAME/model`` (saved by MLflow), ``OUT/NAME/input.arrow`` (rows to score) and
``OUT/NAME/expected.arrow``: columns ``0``, ``1``, ... of ``mlflow.pyfunc``'s answer and, for classifiers, ``p0``, ``p1``, ... of
``predict_proba``. Files of older LightGBMs are committed in ``tests/data/lightgbm``, with the script that made them.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightgbm as lgb
import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa

ROWS = 1500
SEED = 11
#: A model, the rows to score, and how a scikit-learn class is serialized.
Case = Callable[[], tuple[Any, pd.DataFrame, str]]
CASES: dict[str, Case] = {}
QUIET = {"num_threads": 1, "verbosity": -1, "seed": SEED, "deterministic": True}


def case(name: str, make: Case) -> None:
    """Register a case."""
    assert name not in CASES
    CASES[name] = make


def table(features: int = 6, *, missing: float = 0.1, rows: int = ROWS) -> pd.DataFrame:
    """Return doubles, whole numbers, single floats and truth values, some of them missing, one column mostly zero."""
    rng = np.random.default_rng(SEED)
    frame = pd.DataFrame({f"f{i}": rng.normal(size=rows) * 10.0 ** (i % 4 - 1) for i in range(features)})
    frame["count"] = rng.integers(-50, 1000, rows)
    frame["single"] = rng.normal(size=rows).astype("float32")
    frame["flag"] = rng.random(rows) < 0.4
    frame["sparse"] = np.where(rng.random(rows) < 0.7, 0.0, rng.normal(size=rows))
    for i in range(features):
        frame.loc[rng.random(rows) < missing, f"f{i}"] = np.nan
    return frame


def edges(frame: pd.DataFrame) -> pd.DataFrame:
    """Put numbers at the edges of what LightGBM calls zero, missing and large into the first rows."""
    values = [0.0, -0.0, 1e-35, 1.0000001e-35, -1e-35, -2e-35, 1e-36, 5e-324, np.inf, -np.inf, np.nan, 1e300, -1e300]
    frame = frame.copy()
    for at, value in enumerate(values):
        frame.loc[at, [name for name in frame if frame[name].dtype == "float64"]] = value
        frame.loc[at + len(values), "sparse"] = value
    return frame


def target(frame: pd.DataFrame) -> np.ndarray:
    """Return a noisy nonlinear target around zero."""
    rng = np.random.default_rng(SEED + 1)
    f = frame.fillna(0.0)
    y = f["f0"] * 3 + np.sin(f["f1"]) + f["f2"] * f["flag"] / 10 + (f["sparse"] > 0.2) * 2 + rng.normal(size=len(f)) * 0.3
    return y.to_numpy()


def labels(objective: str, y: np.ndarray) -> np.ndarray:
    """Return labels the objective takes."""
    if objective == "binary":
        return (y > 0.1).astype(int)
    if objective.startswith("cross_entropy"):
        return 1 / (1 + np.exp(-y))
    if objective.startswith("multiclass"):
        return np.digitize(y, [-0.5, 0.0, 0.5])
    if objective in {"lambdarank", "rank_xendcg"}:
        return np.digitize(y, [-0.5, 0.5])
    if objective in {"poisson", "gamma", "tweedie", "mape"}:
        return (np.abs(y) + 0.05).round(2)
    return y


def train(objective: Any = "regression", rounds: int = 12, *, named: bool = True, missing: float = 0.1, **params: Any) -> Case:
    """Return a case with a Booster."""

    def make() -> tuple[Any, pd.DataFrame, str]:
        frame = table(missing=missing)
        y = target(frame)
        settings = {"objective": objective, "num_leaves": 15, **QUIET, **params}
        data = lgb.Dataset(frame if named else frame.to_numpy(dtype="float64"), labels(str(objective), y), params=settings)
        if objective in {"lambdarank", "rank_xendcg"}:
            data.set_group([50] * (ROWS // 50))
        return lgb.train(settings, data, rounds), edges(frame), ""

    return make


def squares(predictions: np.ndarray, data: lgb.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return gradient and hessian of the squared error: an objective LightGBM knows nothing of."""
    return predictions - data.get_label(), np.ones_like(predictions)


def fit(estimator: type, kind: str = "skops", *, label: str = "", stop: bool = False, proba: bool = False, **params: Any) -> Case:
    """Return a case with a scikit-learn class; ``label`` says what the classes are called."""

    def make() -> tuple[Any, pd.DataFrame, str]:
        frame = table()
        y = target(frame)
        settings = {"n_estimators": 15, "num_leaves": 15, "n_jobs": 1, "random_state": SEED, "verbose": -1, **params}
        extra: dict[str, Any] = {}
        if estimator is lgb.LGBMRanker:
            y = labels("lambdarank", y)
            extra["group"] = [50] * (ROWS // 50)
        if estimator is lgb.LGBMClassifier:
            y = np.digitize(y, [0.1] if label.startswith("two") else [-0.5, 0.0, 0.5])
            names = {
                "two words": np.array(["no", "yes"], dtype=object),
                "words": np.array(["zebra", "äpfel", "c", "dd"]),
                "two flags": np.array([False, True]),
                "two bytes": np.array([-1, 7], dtype="int8"),
                "floats": np.array([0.0, -1.0, 2.0, 8.0]),
            }
            y = names[label][y] if label in names else y
        if stop:
            noise = np.random.default_rng(3).permutation(y)
            extra |= {"eval_set": [(frame, noise)], "callbacks": [lgb.early_stopping(2, verbose=False)]}
        return estimator(**settings).fit(frame, y, **extra), edges(frame), kind

    return make


def category_codes(**params: Any) -> Case:
    """Return a Booster with categorical splits, by codes as a plain column carries them."""

    def make() -> tuple[Any, pd.DataFrame, str]:
        frame = table(3)
        rng = np.random.default_rng(SEED + 2)
        frame["kind"] = rng.integers(0, 90, ROWS).astype("float64")
        frame["few"] = rng.integers(0, 3, ROWS)
        frame.loc[rng.random(ROWS) < 0.1, "kind"] = np.nan
        y = np.sin(frame["kind"].fillna(7) * 2.3) * 3 + frame["few"] * (frame["f0"].fillna(0) > 0) + rng.normal(size=ROWS) * 0.1
        settings = {"objective": "regression", "num_leaves": 31, "min_data_per_group": 5, "cat_smooth": 1.0, **QUIET, **params}
        data = lgb.Dataset(frame, y, categorical_feature=["kind", "few"], params=settings)
        booster = lgb.train(settings, data, 15)
        odd = [90.0, 95.0, 96.0, 1e6, 3.7, -0.4, -1.0, -7.5, 2.0**31, 2.0**32 + 3, 1e300, np.inf, -np.inf, 1e-36]
        frame.loc[: len(odd) - 1, "kind"] = odd
        return booster, frame, ""

    return make


WORDS = np.array(["zebra", "äpfel", "c", "dd", "eee"])


def words(frame: pd.DataFrame, name: str, categories: np.ndarray, *, ordered: bool = False) -> None:
    """Add a column of words, some of them missing."""
    rng = np.random.default_rng(SEED + len(name))
    values = pd.Series(WORDS[rng.integers(0, 5, len(frame))]).astype(object)
    values[rng.random(len(frame)) < 0.1] = None
    frame[name] = pd.Categorical(values, categories=categories, ordered=ordered)


def worded(estimator: type | None, kind: str = "") -> Case:
    """Return a model trained on columns of words, scored with words in another order and words never seen."""

    def make() -> tuple[Any, pd.DataFrame, str]:
        frame = table(3)
        words(frame, "word", WORDS[[2, 0, 1, 4, 3]])
        words(frame, "size", WORDS[[4, 3, 2, 1, 0]], ordered=True)
        y = target(table(3)) + (frame["word"] == "zebra") * 2 - (frame["size"] > "dd") * 1.5
        if estimator is None:
            settings = {"objective": "regression", "num_leaves": 15, "min_data_per_group": 10, **QUIET}
            model = lgb.train(settings, lgb.Dataset(frame, y), 12)
        else:
            y = np.where(y > 0.3, "high", "low")
            model = estimator(n_estimators=10, num_leaves=15, n_jobs=1, min_data_per_group=10, verbose=-1).fit(frame, y)
        frame["word"] = pd.Categorical(frame["word"].astype(object).mask(np.arange(ROWS) % 50 == 7, "yak"))
        return model, frame, kind

    return make


def whole_number_categories() -> tuple[Any, pd.DataFrame, str]:
    """Return a Booster trained on a pandas category of whole numbers."""
    frame = table(3)
    frame["code"] = pd.Categorical(np.random.default_rng(SEED).integers(0, 9, ROWS) * 10)
    model = lgb.train({"objective": "regression", **QUIET}, lgb.Dataset(frame, target(table(3))), 5)
    return model, frame, ""


def deep(**params: Any) -> Case:
    """Return deep and unbalanced trees."""

    def make() -> tuple[Any, pd.DataFrame, str]:
        rng = np.random.default_rng(SEED)
        frame = pd.DataFrame({f"f{i}": rng.normal(size=4000) for i in range(3)})
        y = np.sin(frame["f0"] * 9) + np.cos(frame["f1"] * 7) * frame["f2"] + np.exp(frame["f0"] * 3)
        frame = frame.mask(rng.random(frame.shape) < 0.05)
        settings = {"objective": "regression", "num_leaves": 400, "min_data_in_leaf": 1, "max_bin": 1000, **QUIET, **params}
        return lgb.train(settings, lgb.Dataset(frame, y, params=settings), 8), frame, ""

    return make


def constant() -> tuple[Any, pd.DataFrame, str]:
    """Return trees of one leaf."""
    frame = table()
    return lgb.train({"objective": "regression", **QUIET}, lgb.Dataset(frame, np.full(ROWS, 2.5)), 3), frame, ""


def singles() -> tuple[Any, pd.DataFrame, str]:
    """Return a Booster whose rows are all of single precision and small whole numbers."""
    frame = table()[["single", "flag"]].assign(small=table()["count"].astype("int16"))
    y = target(table())
    return lgb.train({"objective": "regression", **QUIET}, lgb.Dataset(frame, y), 12), frame, ""


def continued() -> tuple[Any, pd.DataFrame, str]:
    """Return a Booster trained on from another one, a few leaves refitted."""
    frame = table()
    y = target(frame)
    settings = {"objective": "regression", "num_leaves": 15, **QUIET}
    first = lgb.train(settings, lgb.Dataset(frame, y), 5)
    return lgb.train(settings, lgb.Dataset(frame, y), 5, init_model=first).refit(frame, y * 1.5), frame, ""


def stopped() -> tuple[Any, pd.DataFrame, str]:
    """Return a Booster that stopped early: the file holds the best iterations only."""
    frame = table()
    y = target(frame)
    noise = lgb.Dataset(frame, np.random.default_rng(3).permutation(y))
    settings = {"objective": "regression", "num_leaves": 15, **QUIET}
    model = lgb.train(settings, lgb.Dataset(frame, y), 40, [noise], callbacks=[lgb.early_stopping(2, verbose=False)])
    return model, frame, ""


PLAIN = [
    "regression",
    "regression_l1",
    "huber",
    "fair",
    "poisson",
    "quantile",
    "mape",
    "gamma",
    "tweedie",
    "binary",
    "cross_entropy",
    "cross_entropy_lambda",
    "lambdarank",
    "rank_xendcg",
]
for plain in PLAIN:
    case(f"booster_{plain}", train(plain))
case("booster_sqrt", train("regression", reg_sqrt=True))
case("booster_sigmoid", train("binary", sigmoid=1.7))
case("booster_multiclass", train("multiclass", num_class=4))
case("booster_multiclassova", train("multiclassova", num_class=4, sigmoid=0.6))
case("booster_custom", train(squares))
case("booster_unnamed", train(named=False))
case("booster_dart", train("binary", boosting="dart", drop_rate=0.4, rounds=20))
case("booster_rf", train("binary", boosting="rf", bagging_freq=1, bagging_fraction=0.6))
case("booster_rf_multiclass", train("multiclass", num_class=4, boosting="rf", bagging_freq=1, bagging_fraction=0.6))
case("booster_goss", train(data_sample_strategy="goss"))
case("booster_extra", train(extra_trees=True, monotone_constraints=[1, 0, -1] + [0] * 7))
case("booster_zero_as_missing", train(zero_as_missing=True))
case("booster_never_missing", train(use_missing=False))
case("booster_nothing_missing", train(missing=0.0))
case("booster_linear", train(linear_tree=True))
case("booster_linear_binary", train("binary", linear_tree=True, use_missing=False))
case("booster_codes", category_codes())
case("booster_codes_onehot", category_codes(max_cat_to_onehot=64))
case("booster_codes_zero", category_codes(zero_as_missing=True))
case("booster_codes_never_missing", category_codes(use_missing=False))
case("booster_words", worded(None))
case("booster_deep", deep())
case("booster_deep_unregularized", deep(lambda_l2=0.0, num_leaves=1200, max_bin=4000))
case("booster_constant", constant)
case("booster_singles", singles)
case("booster_continued", continued)
case("booster_stopped", stopped)
case("regressor", fit(lgb.LGBMRegressor))
case("regressor_pickle", fit(lgb.LGBMRegressor, "pickle", objective="huber", subsample=0.8, subsample_freq=1))
case("regressor_stopped", fit(lgb.LGBMRegressor, "cloudpickle", stop=True, n_estimators=60))
case("regressor_rf", fit(lgb.LGBMRegressor, boosting_type="rf", bagging_freq=1, bagging_fraction=0.6))
case("classifier_words", fit(lgb.LGBMClassifier, label="words"))
case("classifier_two_words", fit(lgb.LGBMClassifier, "cloudpickle", label="two words"))
case("classifier_two_flags", fit(lgb.LGBMClassifier, "pickle", label="two flags"))
case("classifier_two_bytes", fit(lgb.LGBMClassifier, label="two bytes", boosting_type="dart"))
case("classifier_floats", fit(lgb.LGBMClassifier, "pickle", label="floats", objective="multiclassova"))
case("classifier_two_softmax", fit(lgb.LGBMClassifier, label="two", objective="multiclass", num_class=2))
case("classifier_stopped", fit(lgb.LGBMClassifier, stop=True, n_estimators=60))
case("classifier_category", worded(lgb.LGBMClassifier, "skops"))
case("classifier_category_pickle", worded(lgb.LGBMClassifier, "pickle"))
case("ranker", fit(lgb.LGBMRanker))
case("ranker_pickle", fit(lgb.LGBMRanker, "cloudpickle", objective="rank_xendcg"))
case("model", fit(lgb.LGBMModel, objective="regression"))
# These need Python.
case("python_whole_number_categories", whole_number_categories)
case("python_early_stop", fit(lgb.LGBMClassifier, label="words", pred_early_stop=True))
case("python_custom", fit(lgb.LGBMRegressor, "cloudpickle", objective=lambda y, z: (z - y, np.ones_like(y))))


def columns(prefix: str, answer: Any) -> dict[str, pa.Array]:
    """Return the columns of an answer by name."""
    values = np.asarray(answer)
    values = values.reshape(len(values), -1)
    kind = "str" if values.dtype == object else values.dtype
    return {f"{prefix}{i}": pa.array(np.ascontiguousarray(values[:, i]).astype(kind)) for i in range(values.shape[1])}


def write(path: Path, content: pa.Table) -> None:
    """Write an Arrow file."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, content.schema) as writer:
        writer.write_table(content)


def save(model: Any, kind: str, directory: Path) -> None:
    """Save a case's model by MLflow."""
    options: dict[str, Any] = {"serialization_format": kind} if kind else {}
    if kind == "skops":
        # MLflow itself trusts two of LightGBM's classes.
        options["skops_trusted_types"] = ["numpy.dtype", "lightgbm.sklearn.LGBMModel", "lightgbm.sklearn.LGBMRanker"]
    mlflow.lightgbm.save_model(model, directory, pip_requirements=["lightgbm"], **options)


def build(name: str, out: Path) -> None:
    """Make one case, whole or not at all."""
    if (out / name).exists():
        return
    model, frame, kind = CASES[name]()
    work = Path(tempfile.mkdtemp(dir=out))
    save(model, kind, work / "model")
    answer = columns("", mlflow.pyfunc.load_model(str(work / "model")).predict(frame))
    if hasattr(model, "predict_proba"):
        answer |= columns("p", model.predict_proba(frame))
    # NaN stays NaN where pandas would have said null, as Spark and Parquet tables hold it; every second column says null.
    arrays = [pa.array(frame[column], from_pandas=at % 2 == 0) for at, column in enumerate(frame.columns)]
    write(work / "input.arrow", pa.table(arrays, names=[str(column) for column in frame.columns]))
    write(work / "expected.arrow", pa.table(answer))
    try:
        work.rename(out / name)
    except OSError:
        shutil.rmtree(work)


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for wanted in sys.argv[2:] or CASES:
        build(wanted, directory)
