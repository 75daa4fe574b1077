"""Fit and save every scikit-learn estimator there is, with what scikit-learn itself answers.

``make_sklearn.py OUT [NAME ...]`` loops over ``sklearn.utils.all_estimators()`` and some combinations, and writes for each case
``OUT/NAME/FORMAT/`` (saved by MLflow, for every serialization format), ``OUT/NAME/input.arrow`` (rows to score) and
``OUT/NAME/expected.arrow``: columns ``METHOD:0``, ``METHOD:1``, ... for each method that there is. ``OUT/NAME/case.json`` says
whether answers must be equal to the last bit, or agree in single precision only. What cannot be fitted or saved is listed
with its reason in ``OUT/left-out.json``.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import skops.io
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn import datasets
from sklearn.base import BaseEstimator, is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize
from sklearn.utils import all_estimators

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
FORMATS = ("skops", "pickle", "cloudpickle")
SEED = 17
# Estimators whose answers are sums in a fixed order, or no sums at all.
EXACT = ("Tree", "Forest", "Boost", "Bagging")


# Cases in which the library itself sums in single precision on the way.
SINGLE = ("boosting.init",)


# Cases whose columns are known by position only.
SIGNATURES = {
    "position.unnamed": ModelSignature(Schema([ColSpec("double")] * 4)),
    "position.tensor": ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 4))])),
}


class LeftOut(Exception):
    """The estimator has nothing to score with, and why."""


def table(name: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a bundled data set as columns and targets."""
    data = getattr(datasets, f"load_{name}")(as_frame=True)
    x = data.data.iloc[:, :16].astype("float64")
    x.columns = [str(column) for column in x.columns]
    return x, np.asarray(data.target)


def holes(x: pd.DataFrame) -> pd.DataFrame:
    """Return the columns with a twentieth of the values missing."""
    return x.mask(np.random.default_rng(SEED).random(x.shape) < 0.05)


def mixed() -> tuple[pd.DataFrame, np.ndarray]:
    """Return a table of numbers and words, some of them missing."""
    rng = np.random.default_rng(SEED)
    rows = 600
    words = np.array(["amber", "blue", "cyan", "öl", "日本"], dtype=object)
    x = pd.DataFrame({
        "age": rng.integers(18, 90, rows).astype("float64"),
        "income": rng.lognormal(10, 1, rows),
        "colour": words[rng.integers(0, len(words), rows)],
        "size": np.array(["s", "m", "l"], dtype=object)[rng.integers(0, 3, rows)],
        "visits": rng.poisson(3, rows).astype("int64"),
        "member": rng.random(rows) < 0.4,
    })
    y = ((x["age"] > 50).astype(int) + (x["colour"] == "blue") + (x["visits"] > 3) > 1).astype("int64").to_numpy()
    x.loc[rng.random(rows) < 0.05, "age"] = np.nan
    x.loc[rng.random(rows) < 0.05, "colour"] = None
    return x, y


def arguments(name: str) -> dict[str, Any]:
    """Return the arguments an estimator cannot do without, or that keep it small and repeatable."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.tree import DecisionTreeClassifier

    classifiers = [("a", LogisticRegression(max_iter=500)), ("b", RandomForestClassifier(5, random_state=SEED))]
    regressors = [("a", Ridge()), ("b", RandomForestRegressor(5, random_state=SEED))]
    given: dict[str, dict[str, Any]] = {
        "ClassifierChain": {"estimator": LogisticRegression(max_iter=500)},
        "FixedThresholdClassifier": {"estimator": LogisticRegression(max_iter=500)},
        "TunedThresholdClassifierCV": {"estimator": LogisticRegression(max_iter=500)},
        "GridSearchCV": {"estimator": LogisticRegression(max_iter=500), "param_grid": {"C": [0.5, 1.0]}},
        "HalvingGridSearchCV": {"estimator": LogisticRegression(max_iter=500), "param_grid": {"C": [0.5, 1.0]}},
        "RandomizedSearchCV": {
            "estimator": LogisticRegression(max_iter=500),
            "param_distributions": {"C": [0.5, 1.0]},
            "n_iter": 2,
        },
        "HalvingRandomSearchCV": {"estimator": LogisticRegression(max_iter=500), "param_distributions": {"C": [0.5, 1.0]}},
        "MultiOutputClassifier": {"estimator": LogisticRegression(max_iter=500)},
        "MultiOutputRegressor": {"estimator": Ridge()},
        "OneVsOneClassifier": {"estimator": LogisticRegression(max_iter=500)},
        "OneVsRestClassifier": {"estimator": LogisticRegression(max_iter=500)},
        "OutputCodeClassifier": {"estimator": LogisticRegression(max_iter=500)},
        "RFE": {"estimator": LogisticRegression(max_iter=500)},
        "RFECV": {"estimator": LogisticRegression(max_iter=500), "cv": 3},
        "RegressorChain": {"estimator": Ridge()},
        "SelectFromModel": {"estimator": LogisticRegression(max_iter=500)},
        "SelfTrainingClassifier": {"estimator": LogisticRegression(max_iter=500)},
        "SequentialFeatureSelector": {"estimator": LogisticRegression(max_iter=200), "n_features_to_select": 3, "cv": 2},
        "StackingClassifier": {"estimators": classifiers},
        "StackingRegressor": {"estimators": regressors},
        "VotingClassifier": {"estimators": classifiers},
        "VotingRegressor": {"estimators": regressors},
        "ColumnTransformer": {"transformers": [("a", "passthrough", [0, 2])]},
        "FeatureUnion": {"transformer_list": [("a", "passthrough")]},
        "LocalOutlierFactor": {"novelty": True},
        "SparseCoder": {"dictionary": np.eye(16)},
        "QuadraticDiscriminantAnalysis": {"reg_param": 0.1},
        "GaussianRandomProjection": {"n_components": 5},
        "SparseRandomProjection": {"n_components": 5},
        "OrthogonalMatchingPursuitCV": {"max_iter": 5},
        "AdaBoostClassifier": {"estimator": DecisionTreeClassifier(max_depth=2)},
    }
    return given.get(name, {})


def fitted(name: str, kind: type[BaseEstimator]) -> Iterator[tuple[str, BaseEstimator, pd.DataFrame]]:
    """Yield the estimator fitted on each data set that suits it."""
    parameters = kind._get_param_names() if hasattr(kind, "_get_param_names") else []
    small = {"random_state": SEED, "n_estimators": 10, "max_iter": 300}
    if name in ("MLPClassifier", "MLPRegressor"):
        small["max_iter"] = 100
    if "HistGradient" in name or "Dictionary" in name:
        small["max_iter"] = 20
    if kind.__module__.startswith(("sklearn.decomposition", "sklearn.cross_decomposition", "sklearn.manifold")):
        small["n_components"] = 1 if "CCA" in name or "PLS" in name else 4
    options = {key: value for key, value in small.items() if key in parameters} | arguments(name)
    if name == "AdaBoostRegressor":
        options["n_estimators"] = 5
    one = kind(**options)
    tags = one.__sklearn_tags__()
    several = tags.target_tags.multi_output and not tags.target_tags.single_output
    if tags.input_tags.string and not tags.input_tags.two_d_array:
        raise LeftOut("takes text, not columns")
    missing = tags.input_tags.allow_nan

    def positive(x: pd.DataFrame) -> pd.DataFrame:
        return x.abs() if tags.input_tags.positive_only else x

    def once(suffix: str, x: pd.DataFrame, y: np.ndarray, model: BaseEstimator) -> tuple[str, BaseEstimator, pd.DataFrame]:
        return name + suffix, model.fit(positive(x), y), positive(x)

    if is_classifier(one) or name in ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"):
        x, y = table("iris")
        if several:
            yield once("", x, np.stack([y, y % 2], axis=1), one)
            return
        if not tags.classifier_tags or tags.classifier_tags.multi_class:
            names = y if name == "SelfTrainingClassifier" else np.array(["setosa", "versicolor", "virginica"])[y]
            yield once("", x, names, one)
        x, y = table("breast_cancer")
        yield once(".two", x, y, kind(**options))
        if missing:
            yield once(".missing", holes(x), y, kind(**options))
    elif is_regressor(one):
        x, y = table("diabetes")
        if several:
            yield once("", x, np.stack([y, y / 2], axis=1), one)
            return
        yield once("", x.iloc[:, :1] if name == "IsotonicRegression" else x, y, one)
        if missing:
            yield once(".missing", holes(x), y, kind(**options))
    elif hasattr(one, "predict") and (is_clusterer(one) or is_outlier_detector(one) or not hasattr(one, "transform")):
        x, y = table("iris")
        yield once("", x, y, one)
    elif hasattr(one, "transform"):
        x, y = table("breast_cancer")
        if tags.input_tags.categorical and not missing:
            x = x.round(-1).clip(upper=50)
        if name != "MissingIndicator":
            yield once("", x, y, make_pipeline(one, LogisticRegression(max_iter=500)))
        if missing and name not in ("SimpleImputer", "KNNImputer", "IterativeImputer", "MissingIndicator", "OneHotEncoder"):
            # No trees behind it: numpy's powers and logarithms differ in the last bit from CPU to CPU, and a threshold tells
            # them apart.
            filled = make_pipeline(kind(**options), SimpleImputer(), LogisticRegression(max_iter=500))
            yield once(".missing", holes(x), y, filled)
        elif missing:
            yield once(".missing", holes(x), y, make_pipeline(kind(**options), LogisticRegression(max_iter=500)))
    else:
        raise LeftOut("has neither predict nor transform")


def combinations() -> Iterator[tuple[str, BaseEstimator, pd.DataFrame]]:
    """Yield pipelines over a table of numbers and words, and estimators with other options than the defaults."""
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        GradientBoostingClassifier,
        GradientBoostingRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
        StackingClassifier,
        VotingClassifier,
    )
    from sklearn.linear_model import LinearRegression, SGDClassifier, TweedieRegressor
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import FeatureUnion, Pipeline
    from sklearn.preprocessing import (
        KBinsDiscretizer,
        MinMaxScaler,
        OneHotEncoder,
        OrdinalEncoder,
        PolynomialFeatures,
        StandardScaler,
    )
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    x, y = mixed()
    numbers, words = ["age", "income", "visits"], ["colour", "size"]

    def split(encoder: BaseEstimator, **options: Any) -> ColumnTransformer:
        scale = Pipeline([("impute", SimpleImputer(strategy="median", add_indicator=True)), ("scale", StandardScaler())])
        encode = Pipeline([("impute", SimpleImputer(strategy="most_frequent")), ("encode", encoder)])
        return ColumnTransformer([("num", scale, numbers), ("cat", encode, words)], **options)

    labels = np.array(["no", "yes"])[y]
    logistic = LogisticRegression(max_iter=500)
    yield "mixed.logistic", Pipeline([("a", split(OneHotEncoder(handle_unknown="ignore"))), ("b", logistic)]).fit(x, labels), x
    dense = split(OneHotEncoder(sparse_output=False, drop="first"), remainder="passthrough")
    forest = RandomForestClassifier(20, max_depth=6, random_state=SEED)
    yield "mixed.forest", Pipeline([("a", dense), ("b", forest)]).fit(x, labels), x
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    direct = ColumnTransformer([("cat", ordinal, words), ("num", "passthrough", numbers)], sparse_threshold=0)
    hist = HistGradientBoostingClassifier(max_iter=15, categorical_features=[0, 1])
    yield "mixed.hist", Pipeline([("a", direct), ("b", hist)]).fit(x, y), x
    named = ColumnTransformer([
        ("cat", OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist"), words),
        ("num", make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.0), MinMaxScaler(clip=True)), numbers),
        ("drop", "drop", ["member"]),
    ])
    yield "mixed.infrequent", make_pipeline(named, StandardScaler(with_mean=False), logistic).fit(x, y), x
    constant = make_pipeline(SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder())
    chosen = ColumnTransformer([
        ("num", make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include="number")),
        ("cat", constant, words),
    ])
    yield "mixed.selector", make_pipeline(chosen, logistic).fit(x, y), x

    a, b = table("breast_cancer")
    d, t = table("diabetes")
    i, k = table("iris")
    yield "single.logistic", LogisticRegression(max_iter=500).fit(a.astype("float32"), b), a.astype("float32")
    yield "single.scaled", make_pipeline(StandardScaler(), Ridge()).fit(d.astype("float32"), t), d.astype("float32")
    yield "single.forest", RandomForestClassifier(10, random_state=SEED).fit(a.astype("float32"), b), a.astype("float32")
    kinds = i.astype("float32").set_axis(list("abcd"), axis=1)
    kinds["d"] = (kinds["d"] * 10).astype("int64")
    yield "kinds.single", LogisticRegression(max_iter=500).fit(kinds, k), kinds
    kinds = kinds.assign(e=kinds["a"] > 5.5, f=(kinds["b"] * 5).astype("int8"))
    yield "kinds.bool", LogisticRegression(max_iter=500).fit(kinds, k), kinds
    yield "kinds.forest", RandomForestClassifier(5, random_state=SEED).fit(kinds, k), kinds
    for name in ("position.unnamed", "position.tensor"):
        yield name, make_pipeline(StandardScaler(), LogisticRegression()).fit(i.to_numpy(), k), i
    yield "bool.labels", LogisticRegression(max_iter=500).fit(a, b == 1), a
    yield "float.labels", LogisticRegression(max_iter=500).fit(a, b.astype("float64")), a
    yield "two.targets", LinearRegression().fit(d, np.stack([t, -t], axis=1)), d
    yield "two.targets.forest", RandomForestRegressor(10, random_state=SEED).fit(d, np.stack([t, -t], axis=1)), d
    yield "two.labels.forest", RandomForestClassifier(10, random_state=SEED).fit(i, np.stack([k, k % 2], axis=1)), i
    yield "two.labels.tree", DecisionTreeClassifier(max_depth=3).fit(i, np.stack([k, k % 2], axis=1)), i
    yield "trees.deep", ExtraTreesClassifier(30, random_state=SEED).fit(a, b), a
    yield "trees.missing", RandomForestClassifier(10, random_state=SEED).fit(holes(a), b), holes(a)
    yield "tweedie.identity", TweedieRegressor(power=0, max_iter=500).fit(d, t), d
    yield "tweedie.log", TweedieRegressor(power=1.5, max_iter=500).fit(d, t), d
    yield "sgd.log", make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=SEED)).fit(i, k), i
    yield "sgd.huber", make_pipeline(StandardScaler(), SGDClassifier(loss="modified_huber", random_state=SEED)).fit(i, k), i
    yield "sgd.huber.two", make_pipeline(StandardScaler(), SGDClassifier(loss="modified_huber", random_state=SEED)).fit(a, b), a
    for loss in ("absolute_error", "huber", "quantile"):
        yield f"boosting.{loss}", GradientBoostingRegressor(loss=loss, n_estimators=15, random_state=SEED).fit(d, t), d
    yield "boosting.exponential", GradientBoostingClassifier(loss="exponential", n_estimators=15).fit(a, b), a
    prior = GradientBoostingClassifier(init="zero", n_estimators=15, random_state=SEED)
    yield "boosting.zero", prior.fit(i, k), i
    yield "boosting.init", GradientBoostingRegressor(init=Ridge(), n_estimators=15, random_state=SEED).fit(d, t), d
    for loss in ("poisson", "gamma", "quantile", "absolute_error"):
        options = {"quantile": 0.3} if loss == "quantile" else {}
        yield f"hist.{loss}", HistGradientBoostingRegressor(loss=loss, max_iter=15, **options).fit(holes(d), t), holes(d)
    for activation in ("identity", "logistic", "tanh"):
        net = MLPClassifier((12, 5), activation=activation, max_iter=60, random_state=SEED)
        yield f"mlp.{activation}", make_pipeline(StandardScaler(), net).fit(i, k), i
    for kernel in ("linear", "poly", "sigmoid"):
        yield f"svc.{kernel}", make_pipeline(StandardScaler(), SVC(kernel=kernel)).fit(i, k), i
    yield "poly.ridge", make_pipeline(PolynomialFeatures(3, interaction_only=True), Ridge()).fit(d, t), d
    yield "bins.ordinal", make_pipeline(KBinsDiscretizer(5, encode="ordinal"), Ridge()).fit(d, t), d
    yield "target.log", TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1).fit(d, t), d
    yield "target.scaled", TransformedTargetRegressor(Ridge(), transformer=StandardScaler()).fit(d, t), d
    both = FeatureUnion([("scaled", StandardScaler()), ("ranged", MinMaxScaler())], transformer_weights={"ranged": 2.0})
    yield "union", make_pipeline(both, logistic).fit(a, b), a
    pair = [("a", make_pipeline(StandardScaler(), LogisticRegression())), ("b", DecisionTreeClassifier(max_depth=3))]
    yield "voting.soft", VotingClassifier(pair, voting="soft", weights=[2, 1]).fit(i, np.array(["x", "y", "z"])[k]), i
    yield "stacking.passthrough", StackingClassifier(pair, passthrough=True).fit(i, k), i


def neighborhoods() -> Iterator[tuple[str, BaseEstimator, pd.DataFrame]]:
    """Yield estimators of nearest rows, some of rows among which many are at one distance."""
    from sklearn.impute import KNNImputer
    from sklearn.neighbors import (
        KNeighborsClassifier,
        KNeighborsRegressor,
        LocalOutlierFactor,
        NearestCentroid,
        RadiusNeighborsClassifier,
        RadiusNeighborsRegressor,
    )
    from sklearn.preprocessing import StandardScaler

    a, b = table("breast_cancer")
    d, t = table("diabetes")
    i, k = table("iris")
    names = np.array(["x", "y", "z"])[k]
    grid = np.stack(np.meshgrid(*[np.arange(7.0)] * 3), axis=-1).reshape(-1, 3)
    grid = pd.DataFrame(np.concatenate([grid, grid]), columns=list("uvw"))
    colour = np.random.default_rng(SEED).integers(0, 3, len(grid))
    for weights in ("uniform", "distance"):
        for algorithm in ("kd_tree", "ball_tree", "brute"):
            metric = "manhattan" if algorithm == "brute" and weights == "distance" else "minkowski"
            options = {"weights": weights, "algorithm": algorithm, "metric": metric, "leaf_size": 5}
            yield f"knn.grid.{algorithm}.{weights}", KNeighborsClassifier(9, **options).fit(grid, colour), grid + 0.5
            yield f"knn.even.{algorithm}.{weights}", KNeighborsClassifier(4, **options).fit(i[::2], names[::2]), i
    for metric in ("manhattan", "chebyshev", "minkowski"):
        for algorithm in ("kd_tree", "ball_tree", "brute"):
            model = KNeighborsRegressor(7, weights="distance", p=3, metric=metric, algorithm=algorithm)
            yield f"knn.{metric}.{algorithm}", model.fit(d[::2], t[::2]), d
    yield "knn.scaled", make_pipeline(StandardScaler(), KNeighborsClassifier(11)).fit(a[::2], b[::2]), a
    yield "knn.regressor.scaled", make_pipeline(StandardScaler(), KNeighborsRegressor(11)).fit(a[::2], b[::2]), a
    yield "knn.product.distance", KNeighborsClassifier(weights="distance").fit(a[::2], b[::2]), a
    yield "knn.cosine", KNeighborsClassifier(3, metric="cosine").fit(d[::2], t[::2] > 140), d
    yield "knn.single", KNeighborsClassifier(6).fit(i.astype("float32"), k), i.astype("float32")
    yield "knn.int", KNeighborsClassifier(6).fit(a[::2].round().astype("int64"), b[::2]), a.round().astype("int64")
    yield "knn.two.labels", KNeighborsClassifier(4).fit(i, np.stack([k, k % 2], axis=1)), i
    yield "knn.two.targets", KNeighborsRegressor(4, weights="distance").fit(d[::2], np.stack([t, -t], axis=1)[::2]), d
    yield "radius.distance", RadiusNeighborsClassifier(0.5, weights="distance").fit(i, names), i
    yield "radius.outliers", RadiusNeighborsClassifier(1.5, outlier_label="y").fit(i[::2], names[::2]), i * 1.1
    yield "radius.brute", RadiusNeighborsClassifier(60.0, outlier_label="most_frequent").fit(a[::2], b[::2]), a
    yield "radius.alone", RadiusNeighborsRegressor(0.1, weights="distance").fit(d[::2], t[::2]), d
    yield "centroid.manhattan", NearestCentroid(metric="manhattan").fit(i, names), i
    yield "centroid.priors", NearestCentroid(priors=[0.2, 0.5, 0.3], shrink_threshold=0.5).fit(i, names), i
    yield "outliers.tree", LocalOutlierFactor(novelty=True, n_neighbors=12).fit(i), i * 1.05
    yield "outliers.brute", LocalOutlierFactor(novelty=True).fit(a[::2]), a
    empty = holes(d).assign(bmi=np.nan)
    for keep in (False, True):
        imputer = KNNImputer(n_neighbors=3, add_indicator=True, keep_empty_features=keep)
        yield f"donors.{'kept' if keep else 'dropped'}", make_pipeline(imputer, Ridge()).fit(empty, t), empty
    marked = holes(d).fillna(-1.0)
    yield "donors.marked", make_pipeline(KNNImputer(missing_values=-1.0), Ridge()).fit(marked, t), marked


def answers(model: BaseEstimator, x: pd.DataFrame) -> pa.Table:
    """Return what every method gives, a column each."""
    columns: dict[str, Any] = {}
    for method in METHODS:
        if not hasattr(model, method):
            continue
        answer = getattr(model, method)(x)
        if isinstance(answer, list):
            continue
        answer = np.asarray(answer)
        matrix = answer.reshape(len(answer), -1)
        for at in range(matrix.shape[1]):
            values = matrix[:, at]
            columns[f"{method}:{at}"] = pa.array(values.tolist() if values.dtype.kind in "OU" else values, from_pandas=False)
    if not columns:
        raise LeftOut("no method answers with an array")
    return pa.table(columns)


def write(path: Path, data: pa.Table) -> None:
    """Write an Arrow file."""
    with pa.ipc.new_file(path, data.schema) as writer:
        writer.write_table(data)


def terms(model: BaseEstimator, x: pd.DataFrame) -> float:
    """Return the greatest sum of the sizes of the terms that a linear model adds up; what an answer's last bits hang on."""
    last = model[-1] if hasattr(model, "steps") else model
    if not hasattr(last, "coef_") or np.ndim(last.coef_) > 2:
        return 0.0
    inputs = model[:-1].transform(x) if hasattr(model, "steps") and len(model) > 1 else x
    inputs = np.abs(np.asarray(inputs.toarray() if hasattr(inputs, "toarray") else inputs, dtype="float64"))
    weights = np.atleast_2d(last.coef_)
    return float(np.max(inputs @ np.abs(weights).T)) if weights.shape[1] == inputs.shape[1] else 0.0


def near(model: BaseEstimator, x: pd.DataFrame) -> list[int]:
    """Return the rows whose last neighbor and the next are as far away but for the last bits of a product of matrices."""
    last = model[-1] if hasattr(model, "steps") else model
    if not hasattr(last, "kneighbors") or last._fit_method != "brute" or last.metric == "manhattan":
        return []
    if is_classifier(last) and last.weights == "uniform" and last.metric != "cosine" and last._fit_X.dtype.kind == "f":
        # Voted on while distances are summed up, in the order of the rows.
        return []
    inputs = np.asarray(model[:-1].transform(x) if hasattr(model, "steps") and len(model) > 1 else x, dtype="float64")
    count = last.n_neighbors
    lengths = np.sort(np.linalg.norm(inputs[:, None] - np.asarray(last._fit_X), axis=2) ** 2, axis=1)
    if last.metric == "cosine":
        lengths = np.sort(1 - normalize(inputs) @ normalize(last._fit_X).T, axis=1)
    bound = 1e-12 * ((inputs**2).sum(axis=1) + (last._fit_X**2).sum(axis=1).max())
    return np.flatnonzero(lengths[:, count] - lengths[:, count - 1] <= bound).tolist()


def save(name: str, model: BaseEstimator, x: pd.DataFrame, out: Path) -> None:
    """Write one case, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=out, prefix=".tmp-") as scratch:
        case = Path(scratch) / name
        case.mkdir()
        write(case / "input.arrow", pa.Table.from_pandas(x, preserve_index=False))
        write(case / "expected.arrow", answers(model, x))
        saved = 0
        for form in FORMATS:
            options: dict[str, Any] = {"serialization_format": form, "pip_requirements": ["scikit-learn"]}
            options["signature"] = SIGNATURES.get(name)
            try:
                if form == "skops":
                    options["skops_trusted_types"] = skops.io.get_untrusted_types(data=skops.io.dumps(model))
                mlflow.sklearn.save_model(model, case / form, **options)
                saved += 1
            except Exception:
                shutil.rmtree(case / form, ignore_errors=True)
        if not saved:
            raise LeftOut("no format can hold it")
        last = model[-1] if hasattr(model, "steps") else model
        linear_before = hasattr(model, "steps") and len(model) > 1
        exact = any(word in type(last).__name__ for word in EXACT) and not linear_before and name not in SINGLE
        about = {
            "class": type(last).__name__,
            "exact": exact,
            "exponential": is_exponential(last),
            "single": name in SINGLE,
            "terms": terms(model, x),
            "near": near(model, x),
            "neighbors": hasattr(last, "kneighbors"),
            "rows": len(x),
        }
        (case / "case.json").write_text(json.dumps(about))
        shutil.rmtree(out / name, ignore_errors=True)
        os.rename(case, out / name)


def is_exponential(model: BaseEstimator) -> bool:
    """Whether numpy's ``exp``, whose last bits depend on the CPU, stands between a boosted sum and its numbers."""
    boosted = "Boost" in type(model).__name__
    return boosted and (is_classifier(model) or getattr(model, "loss", "") in ("poisson", "gamma"))


def main(arguments: list[str]) -> None:
    """Make the named cases, or all."""
    out, wanted = Path(arguments[0]), set(arguments[1:])
    out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    left_out: dict[str, str] = {}

    def keep(name: str, cases: Callable[[], Iterator[tuple[str, BaseEstimator, pd.DataFrame]]]) -> None:
        try:
            for case, model, x in cases():
                if not wanted or case in wanted or name in wanted:
                    save(case, model, x, out)
        except Exception as error:
            left_out[name] = f"{type(error).__name__}: {error}".splitlines()[0][:160]

    for name, kind in all_estimators():
        if not wanted or any(case.split(".")[0] == name for case in wanted):
            keep(name, lambda name=name, kind=kind: fitted(name, kind))
    for group in (combinations, neighborhoods):
        if not wanted or any(not case[0].isupper() for case in wanted):
            keep(group.__name__, group)
    (out / "left-out.json").write_text(json.dumps(left_out, indent=1, sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1:])
