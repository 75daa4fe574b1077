"""Fit every tree and every ensemble of trees with an old scikit-learn: ``make_sklearn_trees.py OUT``.

Run in an environment of that version with pandas and pyarrow (Python 3.6 and later). ``OUT/VERSION/trees.parquet`` has one row a
case: its ``name``, the ``model`` as a pickle, the ``rows`` to score beside what scikit-learn answers (an Arrow file with columns
``METHOD:0``, ...), whether the answers are ``exact`` to the last bit, and ``missing``: rows with missing values, without answers
where scikit-learn refuses them.

What a version cannot fit is printed with the reason. The directories of ``tests/data/sklearn`` are called by the
versions that ran, each with the NumPy and Python of its year.
"""

import io
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sklearn
from sklearn import ensemble, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
SEED = 3
ROWS = 12
METHODS = ("predict", "predict_proba", "decision_function")
# What estimators call the one they hold, and what losses are called.
INNER = "estimator" if VERSION >= (1, 2) else "base_estimator"
SQUARED, ABSOLUTE = ("squared_error", "absolute_error") if VERSION >= (1, 0) else ("mse", "mae")
LEAST, LEAST_ABSOLUTE = ("squared_error", "absolute_error") if VERSION >= (1, 0) else ("ls", "lad")
LOGISTIC = "log_loss" if VERSION >= (1, 1) else "deviance"


def numbers(rows=120):
    """Return a table of numbers."""
    rng = np.random.RandomState(SEED)
    return pd.DataFrame(rng.normal(size=(rows, 4)).round(3), columns=["a", "b", "c", "d"])


def holes(x):
    """Return the table with a tenth of the values missing."""
    return x.mask(np.random.RandomState(SEED + 1).rand(*x.shape) < 0.1)


def target(x):
    """Return a target of both signs that depends on all columns, and on what is missing."""
    f = x.fillna(0.7)
    return (f["a"] + np.sin(f["b"] * 3) * 2 - np.abs(f["c"]) + f["a"] * f["d"]).to_numpy()


def weights(rows=120):
    """Return weights that no binary fraction is equal to, some of them zero."""
    return (np.random.RandomState(SEED + 2).randint(0, 10, rows) / 10.0).astype(float)


def mixed(rows=120):
    """Return a table of numbers, words, truth values and a pandas category, and a target of two classes."""
    rng = np.random.RandomState(SEED + 3)
    words = np.array(["amber", "blue", "öl", "日本"], dtype=object)
    x = pd.DataFrame({
        "age": rng.randint(18, 90, rows).astype(float),
        "colour": words[rng.randint(0, 4, rows)],
        "size": pd.Categorical(np.array(["s", "m", "l"])[rng.randint(0, 3, rows)]),
        "member": rng.rand(rows) < 0.4,
        "note": np.array(["one two", "two three", "four", "one four two"], dtype=object)[rng.randint(0, 4, rows)],
    })
    y = ((x["age"] > 50).astype(int) + (x["colour"] == "blue") + x["member"] > 1).astype(int).to_numpy()
    return x, np.array(["no", "yes"])[y]


def plain():
    """Yield each case of numbers: name, what makes the model, rows, whether it is exact, whether to try missing values."""
    x = numbers()
    y = target(x)
    two, three = (y > 0).astype(int), np.digitize(y, [-1.0, 0.8])
    named = np.array(["low", "mid", "high"])[three]
    ten = np.digitize(y, np.quantile(y, np.arange(0.1, 1.0, 0.1)))
    pairs, values = np.stack([two, three], 1), np.stack([y, -y * y], 1)
    w, z = weights(), holes(x)
    few = {"random_state": SEED, "max_depth": 3}
    for name, kind in (("tree", tree.DecisionTreeClassifier), ("extra_tree", tree.ExtraTreeClassifier)):
        yield name + ".two", lambda k=kind: k(**few).fit(x, two), x, True, True
        yield name + ".three", lambda k=kind: k(criterion="entropy", **few).fit(x, named), x, True, True
        yield name + ".weights", lambda k=kind: k(**few).fit(x, named, sample_weight=w), x, True, False
        yield name + ".balanced", lambda k=kind: k(class_weight="balanced", **few).fit(x, three), x, True, False
        yield name + ".ten", lambda k=kind: k(random_state=SEED, max_depth=4).fit(x, ten, sample_weight=w + 0.1), x, True, False
        yield name + ".outputs", lambda k=kind: k(**few).fit(x, pairs, sample_weight=w), x, True, False
        yield name + ".missing", lambda k=kind: k(**few).fit(z, three), z, True, False
    yield "tree.random", lambda: tree.DecisionTreeClassifier(splitter="random", **few).fit(x, two), x, True, True
    for name, kind in (("tree_regressor", tree.DecisionTreeRegressor), ("extra_tree_regressor", tree.ExtraTreeRegressor)):
        yield name, lambda k=kind: k(**few).fit(x, y), x, True, True
        yield name + ".weights", lambda k=kind: k(criterion="friedman_mse", **few).fit(x, y, sample_weight=w), x, True, True
        yield name + ".absolute", lambda k=kind: k(criterion=ABSOLUTE, **few).fit(x, y), x, True, True
        yield name + ".poisson", lambda k=kind: k(criterion="poisson", **few).fit(x, np.abs(y)), x, True, True
        yield name + ".outputs", lambda k=kind: k(**few).fit(x, values, sample_weight=w), x, True, False
        yield name + ".missing", lambda k=kind: k(**few).fit(z, y), z, True, False
    small = dict(few, n_estimators=3)
    for name, kind in (("forest", ensemble.RandomForestClassifier), ("extra_trees", ensemble.ExtraTreesClassifier)):
        yield name + ".two", lambda k=kind: k(**small).fit(x, two), x, True, True
        yield name + ".weights", lambda k=kind: k(**small).fit(x, named, sample_weight=w), x, True, True
        yield (
            name + ".balanced",
            lambda k=kind: k(class_weight="balanced_subsample", bootstrap=True, **small).fit(x, three),
            x,
            True,
            False,
        )
        yield (
            name + ".ten",
            lambda k=kind: k(n_estimators=2, random_state=SEED, max_depth=4).fit(x, ten, sample_weight=w),
            x,
            True,
            False,
        )
        yield name + ".outputs", lambda k=kind: k(**small).fit(x, pairs, sample_weight=w), x, True, False
        yield name + ".missing", lambda k=kind: k(**small).fit(z, three), z, True, False
    for name, kind in (
        ("forest_regressor", ensemble.RandomForestRegressor),
        ("extra_trees_regressor", ensemble.ExtraTreesRegressor),
    ):
        yield name, lambda k=kind: k(**small).fit(x, y), x, True, True
        yield name + ".weights", lambda k=kind: k(**small).fit(x, values, sample_weight=w), x, True, False
        yield name + ".missing", lambda k=kind: k(**small).fit(z, y), z, True, False
    one = tree.DecisionTreeClassifier(**few)
    line = tree.DecisionTreeRegressor(**few)
    bag = {"n_estimators": 3, "random_state": SEED, "n_jobs": 1}
    some = dict(bag, max_features=0.5, bootstrap_features=True)
    yield "bag.two", lambda: ensemble.BaggingClassifier(one, **bag).fit(x, two), x, True, True
    yield "bag.columns", lambda: ensemble.BaggingClassifier(one, **some).fit(x, named), x, True, False
    yield "bag.weights", lambda: ensemble.BaggingClassifier(one, **bag).fit(x, named, sample_weight=w), x, True, False
    yield "bag.missing", lambda: ensemble.BaggingClassifier(one, **bag).fit(z, three), z, True, False
    yield "bag_regressor", lambda: ensemble.BaggingRegressor(line, **some).fit(x, y, sample_weight=w), x, True, True
    yield "bag_regressor.missing", lambda: ensemble.BaggingRegressor(line, **bag).fit(z, y), z, True, False
    stump = tree.DecisionTreeClassifier(max_depth=2, random_state=SEED)
    boost = {"n_estimators": 4, "random_state": SEED}
    yield "ada.default", lambda: ensemble.AdaBoostClassifier(**boost).fit(x, two), x, False, True
    for name, algorithm in (("ada.samme", "SAMME"), ("ada.samme_r", "SAMME.R")):
        make = lambda a=algorithm, **more: ensemble.AdaBoostClassifier(stump, algorithm=a, **dict(boost, **more))  # noqa: E731
        yield name + ".two", lambda m=make: m().fit(x, two), x, False, True
        yield name + ".three", lambda m=make: m().fit(x, named, sample_weight=w + 0.1), x, False, False
    for loss in ("linear", "square"):
        yield "ada_regressor." + loss, lambda lo=loss: ensemble.AdaBoostRegressor(line, loss=lo, **boost).fit(x, y), x, True, True
    parts = [("one", one), ("many", ensemble.RandomForestClassifier(**small)), ("naive", tree.ExtraTreeClassifier(**few))]
    for voting in ("hard", "soft"):
        make = lambda v=voting: ensemble.VotingClassifier(parts, voting=v, weights=[2, 1, 1.3])  # noqa: E731
        yield "voting." + voting, lambda m=make: m().fit(x, named), x, True, True
        yield "voting.weights." + voting, lambda m=make: m().fit(x, two, sample_weight=w), x, True, False
    yield "voting.missing", lambda: ensemble.VotingClassifier(parts[:1], voting="soft").fit(z, two), z, True, False
    lines = [("one", line), ("many", ensemble.RandomForestRegressor(**small))]
    yield "voting_regressor", lambda: ensemble.VotingRegressor(lines, weights=[1, 2.3]).fit(x, y, sample_weight=w), x, True, True
    stack = {"cv": 3, "passthrough": True}
    last = tree.DecisionTreeClassifier(max_depth=2, random_state=SEED)
    yield "stack.two", lambda: ensemble.StackingClassifier(parts, last, cv=3).fit(x, two), x, True, False
    yield "stack.three", lambda: ensemble.StackingClassifier(parts, last, **stack).fit(x, named), x, True, False
    yield "stack_regressor", lambda: ensemble.StackingRegressor(lines, line, **stack).fit(x, y), x, True, False
    for method in ("sigmoid", "isotonic"):
        for name, inner in (("tree", one), ("forest", ensemble.RandomForestClassifier(**small))):
            make = lambda i=inner, m=method, **more: CalibratedClassifierCV(i, method=m, cv=3, **more)  # noqa: E731
            yield f"calibrated.{name}.{method}", lambda m=make: m().fit(x, two, sample_weight=w), x, False, name == "tree"
            yield f"calibrated.{name}.{method}.three", lambda m=make: m().fit(x, named), x, False, False
    yield "calibrated.whole", lambda: CalibratedClassifierCV(one, cv=3, ensemble=False).fit(x, two), x, False, False
    yield "calibrated.missing", lambda: CalibratedClassifierCV(one, cv=3).fit(z, two), z, False, False
    grow = dict(small, max_depth=2)
    gradient, gradient_line = ensemble.GradientBoostingClassifier, ensemble.GradientBoostingRegressor
    yield "gradient.two", lambda: gradient(loss=LOGISTIC, **grow).fit(x, two, sample_weight=w), x, False, True
    yield "gradient.three", lambda: gradient(loss=LOGISTIC, **grow).fit(x, named, sample_weight=w), x, False, False
    yield "gradient.exponential", lambda: gradient(loss="exponential", **grow).fit(x, two), x, False, False
    yield "gradient.zero", lambda: gradient(init="zero", **grow).fit(x, three), x, False, False
    yield "gradient.init", lambda: gradient(init=one, **grow).fit(x, named), x, False, False
    yield "gradient.init.two", lambda: gradient(init=one, **grow).fit(x, two), x, False, False
    for loss in (LEAST, LEAST_ABSOLUTE, "huber", "quantile"):
        yield (
            "gradient_regressor." + loss,
            lambda lo=loss: gradient_line(loss=lo, **grow).fit(x, y, sample_weight=w),
            x,
            True,
            True,
        )
    yield "gradient_regressor.init", lambda: gradient_line(init=line, **grow).fit(x, y), x, True, False
    yield "gradient_regressor.zero", lambda: gradient_line(init="zero", **grow).fit(x, y), x, True, False
    yield "isolation", lambda: ensemble.IsolationForest(n_estimators=3, random_state=SEED, max_samples=32).fit(x), x, False, True
    half = {"contamination": 0.2, "max_samples": 20, "bootstrap": True}
    yield "isolation.part", lambda: ensemble.IsolationForest(n_estimators=3, random_state=SEED, **half).fit(x), x, False, False
    embed = ensemble.RandomTreesEmbedding(n_estimators=3, max_depth=2, random_state=SEED)
    yield "embedding", lambda: make_pipeline(embed, tree.DecisionTreeClassifier(**few)).fit(x, two), x, True, True
    yield "scaled", lambda: make_pipeline(StandardScaler(), ensemble.RandomForestClassifier(**small)).fit(x, named), x, True, True
    forest, regression = ensemble.RandomForestClassifier(**small), ensemble.RandomForestRegressor(**small)
    yield "outputs", lambda: MultiOutputClassifier(forest).fit(x, pairs), x, True, True
    yield "outputs_regressor", lambda: MultiOutputRegressor(regression).fit(x, values), x, True, True
    yield "rest.three", lambda: OneVsRestClassifier(forest).fit(x, named), x, True, True
    yield "selected", lambda: make_pipeline(SelectFromModel(forest), LogisticRegression()).fit(x, two), x, False, False
    yield "eliminated", lambda: RFE(forest, n_features_to_select=2).fit(x, two), x, True, False
    yield "searched", lambda: GridSearchCV(one, {"max_depth": [1, 2]}, cv=3).fit(x, named), x, True, True
    yield from histograms(x, z, y, two, named, w)


def histograms(x, z, y, two, named, w):
    """Yield the cases of histogram-based boosting."""
    if VERSION < (0, 21):
        return
    if VERSION < (1, 0):
        from sklearn.experimental import enable_hist_gradient_boosting  # noqa: F401
    few = {"max_iter": 3, "max_leaf_nodes": 5, "min_samples_leaf": 5, "max_bins": 16, "random_state": SEED}
    kind, line = ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor
    plain = z if VERSION >= (0, 22) else x
    yield "hist.two", lambda: kind(**few).fit(plain, two), plain, False, True
    yield "hist.three", lambda: kind(**few).fit(plain, named), plain, False, False
    yield "hist.weights", lambda: kind(**few).fit(plain, named, sample_weight=w), plain, False, False
    yield "hist.balanced", lambda: kind(class_weight="balanced", **few).fit(plain, two), plain, False, False
    codes = plain.assign(d=np.random.RandomState(SEED).randint(0, 9, len(x)).astype(float)) if VERSION >= (0, 24) else plain
    lift = np.sin(codes["d"].fillna(0) * 2).to_numpy() * 3
    odd = codes.copy()
    # Rows that are scored: what is missing, unknown, negative, too large, a fraction.
    odd.loc[:40:10, "d"] = [np.nan, 11.0, -3.0, 300.0, 4.5]
    yield "hist.codes", lambda: kind(categorical_features=[3], **few).fit(codes, y + lift > 0), codes, False, False
    yield "hist_regressor.codes", lambda: line(categorical_features=[3], **few).fit(codes, y + lift), odd, False, False
    positive = np.abs(y) + 0.1
    for loss in ("squared_error", "least_squares", "absolute_error", "least_absolute_deviation", "poisson", "gamma", "quantile"):
        more = {"quantile": 0.3} if loss == "quantile" else {}
        yield (
            "hist_regressor." + loss,
            lambda lo=loss, m=more: line(loss=lo, **dict(few, **m)).fit(plain, positive),
            plain,
            False,
            False,
        )
    yield "hist_regressor.weights", lambda: line(**few).fit(plain, y, sample_weight=w), plain, False, False
    yield "hist_regressor.monotonic", lambda: line(monotonic_cst=[1, 0, -1, 0], **few).fit(plain, y), plain, False, False
    if VERSION >= (1, 4):
        table, words = mixed()
        table = table[["age", "member", "size"]]
        yield "hist.category", lambda: kind(categorical_features="from_dtype", **few).fit(table, words), table, False, False


def columns():
    """Yield the cases whose table has words, truth values and categories."""
    if VERSION < (0, 20):
        return
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    x, y = mixed()
    w = weights()
    few = {"random_state": SEED, "max_depth": 3}
    forest = ensemble.RandomForestClassifier(n_estimators=3, **few)
    one_hot = OneHotEncoder(handle_unknown="ignore")
    words = ["colour", "size"]
    gaps = x.copy()
    gaps["age"] = gaps["age"].mask(np.random.RandomState(SEED).rand(len(x)) < 0.1)
    gaps["colour"] = gaps["colour"].mask(np.random.RandomState(SEED + 1).rand(len(x)) < 0.1)
    gaps["size"] = gaps["size"].astype(object)
    encoded = lambda: ColumnTransformer([("w", one_hot, words), ("n", "passthrough", ["age", "member"])])  # noqa: E731
    seen = x[["age", "colour", "size", "member"]]
    yield (
        "words.one_hot",
        lambda: make_pipeline(encoded(), forest).fit(seen, y, randomforestclassifier__sample_weight=w),
        seen,
        True,
        False,
    )
    ordered = lambda: ColumnTransformer([("w", OrdinalEncoder(), words)], remainder="passthrough")  # noqa: E731
    yield "words.ordinal", lambda: make_pipeline(ordered(), tree.DecisionTreeClassifier(**few)).fit(seen, y), seen, True, False
    fill = make_pipeline(SimpleImputer(strategy="most_frequent"), one_hot)
    filled = lambda: ColumnTransformer([("w", fill, words), ("n", SimpleImputer(strategy="median"), ["age"])])  # noqa: E731
    holed = gaps[["age", "colour", "size"]]
    yield "words.filled", lambda: make_pipeline(filled(), forest).fit(holed, y), holed, True, False
    boost = lambda: ensemble.GradientBoostingClassifier(n_estimators=3, **few)  # noqa: E731
    yield "words.gradient", lambda: make_pipeline(filled(), boost()).fit(holed, y), holed, False, False
    notes = lambda: ColumnTransformer([("t", CountVectorizer(), "note"), ("n", "passthrough", ["age"])])  # noqa: E731
    noted = x[["age", "note"]]
    yield (
        "words.counts",
        lambda: make_pipeline(notes(), ensemble.ExtraTreesClassifier(3, **few)).fit(noted, y),
        noted,
        True,
        False,
    )
    none = seen[["age", "colour"]].copy()
    none["colour"] = none["colour"].where(np.random.RandomState(SEED).rand(len(x)) > 0.1, None)
    coded = lambda: ColumnTransformer([("w", OneHotEncoder(handle_unknown="ignore"), ["colour"])], remainder="passthrough")  # noqa: E731
    yield "words.none", lambda: make_pipeline(coded(), tree.DecisionTreeClassifier(**few)).fit(none, y), none, True, False


def answered(model, x):
    """Return the rows beside what every method answers."""
    data = pa.Table.from_pandas(x, preserve_index=False).replace_schema_metadata()
    for at, field in enumerate(data.schema):
        if pa.types.is_dictionary(field.type):
            data = data.set_column(at, field.name, pa.array(x[field.name].astype(object)))
    for method in METHODS:
        if not hasattr(model, method):
            continue
        try:
            found = getattr(model, method)(x)
        except AttributeError:
            # In old versions there is a method that only says so.
            continue
        if isinstance(found, list):
            # One table of probabilities for each output: no single answer.
            continue
        found = np.asarray(found)
        for column, values in enumerate(found.reshape(len(found), -1).T):
            values = values.tolist() if values.dtype.kind in "OU" else np.ascontiguousarray(values)
            data = data.append_column(f"{method}:{column}", pa.array(values))
    return data


def rows_of(x):
    """Return the few rows that are scored."""
    return x.iloc[:: max(len(x) // ROWS, 1)].reset_index(drop=True)


def as_file(data):
    """Return a table as an Arrow file."""
    out = io.BytesIO()
    with pa.RecordBatchFileWriter(out, data.schema) as writer:
        writer.write_table(data)
    return out.getvalue()


def main(out):
    """Write every case of this version."""
    found = {"name": [], "model": [], "rows": [], "exact": [], "missing": []}
    for at, (name, make, x, exact, probe) in enumerate(list(plain()) + list(columns())):
        try:
            model = make()
        except (AttributeError, ImportError, IndexError, KeyError, TypeError, ValueError) as error:
            print(sklearn.__version__, name, type(error).__name__, str(error).splitlines()[0][:90], flush=True)
            continue
        rows, missing = rows_of(x), None
        if probe:
            # Scikit-learn may have fitted without missing values and still take them.
            holed = rows.iloc[:5].mask(np.random.RandomState(9).rand(5, rows.shape[1]) < 0.3)
            try:
                missing = as_file(answered(model, holed))
            except ValueError:
                missing = as_file(pa.Table.from_pandas(holed, preserve_index=False).replace_schema_metadata())
        case = (
            name,
            pickle.dumps(model, (2, 4, pickle.HIGHEST_PROTOCOL)[at % 3]),
            as_file(answered(model, rows)),
            exact,
            missing,
        )
        for values, value in zip(found.values(), case):  # noqa: B905
            values.append(value)
    out.mkdir(parents=True, exist_ok=True)
    arrays = [
        pa.array(values, pa.binary()) if name in ("model", "rows", "missing") else pa.array(values)
        for name, values in found.items()
    ]
    # One page a column: what cases have in common is written once.
    options = {"compression": "zstd", "compression_level": 19, "use_dictionary": False, "data_page_size": 1 << 26}
    pq.write_table(pa.Table.from_arrays(arrays, list(found)), str(out / "trees.parquet"), write_statistics=False, **options)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]) / sklearn.__version__)
