//! The binary format of XGBoost 1.0 to 3.0: the learner's parameters, names of objective and booster, the booster, attributes.
//! Structs of C as they lie in memory, little-endian; every list begins with its length. Field for field what
//! `LearnerIO::LoadModel`, `GBTreeModel::Load`, `RegTree::Load` and `GBLinearModel::Load` of XGBoost 1.0 and 2.1 take. Neither
//! names of features nor categories are in it.

use super::{
    Booster, Model, Tree, Trees, invalid,
    nodes::{self, Raw, Sets},
    read, trees, unread,
};
use crate::error::{Error, Result};

/// Bytes of a node: parent, children, feature with the side of missing values in its highest bit, threshold or value.
const NODE: usize = 20;
/// Bytes of a node's statistics.
const STATISTICS: usize = 16;

struct Reader<'a> {
    bytes: &'a [u8],
    /// Length of the file.
    length: usize,
}

/// Reads a whole file.
pub(super) fn model(bytes: &[u8]) -> Result<Model> {
    let mut reader = Reader { bytes: bytes.strip_prefix(b"binf").unwrap_or(bytes), length: bytes.len() };
    learner(&mut reader).map_err(|error| error.context(format!("byte {}", reader.at())))
}

fn learner(reader: &mut Reader<'_>) -> Result<Model> {
    let base_score = f32::from_bits(reader.word()?);
    let num_feature = reader.word()? as usize;
    let num_class = reader.count()?;
    let attributed = reader.word()? != 0;
    reader.take(4)?;
    let (major, minor) = (reader.word()?, reader.word()?);
    let num_target = reader.count()?;
    reader.take(26 * 4)?;
    if major == 0 {
        return Err(unread("a binary model of XGBoost before 1.0"));
    }
    let outputs = read::outputs(num_feature, num_class, num_target)?;
    let objective = reader.text()?;
    let name = reader.text()?;
    let booster = match name.as_str() {
        "gbtree" | "dart" => {
            let mut trees = trees(reader, num_feature, outputs)?;
            // A DART model without trees ends here.
            if name == "dart" && !trees.trees.is_empty() {
                trees.weights = reader.floats()?;
                if trees.weights.len() != trees.trees.len() {
                    return Err(invalid(format!("{} weights for {} trees", trees.weights.len(), trees.trees.len())));
                }
            }
            Booster::Trees(trees)
        }
        "gblinear" => {
            reader.take(34 * 4)?;
            read::linear(reader.floats()?, num_feature, outputs)?
        }
        other => return Err(invalid(format!("unknown booster '{other}'"))),
    };
    let mut attributes = if attributed { reader.attributes()? } else { Vec::new() };
    // The objective's parameters and names of metrics are kept among what the user keeps there.
    attributes.retain(|(key, _)| key != "objective" && key != "metrics");
    if !reader.bytes.is_empty() {
        return Err(invalid(format!("{} bytes follow the model", reader.bytes.len())));
    }
    let version = [i64::from(major), i64::from(minor), 0];
    let (base_score, feature_names) = (vec![base_score], Vec::new());
    Ok(Model { version, base_score, num_feature, num_class, outputs, objective, booster, feature_names, attributes })
}

fn trees(reader: &mut Reader<'_>, num_feature: usize, outputs: usize) -> Result<Trees> {
    let count = reader.count()?;
    // Before XGBoost 1.6 this is the number of roots, which is one, and parallel trees are not told apart.
    let parallel = reader.count()?.max(1);
    reader.take(38 * 4)?;
    // The parameters of a tree alone take 148 bytes, so there cannot be more trees than the bytes that are left allow.
    if count > reader.bytes.len() / 148 {
        return Err(invalid(format!("{count} trees where {} bytes are left", reader.bytes.len())));
    }
    let read = |index| tree(reader, num_feature).map_err(|error| error.context(format!("trees[{index}]")));
    let trees = (0..count).map(read).collect::<Result<Vec<_>>>()?;
    let groups: Vec<i64> = reader.words(count)?.map(|word| i64::from(word.cast_signed())).collect();
    let groups = trees::groups(&groups, count, outputs)?;
    let iterations = trees::alike(&groups, parallel);
    if iterations.last() != Some(&count) {
        return Err(invalid(format!("{count} trees are not whole iterations")));
    }
    Ok(Trees { trees, groups, iterations, weights: Vec::new(), width: 1, categories: Vec::new() })
}

fn tree(reader: &mut Reader<'_>, num_feature: usize) -> Result<Tree> {
    reader.take(4)?;
    let count = reader.count()?;
    reader.take(3 * 4)?;
    let width = reader.count()?;
    reader.take(31 * 4)?;
    if width > 1 {
        return Err(invalid(format!("leaves of {width} numbers")));
    }
    let bytes = reader.take(count.checked_mul(NODE).ok_or_else(truncated)?)?;
    reader.take(count.checked_mul(STATISTICS).ok_or_else(truncated)?)?;
    let nodes = bytes.as_chunks::<NODE>().0;
    let node = |at: usize| {
        let [.., left, right, feature, condition] = words(&nodes[at]);
        let child = |word: u32| i64::from(word.cast_signed());
        Raw {
            left: child(left),
            right: child(right),
            feature: i64::from(feature & (u32::MAX >> 1)),
            condition: f32::from_bits(condition),
            missing_left: feature >> 31 == 1,
        }
    };
    let leaf = |_: usize, raw: &Raw, leaves: &mut Vec<f32>| {
        leaves.push(raw.condition);
        Ok(())
    };
    nodes::tree(count, num_feature, Sets::default(), node, leaf)
}

fn words(node: &[u8; NODE]) -> [u32; 5] {
    let words = node.as_chunks::<4>().0;
    std::array::from_fn(|at| u32::from_le_bytes(words[at]))
}

fn truncated() -> Error {
    invalid("the file ends inside a value")
}

impl<'a> Reader<'a> {
    fn at(&self) -> usize {
        self.length - self.bytes.len()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn word(&mut self) -> Result<u32> {
        let (word, rest) = self.bytes.split_first_chunk().ok_or_else(truncated)?;
        self.bytes = rest;
        Ok(u32::from_le_bytes(*word))
    }

    /// A number of things, a signed word.
    fn count(&mut self) -> Result<usize> {
        let count = self.word()?.cast_signed();
        usize::try_from(count).map_err(|_| invalid(format!("a count of {count}")))
    }

    fn words(&mut self, count: usize) -> Result<impl Iterator<Item = u32> + use<'a>> {
        let bytes = self.take(count.checked_mul(4).ok_or_else(truncated)?)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)))
    }

    /// The length of a list whose items take at least `width` bytes: never more than the bytes that are left.
    fn length(&mut self, width: usize) -> Result<usize> {
        let (length, rest) = self.bytes.split_first_chunk().ok_or_else(truncated)?;
        self.bytes = rest;
        let length = u64::from_le_bytes(*length);
        match usize::try_from(length) {
            Ok(length) if length <= rest.len() / width => Ok(length),
            _ => Err(invalid(format!("a length of {length} where {} bytes are left", rest.len()))),
        }
    }

    fn text(&mut self) -> Result<String> {
        let length = self.length(1)?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| invalid("text that is no UTF-8"))
    }

    fn floats(&mut self) -> Result<Vec<f32>> {
        let length = self.length(4)?;
        Ok(self.words(length)?.map(f32::from_bits).collect())
    }

    fn attributes(&mut self) -> Result<Vec<(String, String)>> {
        // Each text begins with its length.
        (0..self.length(16)?).map(|_| Ok((self.text()?, self.text()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{MAX_FEATURES, Node, Test},
        *,
    };

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
    }

    fn ints(values: &[i32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn zeros(words: usize) -> Vec<u8> {
        vec![0; words * 4]
    }

    /// The learner's parameters and names.
    fn head(features: i32, classes: i32, booster: &str) -> Vec<u8> {
        let params = [ints(&[0.5f32.to_bits().cast_signed(), features, classes, 1, 0, 1, 5]), zeros(27)].concat();
        [b"binf".to_vec(), params, text("reg:squarederror"), text(booster)].concat()
    }

    /// A tree of nodes of left and right child, feature, condition.
    fn tree(nodes: &[(i32, i32, u32, f32)]) -> Vec<u8> {
        let node = |&(left, right, feature, condition): &(i32, i32, u32, f32)| {
            ints(&[-1, left, right, feature.cast_signed(), condition.to_bits().cast_signed()])
        };
        let nodes_of_c: Vec<u8> = nodes.iter().flat_map(node).collect();
        [ints(&[1, nodes.len() as i32, 0, 0, 2, 0]), zeros(31), nodes_of_c, zeros(4 * nodes.len())].concat()
    }

    fn attributes() -> Vec<u8> {
        let pairs = [("best_iteration", "0"), ("objective", "{}"), ("metrics", "rmse;")];
        let texts = pairs.iter().flat_map(|(key, value)| [text(key), text(value)].concat());
        [(pairs.len() as u64).to_le_bytes().to_vec(), texts.collect()].concat()
    }

    const MISSING_LEFT: u32 = 1 << 31;
    const NODES: [(i32, i32, u32, f32); 4] =
        [(1, 2, 1 | MISSING_LEFT, 1.5), (-1, -1, 0, -3.0), (-1, 0, 0, 4.0), (9, 9, u32::MAX, 0.0)];

    fn forest(trees: &[Vec<u8>], groups: &[i32], weights: Option<&[i32]>) -> Vec<u8> {
        let name = if weights.is_some() { "dart" } else { "gbtree" };
        let weights = weights.map(|weights| [(weights.len() as u64).to_le_bytes().to_vec(), ints(weights)].concat());
        let model = [ints(&[trees.len() as i32, 1]), zeros(38), trees.concat(), ints(groups), weights.unwrap_or_default()];
        [head(2, 0, name), model.concat(), attributes()].concat()
    }

    fn message(bytes: &[u8]) -> String {
        model(bytes).unwrap_err().message().to_owned()
    }

    #[test]
    fn reads_a_model_with_the_mark_and_without() {
        let bytes = forest(&[tree(&NODES)], &[0], Some(&[0.25f32.to_bits().cast_signed()]));
        for bytes in [&bytes[..], &bytes[4..]] {
            let model = model(bytes).unwrap();
            assert_eq!((model.version, model.base_score.as_slice(), model.num_feature), ([1, 5, 0], [0.5].as_slice(), 2));
            assert_eq!(model.attributes, [("best_iteration".to_owned(), "0".to_owned())]);
            let Booster::Trees(trees) = model.booster else { panic!("trees") };
            assert_eq!((trees.weights.as_slice(), trees.iterations.as_slice()), ([0.25].as_slice(), [0, 1].as_slice()));
            // The last node is one that pruning left behind.
            let root = Node::Split { feature: 1, test: Test::Less(1.5), missing_left: true, left: 1, right: 2 };
            let nodes = &trees.trees[0].nodes;
            let [Node::Leaf(left), Node::Leaf(right)] = nodes[1..3] else { panic!("{nodes:?}") };
            assert_eq!(nodes[0], root);
            assert_eq!([left, right].map(|leaf| trees.trees[0].leaves[leaf as usize]), [-3.0, 4.0]);
        }
    }

    #[test]
    fn a_file_that_was_cut_anywhere_is_refused() {
        let bytes = forest(&[tree(&NODES), tree(&NODES)], &[0, 0], Some(&[0, 0]));
        let linear = [head(1, 3, "gblinear"), zeros(34), 6u64.to_le_bytes().to_vec(), zeros(6), attributes()].concat();
        for bytes in [bytes, linear] {
            assert!(model(&bytes).is_ok());
            for end in 0..bytes.len() {
                assert!(model(&bytes[..end]).is_err(), "cut at {end}");
            }
            assert!(message(&[bytes, vec![0]].concat()).contains("1 bytes follow the model"));
        }
    }

    #[test]
    fn no_length_is_believed() {
        let huge = (1u64 << 40).to_le_bytes();
        let start = 4 + 34 * 4;
        let with = |at: usize, bytes: &[u8]| {
            let mut file = forest(&[tree(&NODES)], &[0], Some(&[0]));
            file[at..at + bytes.len()].copy_from_slice(bytes);
            message(&file)
        };
        let model_at = start + text("reg:squarederror").len() + text("dart").len();
        let (tree_at, end) = (model_at + 160, forest(&[tree(&NODES)], &[0], Some(&[0])).len() - attributes().len());
        for at in [start, start + text("reg:squarederror").len(), end - 12, end, end + 8] {
            assert!(with(at, &huge).contains("a length of 1099511627776 where"), "{at}: {}", with(at, &huge));
        }
        for at in [12, 32, model_at, model_at + 4, tree_at + 4, tree_at + 20] {
            assert!(with(at, &(-1i32).to_le_bytes()).contains("a count of -1"), "{at}: {}", with(at, &(-1i32).to_le_bytes()));
        }
        assert!(with(model_at, &i32::MAX.to_le_bytes()).contains("2147483647 trees where"));
        assert!(with(tree_at + 4, &i32::MAX.to_le_bytes()).contains("trees[0]: the file ends inside a value"));
        assert!(with(tree_at + 4, &[0; 4]).contains("a tree of 0 nodes"));
        assert!(with(tree_at + 20, &2i32.to_le_bytes()).contains("leaves of 2 numbers"));
        assert!(with(8, &u32::MAX.to_le_bytes()).contains(&format!("at most {MAX_FEATURES} are supported")));
        assert!(with(12, &i32::MAX.to_le_bytes()).contains("2147483647 outputs"));
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let of = |nodes: &[(i32, i32, u32, f32)]| message(&forest(&[tree(nodes)], &[0], None));
        let leaf = (-1, -1, 0, 0.0);
        assert!(of(&[(1, 2, 0, 0.0), (0, 2, 0, 0.0), leaf]).contains("node 0: reached twice"));
        assert!(of(&[(1, 1, 0, 0.0), leaf]).contains("node 1: reached twice"));
        assert!(of(&[(0, 0, 0, 0.0)]).contains("node 0: reached twice"));
        assert!(of(&[(1, 3, 0, 0.0), leaf, leaf]).contains("node 0: no node 3"));
        assert!(of(&[(1, -7, 0, 0.0), leaf, leaf]).contains("node 0: no node -7"));
        assert!(of(&[(1, 2, 2, 0.0), leaf, leaf]).contains("node 0: feature 2 of 2"));
        let group = |groups: &[i32]| message(&forest(&[tree(&[leaf])], groups, None));
        assert!(group(&[1]).contains("output 1 of 1") && group(&[-1]).contains("output -1 of 1"));
    }

    #[test]
    fn what_is_not_read_here_says_so() {
        let mut old = forest(&[tree(&NODES)], &[0], None);
        old[4 + 20..4 + 24].fill(0);
        let error = model(&old).unwrap_err();
        assert!(error.code() == "FORM_NOT_READ" && error.message().contains("before 1.0"), "{error}");
        assert!(message(&head(2, 0, "gbforest")).contains("unknown booster 'gbforest'"));
        let linear = [head(1, 0, "gblinear"), zeros(34), 3u64.to_le_bytes().to_vec(), zeros(3)].concat();
        assert!(message(&linear).contains("3 weights for 1 features and 1 outputs"));
    }
}
