//! One request from its arrival to its end: what was sent of the reply, and what the vendor bills for it.

use std::sync::Arc;

use crate::journal::End;
use crate::provider::Provider;

/// What a reply costs, whole or cut short.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Meter {
    pub(crate) input: u64,
    pub(crate) output: u64,
    /// Chunks of content the whole reply has.
    pub(crate) chunks: u32,
    /// Whether the rest is billed too when the exchange ends early: the vendor generates on, or does not stream.
    pub(crate) whole: bool,
}

impl Meter {
    /// Input and output tokens billed when it ends so, with that many chunks sent.
    pub(crate) fn billed(&self, sent: u64, end: End) -> (u64, u64) {
        let chunks = u64::from(self.chunks);
        if end == End::Refused {
            (0, 0)
        } else if self.whole || sent >= chunks {
            (self.input, self.output)
        } else {
            let part = u128::from(self.output) * u128::from(sent);
            let part = part.div_ceil(u128::from(chunks.max(1)));
            (self.input, u64::try_from(part).unwrap_or(self.output))
        }
    }
}

/// An exchange under way. Dropped unfinished, it ends as `abandoned` says.
#[derive(Debug)]
pub(crate) struct Exchange {
    provider: Arc<Provider>,
    n: u64,
    /// None: nothing is billed.
    meter: Option<Meter>,
    /// Whether it takes up room at the provider.
    under_way: bool,
    abandoned: End,
    /// Not yet told to the journal.
    bytes: u64,
    chunks: u64,
    /// In all.
    sent: u64,
    ended: bool,
}

impl Exchange {
    pub(crate) fn new(provider: Arc<Provider>, n: u64, meter: Option<Meter>, under_way: bool) -> Self {
        Self {
            provider,
            n,
            meter,
            under_way,
            abandoned: End::ClientDisconnected,
            bytes: 0,
            chunks: 0,
            sent: 0,
            ended: false,
        }
    }

    /// What it was when it is dropped unfinished; at first, that the client left.
    pub(crate) fn abandoned(&mut self, end: End) {
        self.abandoned = end;
    }

    /// Notes a part of the body. The journal hears of it by [`tell`](Self::tell).
    pub(crate) fn count(&mut self, bytes: usize, chunks: u32) {
        self.bytes += bytes as u64;
        self.chunks += u64::from(chunks);
        self.sent += u64::from(chunks);
    }

    /// Tells the journal what has been sent.
    pub(crate) fn tell(&mut self) {
        if !self.ended {
            let (bytes, chunks) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.chunks));
            self.provider.sent(self.n, bytes, chunks);
        }
    }

    /// The end. A second one is not heard.
    pub(crate) fn end(&mut self, end: End) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let billed = self.meter.map_or((0, 0), |meter| meter.billed(self.sent, end));
        let counted = (self.bytes, self.chunks);
        self.provider.ended(self.n, counted, end, billed, self.under_way);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.end(self.abandoned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_billed_of_a_reply_cut_short() {
        let streamed = Meter {
            input: 10,
            output: 100,
            chunks: 3,
            whole: false,
        };
        let generated_on = Meter {
            whole: true,
            ..streamed
        };
        for (meter, sent, end, billed) in [
            (streamed, 3, End::Complete, (10, 100)),
            (streamed, 1, End::Complete, (10, 34)),
            (streamed, 0, End::ClientDisconnected, (10, 0)),
            (streamed, 2, End::Cut, (10, 67)),
            (generated_on, 0, End::ClientDisconnected, (10, 100)),
            (generated_on, 0, End::Refused, (0, 0)),
        ] {
            assert_eq!(meter.billed(sent, end), billed, "{meter:?} {sent} {end:?}");
        }
    }
}
