//! What a client that speaks a vendor's format is answered with: the other direction of `decode`, `events` and `classify`.

use std::borrow::Cow;

use http::StatusCode;

use super::{Asked, Dialect, SseEvent};
use crate::error::Error;
use crate::types::{DialectId, FailureClass, JsonMap, Reply, StreamEvent};

/// What a client asked for: the request as we read it, and of its body what replies repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The request.
    pub asked: Asked,
    /// The fields of its body that are among [`Ingress::repeats`], as they came.
    pub body: JsonMap,
}

/// What a stream's first event says of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// An id that no other reply has, of letters and digits; a format puts its own prefix before it.
    pub id: String,
    /// The model that answers, by the vendor's own name.
    pub model: String,
    /// When it began, Unix seconds.
    pub created: u64,
}

/// An error, as the client's own vendor is to tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Our code: the failure class of an error that is one, else the error's kind.
    pub code: &'static str,
    /// The class of the last failure; None when none is behind it.
    pub class: Option<FailureClass>,
    /// The HTTP status that suits it where the format has no other.
    pub status: StatusCode,
    /// One line for a person.
    pub message: String,
    /// The last vendor's own code, or the field of the request that is wrong.
    pub detail: Option<String>,
    /// An id for the client's logs.
    pub request_id: String,
}

impl Problem {
    /// Of an error.
    #[must_use]
    pub fn of(error: &Error, request_id: &str) -> Self {
        let class = error.class();
        Self {
            code: error.code(),
            class,
            status: status(class, error.status()),
            message: error.message().to_owned(),
            detail: error.failure().and_then(|failure| failure.code.clone()),
            request_id: request_id.to_owned(),
        }
    }
}

/// The status a failure class is told with. `seen` is what a vendor answered: a status that says more of the same is kept.
fn status(class: Option<FailureClass>, seen: Option<u16>) -> StatusCode {
    use FailureClass as C;
    let usual = match class {
        Some(C::InvalidRequest | C::Unsupported | C::ContextLength | C::ContentFiltered) => {
            StatusCode::BAD_REQUEST
        }
        Some(C::Authentication) => StatusCode::UNAUTHORIZED,
        Some(C::BudgetExceeded) => StatusCode::PAYMENT_REQUIRED,
        Some(C::ModelNotFound) => StatusCode::NOT_FOUND,
        Some(C::RateLimited | C::QuotaExhausted) => StatusCode::TOO_MANY_REQUESTS,
        Some(C::Connect | C::Reset | C::Malformed) => StatusCode::BAD_GATEWAY,
        Some(C::Overloaded) => StatusCode::SERVICE_UNAVAILABLE,
        Some(C::Timeout) => StatusCode::GATEWAY_TIMEOUT,
        Some(C::Cancelled) => StatusCode::REQUEST_TIMEOUT,
        Some(C::Server) | None => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let kept: &[u16] = match class {
        Some(C::InvalidRequest) => &[404, 405, 413, 422],
        Some(C::Authentication) => &[403],
        Some(C::Server) => &[502, 504],
        _ => &[],
    };
    seen.filter(|seen| kept.contains(seen))
        .and_then(|seen| StatusCode::from_u16(seen).ok())
        .unwrap_or(usual)
}

/// A format that clients may speak to us.
pub trait Ingress: Dialect {
    /// A whole reply as the vendor would send it, written from one that came in another format.
    fn write_reply(&self, reply: &Reply, heard: &Heard) -> Vec<u8>;

    /// The writer of one stream's events.
    fn writer(&self, opening: Opening, heard: &Heard) -> Box<dyn EventWriter>;

    /// Status and body of an error.
    fn write_error(&self, problem: &Problem) -> (StatusCode, Vec<u8>);

    /// The data of an event of a target that speaks the same format, as the client gets it. None: it is not for the
    /// client, which did not ask for it.
    fn pass<'a>(&self, event: &'a SseEvent, heard: &Heard) -> Option<Cow<'a, str>> {
        let _ = heard;
        Some(Cow::Borrowed(&event.data))
    }

    /// What ends a stream that went through as it came.
    fn ending(&self) -> &'static [u8] {
        b""
    }

    /// The fields of a request's body that replies repeat.
    fn repeats(&self) -> &'static [&'static str] {
        &[]
    }

    /// The header that carries the id of a request.
    fn id_header(&self) -> &'static str;

    /// Headers of a client's request, in lower case, that a target of the same format gets as they are.
    fn relayed(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Writes the events of one stream for a client: server-sent events, whole ones.
pub trait EventWriter: Send {
    /// Appends what the client gets for an event, before the first one what opens the stream, and after
    /// [`StreamEvent::Finish`] what closes it.
    fn event(&mut self, event: &StreamEvent, out: &mut Vec<u8>);

    /// Appends what tells the client that the stream broke. Nothing follows.
    fn error(&mut self, problem: &Problem, out: &mut Vec<u8>);
}

/// The format as clients may speak it; None for a format that no client's SDK has over HTTP and server-sent events here.
#[must_use]
pub fn ingress(id: DialectId) -> Option<&'static dyn Ingress> {
    match id {
        DialectId::OpenaiChat => Some(&super::openai_chat::OPENAI_CHAT),
        DialectId::OpenaiResponses => Some(&super::openai_responses::OPENAI_RESPONSES),
        DialectId::AnthropicMessages => Some(&super::anthropic_messages::ANTHROPIC_MESSAGES),
        DialectId::Gemini | DialectId::BedrockConverse | DialectId::CohereChat | DialectId::OllamaChat => {
            None
        }
    }
}

/// Appends one server-sent event.
pub(crate) fn put_event(name: Option<&str>, data: &str, out: &mut Vec<u8>) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    for line in data.split('\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
}
