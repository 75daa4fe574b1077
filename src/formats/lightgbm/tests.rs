use super::*;

const HEADER: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=2\n\
                      objective=binary sigmoid:1\nfeature_names=a b=c d\nfeature_infos=[0:1] 0:1:2 none\ntree_sizes=9\n\n";
/// Splits 0 (numbers), 1 (a set of two words), leaves 0 to 2; a linear model of two terms in leaf 1.
const TREE: &str = "Tree=0\nnum_leaves=3\nnum_cat=1\nsplit_feature=0 1\nsplit_gain=1 1\nthreshold=0.10000000000000001 0\n\
                    decision_type=10 1\nleft_child=1 -1\nright_child=-2 -3\nleaf_value=-0.5 1e-35 0.25\ncat_boundaries=0 2\n\
                    cat_threshold=4 1\nis_linear=1\nleaf_const=1 2 3\nnum_features=0 2 0\nleaf_features= 0 2  \n\
                    leaf_coeff= 0.5 -2  \nshrinkage=0.1\n\n\n";
const END: &str = "end of trees\n\nfeature_importances:\na=1\n\nparameters:\n[boosting: gbdt]\nend of parameters\n\n\
                   pandas_categorical:[[\"x\", \"\\u00e4\"], []]\n";

fn file() -> String {
    [HEADER, TREE, END].concat()
}

fn message(text: &str) -> String {
    read(text.as_bytes()).unwrap_err().message().to_owned()
}

#[test]
fn reads_splits_sets_and_linear_leaves() {
    let model = read(file().as_bytes()).unwrap();
    assert_eq!((model.num_feature, model.outputs, model.average_output), (3, 1, false));
    assert_eq!(model.objective.as_deref(), Some("binary sigmoid:1"));
    assert_eq!(model.categories, Categories::Texts(vec![vec!["x".into(), "ä".into()], vec![]]));
    let [tree] = model.trees.as_slice() else { panic!("one tree") };
    let split = Split {
        feature: 0,
        test: Test::AtMost(0.1),
        missing: Missing::Nan,
        missing_left: true,
        left: Child::Split(1),
        right: Child::Leaf(1),
    };
    assert_eq!(tree.splits[0], split);
    assert_eq!((tree.splits[1].test, tree.splits[1].missing), (Test::In(0), Missing::None));
    assert_eq!((tree.leaves.as_slice(), tree.sets.as_slice()), ([-0.5, 1e-35, 0.25].as_slice(), [vec![4, 1]].as_slice()));
    assert_eq!(tree.linear[1], Linear { constant: 2.0, terms: vec![(0, 0.5), (2, -2.0)] });
    assert_eq!(tree.linear[2], Linear { constant: 3.0, terms: vec![] });
}

#[test]
fn lines_may_end_as_on_windows() {
    let model = read(file().replace('\n', "\r\n").as_bytes()).unwrap();
    assert_eq!(model.trees, read(file().as_bytes()).unwrap().trees);
    assert!(matches!(model.categories, Categories::Texts(_)));
}

#[test]
fn a_tree_may_be_one_leaf_or_there_may_be_none() {
    let leaf = "Tree=0\nnum_leaves=1\nnum_cat=0\nsplit_feature=\nthreshold=\nleaf_value=2.5\nis_linear=0\nshrinkage=1\n\n";
    let model = read([HEADER, leaf, END].concat().as_bytes()).unwrap();
    assert_eq!((model.trees[0].splits.len(), model.trees[0].leaves.as_slice()), (0, [2.5].as_slice()));
    let none = HEADER.replace("tree_sizes=9", "tree_sizes=");
    assert!(read([&none, END].concat().as_bytes()).unwrap().trees.is_empty());
}

#[test]
fn numbers_are_rounded_correctly_and_need_not_be_finite() {
    let text = file().replace("leaf_value=-0.5 1e-35 0.25", "leaf_value=inf 2.2250738585072011e-308 -nan");
    let text = text.replace("threshold=0.10000000000000001", "threshold=nan");
    let tree = &read(text.as_bytes()).unwrap().trees[0];
    assert_eq!(tree.leaves[..2], [f64::INFINITY, 2.225_073_858_507_201e-308]);
    assert!(tree.leaves[2].is_nan() && matches!(tree.splits[0].test, Test::AtMost(threshold) if threshold.is_nan()));
}

#[test]
fn what_does_not_hold_together_is_refused_and_its_place_named() {
    for (from, to, expected) in [
        ("tree\n", "forest\n", "line 1"),
        ("max_feature_idx=2", "max_feature_idx=4294967296", "feature_names: 3 for 4294967297"),
        ("max_feature_idx=2", "max_feature_idx=-1", "'-1' is no count"),
        ("feature_infos=[0:1]", "feature_infos=", "feature_infos: 2 for 3"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=0", "0 trees an iteration"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=99999999", "99999999 trees an iteration"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=2", "1 trees for 1"),
        ("tree_sizes=9", "tree_sizes=9 9", "1 trees for 2"),
        ("num_leaves=3", "num_leaves=4000000000", "line 21: leaf_value: 3 numbers, expected 4000000000"),
        ("num_leaves=3", "num_leaves=0", "leaf_value: 3 numbers, expected 0"),
        ("num_leaves=3", "num_leaves=-3", "line 13: num_leaves: '-3'"),
        ("num_cat=1", "num_cat=18446744073709551615", "cat_boundaries: 2 numbers"),
        ("split_feature=0 1", "split_feature=0 3", "split 1: feature 3 of 3"),
        ("left_child=1 -1", "left_child=1 0", "Split(0): reached twice"),
        ("left_child=1 -1", "left_child=1 1", "Split(1): reached twice"),
        ("left_child=1 -1", "left_child=1 -3", "Leaf(2): reached twice"),
        ("left_child=1 -1", "left_child=1 -4", "split 1: there is no child -4"),
        ("left_child=1 -1", "left_child=2 -1", "split 0: there is no child 2"),
        ("left_child=1 -1", "left_child=1 -2147483648", "no child -2147483648"),
        ("left_child=1 -1", "left_child=1", "left_child: 1 numbers, expected 2"),
        ("decision_type=10 1", "decision_type=14 1", "decision type 14"),
        ("decision_type=10 1", "decision_type=10 300", "'300' is no number"),
        ("threshold=0.10000000000000001 0", "threshold=0.1 1", "split 1: set 1 of 1"),
        ("threshold=0.10000000000000001 0", "threshold=0.1 nan", "split 1: set NaN of 1"),
        ("threshold=0.10000000000000001", "threshold=0x1p3", "'0x1p3' is no number"),
        ("cat_boundaries=0 2", "cat_boundaries=0 3", "cat_threshold: 2 numbers, expected 3"),
        ("cat_boundaries=0 2", "cat_boundaries=9 2", "cat_boundaries: from 9 to 2"),
        ("num_features=0 2 0", "num_features=0 2 18446744073709551615", "longer than memory"),
        ("num_features=0 2 0", "num_features=0 3 0", "leaf_features: 2 numbers, expected 3"),
        ("leaf_features= 0 2", "leaf_features= 0 3", "leaf_features: feature 3 of 3"),
        ("leaf_const=1 2 3\n", "", "there is no 'leaf_const'"),
        ("leaf_value=-0.5 1e-35 0.25\n", "", "there is no 'leaf_value'"),
        ("num_cat=1\n", "nonsense\n", "line 14: expected 'key=value'"),
        ("end of trees", "the end", "expected another tree or 'end of trees'"),
        ("[[\"x\"", "[{\"x\"", "pandas_categorical"),
        ("[[\"x\"", "7[[\"x\"", "pandas_categorical"),
    ] {
        assert!(file().contains(from), "{from}");
        let text = message(&file().replacen(from, to, 1));
        assert!(text.contains(expected), "{to}: {text}");
    }
    assert!(message("").contains("line 1"));
    assert!(read(b"tree\nversion=v4\n\xff").unwrap_err().message().contains("byte 16: no UTF-8"));
}

#[test]
fn files_of_other_versions_are_not_read() {
    for (version, expected) in [("version=v5\n", "LightGBM's format v5"), ("", "before 2.1")] {
        let error = read(file().replacen("version=v4\n", version, 1).as_bytes()).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Unimplemented);
        assert!(error.message().contains(expected), "{error}");
    }
}

#[test]
fn a_file_cut_before_its_trees_end_is_refused() {
    let text = file();
    for end in 0..text.len() - END.len() + "end of trees".len() {
        assert!(read(&text.as_bytes()[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn endless_lines_and_deep_lists_end() {
    let many = TREE.replace("shrinkage=0.1\n", &"shrinkage=0.1\n".repeat(1000));
    assert!(message(&[HEADER, &many, END].concat()).contains("more than 64 lines"));
    let deep = END.replace("[[", &"[".repeat(100_000));
    assert!(message(&[HEADER, TREE, &deep].concat()).contains("nest deeper"));
}

#[test]
fn categories_that_are_not_text_are_told_apart() {
    for (written, expected) in [
        ("null", Categories::None),
        ("[]", Categories::None),
        ("[[1, 2]]", Categories::Other),
        ("[[\"a\"], [true, false]]", Categories::Other),
        ("[[0.5, Infinity]]", Categories::Other),
    ] {
        let text = file().replace("[[\"x\", \"\\u00e4\"], []]", written);
        assert_eq!(read(text.as_bytes()).unwrap().categories, expected, "{written}");
    }
    let without = file().replace("pandas_categorical:[[\"x\", \"\\u00e4\"], []]\n", "");
    assert_eq!(read(without.as_bytes()).unwrap().categories, Categories::None);
}
