use super::*;

fn file(trees: &str) -> String {
    format!(
        r#"{{"learner":{{"attributes":{{"best_iteration":"0"}},"feature_names":["a","b"],"feature_types":["float","c"],
        "gradient_booster":{{"model":{{"gbtree_model_param":{{"num_parallel_tree":"1","num_trees":"1"}},
        "iteration_indptr":[0,1],"tree_info":[0],"trees":[{trees}]}},"name":"gbtree"}},
        "learner_model_param":{{"base_score":"[5E-1]","num_class":"0","num_feature":"2","num_target":"1"}},
        "objective":{{"name":"reg:squarederror"}}}},"version":[3,4,1]}}"#
    )
}

fn tree(left: &str, right: &str, features: &str) -> String {
    format!(
        r#"{{"categories":[1,3],"categories_nodes":[2],"categories_segments":[0],"categories_sizes":[2],
        "default_left":[1,0,0,0,0],"left_children":{left},"right_children":{right},"split_conditions":[0.5,1.5,0,2.5,-1E0],
        "split_indices":{features},"split_type":[0,0,1,0,0],"tree_param":{{"num_deleted":"0","size_leaf_vector":"1"}}}}"#
    )
}

fn message(text: &str) -> String {
    read(text.as_bytes()).unwrap_err().message().to_owned()
}

#[test]
fn reads_a_tree_with_a_categorical_split() {
    let model = read(file(&tree("[1,-1,3,-1,-1]", "[2,-1,4,-1,-1]", "[0,0,1,0,0]")).as_bytes()).unwrap();
    assert_eq!((model.version, model.base_score.as_slice(), model.outputs), ([3, 4, 1], [0.5].as_slice(), 1));
    assert_eq!(model.attribute("best_iteration"), Some("0"));
    let Booster::Trees(trees) = model.booster else { panic!("trees") };
    let [tree] = trees.trees.as_slice() else { panic!("one tree") };
    assert_eq!(tree.sets, [[1, 3]]);
    assert_eq!(tree.nodes[0], Node::Split { feature: 0, test: Test::Less(0.5), missing_left: true, left: 1, right: 2 });
    assert_eq!((tree.nodes[1], tree.leaves.as_slice()), (Node::Leaf(0), [1.5, 2.5, -1.0].as_slice()));
    assert_eq!(tree.nodes[2], Node::Split { feature: 1, test: Test::NotIn(0), missing_left: false, left: 3, right: 4 });
}

#[test]
fn a_graph_that_is_no_tree_is_refused_and_its_place_named() {
    let cycle = message(&file(&tree("[1,-1,2,-1,-1]", "[2,-1,4,-1,-1]", "[0,0,1,0,0]")));
    assert!(cycle.contains("trees[0]: node 2: reached twice"), "{cycle}");
    let back = message(&file(&tree("[1,-1,0,-1,-1]", "[2,-1,4,-1,-1]", "[0,0,1,0,0]")));
    assert!(back.contains("node 0: reached twice"), "{back}");
    let outside = message(&file(&tree("[1,-1,3,-1,-1]", "[2,-1,5,-1,-1]", "[0,0,1,0,0]")));
    assert!(outside.contains("node 2: no node 5"), "{outside}");
    let feature = message(&file(&tree("[1,-1,3,-1,-1]", "[2,-1,4,-1,-1]", "[0,0,2,0,0]")));
    assert!(feature.contains("node 2: feature 2 of 2"), "{feature}");
    let short = message(&file(&tree("[1,-1,3,-1]", "[2,-1,4,-1,-1]", "[0,0,1,0,0]")));
    assert!(short.contains("right_children: 5 entries for 4 nodes"), "{short}");
}

#[test]
fn deleted_nodes_may_hold_anything() {
    let text = file(&tree("[-1,77,3,-1,-1]", "[-1,99,4,-1,-1]", "[0,4294967295,9,0,0]"));
    let Booster::Trees(trees) = read(text.as_bytes()).unwrap().booster else { panic!("trees") };
    assert_eq!((trees.trees[0].nodes[0], trees.trees[0].leaves.as_slice()), (Node::Leaf(0), [0.5].as_slice()));
}

/// A model of two outputs with a tree whose leaves hold both; `values` says where.
fn vectors(right: &str, values: &str) -> String {
    let tree = tree("[1,-1,3,-1,-1]", right, "[0,0,1,0,0]").replacen(r#""size_leaf_vector":"1""#, r#""size_leaf_vector":"2""#, 1);
    let tree = tree.replacen('{', &format!("{{{values},"), 1);
    file(&tree).replacen(r#""num_target":"1""#, r#""num_target":"2""#, 1)
}

#[test]
fn leaves_of_several_numbers_are_read_in_both_ages() {
    let numbered = vectors("[2,2,4,0,1]", r#""leaf_weights":[1,2,3,4,5,6.5]"#);
    let by_node = vectors("[2,-1,4,-1,-1]", r#""base_weights":[9,9,5,6.5,9,9,1,2,3,4]"#);
    for text in [numbered, by_node] {
        let Booster::Trees(trees) = read(text.as_bytes()).unwrap().booster else { panic!("trees") };
        assert_eq!(
            (trees.width, trees.groups.as_slice(), trees.trees[0].leaves.as_slice()),
            (2, [0].as_slice(), [5.0, 6.5, 1.0, 2.0, 3.0, 4.0].as_slice())
        );
    }
    let beyond = message(&vectors("[2,3,4,0,1]", r#""leaf_weights":[1,2,3,4,5,6.5]"#));
    assert!(beyond.contains("node 1: its values lie outside the list"), "{beyond}");
    let negative = message(&vectors("[2,-1,4,0,1]", r#""leaf_weights":[1,2,3,4,5,6.5]"#));
    assert!(negative.contains("node 1: its values lie outside the list"), "{negative}");
    let three = vectors("[2,2,4,0,1]", r#""leaf_weights":[1,2]"#).replacen(r#""num_target":"2""#, r#""num_target":"3""#, 1);
    assert!(message(&three).contains("leaves of 2 numbers for 3 outputs"));
    let huge =
        vectors("[2,2,4,0,1]", r#""leaf_weights":[1,2]"#).replacen(r#"_vector":"2""#, r#"_vector":"18446744073709551615""#, 1);
    assert!(message(&huge).contains("leaves of 18446744073709551615 numbers for 2 outputs"));
}

#[test]
fn parameters_that_contradict_are_refused() {
    let good = file(&tree("[1,-1,3,-1,-1]", "[2,-1,4,-1,-1]", "[0,0,1,0,0]"));
    for (from, to, expected) in [
        (r#""tree_info":[0]"#, r#""tree_info":[1]"#, "output 1 of 1"),
        (r#""tree_info":[0]"#, r#""tree_info":[0,0]"#, "2 entries for 1 trees"),
        (r#""iteration_indptr":[0,1]"#, r#""iteration_indptr":[0,2]"#, "does not divide 1 trees"),
        (r#""base_score":"[5E-1]""#, r#""base_score":"[1,2,3]""#, "3 values in base_score for 1 outputs"),
        (r#""base_score":"[5E-1]""#, r#""base_score":"x""#, "'x' is no number"),
        (r#""num_feature":"2""#, r#""num_feature":"-2""#, "'-2'"),
        (r#""num_feature":"2""#, r#""num_feature":"99999999999""#, "at most"),
        (r#""num_class":"0""#, r#""num_class":"99999999""#, "at most"),
        (r#""feature_names":["a","b"]"#, r#""feature_names":["a"]"#, "1 entries for 2 features"),
        (r#""name":"gbtree""#, r#""name":"gbforest""#, "unknown booster 'gbforest'"),
        (r#""categories_sizes":[2]"#, r#""categories_sizes":[3]"#, "outside the list"),
        (r#""categories_nodes":[2]"#, r#""categories_nodes":[7]"#, "no node 7"),
        (r#""objective""#, r#""objektive""#, "the key 'objective' is missing"),
    ] {
        let text = message(&good.replacen(from, to, 1));
        assert!(text.contains(expected), "{to}: {text}");
    }
}

#[test]
fn base_score_is_read_in_every_age() {
    let good = file(&tree("[-1,-1,3,-1,-1]", "[-1,-1,4,-1,-1]", "[0,0,1,0,0]"));
    for text in ["5E-1", "0.5", "[0.5]", "(5e-1)"] {
        let model = read(good.replacen("[5E-1]", text, 1).as_bytes()).unwrap();
        assert_eq!(model.base_score, [0.5]);
    }
}
