//! A source file with all its mutants in it, each behind a switch.
//!
//! The alternatives hold the original text, so that the size of the file stays linear: only one mutant is on at a
//! time. A binary operator's alternative is the whole chain of operators around it, because a replaced operator may
//! bind otherwise (`a - b * c` becomes `a - b + c`).

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::list::Mutant;

/// Ranges of an instrumented text, and whose they are.
pub type Alternatives = Vec<(Range<usize>, u32)>;
/// Places of an instrumented text, and the mutants that delete an arm there.
pub type Matches = Vec<(usize, Vec<u32>)>;

/// An instrumented file.
pub struct Instrumented {
    /// The text.
    pub text: String,
    /// Where in the text the alternatives stand: what the compiler says about it concerns that mutant.
    pub alternatives: Alternatives,
    /// Where in the text a `match` looks at its value, and the mutants that delete an arm of it.
    pub matches: Matches,
    /// Mutants that are no Rust.
    pub malformed: Vec<u32>,
    /// Mutants for which no place was found.
    pub unplaced: Vec<u32>,
    /// Mutants in constants and `const fn`, which take effect while compiling.
    pub constant: Vec<u32>,
}

/// Puts the mutants of a file into its text.
pub fn instrument(source: &str, mutants: &[&Mutant]) -> Result<Instrumented, syn::Error> {
    let file = syn::parse_file(source)?;
    let lines = line_starts(source);
    let mut finder = Finder::new(source);
    for mutant in mutants {
        let from = offset(source, &lines, mutant.from);
        let to = offset(source, &lines, mutant.to);
        finder.at.entry((genre_key(&mutant.genre), from)).or_default().push((mutant, to));
    }
    finder.visit_file(&file);
    let unplaced = finder.at.into_values().flatten().map(|(mutant, _)| mutant.number).collect();
    let (text, alternatives, matches) = write(source, finder.edits);
    Ok(Instrumented {
        text,
        alternatives,
        matches,
        malformed: finder.malformed,
        unplaced,
        constant: finder.constants,
    })
}

/// What is put around, or at, a range of the source.
struct Edit {
    range: Range<usize>,
    /// Of two edits of one range, the lower one is outside.
    depth: u8,
    before: Vec<Piece>,
    after: String,
}

enum Piece {
    Text(String),
    Alternative(String, u32),
    Match(Vec<u32>),
}

type Chain<'a> = (Range<usize>, Vec<(&'a Mutant, String)>);

struct Finder<'a> {
    source: &'a str,
    at: HashMap<(&'static str, usize), Vec<(&'a Mutant, usize)>>,
    edits: Vec<Edit>,
    /// The chain of binary operators that is being visited, and the alternatives for it.
    chain: Option<Chain<'a>>,
    constant: usize,
    constants: Vec<u32>,
    malformed: Vec<u32>,
}

fn genre_key(genre: &str) -> &'static str {
    match genre {
        "FnValue" => "FnValue",
        "BinaryOperator" => "BinaryOperator",
        "UnaryOperator" => "UnaryOperator",
        "MatchArmGuard" => "MatchArmGuard",
        "MatchArm" => "MatchArm",
        "StructField" => "StructField",
        _ => "unknown",
    }
}

impl<'a> Finder<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            at: HashMap::new(),
            edits: Vec::new(),
            chain: None,
            constant: 0,
            constants: Vec::new(),
            malformed: Vec::new(),
        }
    }

    /// The mutants of a genre that begin here.
    fn take(&mut self, genre: &'static str, from: usize) -> Vec<(&'a Mutant, usize)> {
        let found = self.at.remove(&(genre, from)).unwrap_or_default();
        if self.constant > 0 {
            self.constants.extend(found.iter().map(|(mutant, _)| mutant.number));
        }
        found
    }

    /// Whether an alternative is an expression; if not, its mutant is out.
    fn well_formed(&mut self, mutant: &Mutant, alternative: &str) -> bool {
        let good = syn::parse_str::<syn::Expr>(alternative).is_ok();
        if !good {
            self.malformed.push(mutant.number);
        }
        good
    }

    /// `(if on(1) {(a)} else {(original)})`.
    fn choose(&mut self, range: Range<usize>, alternatives: Vec<(&'a Mutant, String)>) {
        let mut before = Vec::new();
        let mut ends = String::new();
        for (mutant, alternative) in alternatives {
            if !self.well_formed(mutant, &alternative) {
                continue;
            }
            before.push(Piece::Text(format!("(if crate::mutants::on({}) {{(", mutant.number)));
            before.push(Piece::Alternative(alternative, mutant.number));
            before.push(Piece::Text(")} else {(".to_owned()));
            ends.push_str(")})");
        }
        self.edits.push(Edit { range, depth: 1, before, after: ends });
    }

    fn insert(&mut self, at: usize, before: Vec<Piece>) {
        self.edits.push(Edit { range: at..at, depth: 0, before, after: String::new() });
    }

    fn body(&mut self, block: &syn::Block) {
        let Some(first) = block.stmts.first() else { return };
        let from = first.span().byte_range().start;
        let open = block.brace_token.span.open().byte_range().end;
        for (mutant, _) in self.take("FnValue", from) {
            if self.well_formed(mutant, &mutant.replacement) {
                let number = mutant.number;
                self.insert(
                    open,
                    vec![
                        Piece::Text(format!("if crate::mutants::on({number}) {{ return ")),
                        Piece::Alternative(mutant.replacement.clone(), number),
                        Piece::Text("; }".to_owned()),
                    ],
                );
            }
        }
    }

    fn function(&mut self, signature: &syn::Signature, block: &'_ syn::Block) {
        self.constant += usize::from(signature.constness.is_some());
        self.body(block);
        visit::visit_block(self, block);
        self.constant -= usize::from(signature.constness.is_some());
    }

    fn constant(&mut self, visit: impl FnOnce(&mut Self)) {
        self.constant += 1;
        visit(self);
        self.constant -= 1;
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    // The chain ends at whatever is no binary operator.
    fn visit_expr(&mut self, expr: &'ast syn::Expr) {
        if let syn::Expr::Binary(binary) = expr {
            let outermost = self.chain.is_none();
            if outermost {
                self.chain = Some((binary.span().byte_range(), Vec::new()));
            }
            let operator = binary.op.span().byte_range();
            let found = self.take("BinaryOperator", operator.start);
            if let Some((range, alternatives)) = &mut self.chain {
                for (mutant, end) in found {
                    let head = &self.source[range.start..operator.start];
                    let tail = &self.source[end..range.end];
                    alternatives.push((mutant, format!("{head}{}{tail}", mutant.replacement)));
                }
            }
            visit::visit_expr(self, expr);
            if outermost {
                if let Some((range, alternatives)) = self.chain.take() {
                    self.choose(range, alternatives);
                }
            }
            return;
        }
        let chain = self.chain.take();
        visit::visit_expr(self, expr);
        self.chain = chain;
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        let range = unary.span().byte_range();
        let found = self.take("UnaryOperator", range.start);
        if !found.is_empty() {
            let alternative = |end: usize, mutant: &Mutant| {
                format!("{}{}", mutant.replacement, &self.source[end..range.end])
            };
            let alternatives =
                found.iter().map(|&(mutant, end)| (mutant, alternative(end, mutant))).collect();
            self.choose(range, alternatives);
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, expr: &'ast syn::ExprMatch) {
        let arms = expr.arms.iter().flat_map(|arm| [arm.span(), arm.pat.span()]);
        let starts: BTreeSet<usize> = arms.map(|span| span.byte_range().start).collect();
        let deleting = starts.iter().filter_map(|start| self.at.get(&("MatchArm", *start))).flatten();
        let deleting: Vec<u32> = deleting.map(|(mutant, _)| mutant.number).collect();
        if !deleting.is_empty() {
            self.insert(expr.expr.span().byte_range().start, vec![Piece::Match(deleting)]);
        }
        visit::visit_expr_match(self, expr);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let mut deleted = self.take("MatchArm", arm.span().byte_range().start);
        deleted.extend(self.take("MatchArm", arm.pat.span().byte_range().start));
        let deleted: String =
            deleted.iter().map(|(mutant, _)| format!("!crate::mutants::on({}) && ", mutant.number)).collect();
        if let Some((_, guard)) = &arm.guard {
            let range = guard.span().byte_range();
            let mut before = format!("{deleted}(");
            let mut after = String::from(")");
            for (mutant, _) in self.take("MatchArmGuard", range.start) {
                let number = mutant.number;
                if mutant.replacement == "true" {
                    before.push_str(&format!("crate::mutants::on({number}) || "));
                } else {
                    before.push_str(&format!("!crate::mutants::on({number}) && "));
                }
                before.push('(');
                after.push(')');
            }
            self.edits.push(Edit { range, depth: 0, before: vec![Piece::Text(before)], after });
        } else if !deleted.is_empty() {
            let guard = format!(" if {} ", deleted.trim_end_matches("&& "));
            self.insert(arm.pat.span().byte_range().end, vec![Piece::Text(guard)]);
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, expr: &'ast syn::ExprStruct) {
        for field in &expr.fields {
            let found = self.take("StructField", field.span().byte_range().start);
            let (Some(rest), syn::Member::Named(name)) = (&expr.rest, &field.member) else { continue };
            let rest = &self.source[rest.span().byte_range()];
            for (mutant, _) in found {
                let colon = if field.colon_token.is_none() { format!("{name}: ") } else { String::new() };
                let number = mutant.number;
                let before = vec![
                    Piece::Text(format!("{colon}(if crate::mutants::on({number}) {{ (")),
                    Piece::Alternative(format!("({rest}).{name}"), number),
                    Piece::Text(")} else {(".to_owned()),
                ];
                let range = field.expr.span().byte_range();
                self.edits.push(Edit { range, depth: 0, before, after: ")})".to_owned() });
            }
        }
        visit::visit_expr_struct(self, expr);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, &function.block);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, &function.block);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.sig, block);
        }
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.constant(|this| visit::visit_item_const(this, item));
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.constant(|this| visit::visit_item_static(this, item));
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.constant(|this| visit::visit_impl_item_const(this, item));
    }

    fn visit_expr_const(&mut self, expr: &'ast syn::ExprConst) {
        self.constant(|this| visit::visit_expr_const(this, expr));
    }

    fn visit_expr_repeat(&mut self, expr: &'ast syn::ExprRepeat) {
        self.visit_expr(&expr.expr);
        self.constant(|this| this.visit_expr(&expr.len));
    }

    fn visit_type_array(&mut self, array: &'ast syn::TypeArray) {
        self.visit_type(&array.elem);
        self.constant(|this| this.visit_expr(&array.len));
    }
}

/// Edits nest; at one place, ends come before beginnings, and the longer edit begins first and ends last.
fn write(source: &str, edits: Vec<Edit>) -> (String, Alternatives, Matches) {
    let mut order: Vec<(usize, u8, Reverse<usize>, i16, usize)> = Vec::new();
    for (index, edit) in edits.iter().enumerate() {
        let (start, end, depth) = (edit.range.start, edit.range.end, i16::from(edit.depth));
        if start == end {
            order.push((start, 1, Reverse(0), 0, index));
        } else {
            order.push((start, 2, Reverse(end), depth, index));
            order.push((end, 0, Reverse(start), -depth, index));
        }
    }
    order.sort_unstable();
    let mut text = String::with_capacity(source.len() * 4);
    let mut alternatives = Vec::new();
    let mut matches = Vec::new();
    let mut copied = 0;
    for (place, side, _, _, index) in order {
        text.push_str(&source[copied..place]);
        copied = place;
        if side == 0 {
            text.push_str(&edits[index].after);
            continue;
        }
        for piece in &edits[index].before {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Match(numbers) => matches.push((text.len(), numbers.clone())),
                Piece::Alternative(piece, number) => {
                    let from = text.len();
                    text.push_str(piece);
                    alternatives.push((from..text.len(), *number));
                }
            }
        }
    }
    text.push_str(&source[copied..]);
    (text, alternatives, matches)
}

fn line_starts(source: &str) -> Vec<usize> {
    std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

fn offset(source: &str, lines: &[usize], (line, column): (usize, usize)) -> usize {
    let start = lines[line - 1];
    let within = &source[start..];
    start + within.char_indices().nth(column - 1).map_or(within.len(), |(at, _)| at)
}
