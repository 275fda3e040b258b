//! What vendors send, as the steps of a body. Cheap on purpose: a million of them are written in a run.

use std::collections::VecDeque;
use std::sync::LazyLock;

use bytes::Bytes;
use hotspare::types::DialectId;

use crate::faults::{Error, Fault};
use crate::world::Ms;

/// What a body does next.
#[derive(Debug)]
pub(crate) enum Step {
    Wait(Ms),
    Send(Sent),
    /// The same bytes for ever, with no pause or a short one; so many times at most, so that a client without bounds
    /// does not fill this machine.
    Flood(Bytes, u32),
    Hang,
    Cut,
}

/// Bytes, and what they say.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) bytes: Bytes,
    /// Tokens in them.
    pub(crate) tokens: u32,
    /// The end of the answer is in them.
    pub(crate) terminal: bool,
    /// Token counts are in them.
    pub(crate) counts: bool,
    /// The answer begins anew with them.
    pub(crate) anew: bool,
    /// A refusal that ends the answer is in them.
    pub(crate) refusal: bool,
}

/// What is to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) dialect: DialectId,
    pub(crate) call: u32,
    pub(crate) serial: u32,
    pub(crate) tokens: u32,
    pub(crate) input: u64,
    pub(crate) counts: bool,
    /// Most milliseconds between two tokens.
    pub(crate) pace: Ms,
}

/// Vendor's tokens in one of ours: a vendor counts four characters a token.
pub(crate) const WEIGHT: u64 = 6;
/// Length of [`token`].
pub(crate) const TOKEN: usize = 25;

/// Where each token begins, so that one search finds any answer.
pub(crate) const REPLY: &str = "tk-0";

/// A token: which call and attempt it belongs to, which beginning of its answer, and its place. No two are alike.
pub(crate) fn token(call: u32, serial: u32, generation: u32, index: u32) -> String {
    format!("tk-{call:07}.{serial:07}.{generation}.{index:03} ")
}

/// A token's parts.
pub(crate) fn read_token(text: &str) -> Option<(u32, u32, u32, u32)> {
    let mut parts = text.strip_prefix("tk-")?.strip_suffix(' ')?.splitn(4, '.');
    let mut next = || parts.next()?.parse().ok();
    Some((next()?, next()?, next()?, next()?))
}

impl Answer {
    fn text(&self, generation: u32, from: u32, until: u32) -> String {
        (from..until)
            .map(|index| token(self.call, self.serial, generation, index))
            .collect()
    }

    fn opening(&self) -> String {
        match self.dialect {
            DialectId::AnthropicMessages => format!(
                "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"m{}\",\"type\":\"message\",\
                 \"role\":\"assistant\",\"content\":[],\"model\":\"m\",\"stop_reason\":null{}}}}}\n\nevent: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\
                 \"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\n",
                self.serial,
                match self.counts {
                    true => format!(
                        ",\"usage\":{{\"input_tokens\":{},\"output_tokens\":1}}",
                        self.input
                    ),
                    false => String::new(),
                }
            ),
            DialectId::Gemini => String::new(),
            _ => format!(
                "data: {{\"id\":\"c{}\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{{\"index\":0,\
                 \"delta\":{{\"role\":\"assistant\",\"content\":\"\"}},\"finish_reason\":null}}]}}\n\n",
                self.serial
            ),
        }
    }

    fn chunk(&self, generation: u32, index: u32, out: &mut String) {
        let token = token(self.call, self.serial, generation, index);
        let (before, after) = match self.dialect {
            DialectId::AnthropicMessages => (
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":\
                 {\"type\":\"text_delta\",\"text\":\"",
                "\"}}\n\n",
            ),
            DialectId::Gemini => (
                "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"",
                "\"}],\"role\":\"model\"},\"index\":0}],\"responseId\":\"g\"}\r\n\r\n",
            ),
            _ => (
                "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"",
                "\"},\"finish_reason\":null}]}\n\n",
            ),
        };
        out.push_str(before);
        out.push_str(&token);
        out.push_str(after);
    }

    fn usage(&self) -> String {
        let (input, output) = (self.input, u64::from(self.tokens) * WEIGHT);
        match self.dialect {
            DialectId::AnthropicMessages => {
                format!("{{\"input_tokens\":{input},\"output_tokens\":{output}}}")
            }
            DialectId::Gemini => format!(
                "{{\"promptTokenCount\":{input},\"candidatesTokenCount\":{output},\"totalTokenCount\":{}}}",
                input + output
            ),
            _ => format!(
                "{{\"prompt_tokens\":{input},\"completion_tokens\":{output},\"total_tokens\":{}}}",
                input + output
            ),
        }
    }

    fn closing(&self) -> Sent {
        let text = match (self.dialect, self.counts) {
            (DialectId::AnthropicMessages, counts) => {
                let usage = if counts {
                    format!(
                        ",\"usage\":{{\"output_tokens\":{}}}",
                        u64::from(self.tokens) * WEIGHT
                    )
                } else {
                    String::new()
                };
                format!(
                    "event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":0}}\n\n\
                     event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}}{usage}}}\n\n\
                     event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
                )
            }
            (DialectId::Gemini, counts) => {
                let usage = if counts {
                    format!(",\"usageMetadata\":{}", self.usage())
                } else {
                    String::new()
                };
                format!(
                    "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"\"}}],\"role\":\"model\"}},\
                     \"finishReason\":\"STOP\",\"index\":0}}]{usage}}}\r\n\r\n"
                )
            }
            (_, counts) => {
                let usage = if counts {
                    format!("data: {{\"choices\":[],\"usage\":{}}}\n\n", self.usage())
                } else {
                    String::new()
                };
                format!(
                    "data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n{usage}data: [DONE]\n\n"
                )
            }
        };
        Sent {
            bytes: text.into(),
            terminal: true,
            counts: self.counts,
            ..Sent::default()
        }
    }

    /// Tokens `from..until`, paced.
    fn chunks(
        &self,
        generation: u32,
        from: u32,
        until: u32,
        rng: &mut fastrand::Rng,
        out: &mut VecDeque<Step>,
    ) {
        let mut text = String::new();
        let mut held = 0;
        for index in from..until {
            self.chunk(generation, index, &mut text);
            held += 1;
            let pause = if self.pace > 0 { rng.u64(..=self.pace) } else { 0 };
            if pause > 0 {
                out.push_back(send(std::mem::take(&mut text), std::mem::take(&mut held)));
                out.push_back(Step::Wait(pause));
            }
        }
        if held > 0 {
            out.push_back(send(text, held));
        }
    }

    /// A stream, with what goes wrong in it.
    pub(crate) fn stream(&self, fault: Option<Fault>, rng: &mut fastrand::Rng) -> VecDeque<Step> {
        let mut out = VecDeque::new();
        let at = rng.u32(1..=self.tokens.max(1));
        match fault {
            Some(Fault::PingsOnly) => {
                out.push_back(send(self.opening(), 0));
                for _ in 0..100 {
                    out.push_back(Step::Wait(1_000));
                    out.push_back(send(self.ping().to_owned(), 0));
                }
                out.push_back(Step::Hang);
                return out;
            }
            Some(Fault::EndlessComments) => {
                out.push_back(Step::Flood(COMMENTS.clone(), 600));
                return out;
            }
            Some(Fault::EndlessLine) => {
                out.push_back(send("data: ".to_owned(), 0));
                out.push_back(Step::Flood(LETTERS.clone(), 600));
                return out;
            }
            Some(Fault::StallBefore) => {
                out.push_back(send(self.opening(), 0));
                out.push_back(Step::Hang);
                return out;
            }
            _ => {}
        }
        let opening = self.opening();
        if !opening.is_empty() {
            out.push_back(send(opening, 0));
        }
        match fault {
            Some(Fault::ErrorFirst(error)) => out.push_back(self.error_event(error)),
            Some(Fault::ErrorMid(error)) => {
                self.chunks(0, 0, at, rng, &mut out);
                out.push_back(self.error_event(error));
            }
            Some(Fault::StallAfter) => {
                self.chunks(0, 0, at, rng, &mut out);
                out.push_back(Step::Hang);
            }
            Some(Fault::CutUnclean) => {
                self.chunks(0, 0, at, rng, &mut out);
                out.push_back(Step::Cut);
            }
            Some(Fault::CutClean) => self.chunks(0, 0, at, rng, &mut out),
            Some(Fault::NoMarker) => self.chunks(0, 0, self.tokens, rng, &mut out),
            Some(Fault::Malformed) => {
                self.chunks(0, 0, at - 1, rng, &mut out);
                out.push_back(send("data: {\"choices\": [{{]\n\n".to_owned(), 0));
                out.push_back(Step::Wait(5));
                out.push_back(Step::Hang);
            }
            Some(Fault::BegunAnew) if self.dialect == DialectId::AnthropicMessages => {
                self.chunks(0, 0, at, rng, &mut out);
                out.push_back(Step::Send(Sent {
                    bytes: self.opening().into(),
                    anew: true,
                    ..Sent::default()
                }));
                self.chunks(1, 0, self.tokens, rng, &mut out);
                out.push_back(Step::Send(self.closing()));
            }
            Some(Fault::Empty) => out.push_back(Step::Send(self.closing())),
            Some(Fault::SlowTokens) => {
                for index in 0..self.tokens {
                    self.chunks(0, index, index + 1, rng, &mut out);
                    out.push_back(Step::Wait(rng.u64(200..4_000)));
                }
                out.push_back(Step::Send(self.closing()));
            }
            Some(Fault::TricklesBytes) => {
                let mut whole = VecDeque::new();
                self.chunks(0, 0, self.tokens, rng, &mut whole);
                whole.push_back(Step::Send(self.closing()));
                for step in whole {
                    trickle(step, rng, &mut out);
                }
            }
            _ => {
                self.chunks(0, 0, self.tokens, rng, &mut out);
                out.push_back(Step::Send(self.closing()));
            }
        }
        out
    }

    fn ping(&self) -> &'static str {
        match self.dialect {
            DialectId::AnthropicMessages => "event: ping\ndata: {\"type\": \"ping\"}\n\n",
            _ => ": keep-alive\n\n",
        }
    }

    fn error_event(&self, error: Error) -> Step {
        let name = match self.dialect {
            DialectId::AnthropicMessages => "event: error\n",
            _ => "",
        };
        send(format!("{name}data: {}\n\n", error.body(self.dialect)), 0)
    }

    /// A whole reply, with what goes wrong in it.
    pub(crate) fn whole(&self, fault: Option<Fault>, rng: &mut fastrand::Rng) -> VecDeque<Step> {
        let mut out = VecDeque::new();
        let body = match fault {
            Some(Fault::ErrorFirst(error) | Fault::ErrorMid(error)) => {
                out.push_back(send(error.body(self.dialect).to_string(), 0));
                return out;
            }
            Some(Fault::EndlessComments | Fault::EndlessLine) => {
                out.push_back(Step::Flood(SPACES.clone(), 130));
                return out;
            }
            Some(Fault::Empty) => self.document(0),
            _ => self.document(self.tokens),
        };
        let half = rng.usize(1..body.len());
        match fault {
            Some(Fault::StallBefore | Fault::PingsOnly) => out.push_back(Step::Hang),
            Some(Fault::StallAfter) => {
                out.push_back(send(body[..half].to_owned(), 0));
                out.push_back(Step::Hang);
            }
            Some(Fault::CutClean | Fault::Malformed | Fault::NoMarker) => {
                out.push_back(send(body[..half].to_owned(), 0));
            }
            Some(Fault::CutUnclean) => {
                out.push_back(send(body[..half].to_owned(), 0));
                out.push_back(Step::Cut);
            }
            _ => {
                let sent = Step::Send(Sent {
                    bytes: body.into(),
                    tokens: if fault == Some(Fault::Empty) {
                        0
                    } else {
                        self.tokens
                    },
                    terminal: true,
                    counts: self.counts,
                    ..Sent::default()
                });
                match fault {
                    Some(Fault::SlowTokens | Fault::TricklesBytes) => trickle(sent, rng, &mut out),
                    _ => out.push_back(sent),
                }
            }
        }
        out
    }

    fn document(&self, tokens: u32) -> String {
        let text = self.text(0, 0, tokens);
        let usage = self.usage();
        let usage = |field: &str| match self.counts {
            true => format!(",\"{field}\":{usage}"),
            false => String::new(),
        };
        match self.dialect {
            DialectId::AnthropicMessages => format!(
                "{{\"id\":\"m{}\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{{\"type\":\"text\",\
                 \"text\":\"{text}\"}}],\"stop_reason\":\"end_turn\"{}}}",
                self.serial,
                usage("usage")
            ),
            DialectId::Gemini => format!(
                "{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}],\"role\":\"model\"}},\
                 \"finishReason\":\"STOP\",\"index\":0}}]{}}}",
                usage("usageMetadata")
            ),
            _ => format!(
                "{{\"id\":\"c{}\",\"object\":\"chat.completion\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"message\":\
                 {{\"role\":\"assistant\",\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}]{}}}",
                self.serial,
                usage("usage")
            ),
        }
    }
}

/// Gemini's way to refuse a prompt: a 200 without a candidate.
pub(crate) fn blocked(stream: bool) -> VecDeque<Step> {
    let body = "{\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"}}";
    let text = match stream {
        true => format!("data: {body}\r\n\r\n"),
        false => body.to_owned(),
    };
    VecDeque::from([Step::Send(Sent {
        bytes: text.into(),
        refusal: true,
        ..Sent::default()
    })])
}

/// An error's body that does not end.
pub(crate) fn endless_error() -> VecDeque<Step> {
    VecDeque::from([Step::Flood(LETTERS.clone(), 600)])
}

fn send(text: String, tokens: u32) -> Step {
    Step::Send(Sent {
        bytes: text.into(),
        tokens,
        ..Sent::default()
    })
}

/// The same bytes in two pieces, cut anywhere. Tokens count as sent with the first, the end with the second.
fn trickle(step: Step, rng: &mut fastrand::Rng, out: &mut VecDeque<Step>) {
    let sent = match step {
        // The end of a stream stays whole: its marker need not be the last of its bytes.
        Step::Send(sent) if sent.tokens > 0 => sent,
        other => return out.push_back(other),
    };
    let mut rest = sent.bytes.clone();
    let first = rest.split_to(rng.usize(1..rest.len()));
    out.push_back(Step::Send(Sent {
        bytes: first,
        tokens: sent.tokens,
        ..Sent::default()
    }));
    out.push_back(Step::Wait(rng.u64(..50)));
    out.push_back(Step::Send(Sent {
        bytes: rest,
        tokens: 0,
        ..sent
    }));
}

/// Bytes of one flood step. Shared, so that a flood costs the vendor nothing.
pub(crate) const FLOOD: usize = 1 << 20;
static LETTERS: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![b'x'; FLOOD]));
static SPACES: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![b' '; FLOOD]));
static COMMENTS: LazyLock<Bytes> = LazyLock::new(|| {
    let mut line = vec![b'x'; FLOOD / 4];
    line[0] = b':';
    line[FLOOD / 4 - 1] = b'\n';
    Bytes::from(line.repeat(4))
});
