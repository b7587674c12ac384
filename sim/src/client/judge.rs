//! Holds each response, and the end of the connection, against the plan.

use super::Client;
use crate::ask::{Answer, Expected};
use crate::plan::End;
use crate::watch::{NUMBER, Ordeal};
use crate::wire::Fate;

/// Milliseconds in which a calm connection has ended behind both FINs: longer than a socket may block.
const PROMPT: u64 = 1900;

impl Client<'_> {
    /// Whether this is the answer that was to come.
    pub(super) fn judge(&mut self, answer: Answer) -> Result<(), String> {
        let n = self.answered;
        self.answered += 1;
        self.closing |= answer.says_close();
        let status = answer.status;
        let told = answer.field(NUMBER).map(str::to_owned);
        let Some(sent) = self.plan.sends.get(n) else {
            // The rest of what was broken off, or what was sent for another protocol.
            let own = told.is_none() && matches!(status, 400 | 408 | 503);
            let odd = !self.plan.is_calm() || self.is_excused() || self.plan.owed() < self.plan.sends.len();
            return if own && odd { Ok(()) } else { Err(format!("an answer to nothing: {status}")) };
        };
        let Some(told) = told else {
            let odd = !self.plan.is_calm() || self.is_excused();
            let expected = match (&sent.ask.expected, sent.ordeal) {
                (Expected::Refused(statuses), _) if statuses.contains(&status) => {
                    return if self.closing { Ok(()) } else { Err(format!("{status} and no close")) };
                }
                (Expected::Refused(_), _) => odd && matches!(status, 408 | 503),
                (_, Some(Ordeal::PanicInCall | Ordeal::PanicAfter(_))) if status == 500 => true,
                (_, Some(Ordeal::Silence)) if status == 503 => true,
                _ => odd && matches!(status, 400 | 408 | 500 | 503),
            };
            return if expected {
                Ok(())
            } else {
                Err(format!("request {n} was answered {status} by the machine"))
            };
        };
        if told != sent.number.to_string() {
            return Err(format!("request {} was given the answer to {told}", sent.number));
        }
        if self.heads.get(n).is_some_and(|&end| end > self.sent) {
            return Err(format!("request {} was answered before it was sent", sent.number));
        }
        if sent.ordeal == Some(Ordeal::Early) {
            return if answer.body == b"early" || sent.is_headless() {
                Ok(())
            } else {
                Err("not the early answer".to_owned())
            };
        }
        let hands_over = status == 101 || (sent.ask.is_connect() && matches!(status, 200..=299));
        let has_content = answer.field("Content-Length") != Some("0");
        if sent.ordeal == Some(Ordeal::PanicInBody) && !hands_over && !sent.is_headless() && has_content {
            return Err("an answer that broke off came whole".to_owned());
        }
        match &sent.ask.expected {
            Expected::Refused(_) => Err(format!("what is to be refused was answered {status}")),
            Expected::Cut => Err("an answer that broke off came whole".to_owned()),
            Expected::Tunnel { .. } if hands_over => Ok(()),
            Expected::Declined(_) if status == 403 && self.closing => Ok(()),
            Expected::Exactly(bytes) if status == 200 && answer.body == *bytes => {
                self.judge_close(n, &answer)
            }
            // The body broke off, and the handler says so.
            Expected::Exactly(_) if status == 400 && (!self.plan.is_calm() || self.is_excused()) => Ok(()),
            Expected::Exactly(bytes) => Err(format!(
                "request {} was answered {status} with {} bytes, not with {}",
                sent.number,
                answer.body.len(),
                bytes.len()
            )),
            Expected::Checked(check) => check(&answer),
            Expected::Anything => Ok(()),
            Expected::Tunnel { .. } | Expected::Declined(_) => {
                Err(format!("{} was answered {status}, and closes: {}", sent.ask.method, self.closing))
            }
        }
    }

    /// A calm connection is not given up without a reason.
    fn judge_close(&self, n: usize, answer: &Answer) -> Result<(), String> {
        let needless = n < self.plan.owed()
            && self.plan.is_calm()
            && !self.is_excused()
            && !self.crowded
            && self.plan.end != End::Fin
            && answer.says_close()
            && self.plan.sends.get(n).is_some_and(|sent| !sent.close && !sent.old);
        if needless { Err(format!("the answer to request {n} closes without a reason")) } else { Ok(()) }
    }

    /// The connection has ended.
    pub(super) fn end(&mut self, cut: bool, now: u64) -> Result<(), String> {
        self.finished = true;
        self.trace.note(format_args!(
            "client {} sees the {}",
            self.number,
            if cut { "reset" } else { "end" }
        ));
        let whole = if cut { None } else { self.reader.end() };
        if let Some(answer) = whole {
            self.judge(answer)?;
            self.closing = true;
        }
        if self.plan.end != End::Silent {
            self.ends.link().end();
        }
        let evicted = self.ends.fate() == Some(Fate::Evicted) && !cut && !self.deaf;
        if evicted && (self.reader.is_amid() || self.answered < self.ends.requests()) {
            return Err(format!("it was not idle when it was evicted, but owed answer {}", self.answered));
        }
        if !self.plan.is_calm() || self.is_excused() {
            return Ok(());
        }
        if self.done_since.is_some_and(|since| now > since + PROMPT) {
            return Err("the server did not close at the FIN behind the last answer".to_owned());
        }
        let owed = self.plan.owed();
        if self.reader.is_amid() && self.answered < owed && !self.deaf {
            return Err(format!("the answer to request {} broke off", self.answered));
        }
        if let Some((came, due)) = self.tunnel().filter(|(came, due)| came < due) {
            return Err(format!("the connection that was handed over ended behind {came} bytes of {due}"));
        }
        let all = self.answered >= owed || self.closing;
        if !all {
            return Err(format!("the connection ended before the answer to request {}", self.answered));
        }
        Ok(())
    }
}
