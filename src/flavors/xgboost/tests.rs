use super::*;

#[test]
fn versions_and_paths() {
    assert_eq!(parse_version("3.4.1"), [3, 4, 1]);
    assert_eq!(parse_version("3.5.0-dev"), [3, 5, 0]);
    assert_eq!(parse_version("2.1"), [2, 1, 0]);
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
