"""Fit and save a few models with an old scikit-learn: ``make_sklearn_old.py OUT``.

Run in an environment of that version with pandas, pyarrow and joblib. ``OUT/NAME.pkl`` is a model, ``OUT/NAME.arrow`` the rows to
score beside what scikit-learn answers (columns ``METHOD:0``, ...). The files under ``tests/data/sklearn`` were made with
scikit-learn 1.0.2 and numpy 1.22 on Python 3.9, 1.2.2 and numpy 1.26 on 3.10, 1.4.2 and numpy 1.26 on 3.11, and 1.6.1 and
numpy 2.2 on 3.12.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

SEED = 3
ROWS = 40


def table(load) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a few columns of a bundled data set."""
    data = load(as_frame=True)
    return data.data.iloc[:, :6], np.asarray(data.target)


def mixed() -> tuple[pd.DataFrame, np.ndarray]:
    """Return a table of numbers and words, some of them missing."""
    rng = np.random.RandomState(SEED)
    x = pd.DataFrame({
        "age": rng.randint(18, 90, 300).astype(float),
        "colour": np.array(["amber", "blue", "öl"], dtype=object)[rng.randint(0, 3, 300)],
        "size": np.array(["s", "m"], dtype=object)[rng.randint(0, 2, 300)],
    })
    y = (x["age"] > 50).to_numpy().astype(int)
    x.loc[rng.rand(300) < 0.1, "age"] = np.nan
    x.loc[rng.rand(300) < 0.1, "colour"] = np.nan
    return x, y


def models():
    """Yield each model's name, the model and the rows to score."""
    i, k = table(load_iris)
    a, b = table(load_breast_cancer)
    d, t = table(load_diabetes)
    x, y = mixed()
    holes = a.mask(np.random.RandomState(SEED).rand(*a.shape) < 0.1)
    yield "logistic", LogisticRegression(max_iter=500).fit(i, np.array(["setosa", "versicolor", "virginica"])[k]), i
    yield "ridge", make_pipeline(StandardScaler(), Ridge()).fit(d, t), d
    yield "forest", RandomForestClassifier(4, max_depth=4, random_state=SEED).fit(a, b), a
    yield "gradient", GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=SEED).fit(i, k), i
    yield "gradient_two", GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=SEED).fit(a, b), a
    yield "gradient_regressor", GradientBoostingRegressor(n_estimators=4, max_depth=2, random_state=SEED).fit(d, t), d
    yield "hist", HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=6).fit(holes, b), holes
    yield "bayes", GaussianNB().fit(i, k), i
    yield "network", make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=40, random_state=SEED)).fit(i, k), i
    yield "vectors", make_pipeline(StandardScaler(), SVC()).fit(i, k), i
    pair = [("a", LogisticRegression(max_iter=500)), ("b", DecisionTreeClassifier(max_depth=2))]
    yield "stack", StackingClassifier(pair).fit(i, k), i
    words = Pipeline([("fill", SimpleImputer(strategy="most_frequent")), ("encode", OneHotEncoder(handle_unknown="ignore"))])
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    split = ColumnTransformer([("num", numbers, ["age"]), ("cat", words, ["colour", "size"])])
    yield "mixed", Pipeline([("split", split), ("model", LogisticRegression())]).fit(x, np.array(["no", "yes"])[y]), x
    fill = SimpleImputer(strategy="constant", fill_value="none")
    ordinal = make_pipeline(fill, OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1))
    codes = ColumnTransformer([("cat", ordinal, ["colour", "size"])], remainder=SimpleImputer())
    yield "codes", make_pipeline(codes, DecisionTreeClassifier(max_depth=3)).fit(x, y), x


def main(out: Path) -> None:
    """Write every model in one of the ways pickles are written."""
    out.mkdir(parents=True, exist_ok=True)
    ways = [
        lambda model, path: path.write_bytes(pickle.dumps(model, 2)),
        lambda model, path: path.write_bytes(pickle.dumps(model, 4)),
        lambda model, path: path.write_bytes(pickle.dumps(model, 5)),
        lambda model, path: joblib.dump(model, path),
        lambda model, path: joblib.dump(model, path, compress=("zlib", 3)),
    ]
    for at, (name, model, x) in enumerate(models()):
        ways[at % len(ways)](model, out / f"{name}.pkl")
        x = x.iloc[:: max(len(x) // ROWS, 1)].reset_index(drop=True)
        data = pa.Table.from_pandas(x, preserve_index=False).replace_schema_metadata()
        for method in ("predict", "predict_proba", "decision_function"):
            if hasattr(model, method):
                answer = np.asarray(getattr(model, method)(x))
                for column, values in enumerate(answer.reshape(len(answer), -1).T):
                    values = values.tolist() if values.dtype.kind in "OU" else np.ascontiguousarray(values)
                    data = data.append_column(f"{method}:{column}", pa.array(values))
        with pa.ipc.new_file(str(out / f"{name}.arrow"), data.schema) as writer:
            writer.write_table(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
