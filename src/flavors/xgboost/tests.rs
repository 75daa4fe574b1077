use super::*;

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
