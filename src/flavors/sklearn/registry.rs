//! The estimators that are scored natively, one line for each.

use super::{
    base::{self, Estimator, Made, View, python},
    calibration, cluster, compose, covariance, cross_decomposition, decomposition, discriminant_analysis, dummy, ensemble,
    feature_extraction, feature_selection, gaussian_process, impute, isotonic, kernel_approximation, kernel_ridge, linear_model,
    mixture, model_selection, multiclass, multioutput, naive_bayes, neighbors, neural_network, pipeline, preprocessing,
    semi_supervised, svm, tree,
};
use crate::flavors::common::csr;

/// Builds an estimator from its fitted attributes.
type Build = fn(View<'_>) -> Made<Estimator>;

/// Methods that an object may have replaced by attributes of its own.
const METHODS: [&str; 5] = ["predict", "predict_proba", "predict_log_proba", "decision_function", "transform"];

/// Package and class of each estimator, sorted, and the function that builds it.
const ESTIMATORS: &[(&str, Build)] = &[
    ("calibration.CalibratedClassifierCV", calibration::calibration),
    ("cluster.AffinityPropagation", cluster::centres::nearest),
    ("cluster.Birch", cluster::centres::birch),
    ("cluster.BisectingKMeans", cluster::bisecting_k_means::bisected),
    ("cluster.FeatureAgglomeration", cluster::feature_agglomeration::groups),
    ("cluster.KMeans", cluster::centres::k_means),
    ("cluster.MeanShift", cluster::centres::nearest),
    ("cluster.MiniBatchKMeans", cluster::centres::k_means),
    ("compose.ColumnTransformer", compose::column_transformer::column_transformer),
    ("compose.TransformedTargetRegressor", compose::target::target),
    ("covariance.EllipticEnvelope", covariance::elliptic),
    ("cross_decomposition.CCA", cross_decomposition::partial_least_squares),
    ("cross_decomposition.PLSCanonical", cross_decomposition::partial_least_squares),
    ("cross_decomposition.PLSRegression", cross_decomposition::partial_least_squares),
    ("decomposition.DictionaryLearning", decomposition::dictionary::learned),
    ("decomposition.FactorAnalysis", decomposition::linear::factors),
    ("decomposition.FastICA", decomposition::linear::independent),
    ("decomposition.IncrementalPCA", decomposition::linear::principal),
    ("decomposition.KernelPCA", decomposition::kernel_pca::components),
    ("decomposition.LatentDirichletAllocation", decomposition::latent_dirichlet::allocation),
    ("decomposition.MiniBatchDictionaryLearning", decomposition::dictionary::learned),
    ("decomposition.MiniBatchSparsePCA", decomposition::linear::sparse),
    ("decomposition.PCA", decomposition::linear::principal),
    ("decomposition.SparseCoder", decomposition::dictionary::coder),
    ("decomposition.SparsePCA", decomposition::linear::sparse),
    ("decomposition.TruncatedSVD", base::projection::plain),
    ("discriminant_analysis.LinearDiscriminantAnalysis", discriminant_analysis::linear),
    ("discriminant_analysis.QuadraticDiscriminantAnalysis", discriminant_analysis::quadratic),
    ("dummy.DummyClassifier", dummy::classifier),
    ("dummy.DummyRegressor", dummy::regressor),
    ("ensemble.AdaBoostClassifier", ensemble::adaboost::boosted),
    ("ensemble.AdaBoostRegressor", ensemble::adaboost::boosted_regressor),
    ("ensemble.BaggingClassifier", ensemble::bagging::bagged),
    ("ensemble.BaggingRegressor", ensemble::bagging::bagged_regressor),
    ("ensemble.ExtraTreesClassifier", ensemble::forest::forest_classifier),
    ("ensemble.ExtraTreesRegressor", ensemble::forest::forest_regressor),
    ("ensemble.GradientBoostingClassifier", ensemble::gradient_boosting::gradient_classifier),
    ("ensemble.GradientBoostingRegressor", ensemble::gradient_boosting::gradient_regressor),
    ("ensemble.HistGradientBoostingClassifier", ensemble::hist_gradient_boosting::histogram_classifier),
    ("ensemble.HistGradientBoostingRegressor", ensemble::hist_gradient_boosting::histogram_regressor),
    ("ensemble.IsolationForest", ensemble::isolation_forest::isolation),
    ("ensemble.RandomForestClassifier", ensemble::forest::forest_classifier),
    ("ensemble.RandomForestRegressor", ensemble::forest::forest_regressor),
    ("ensemble.RandomTreesEmbedding", ensemble::forest::embedding),
    ("ensemble.StackingClassifier", ensemble::stacking::stacked),
    ("ensemble.StackingRegressor", ensemble::stacking::stacked),
    ("ensemble.VotingClassifier", ensemble::voting::voting),
    ("ensemble.VotingRegressor", ensemble::voting::average),
    ("feature_extraction.CountVectorizer", feature_extraction::counts),
    ("feature_extraction.HashingVectorizer", feature_extraction::hashed),
    ("feature_extraction.TfidfTransformer", feature_extraction::transformer),
    ("feature_extraction.TfidfVectorizer", feature_extraction::weighted),
    ("feature_selection.GenericUnivariateSelect", feature_selection::filters::univariate),
    ("feature_selection.RFE", feature_selection::by_model::eliminated),
    ("feature_selection.RFECV", feature_selection::by_model::eliminated),
    ("feature_selection.SelectFdr", feature_selection::filters::univariate),
    ("feature_selection.SelectFpr", feature_selection::filters::univariate),
    ("feature_selection.SelectFromModel", feature_selection::by_model::from_model),
    ("feature_selection.SelectFwe", feature_selection::filters::univariate),
    ("feature_selection.SelectKBest", feature_selection::filters::univariate),
    ("feature_selection.SelectPercentile", feature_selection::filters::univariate),
    ("feature_selection.SequentialFeatureSelector", feature_selection::filters::supported),
    ("feature_selection.VarianceThreshold", feature_selection::filters::variance),
    ("gaussian_process.GaussianProcessRegressor", gaussian_process::regressor),
    ("impute.KNNImputer", impute::knn::nearest),
    ("impute.MissingIndicator", impute::simple::indicator),
    ("impute.SimpleImputer", impute::simple::simple),
    ("isotonic.IsotonicRegression", isotonic::isotonic),
    ("kernel_approximation.AdditiveChi2Sampler", kernel_approximation::waves),
    ("kernel_approximation.Nystroem", kernel_approximation::mapped),
    ("kernel_approximation.RBFSampler", kernel_approximation::random_features),
    ("kernel_approximation.SkewedChi2Sampler", kernel_approximation::skewed),
    ("kernel_ridge.KernelRidge", kernel_ridge::kernel_ridge),
    ("linear_model.ARDRegression", base::linear::regressor),
    ("linear_model.BayesianRidge", base::linear::regressor),
    ("linear_model.ElasticNet", base::linear::regressor),
    ("linear_model.ElasticNetCV", base::linear::regressor),
    ("linear_model.GammaRegressor", linear_model::generalized),
    ("linear_model.HuberRegressor", base::linear::regressor),
    ("linear_model.Lars", base::linear::regressor),
    ("linear_model.LarsCV", base::linear::regressor),
    ("linear_model.Lasso", base::linear::regressor),
    ("linear_model.LassoCV", base::linear::regressor),
    ("linear_model.LassoLars", base::linear::regressor),
    ("linear_model.LassoLarsCV", base::linear::regressor),
    ("linear_model.LassoLarsIC", base::linear::regressor),
    ("linear_model.LinearRegression", base::linear::regressor),
    ("linear_model.LogisticRegression", linear_model::logistic),
    ("linear_model.LogisticRegressionCV", linear_model::logistic),
    ("linear_model.MultiTaskElasticNet", base::linear::regressor),
    ("linear_model.MultiTaskElasticNetCV", base::linear::regressor),
    ("linear_model.MultiTaskLasso", base::linear::regressor),
    ("linear_model.MultiTaskLassoCV", base::linear::regressor),
    ("linear_model.OrthogonalMatchingPursuit", base::linear::regressor),
    ("linear_model.OrthogonalMatchingPursuitCV", base::linear::regressor),
    ("linear_model.PassiveAggressiveClassifier", base::linear::scorer),
    ("linear_model.PassiveAggressiveRegressor", base::linear::regressor),
    ("linear_model.Perceptron", base::linear::scorer),
    ("linear_model.PoissonRegressor", linear_model::generalized),
    ("linear_model.QuantileRegressor", base::linear::regressor),
    ("linear_model.RANSACRegressor", base::delegate),
    ("linear_model.Ridge", base::linear::regressor),
    ("linear_model.RidgeCV", base::linear::regressor),
    ("linear_model.RidgeClassifier", linear_model::ridge),
    ("linear_model.RidgeClassifierCV", linear_model::ridge),
    ("linear_model.SGDClassifier", linear_model::stochastic),
    ("linear_model.SGDOneClassSVM", linear_model::one_class),
    ("linear_model.SGDRegressor", base::linear::regressor),
    ("linear_model.TheilSenRegressor", base::linear::regressor),
    ("linear_model.TweedieRegressor", linear_model::generalized),
    ("mixture.BayesianGaussianMixture", mixture::bayesian_mixture),
    ("mixture.GaussianMixture", mixture::mixture),
    ("model_selection.FixedThresholdClassifier", model_selection::threshold),
    ("model_selection.GridSearchCV", model_selection::search),
    ("model_selection.HalvingGridSearchCV", model_selection::search),
    ("model_selection.HalvingRandomSearchCV", model_selection::search),
    ("model_selection.RandomizedSearchCV", model_selection::search),
    ("model_selection.TunedThresholdClassifierCV", model_selection::threshold),
    ("multiclass.OneVsOneClassifier", multiclass::one_vs_one),
    ("multiclass.OneVsRestClassifier", multiclass::one_vs_rest),
    ("multiclass.OutputCodeClassifier", multiclass::output_codes),
    ("multiclass._ConstantPredictor", multiclass::certain),
    ("multioutput.MultiOutputClassifier", multioutput::outputs),
    ("multioutput.MultiOutputRegressor", multioutput::outputs),
    ("multioutput.RegressorChain", multioutput::chain),
    ("naive_bayes.BernoulliNB", naive_bayes::bernoulli),
    ("naive_bayes.CategoricalNB", naive_bayes::categorical),
    ("naive_bayes.ComplementNB", naive_bayes::complement),
    ("naive_bayes.GaussianNB", naive_bayes::gaussian),
    ("naive_bayes.MultinomialNB", naive_bayes::multinomial),
    ("neighbors.KNeighborsClassifier", neighbors::nearest::classifier),
    ("neighbors.KNeighborsRegressor", neighbors::nearest::regressor),
    ("neighbors.LocalOutlierFactor", neighbors::local_outlier_factor::factor),
    ("neighbors.NearestCentroid", neighbors::nearest_centroid::centroid),
    ("neighbors.NeighborhoodComponentsAnalysis", base::projection::plain),
    ("neighbors.RadiusNeighborsClassifier", neighbors::nearest::radius_classifier),
    ("neighbors.RadiusNeighborsRegressor", neighbors::nearest::radius_regressor),
    ("neural_network.BernoulliRBM", neural_network::rbm::boltzmann),
    ("neural_network.MLPClassifier", neural_network::perceptron::classifier),
    ("neural_network.MLPRegressor", neural_network::perceptron::regressor),
    ("pipeline.FeatureUnion", pipeline::union::union),
    ("pipeline.Pipeline", pipeline::steps::pipeline),
    ("preprocessing.Binarizer", preprocessing::function::binarizer),
    ("preprocessing.FunctionTransformer", preprocessing::function::function),
    ("preprocessing.KBinsDiscretizer", preprocessing::discretizer::bins),
    ("preprocessing.MaxAbsScaler", preprocessing::scalers::max_abs),
    ("preprocessing.MinMaxScaler", preprocessing::scalers::min_max),
    ("preprocessing.Normalizer", preprocessing::normalizer::normalizer),
    ("preprocessing.OneHotEncoder", preprocessing::encoders::one_hot),
    ("preprocessing.OrdinalEncoder", preprocessing::encoders::ordinal),
    ("preprocessing.PolynomialFeatures", preprocessing::polynomial::polynomial),
    ("preprocessing.PowerTransformer", preprocessing::power::power),
    ("preprocessing.QuantileTransformer", preprocessing::quantile::places),
    ("preprocessing.RobustScaler", preprocessing::scalers::robust),
    ("preprocessing.SplineTransformer", preprocessing::splines::bases),
    ("preprocessing.StandardScaler", preprocessing::scalers::standard),
    ("preprocessing.TargetEncoder", preprocessing::encoders::target),
    ("random_projection.GaussianRandomProjection", base::projection::plain),
    ("random_projection.SparseRandomProjection", base::projection::plain),
    ("semi_supervised.LabelPropagation", semi_supervised::propagated),
    ("semi_supervised.LabelSpreading", semi_supervised::propagated),
    ("semi_supervised.SelfTrainingClassifier", base::delegate),
    ("svm.LinearSVC", base::linear::scorer),
    ("svm.LinearSVR", base::linear::regressor),
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

/// Classes that only describe the training of an estimator, and helpers that the estimators above read themselves.
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

/// Package and class of a qualified name. The modules between them differ from version to version.
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
pub fn knows(name: &str) -> bool {
    let helper = |helper: &str| match helper.ends_with('.') {
        true => name.strip_prefix("sklearn.").is_some_and(|rest| rest.starts_with(helper)),
        false => short(name).is_some_and(|known| helper.split_once('.') == Some(known)),
    };
    // In some versions the module of the losses is called `_loss`. What a partial function wraps is checked by the estimators
    // that use it.
    name.starts_with("_loss.")
        || name == "numpy.mean"
        || name == "functools.partial"
        || csr::CLASSES.contains(&name)
        || preprocessing::splines::CLASSES.contains(&name)
        || preprocessing::function::is_function(name)
        || find(name).is_some()
        || HELPERS.iter().any(|entry| helper(entry))
}

/// Builds an estimator of any class in the list.
pub fn build(view: View<'_>) -> Made<Estimator> {
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
