//! A plan is made smaller when it fails.

use super::{ClientPlan, RoundPlan};
use crate::before::BeforeHttp;

/// What comes before HTTP, and parts of it.
fn without_before(
    without: &mut impl FnMut(&dyn Fn(&mut RoundPlan)),
    which: usize,
    ClientPlan { before, .. }: &ClientPlan,
) {
    let Some(before) = *before else { return };
    let mut with = |before| without(&|plan| plan.clients[which].before = before);
    if !before.is_other() {
        with(None);
    }
    if before.dribble.is_some() {
        with(Some(BeforeHttp { dribble: None, ..before }));
    }
    if before.silent_behind.is_some() {
        with(Some(BeforeHttp { silent_behind: None, ..before }));
    }
    if before.names {
        with(Some(BeforeHttp { names: false, ..before }));
    }
}

impl RoundPlan {
    /// Plans that are a little smaller.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut plans = Vec::new();
        let mut without = |change: &dyn Fn(&mut Self)| {
            let mut plan = self.clone();
            change(&mut plan);
            plans.push(plan);
        };
        for client in 0..self.clients.len() {
            without(&|plan| _ = plan.clients.remove(client));
        }
        for (which, client) in self.clients.iter().enumerate() {
            for n in 0..client.sends.len() {
                without(&|plan| _ = plan.clients[which].sends.remove(n));
            }
            for n in 0..client.disturbances.len() {
                without(&|plan| _ = plan.clients[which].disturbances.remove(n));
            }
            for n in 0..client.mishaps.len() {
                without(&|plan| _ = plan.clients[which].mishaps.remove(n));
            }
            for (n, sent) in client.sends.iter().enumerate() {
                if sent.handler_fault.is_some() {
                    without(&|plan| plan.clients[which].sends[n].handler_fault = None);
                }
                if sent.close {
                    without(&|plan| plan.clients[which].sends[n].close = false);
                }
                if sent.old {
                    without(&|plan| plan.clients[which].sends[n].old = false);
                }
                if sent.empty_lines > 0 {
                    without(&|plan| plan.clients[which].sends[n].empty_lines = 0);
                }
                if sent.expect {
                    without(&|plan| {
                        plan.clients[which].sends[n].expect = false;
                        plan.clients[which].sends[n].patient = false;
                    });
                }
                if sent.patient {
                    without(&|plan| plan.clients[which].sends[n].patient = false);
                }
                if sent.chunk.is_some() {
                    without(&|plan| {
                        plan.clients[which].sends[n].chunk = None;
                        plan.clients[which].sends[n].trailers = false;
                    });
                }
            }
            if client.tail > 0 {
                without(&|plan| plan.clients[which].tail = 0);
            }
            if client.piece != usize::MAX {
                without(&|plan| plan.clients[which].piece = usize::MAX);
            }
            if client.step != usize::MAX {
                without(&|plan| plan.clients[which].step = usize::MAX);
            }
            if client.take != usize::MAX {
                without(&|plan| plan.clients[which].take = usize::MAX);
            }
            if client.pipelined {
                without(&|plan| plan.clients[which].pipelined = false);
            }
            if client.thinks != 0 {
                without(&|plan| plan.clients[which].thinks = 0);
            }
            if client.layered && client.before.is_none() {
                without(&|plan| plan.clients[which].layered = false);
            }
            without_before(&mut without, which, client);
            if client.opens_at != 0 {
                without(&|plan| plan.clients[which].opens_at = 0);
            }
        }
        if !self.jumps.is_empty() {
            without(&|plan| plan.jumps.clear());
        }
        if self.drain_at.is_some() {
            without(&|plan| plan.drain_at = None);
        }
        if !self.accept_failures.is_empty() {
            without(&|plan| plan.accept_failures.clear());
        }
        plans
    }
}
