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

    fn value(&mut self) -> f32 {
        match self.below(20) {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::NEG_INFINITY,
            3 => -0.0,
            4 => self.below(8) as f32,
            _ => (self.below(4000) as f32 - 2000.0) / 64.0,
        }
    }
}

/// A tree of about `splits` splits; `skew` of 1 is balanced, more is ever deeper.
fn tree(random: &mut Random, splits: usize, skew: u64, features: u64, categorical: bool) -> Tree {
    let mut tree = Tree { nodes: vec![Node::Leaf(0.0)], sets: Vec::new(), output: random.below(2) as u32 };
    let mut leaves = vec![0u32];
    for _ in 0..splits {
        let pick = if skew > 1 && random.below(skew) != 0 { leaves.len() - 1 } else { 0 };
        let at = leaves.remove(pick);
        let (left, right) = (tree.nodes.len() as u32, tree.nodes.len() as u32 + 1);
        let test = if categorical && random.below(3) == 0 {
            let mut set: Vec<u32> = (0..1 + random.below(5)).map(|_| random.below(12) as u32).collect();
            set.sort_unstable();
            set.dedup();
            tree.sets.push(set);
            Test::NotIn(tree.sets.len() as u32 - 1)
        } else {
            Test::Less(match random.below(30) {
                0 => f32::INFINITY,
                1 => f32::NEG_INFINITY,
                2 => 0.0,
                3 => -0.0,
                _ => (random.below(4000) as f32 - 2000.0) / 64.0,
            })
        };
        let feature = random.below(features) as u32 * 3;
        tree.nodes[at as usize] = Node::Split { feature, test, missing_left: random.below(2) == 0, left, right };
        tree.nodes.extend([Node::Leaf(0.0); 2]);
        leaves.extend([left, right]);
    }
    for node in &mut tree.nodes {
        if let Node::Leaf(value) = node {
            *value = (random.below(2_000_001) as f32 - 1_000_000.0) / 777.0;
        }
    }
    tree
}

/// What the model means, one row at a time.
fn expected(trees: &[Tree], base: &[f32], row: impl Fn(u32) -> f32) -> Vec<f32> {
    let mut sums = base.to_vec();
    for tree in trees {
        let mut at = 0u32;
        loop {
            match tree.nodes[at as usize] {
                Node::Leaf(value) => {
                    sums[tree.output as usize] += value;
                    break;
                }
                Node::Split { feature, test, missing_left, left, right } => {
                    let value = row(feature);
                    let goes_left = match test {
                        _ if value.is_nan() => missing_left,
                        Test::Less(threshold) => value < threshold,
                        Test::NotIn(set) => {
                            let members = &tree.sets[set as usize];
                            !(0.0..16_777_216.0).contains(&value) || !members.contains(&(value as u32))
                        }
                    };
                    at = if goes_left { left } else { right };
                }
            }
        }
    }
    sums
}

fn check(trees: &[Tree], seed: u64) {
    let base = vec![0.25, -3.5];
    let mut random = Random(seed);
    for path in Path::available() {
        let ensemble = Ensemble::new(trees, base.clone(), path).unwrap();
        let mut scratch = Scratch::default();
        for rows in [1, 7, 12, 63, 64, 65, 200, BLOCK] {
            let columns: Vec<f32> = (0..ensemble.features().len() * BLOCK).map(|_| random.value()).collect();
            let mut out = vec![f32::NAN; 2 * BLOCK];
            ensemble.score(0..trees.len(), &columns, rows, &mut scratch, &mut out);
            for row in 0..rows {
                let value = |feature: u32| columns[ensemble.features().binary_search(&feature).unwrap() * BLOCK + row];
                let wanted = expected(trees, &base, value);
                for output in 0..2 {
                    let (got, wanted) = (out[output * BLOCK + row], wanted[output]);
                    assert_eq!(got.to_bits(), wanted.to_bits(), "{path:?}, row {row} of {rows}, output {output}");
                }
            }
        }
    }
}

#[test]
fn every_path_gives_the_same_bits_for_every_shape() {
    for seed in 1..12u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for categorical in [false, true] {
            let mut trees = Vec::new();
            for splits in [0, 1, 2, 3, 5, 9, 17, 40, 63, 100, 254, 255, 300] {
                trees.push(tree(&mut random, splits, 1, 5, categorical));
                trees.push(tree(&mut random, splits, 6, 5, categorical));
                trees.push(tree(&mut random, splits, 1000, 5, categorical));
            }
            check(&trees, seed);
        }
    }
}

#[test]
fn more_cuts_than_a_byte_counts() {
    let mut random = Random(42);
    let trees: Vec<Tree> = (0..60).map(|_| tree(&mut random, 40, 1, 1, false)).collect();
    check(&trees, 3);
}

#[test]
fn constants_and_thresholds_that_are_no_number() {
    let leaf = Tree { nodes: vec![Node::Leaf(1.5)], sets: vec![], output: 1 };
    check(std::slice::from_ref(&leaf), 5);
    let split = Node::Split { feature: 0, test: Test::Less(f32::NAN), missing_left: true, left: 1, right: 2 };
    let nan = Tree { nodes: vec![split, Node::Leaf(1.0), Node::Leaf(2.0)], sets: vec![], output: 0 };
    check(&[nan, leaf], 6);
}

#[test]
fn a_graph_that_is_no_tree_is_refused() {
    let split = |left, right| Node::Split { feature: 0, test: Test::Less(0.0), missing_left: true, left, right };
    for nodes in [vec![split(0, 0)], vec![split(1, 2), Node::Leaf(0.0)], vec![split(1, 1), split(2, 2), split(1, 1)]] {
        let tree = Tree { nodes, sets: vec![], output: 0 };
        for path in Path::available() {
            assert!(Ensemble::new(std::slice::from_ref(&tree), vec![0.0], path).is_err());
        }
    }
}

#[test]
fn large_sets_take_no_more_memory_than_their_members() {
    let set = Set::new(&[16_777_215]);
    assert!(set.memory() < 64 && set.contains(16_777_215.0) && !set.contains(3.0) && !set.contains(-1.0));
}
