//! The estimators that have a kernel, one line each.

use super::{
    alike, bayes, boosting, calibrate, centroid, cluster, codes, compose, decompose, donors, dummy, encode, ensemble, expand,
    gaussian, impute, leaves, linear, local, multi, neighbors, neural, outlier,
    part::Shared,
    power, quadratic, quantile, scale, select, splines, stack, svm, text, topics, tree,
    view::{Made, View, python},
    wrap,
};

use crate::flavors::common::csr;

/// Builds an estimator from its fitted attributes.
type Build = fn(View<'_>) -> Made<Shared>;

/// Methods that an object may have in the place of its class's.
const METHODS: [&str; 5] = ["predict", "predict_proba", "predict_log_proba", "decision_function", "transform"];

/// Package and class, sorted.
const ESTIMATORS: &[(&str, Build)] = &[
    ("calibration.CalibratedClassifierCV", calibrate::calibration),
    ("cluster.AffinityPropagation", cluster::nearest),
    ("cluster.Birch", cluster::birch),
    ("cluster.BisectingKMeans", cluster::bisected),
    ("cluster.FeatureAgglomeration", power::groups),
    ("cluster.KMeans", cluster::k_means),
    ("cluster.MeanShift", cluster::nearest),
    ("cluster.MiniBatchKMeans", cluster::k_means),
    ("compose.ColumnTransformer", compose::column_transformer),
    ("compose.TransformedTargetRegressor", wrap::target),
    ("covariance.EllipticEnvelope", outlier::elliptic),
    ("cross_decomposition.CCA", decompose::partial_least_squares),
    ("cross_decomposition.PLSCanonical", decompose::partial_least_squares),
    ("cross_decomposition.PLSRegression", decompose::partial_least_squares),
    ("decomposition.DictionaryLearning", codes::learned),
    ("decomposition.FactorAnalysis", decompose::factors),
    ("decomposition.FastICA", decompose::independent),
    ("decomposition.IncrementalPCA", decompose::principal),
    ("decomposition.KernelPCA", alike::components),
    ("decomposition.LatentDirichletAllocation", topics::allocation),
    ("decomposition.MiniBatchDictionaryLearning", codes::learned),
    ("decomposition.MiniBatchSparsePCA", decompose::sparse),
    ("decomposition.PCA", decompose::principal),
    ("decomposition.SparseCoder", codes::coder),
    ("decomposition.SparsePCA", decompose::sparse),
    ("decomposition.TruncatedSVD", decompose::plain),
    ("discriminant_analysis.LinearDiscriminantAnalysis", linear::discriminant),
    ("discriminant_analysis.QuadraticDiscriminantAnalysis", quadratic::discriminant),
    ("dummy.DummyClassifier", dummy::classifier),
    ("dummy.DummyRegressor", dummy::regressor),
    ("ensemble.AdaBoostClassifier", stack::boosted),
    ("ensemble.AdaBoostRegressor", ensemble::boosted_regressor),
    ("ensemble.BaggingClassifier", ensemble::bagged),
    ("ensemble.BaggingRegressor", ensemble::bagged_regressor),
    ("ensemble.ExtraTreesClassifier", tree::forest_classifier),
    ("ensemble.ExtraTreesRegressor", tree::forest_regressor),
    ("ensemble.GradientBoostingClassifier", boosting::gradient_classifier),
    ("ensemble.GradientBoostingRegressor", boosting::gradient_regressor),
    ("ensemble.HistGradientBoostingClassifier", boosting::histogram_classifier),
    ("ensemble.HistGradientBoostingRegressor", boosting::histogram_regressor),
    ("ensemble.IsolationForest", outlier::isolation),
    ("ensemble.RandomForestClassifier", tree::forest_classifier),
    ("ensemble.RandomForestRegressor", tree::forest_regressor),
    ("ensemble.RandomTreesEmbedding", leaves::embedding),
    ("ensemble.StackingClassifier", stack::stacked),
    ("ensemble.StackingRegressor", stack::stacked),
    ("ensemble.VotingClassifier", ensemble::voting),
    ("ensemble.VotingRegressor", ensemble::average),
    ("feature_extraction.CountVectorizer", text::counts),
    ("feature_extraction.HashingVectorizer", text::hashed),
    ("feature_extraction.TfidfTransformer", text::transformer),
    ("feature_extraction.TfidfVectorizer", text::weighted),
    ("feature_selection.GenericUnivariateSelect", select::univariate),
    ("feature_selection.RFE", wrap::eliminated),
    ("feature_selection.RFECV", wrap::eliminated),
    ("feature_selection.SelectFdr", select::univariate),
    ("feature_selection.SelectFpr", select::univariate),
    ("feature_selection.SelectFromModel", wrap::from_model),
    ("feature_selection.SelectFwe", select::univariate),
    ("feature_selection.SelectKBest", select::univariate),
    ("feature_selection.SelectPercentile", select::univariate),
    ("feature_selection.SequentialFeatureSelector", select::supported),
    ("feature_selection.VarianceThreshold", select::variance),
    ("gaussian_process.GaussianProcessRegressor", gaussian::regressor),
    ("impute.KNNImputer", donors::nearest),
    ("impute.MissingIndicator", impute::indicator),
    ("impute.SimpleImputer", impute::simple),
    ("isotonic.IsotonicRegression", calibrate::isotonic),
    ("kernel_approximation.AdditiveChi2Sampler", power::waves),
    ("kernel_approximation.Nystroem", alike::mapped),
    ("kernel_approximation.RBFSampler", power::random_features),
    ("kernel_approximation.SkewedChi2Sampler", power::skewed),
    ("kernel_ridge.KernelRidge", svm::kernel_ridge),
    ("linear_model.ARDRegression", linear::regressor),
    ("linear_model.BayesianRidge", linear::regressor),
    ("linear_model.ElasticNet", linear::regressor),
    ("linear_model.ElasticNetCV", linear::regressor),
    ("linear_model.GammaRegressor", linear::generalized),
    ("linear_model.HuberRegressor", linear::regressor),
    ("linear_model.Lars", linear::regressor),
    ("linear_model.LarsCV", linear::regressor),
    ("linear_model.Lasso", linear::regressor),
    ("linear_model.LassoCV", linear::regressor),
    ("linear_model.LassoLars", linear::regressor),
    ("linear_model.LassoLarsCV", linear::regressor),
    ("linear_model.LassoLarsIC", linear::regressor),
    ("linear_model.LinearRegression", linear::regressor),
    ("linear_model.LogisticRegression", linear::logistic),
    ("linear_model.LogisticRegressionCV", linear::logistic),
    ("linear_model.MultiTaskElasticNet", linear::regressor),
    ("linear_model.MultiTaskElasticNetCV", linear::regressor),
    ("linear_model.MultiTaskLasso", linear::regressor),
    ("linear_model.MultiTaskLassoCV", linear::regressor),
    ("linear_model.OrthogonalMatchingPursuit", linear::regressor),
    ("linear_model.OrthogonalMatchingPursuitCV", linear::regressor),
    ("linear_model.PassiveAggressiveClassifier", linear::scorer),
    ("linear_model.PassiveAggressiveRegressor", linear::regressor),
    ("linear_model.Perceptron", linear::scorer),
    ("linear_model.PoissonRegressor", linear::generalized),
    ("linear_model.QuantileRegressor", linear::regressor),
    ("linear_model.RANSACRegressor", wrap::delegate),
    ("linear_model.Ridge", linear::regressor),
    ("linear_model.RidgeCV", linear::regressor),
    ("linear_model.RidgeClassifier", linear::ridge),
    ("linear_model.RidgeClassifierCV", linear::ridge),
    ("linear_model.SGDClassifier", linear::stochastic),
    ("linear_model.SGDOneClassSVM", outlier::stochastic),
    ("linear_model.SGDRegressor", linear::regressor),
    ("linear_model.TheilSenRegressor", linear::regressor),
    ("linear_model.TweedieRegressor", linear::generalized),
    ("mixture.BayesianGaussianMixture", quadratic::bayesian_mixture),
    ("mixture.GaussianMixture", quadratic::mixture),
    ("model_selection.FixedThresholdClassifier", wrap::threshold),
    ("model_selection.GridSearchCV", wrap::search),
    ("model_selection.HalvingGridSearchCV", wrap::search),
    ("model_selection.HalvingRandomSearchCV", wrap::search),
    ("model_selection.RandomizedSearchCV", wrap::search),
    ("model_selection.TunedThresholdClassifierCV", wrap::threshold),
    ("multiclass.OneVsOneClassifier", multi::one_vs_one),
    ("multiclass.OneVsRestClassifier", multi::one_vs_rest),
    ("multiclass.OutputCodeClassifier", multi::output_codes),
    ("multiclass._ConstantPredictor", dummy::certain),
    ("multioutput.MultiOutputClassifier", multi::outputs),
    ("multioutput.MultiOutputRegressor", multi::outputs),
    ("multioutput.RegressorChain", multi::chain),
    ("naive_bayes.BernoulliNB", bayes::bernoulli),
    ("naive_bayes.CategoricalNB", bayes::categorical),
    ("naive_bayes.ComplementNB", bayes::complement),
    ("naive_bayes.GaussianNB", bayes::gaussian),
    ("naive_bayes.MultinomialNB", bayes::multinomial),
    ("neighbors.KNeighborsClassifier", neighbors::classifier),
    ("neighbors.KNeighborsRegressor", neighbors::regressor),
    ("neighbors.LocalOutlierFactor", local::factor),
    ("neighbors.NearestCentroid", centroid::centroid),
    ("neighbors.NeighborhoodComponentsAnalysis", decompose::plain),
    ("neighbors.RadiusNeighborsClassifier", neighbors::radius_classifier),
    ("neighbors.RadiusNeighborsRegressor", neighbors::radius_regressor),
    ("neural_network.BernoulliRBM", decompose::boltzmann),
    ("neural_network.MLPClassifier", neural::classifier),
    ("neural_network.MLPRegressor", neural::regressor),
    ("pipeline.FeatureUnion", compose::union),
    ("pipeline.Pipeline", compose::pipeline),
    ("preprocessing.Binarizer", scale::binarizer),
    ("preprocessing.FunctionTransformer", scale::function),
    ("preprocessing.KBinsDiscretizer", expand::bins),
    ("preprocessing.MaxAbsScaler", scale::max_abs),
    ("preprocessing.MinMaxScaler", scale::min_max),
    ("preprocessing.Normalizer", scale::normalizer),
    ("preprocessing.OneHotEncoder", encode::one_hot),
    ("preprocessing.OrdinalEncoder", encode::ordinal),
    ("preprocessing.PolynomialFeatures", expand::polynomial),
    ("preprocessing.PowerTransformer", power::power),
    ("preprocessing.QuantileTransformer", quantile::places),
    ("preprocessing.RobustScaler", scale::robust),
    ("preprocessing.SplineTransformer", splines::bases),
    ("preprocessing.StandardScaler", scale::standard),
    ("preprocessing.TargetEncoder", encode::target),
    ("random_projection.GaussianRandomProjection", decompose::plain),
    ("random_projection.SparseRandomProjection", decompose::plain),
    ("semi_supervised.LabelPropagation", alike::propagated),
    ("semi_supervised.LabelSpreading", alike::propagated),
    ("semi_supervised.SelfTrainingClassifier", wrap::delegate),
    ("svm.LinearSVC", linear::scorer),
    ("svm.LinearSVR", linear::regressor),
    ("svm.NuSVC", svm::classifier),
    ("svm.NuSVR", svm::regressor),
    ("svm.OneClassSVM", svm::one_class),
    ("svm.SVC", svm::classifier),
    ("svm.SVR", svm::regressor),
    ("tree.DecisionTreeClassifier", tree::classifier),
    ("tree.DecisionTreeRegressor", tree::regressor),
    ("tree.ExtraTreeClassifier", tree::classifier),
    ("tree.ExtraTreeRegressor", tree::regressor),
];

/// Classes that only describe an estimator's training, and helpers that the estimators above read by themselves.
const HELPERS: &[&str] = &[
    "_loss.",
    "calibration._CalibratedClassifier",
    "calibration._SigmoidCalibration",
    "cluster._BisectingTree",
    "cluster._CFNode",
    "cluster._CFSubcluster",
    "cluster._kmeans_single_elkan",
    "cluster._kmeans_single_lloyd",
    "compose._RemainderColsList",
    "compose.make_column_selector",
    "ensemble.TreePredictor",
    "ensemble._BinMapper",
    "ensemble._bitset.",
    "ensemble._gb_losses.",
    "ensemble._hist_gradient_boosting.loss.",
    "feature_selection.chi2",
    "feature_selection.f_classif",
    "feature_selection.f_regression",
    "feature_selection.mutual_info_classif",
    "feature_selection.mutual_info_regression",
    "feature_selection.r_regression",
    "gaussian_process.kernels.",
    "linear_model._sgd_fast.",
    "metrics.",
    "model_selection._split.",
    "neighbors.BallTree",
    "neighbors.KDTree",
    "neighbors.NearestNeighbors",
    "neighbors.newObj",
    "neural_network._stochastic_optimizers.",
    "preprocessing.KernelCenterer",
    "preprocessing.LabelBinarizer",
    "preprocessing.LabelEncoder",
    "tree.Tree",
    "utils.Bunch",
    "utils._metadata_requests.",
    "utils.check_array",
];

/// Package and class of a qualified name: a module inside a package may have moved from one version to the next.
fn short(class: &str) -> Option<(&str, &str)> {
    let rest = class.strip_prefix("sklearn.")?;
    let (package, rest) = rest.split_once('.')?;
    Some((package, rest.rsplit('.').next().unwrap_or(rest)))
}

fn find(class: &str) -> Option<Build> {
    let (package, name) = short(class)?;
    let same = |entry: &&(&str, Build)| entry.0.split_once('.') == Some((package, name));
    ESTIMATORS.iter().find(same).map(|(_, build)| *build)
}

/// Whether a class or function may be in a model that is scored natively.
pub(super) fn knows(name: &str) -> bool {
    let helper = |helper: &str| match helper.ends_with('.') {
        true => name.strip_prefix("sklearn.").is_some_and(|rest| rest.starts_with(helper)),
        false => short(name).is_some_and(|known| helper.split_once('.') == Some(known)),
    };
    // Some versions call the module of their losses `_loss`; what a partial function holds is looked at where it matters.
    name.starts_with("_loss.")
        || name == "numpy.mean"
        || name == "functools.partial"
        || csr::CLASSES.contains(&name)
        || splines::CLASSES.contains(&name)
        || scale::is_function(name)
        || find(name).is_some()
        || HELPERS.iter().any(|entry| helper(entry))
}

/// Builds an estimator of any class there is a kernel for.
pub(super) fn build(view: View<'_>) -> Made<Shared> {
    match find(view.class()) {
        Some(build) => view.loader.deeper(|| {
            let config = view.find("_sklearn_output_config").map(View::pairs).unwrap_or_default();
            if config.iter().any(|(_, container)| container.text() != Some("default")) {
                return python(format!("{}: its output was set to another container", view.name()));
            }
            if let Some(method) = METHODS.iter().find(|method| view.find(method).is_some()) {
                return python(format!("{}: its {method} was replaced", view.name()));
            }
            build(view)
        }),
        None if view.class().is_empty() => view.wrong("an estimator"),
        None => python(view.class().to_owned()),
    }
}
