use std::fmt::Debug;

use super::*;

/// A small generator: tests need no more randomness than this.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    fn value(&mut self) -> f64 {
        match self.below(24) {
            0 | 1 => f64::NAN,
            2 => f64::INFINITY,
            3 => f64::NEG_INFINITY,
            4 => -0.0,
            5 => 1e-36,
            6 => -1e-35,
            7 => 1e300,
            8..11 => self.below(300) as f64 + 0.25,
            _ => (self.below(4000) as f64 - 2000.0) / 64.0,
        }
    }

    fn threshold(&mut self) -> f64 {
        match self.below(40) {
            0 => f64::INFINITY,
            1 => f64::NEG_INFINITY,
            2 => 0.0,
            3 => -0.0,
            4 => f64::NAN,
            5 => 1e-36,
            6 => 0.1,
            _ => (self.below(4000) as f64 - 2000.0) / 64.0,
        }
    }
}

/// What trees are to be like.
#[derive(Debug, Clone, Copy)]
struct Kinds {
    /// All kinds of tests and of missing values, rather than `<=` and NaN.
    all: bool,
    features: u64,
    width: usize,
}

trait Number: Sum + Debug {
    fn near(value: f64) -> Self;
    fn bits(self) -> u64;
}

impl Number for f32 {
    fn near(value: f64) -> Self {
        value as Self
    }

    fn bits(self) -> u64 {
        self.to_bits().into()
    }
}

impl Number for f64 {
    fn near(value: f64) -> Self {
        value
    }

    fn bits(self) -> u64 {
        self.to_bits()
    }
}

/// A tree with `splits` splits. It is balanced for a `skew` of 1 and deeper for greater ones.
fn tree<S: Number>(random: &mut Random, splits: usize, skew: u64, kinds: Kinds) -> Tree<S> {
    let output = random.below(2) as u32;
    let mut tree = Tree { nodes: vec![Node::Leaf(0)], sets: Vec::new(), values: Vec::new(), output };
    let mut leaves = vec![0u32];
    for _ in 0..splits {
        let pick = if skew > 1 && random.below(skew) != 0 { leaves.len() - 1 } else { 0 };
        let at = leaves.remove(pick);
        let (left, right) = (tree.nodes.len() as u32, tree.nodes.len() as u32 + 1);
        let test = match if kinds.all { random.below(7) } else { 6 } {
            0 | 1 => {
                let most = if random.below(4) == 0 { 300 } else { 12 };
                let mut set: Vec<u32> = (0..random.below(6)).map(|_| random.below(most) as u32).collect();
                set.sort_unstable();
                set.dedup();
                tree.sets.push(set);
                let set = tree.sets.len() as u32 - 1;
                if random.below(2) == 0 { Test::In(set) } else { Test::NotIn(set) }
            }
            2 | 3 => Test::Less(random.threshold()),
            _ => Test::AtMost(random.threshold()),
        };
        let missing = match if kinds.all { random.below(4) } else { 0 } {
            2 => Missing::Zero,
            3 => Missing::Never,
            _ => Missing::Nan,
        };
        let feature = random.below(kinds.features) as u32 * 3;
        let missing_left = random.below(2) == 0;
        tree.nodes[at as usize] = Node::Split { feature, test, missing, missing_left, left, right };
        tree.nodes.extend([Node::Leaf(0); 2]);
        leaves.extend([left, right]);
    }
    let mut number = 0;
    for node in &mut tree.nodes {
        if let Node::Leaf(leaf) = node {
            *leaf = number;
            number += 1;
            let value = |_| S::near((random.below(2_000_001) as f64 - 1_000_000.0) / 777.0);
            tree.values.extend((0..kinds.width).map(value));
        }
    }
    tree
}

/// What the model means, one row at a time, as the libraries have it.
fn expected<S: Number>(trees: &[Tree<S>], width: usize, base: &[S], row: impl Fn(u32) -> f64) -> Vec<S> {
    let mut sums = base.to_vec();
    for tree in trees {
        let mut at = 0u32;
        let leaf = loop {
            match tree.nodes[at as usize] {
                Node::Leaf(leaf) => break leaf as usize,
                Node::Split { feature, test, missing, missing_left, left, right } => {
                    let mut value = row(feature);
                    let within = |set: u32| {
                        let members = &tree.sets[set as usize];
                        (0.0..4_294_967_296.0).contains(&value) && members.contains(&(value as u32))
                    };
                    let goes_left = match test {
                        Test::In(_) | Test::NotIn(_) if value.is_nan() => missing_left,
                        Test::In(set) => within(set),
                        Test::NotIn(set) => !within(set),
                        _ if missing == Missing::Nan && value.is_nan() => missing_left,
                        _ if missing == Missing::Zero && (value.is_nan() || value.abs() <= f64::from(1e-35f32)) => missing_left,
                        Test::Less(_) | Test::AtMost(_) => {
                            if value.is_nan() {
                                value = 0.0;
                            }
                            match test {
                                Test::Less(threshold) => value < threshold,
                                Test::AtMost(threshold) => value <= threshold,
                                _ => unreachable!(),
                            }
                        }
                    };
                    at = if goes_left { left } else { right };
                }
            }
        };
        for (sum, &value) in sums[tree.output as usize..].iter_mut().zip(&tree.values[leaf * width..][..width]) {
            *sum += value;
        }
    }
    sums
}

fn check<T: Value, S: Number>(trees: &[Tree<S>], width: usize, seed: u64) {
    let rows = [(1, 1), (7, 3), (12, 1), (63, 1), (64, 1), (65, 2), (200, 1), (BLOCK, 1), (3 * BLOCK + 77, 4)];
    check_rows::<T, S>(trees, width, seed, &rows);
}

/// The same for each of `sizes`, a number of rows and of blocks.
fn check_rows<T: Value, S: Number>(trees: &[Tree<S>], width: usize, seed: u64, sizes: &[(usize, usize)]) {
    let outputs = width + 1;
    let base: Vec<S> = (0..outputs).map(|output| S::near(output as f64 * 0.7 - 0.3)).collect();
    for path in Path::available() {
        let mut random = Random(seed);
        let ensemble = Ensemble::<T, S>::new(trees, width, path).unwrap();
        let mut scratch = Scratch::default();
        for &(rows, blocks) in sizes {
            let stride = blocks * BLOCK;
            let doubles: Vec<f64> = (0..ensemble.features().len() * stride).map(|_| random.value()).collect();
            let mut columns = vec![T::ZERO; doubles.len()];
            T::copy(&doubles, &mut columns);
            let mut out: Vec<S> = base.iter().flat_map(|&base| vec![base; stride]).collect();
            ensemble.add(0..trees.len(), &runs(&columns, stride), rows, &mut scratch, (&mut out, stride));
            for row in 0..rows {
                let value = |feature: u32| columns[ensemble.features().binary_search(&feature).unwrap() * stride + row].double();
                let wanted = expected(trees, width, &base, value);
                for output in 0..outputs {
                    let (got, wanted) = (out[output * stride + row], wanted[output]);
                    assert_eq!(
                        got.bits(),
                        wanted.bits(),
                        "{path:?}, row {row} of {rows}, output {output}: {got:?}, not {wanted:?}"
                    );
                }
            }
        }
    }
}

fn every_shape<T: Value, S: Number>(kinds: Kinds) {
    for seed in 1..6u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut trees = Vec::new();
        for splits in [0, 1, 2, 3, 5, 9, 17, 30, 40, 63, 100, 254, 255, 300, 900] {
            for skew in [1, 3, 6, 1000] {
                trees.push(tree(&mut random, splits, skew, kinds));
            }
        }
        check::<T, S>(&trees, kinds.width, seed);
    }
}

#[test]
fn every_path_gives_the_same_bits_for_every_shape() {
    for all in [false, true] {
        every_shape::<f32, f32>(Kinds { all, features: 5, width: 1 });
        every_shape::<f32, f64>(Kinds { all, features: 7, width: 3 });
        every_shape::<f64, f64>(Kinds { all, features: 40, width: 1 });
        every_shape::<f64, f64>(Kinds { all, features: 1, width: 2 });
    }
}

#[test]
fn features_of_any_number() {
    let mut random = Random(7);
    for features in [u64::from(FIRST_FEATURES) / 2, 1 << 30] {
        let kinds = Kinds { all: true, features, width: 1 };
        let trees: Vec<Tree<f64>> = [3, 30, 60, 900].into_iter().map(|splits| tree(&mut random, splits, 3, kinds)).collect();
        check::<f64, f64>(&trees, 1, 5);
    }
}

#[test]
fn more_cuts_than_a_byte_counts() {
    let mut random = Random(42);
    let kinds = Kinds { all: false, features: 1, width: 1 };
    let trees: Vec<Tree<f32>> = (0..60).map(|_| tree(&mut random, 40, 1, kinds)).collect();
    check::<f32, f32>(&trees, 1, 3);
}

#[test]
fn more_cuts_than_a_word_counts() {
    let split = |number: u32| Node::Split {
        feature: 3,
        test: Test::AtMost(f64::from(number) / 4096.0 - 10.0),
        missing: Missing::Nan,
        missing_left: number.is_multiple_of(2),
        left: 2 * number + 1,
        right: 2 * number + 2,
    };
    // The nodes form a heap: every node compares another cut, in no order.
    let count = 70_000;
    let tree = Tree {
        nodes: (0..count).map(split).chain((0..=count).map(Node::Leaf)).collect(),
        sets: vec![],
        values: (0..=count).map(f64::from).collect(),
        output: 0,
    };
    check::<f64, f64>(&[tree], 1, 9);
}

#[test]
fn more_columns_than_a_node_can_name_are_walked() {
    // Every split has a set of its own, and so a column.
    let count = 66_000;
    let split = |number: u32| Node::Split {
        feature: 0,
        test: if number.is_multiple_of(2) { Test::In(number) } else { Test::NotIn(number) },
        missing: Missing::Nan,
        missing_left: number.is_multiple_of(3),
        left: 2 * number + 1,
        right: 2 * number + 2,
    };
    let tree = Tree {
        nodes: (0..count).map(split).chain((0..=count).map(Node::Leaf)).collect(),
        sets: (0..count).map(|number| vec![number % 300, 300 + number]).collect(),
        values: (0..=count).map(f64::from).collect(),
        output: 0,
    };
    for path in Path::available() {
        let ensemble = Ensemble::<f32, f64>::new(std::slice::from_ref(&tree), 1, path).unwrap();
        assert!(matches!(ensemble.form, Kernel::Walk));
    }
    check::<f32, f64>(&[tree], 1, 4);
}

#[test]
fn more_features_than_a_walked_node_can_name() {
    let missing = [Missing::Nan, Missing::Zero, Missing::Never];
    let split = |number: u32| Node::Split {
        feature: number,
        test: Test::AtMost(f64::from(number % 7) - 3.0),
        missing: missing[number as usize % 3],
        missing_left: number.is_multiple_of(2),
        left: 2 * number + 1,
        right: 2 * number + 2,
    };
    // A heap, most of whose splits are the last level but one.
    let count = (1 << 15) - 1;
    let tree = Tree {
        nodes: (0..count).map(split).chain((0..=count).map(Node::Leaf)).collect(),
        sets: vec![],
        values: (0..=count).map(|leaf| leaf as f32).collect(),
        output: 0,
    };
    check_rows::<f32, f32>(&[tree], 1, 11, &[(9, 1)]);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn first_levels_are_compared_as_bytes_unless_that_takes_too_many_columns() {
    let mut random = Random(12);
    for (features, walked) in [(40, false), (400, true)] {
        let kinds = Kinds { all: false, features, width: 1 };
        let trees: Vec<Tree<f64>> = (0..4).map(|_| tree(&mut random, 900, 2, kinds)).collect();
        for path in Path::available() {
            if let Kernel::Vectors(_, forest, _) = Ensemble::<f64, f64>::new(&trees, 1, path).unwrap().form {
                assert!(forest.trees.iter().all(|tree| matches!(tree, compared::TreeForm::Walk(_)) == walked));
            }
        }
        check::<f64, f64>(&trees, 1, 8);
    }
}

#[test]
fn constants_and_thresholds_that_are_no_number() {
    let leaf = Tree { nodes: vec![Node::Leaf(0)], sets: vec![], values: vec![1.5], output: 1 };
    check::<f32, f32>(std::slice::from_ref(&leaf), 1, 5);
    let missing = Missing::Nan;
    let split = Node::Split { feature: 0, test: Test::Less(f64::NAN), missing, missing_left: true, left: 1, right: 2 };
    let nan = Tree { nodes: vec![split, Node::Leaf(0), Node::Leaf(1)], sets: vec![], values: vec![1.0, 2.0], output: 0 };
    check::<f32, f32>(&[nan, leaf], 1, 6);
}

#[test]
fn a_range_of_the_trees_is_that_range() {
    let mut random = Random(77);
    let kinds = Kinds { all: true, features: 4, width: 1 };
    let trees: Vec<Tree<f64>> = [3, 30, 200, 0, 70, 12].map(|splits| tree(&mut random, splits, 2, kinds)).into();
    for path in Path::available() {
        let (whole, part) = (Ensemble::<f64, f64>::new(&trees, 1, path).unwrap(), &trees[1..4]);
        for rows in [5, 100] {
            let columns: Vec<f64> = (0..whole.features().len() * BLOCK).map(|_| random.value()).collect();
            let mut out = vec![0.0; 2 * BLOCK];
            whole.add(1..4, &runs(&columns, BLOCK), rows, &mut Scratch::default(), (&mut out, BLOCK));
            for row in 0..rows {
                let value = |feature: u32| columns[whole.features().binary_search(&feature).unwrap() * BLOCK + row];
                let wanted = expected(part, 1, &[0.0, 0.0], value);
                assert_eq!([out[row], out[BLOCK + row]], wanted[..], "{path:?}, row {row} of {rows}");
            }
        }
    }
}

#[test]
fn trees_that_do_not_stay_in_the_cache_want_more_rows_at_once() {
    let mut random = Random(5);
    let kinds = Kinds { all: false, features: 40, width: 1 };
    for path in Path::available() {
        let mut rows = |trees: usize, features: u64| {
            let made = |_| tree::<f64>(&mut random, 600, 2, Kinds { features, ..kinds });
            Ensemble::<f32, f64>::new(&(0..trees).map(made).collect::<Vec<_>>(), 1, path).unwrap().rows()
        };
        assert_eq!([rows(3, 20), rows(100, 20)], [BLOCK, MOST_BLOCKS * BLOCK], "{path:?}");
        // The bins of many columns would take the cache themselves.
        assert!((2 * BLOCK..MOST_BLOCKS * BLOCK).contains(&rows(100, 400)), "{path:?}");
    }
}

#[test]
fn a_graph_that_is_no_tree_is_refused() {
    let split =
        |left, right| Node::Split { feature: 0, test: Test::Less(0.0), missing: Missing::Nan, missing_left: true, left, right };
    let of_set = Node::Split { feature: 0, test: Test::In(0), missing: Missing::Nan, missing_left: true, left: 1, right: 2 };
    let leaf = Node::Leaf(0);
    let graphs = [
        vec![],
        vec![split(0, 0)],
        vec![split(1, 2), leaf],
        vec![split(1, 1), split(2, 2), split(1, 1)],
        vec![Node::Leaf(1)],
        vec![of_set, leaf, leaf],
    ];
    for nodes in graphs {
        let tree = Tree { nodes, sets: vec![], values: vec![0.0], output: 0 };
        for path in Path::available() {
            assert!(Ensemble::<f32, f32>::new(std::slice::from_ref(&tree), 1, path).is_err());
        }
    }
}
