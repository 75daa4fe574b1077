use super::*;
use crate::kernels::block::Kind;

fn block(rows: &[[f64; 2]]) -> Block {
    let mut block = Block::default();
    block.reset(rows.len(), 2, Kind::Double);
    for (row, values) in rows.iter().enumerate() {
        for (column, &value) in values.iter().enumerate() {
            block.column_mut(column)[row] = value;
        }
    }
    block
}

/// A grid, so that there are many points at one distance.
fn grid() -> Vec<f64> {
    (0..36).flat_map(|at| [f64::from(at % 6), f64::from(at / 6)]).collect()
}

/// Two leaves below a root: nodes, order and shape.
type Parts = (Vec<Node>, Vec<u32>, Shape);

fn boxes() -> Parts {
    let points = grid();
    let side = |rows: &[u32], column: usize| rows.iter().map(|&row| points[row as usize * 2 + column]).collect::<Vec<_>>();
    let order: Vec<u32> = (0..36).collect();
    let (mut nodes, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
    for (start, end, leaf) in [(0, 36, false), (0, 18, true), (18, 36, true)] {
        nodes.push(Node { start, end, leaf, radius: 0.0 });
        for column in 0..2 {
            let side = side(&order[start as usize..end as usize], column);
            low.push(side.iter().copied().fold(f64::INFINITY, f64::min));
            high.push(side.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        }
    }
    (nodes, order, Shape::Boxes { low, high })
}

#[test]
fn a_tree_finds_what_a_scan_finds() {
    let rows = block(&[[0.1, 0.2], [5.0, 5.0], [2.5, 2.4], [9.0, -3.0]]);
    for metric in [Metric::Euclidean, Metric::Manhattan, Metric::Chebyshev, Metric::Minkowski(3.0)] {
        let found = [false, true].map(|with_tree| {
            let tree = with_tree.then(boxes).map(|(nodes, order, shape)| Tree::new(nodes, order, shape));
            let (mut found, mut scratch) = (Nearest::default(), Vec::new());
            Neighbors::new(metric, 2, grid(), tree).unwrap().nearest(&rows, 7, &mut scratch, &mut found);
            (0..4).map(|row| found.distances(row).to_vec()).collect::<Vec<_>>()
        });
        assert_eq!(found[0], found[1], "{metric:?}");
    }
}

#[test]
fn of_points_at_one_distance_the_first_met_stay() {
    let (mut found, mut scratch) = (Nearest::default(), Vec::new());
    let neighbors = Neighbors::new(Metric::Euclidean, 2, grid(), None).unwrap();
    neighbors.nearest(&block(&[[2.0, 2.0]]), 3, &mut scratch, &mut found);
    // The point itself, and of its four neighbors those two that come first.
    assert_eq!((found.points(0)[0], found.distances(0)), (14, &[0.0, 1.0, 1.0][..]));
    let mut others = [found.points(0)[1], found.points(0)[2]];
    others.sort_unstable();
    assert_eq!(others, [8, 13]);
}

#[test]
fn a_tree_that_points_elsewhere_is_none() {
    let broken = |change: fn(&mut Parts)| {
        let mut parts = boxes();
        change(&mut parts);
        let (nodes, order, shape) = parts;
        Neighbors::new(Metric::Euclidean, 2, grid(), Some(Tree::new(nodes, order, shape))).is_none()
    };
    assert!(broken(|(nodes, ..)| nodes[1].leaf = false));
    assert!(broken(|(nodes, ..)| nodes[2].end = 37));
    assert!(broken(|(_, order, _)| order[0] = 36));
    assert!(broken(|(.., shape)| *shape = Shape::Balls(vec![0.0; 4])));
    assert!(broken(|(nodes, ..)| nodes.clear()));
    assert!(!broken(|_| {}));
}
