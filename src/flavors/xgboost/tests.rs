use super::*;
use crate::flavors::common::labels::Labels;

#[test]
fn paths_stay_inside_the_directory() {
    for outside in ["../model.ubj", "/etc/passwd", "a/../../b"] {
        assert_eq!(files::read(Path::new("/m"), outside).unwrap_err().kind(), Kind::InvalidModel);
    }
}

#[test]
fn classes_that_are_not_xgboosts_own_need_python() {
    assert_eq!(Class::from_name(None), Ok(Class::Booster));
    assert_eq!(Class::from_name(Some("xgboost.sklearn.XGBRFClassifier")), Ok(Class::Classifier));
    assert!(Class::from_name(Some("xgboost.dask.DaskXGBRegressor")).unwrap_err().contains("DaskXGBRegressor"));
}

/// What an estimator remembers that wrote this text.
fn state(text: &str) -> Result<SavedState, Obstacle> {
    SavedState::read(&format::Model {
        version: [1, 5, 2],
        base_score: vec![0.5],
        num_feature: 1,
        num_class: 0,
        outputs: 1,
        objective: "binary:logistic".into(),
        booster: Booster::Linear(vec![0.0; 2]),
        feature_names: Vec::new(),
        attributes: vec![("scikit_learn".into(), text.into())],
    })
}

#[test]
fn estimators_remember_what_json_can_say() {
    let read = |text: &str| state(text).ok().unwrap();
    let plain = read(r#"{"missing":NaN,"predictor":"auto","best_ntree_limit":0,"n_classes_":2}"#);
    assert!(plain.missing.is_nan() && plain.labels.is_none() && plain.rounds.is_none() && !plain.predictor);
    assert!(read(r#"{"missing":null,"predictor":null}"#).missing.is_nan());
    let told = read(r#"{"missing":-999,"predictor":"cpu_predictor","best_ntree_limit":7}"#);
    assert_eq!((told.missing, told.rounds, told.predictor), (-999.0, Some(7), true));
    let labels = |classes: &str| read(&format!(r#"{{"_le":{{"classes_":{classes}}}}}"#)).labels.unwrap();
    assert_eq!(labels("[3,9007199254740993]"), Labels::Ints { values: vec![3, 9_007_199_254_740_993], bytes: 8 });
    assert_eq!(labels("[1.0,2.0]"), Labels::Floats { values: vec![1.0, 2.0], single: false });
    assert_eq!(labels("[false,true]"), Labels::Bools(vec![false, true]));
    assert_eq!(labels(r#"["no","yes"]"#), Labels::Texts(vec!["no".into(), "yes".into()]));
    // What single precision would change, or no label can be, goes to Python.
    for classes in ["[0.1,0.2]", "[16777217.0,1.0]", "[[1],[2]]", r#"["no",1]"#, "{}"] {
        let read = state(&format!(r#"{{"_le":{{"classes_":{classes}}}}}"#));
        assert!(matches!(read, Err(Obstacle::Python(_))), "{classes}");
    }
    assert!(matches!(state(r#"{"missing":"none"}"#), Err(Obstacle::Python(_))));
    assert!(matches!(state(r#"{"missing":"#), Err(Obstacle::Broken(_))));
}

#[test]
fn categories_left_out_are_counted_before_they_are_listed() {
    let split = format::Node::Split { feature: 0, test: format::Test::NotIn(0), missing_left: false, left: 1, right: 2 };
    let nodes = vec![split, format::Node::Leaf(0), format::Node::Leaf(1)];
    let tree = |sets| format::Tree { nodes: nodes.clone(), sets, leaves: vec![1.0, 2.0] };
    let trees = |trees: Vec<format::Tree>| format::Trees {
        groups: vec![0; trees.len()],
        iterations: (0..=trees.len()).collect(),
        weights: Vec::new(),
        width: 1,
        categories: Vec::new(),
        trees,
    };
    let rules = |trees: &format::Trees, version| VersionRules::new(trees, version, false).trees(trees, &[0.0]);
    let few = trees(vec![tree(vec![vec![1, 30]])]);
    let made = rules(&few, [1, 6, 2]).unwrap();
    assert_eq!(made[0].sets[1].len(), 30);
    assert!(!made[0].sets[1].contains(&30) && made[0].sets[1].contains(&31));
    assert_eq!(rules(&few, [1, 7, 0]).unwrap()[0].sets.len(), 1);
    let many = trees(vec![tree(vec![vec![16_777_215]]), tree(vec![vec![0]])]);
    assert!(rules(&many, [1, 6, 0]).unwrap_err().contains("leave out more than 16777216 categories"));
    assert_eq!(rules(&many, [3, 4, 1]).unwrap().len(), 2);
}
