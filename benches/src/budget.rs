//! What a request may cost: `benches/budgets.txt`, one row per server and load.

use crate::load::Load;

/// What one request of a load cost on one server, or may cost.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PerRequest {
    /// Instructions in user space.
    pub instructions: f64,
    /// Allocations.
    pub allocations: f64,
    /// System calls.
    pub system_calls: f64,
}

impl PerRequest {
    /// Whether nothing of this is above `budget`. Half a hundredth is forgiven: a clock that ticks during the run
    /// is no cost of a request.
    #[must_use]
    pub fn is_within(&self, budget: &Self) -> bool {
        self.instructions.round() <= budget.instructions
            && self.allocations <= budget.allocations + 0.005
            && self.system_calls <= budget.system_calls + 0.005
    }
}

/// The committed budgets.
#[derive(Debug)]
pub struct Budgets<'a>(Vec<(&'a str, Load, PerRequest)>);

impl<'a> Budgets<'a> {
    /// Reads rows of `SERVER LOAD INSTRUCTIONS ALLOCATIONS SYSTEM_CALLS`; `#` begins a comment.
    ///
    /// # Errors
    /// With the first line that is no such row.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let rows = text.lines().map(|line| line.split('#').next().unwrap_or("").trim());
        rows.filter(|row| !row.is_empty())
            .map(|row| parse_row(row).ok_or_else(|| format!("no budget: {row:?}")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The servers that have a budget, in the order of the rows.
    #[must_use]
    pub fn servers(&self) -> Vec<&'a str> {
        let mut servers: Vec<_> = self.0.iter().map(|row| row.0).collect();
        servers.dedup();
        servers
    }

    /// The budget of one server under one load.
    #[must_use]
    pub fn of(&self, server: &str, load: Load) -> Option<PerRequest> {
        self.0.iter().find(|row| row.0 == server && row.1 == load).map(|row| row.2)
    }
}

fn parse_row(row: &str) -> Option<(&str, Load, PerRequest)> {
    let mut words = row.split_whitespace();
    let server = words.next()?;
    let load = Load::named(words.next()?)?;
    let mut number = || words.next()?.parse::<f64>().ok();
    let budget = PerRequest { instructions: number()?, allocations: number()?, system_calls: number()? };
    words.next().is_none().then_some((server, load, budget))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_budgets_can_be_read() {
        let budgets = Budgets::parse(include_str!("../budgets.txt")).unwrap();
        let servers = [
            "core",
            "memory",
            "layered",
            "tokio",
            "tokio-limited",
            "tokio-tls",
            "http",
            "async-std",
            "smol",
            "blocking",
            "blocking-function",
        ];
        assert_eq!(budgets.servers(), servers);
        for server in budgets.servers() {
            for load in Load::ALL {
                assert!(budgets.of(server, load).is_some(), "{server} {load}");
            }
        }
    }

    #[test]
    fn a_budget_is_inclusive() {
        let budgets = Budgets::parse("# a comment\ncore plain 2300 0 0 # another\n").unwrap();
        let budget = budgets.of("core", Load::Plain).unwrap();
        let cost = |instructions, allocations| PerRequest { instructions, allocations, system_calls: 0.0 };
        assert!(cost(2300.0, 0.0).is_within(&budget));
        assert!(!cost(2301.0, 0.0).is_within(&budget));
        assert!(!cost(100.0, 1.0).is_within(&budget));
        assert_eq!(budgets.of("core", Load::Browser), None);
    }

    #[test]
    fn a_row_that_is_no_budget_is_an_error() {
        assert!(Budgets::parse("core plain 2300").is_err());
        assert!(Budgets::parse("core upload 2300 0 0").is_err());
        assert!(Budgets::parse("core plain 2300 0 0 9").is_err());
    }
}
