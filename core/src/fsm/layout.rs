//! Where the parts of the picture go. Whole numbers only: the core has no floating-point functions.

use alloc::vec::Vec;

use super::description::Edge;

/// A point of the picture, in its own units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Point {
    pub(super) x: i32,
    pub(super) y: i32,
}

/// A rectangle: upper left corner, width and height.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rect {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) w: i32,
    pub(super) h: i32,
}

impl Rect {
    pub(super) fn centre(&self) -> Point {
        Point { x: self.x + self.w / 2, y: self.y + self.h / 2 }
    }

    fn around(centre: Point, w: i32, h: i32) -> Self {
        Self { x: centre.x - w / 2, y: centre.y - h / 2, w, h }
    }

    fn grown(&self, by: i32) -> Self {
        Self { x: self.x - by, y: self.y - by, w: self.w + 2 * by, h: self.h + 2 * by }
    }

    fn has(&self, point: Point) -> bool {
        (self.x..=self.x + self.w).contains(&point.x) && (self.y..=self.y + self.h).contains(&point.y)
    }

    fn overlap(&self, other: &Self) -> i32 {
        let w = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let h = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        w.max(0) * h.max(0)
    }

    /// Where the line from the centre to `outside` leaves the rectangle.
    fn border_towards(&self, outside: Point) -> Point {
        let centre = self.centre();
        let (dx, dy) = (outside.x - centre.x, outside.y - centre.y);
        // Compare dx : dy with w : h, to see which side is crossed.
        if dx.abs() * self.h >= dy.abs() * self.w {
            let half = self.w / 2 * dx.signum();
            Point { x: centre.x + half, y: centre.y + dy * half / if dx == 0 { 1 } else { dx } }
        } else {
            let half = self.h / 2 * dy.signum();
            Point { x: centre.x + dx * half / dy, y: centre.y + half }
        }
    }
}

/// A quadratic Bézier curve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Curve {
    pub(super) start: Point,
    pub(super) control: Point,
    pub(super) end: Point,
}

impl Curve {
    /// From one box to another, bowed to the left of its way by `bow` percent of the distance.
    fn between(from: &Rect, to: &Rect, bow: i32) -> Self {
        let (a, b) = (from.centre(), to.centre());
        let control = Point {
            x: (a.x + b.x) / 2 + (b.y - a.y) * bow / 100,
            y: (a.y + b.y) / 2 - (b.x - a.x) * bow / 100,
        };
        Self { start: from.border_towards(control), control, end: to.border_towards(control) }
    }

    /// The point at `percent` of the way.
    fn at(&self, percent: i32) -> Point {
        let (t, s) = (percent, 100 - percent);
        let mix = |a: i32, b: i32, c: i32| (s * s * a + 2 * s * t * b + t * t * c) / 10_000;
        Point {
            x: mix(self.start.x, self.control.x, self.end.x),
            y: mix(self.start.y, self.control.y, self.end.y),
        }
    }

    fn samples(&self) -> impl Iterator<Item = Point> + '_ {
        (0..=100).step_by(4).map(|percent| self.at(percent))
    }
}

/// A transition as it is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Route {
    pub(super) curve: Curve,
    /// Where its events are written.
    pub(super) label: Rect,
}

/// Finds a way for each edge among the boxes, then a place for its text of the given size. Greedy: the shortest
/// edges choose first, each takes the candidate that collides least.
pub(super) fn routes(edges: &[Edge], boxes: &[Rect], sizes: &[(i32, i32)], within: &Rect) -> Vec<Route> {
    let length = |edge: &Edge| {
        let (a, b) = (boxes[edge.from].centre(), boxes[edge.to].centre());
        (a.x - b.x).abs() + (a.y - b.y).abs()
    };
    let mut order: Vec<usize> = (0..edges.len()).collect();
    order.sort_by_key(|&at| length(&edges[at]));

    let mut curves: Vec<Option<Curve>> = edges.iter().map(|_| None).collect();
    for &at in &order {
        let edge = &edges[at];
        let taken: Vec<Point> = curves.iter().flatten().flat_map(Curve::samples).collect();
        let candidates =
            BOWS.iter().map(|&bow| (Curve::between(&boxes[edge.from], &boxes[edge.to], bow), bow));
        let cost = |&(curve, bow): &(Curve, i32)| {
            bow.abs() + curve_cost(&curve, edge, boxes, &taken, within) + reverse_cost(edge, edges, bow)
        };
        curves[at] = candidates.min_by_key(cost).map(|(curve, _)| curve);
    }
    let curves: Vec<Curve> = curves.into_iter().flatten().collect();

    let mut labels: Vec<Option<Rect>> = edges.iter().map(|_| None).collect();
    for &at in &order {
        let (w, h) = sizes[at];
        let placed: Vec<Rect> = labels.iter().copied().flatten().collect();
        let candidates = PLACES.iter().map(|&percent| (Rect::around(curves[at].at(percent), w, h), percent));
        let cost = |&(label, percent): &(Rect, i32)| {
            (percent - 50).abs() + label_cost(&label, at, boxes, &placed, &curves, within)
        };
        labels[at] = candidates.min_by_key(cost).map(|(label, _)| label);
    }
    curves
        .into_iter()
        .zip(labels.into_iter().flatten())
        .map(|(curve, label)| Route { curve, label })
        .collect()
}

/// The bows that are tried, in percent of the distance.
const BOWS: [i32; 19] =
    [0, 14, -14, 22, -22, 30, -30, 40, -40, 52, -52, 66, -66, 82, -82, 100, -100, 125, -125];
/// The places on a curve that are tried for its text, in percent of the way.
const PLACES: [i32; 17] = [50, 46, 54, 42, 58, 38, 62, 34, 66, 30, 70, 26, 74, 22, 78, 18, 82];

fn curve_cost(curve: &Curve, edge: &Edge, boxes: &[Rect], taken: &[Point], within: &Rect) -> i32 {
    let mut cost = 0;
    for point in curve.samples() {
        let hit =
            |(at, block): (usize, &Rect)| at != edge.from && at != edge.to && block.grown(10).has(point);
        cost += if boxes.iter().enumerate().any(hit) { 60 } else { 0 };
        cost += if within.has(point) { 0 } else { 80 };
        let near = |other: &&Point| (other.x - point.x).abs() + (other.y - point.y).abs() < 14;
        cost += 12 * i32::from(taken.iter().any(|other| near(&other)));
    }
    cost
}

/// Two edges between the same states in opposite directions must not overlap, so each bends to its left.
fn reverse_cost(edge: &Edge, edges: &[Edge], bow: i32) -> i32 {
    let has_reverse = edges.iter().any(|other| other.from == edge.to && other.to == edge.from);
    if has_reverse && bow <= 0 { 40 } else { 0 }
}

fn label_cost(
    label: &Rect,
    own: usize,
    boxes: &[Rect],
    placed: &[Rect],
    curves: &[Curve],
    within: &Rect,
) -> i32 {
    let roomy = label.grown(3);
    let on_boxes: i32 = boxes.iter().map(|block| roomy.overlap(block)).sum();
    let on_labels: i32 = placed.iter().map(|other| roomy.overlap(other)).sum();
    let others = curves.iter().enumerate().filter(|&(at, _)| at != own);
    let on_curves = others.flat_map(|(_, curve)| curve.samples()).filter(|&point| roomy.has(point)).count();
    let outside = label.w * label.h - label.overlap(within);
    2 * on_boxes + 2 * on_labels + outside + 15 * i32::try_from(on_curves).unwrap_or(i32::MAX / 1000)
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::{Point, Rect, routes};
    use crate::fsm::description::Edge;

    const WITHIN: Rect = Rect { x: 0, y: -200, w: 700, h: 500 };

    fn row_of_boxes() -> Vec<Rect> {
        [0, 300, 600].map(|x| Rect { x, y: 0, w: 100, h: 50 }).into()
    }

    fn edge(from: usize, to: usize) -> Edge {
        Edge { from, to, events: vec![0] }
    }

    #[test]
    fn a_curve_ends_on_the_borders_of_its_boxes() {
        let routes = routes(&[edge(0, 1)], &row_of_boxes(), &[(40, 12)], &WITHIN);
        assert_eq!(routes[0].curve.start, Point { x: 100, y: 25 });
        assert_eq!(routes[0].curve.end, Point { x: 300, y: 25 });
        assert_eq!(routes[0].label.centre(), Point { x: 200, y: 25 });
    }

    #[test]
    fn a_curve_goes_around_a_box_in_its_way() {
        let boxes = row_of_boxes();
        let routes = routes(&[edge(0, 2)], &boxes, &[(40, 12)], &WITHIN);
        assert!(routes[0].curve.samples().all(|point| !boxes[1].has(point)), "{routes:?}");
    }

    #[test]
    fn there_and_back_are_two_ways_with_two_texts() {
        let routes = routes(&[edge(0, 1), edge(1, 0)], &row_of_boxes(), &[(40, 12), (40, 12)], &WITHIN);
        assert_ne!(routes[0].curve.control, routes[1].curve.control);
        assert_eq!(routes[0].label.overlap(&routes[1].label), 0, "{routes:?}");
    }
}
