//! A record as spans: one for the call, and below it one for every attempt that was made.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::words::{CHAT, flag, float, int, list, model, operation, text};
use super::{Servers, scope};
use crate::error::ErrorKind;
use crate::types::{AttemptRecord, CallRecord, Next, Outcome, TraceParent};

/// What W3C's flags are where the trace begins here: recorded, and its id is of chance.
const OWN_FLAGS: u8 = 0b11;
/// Says that the parent's place is known, which the two bits above W3C's flags tell.
const PARENT_IS_KNOWN: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x200;

/// The spans of `records`; none where no trace of theirs is recorded.
pub(super) fn request(
    records: &[Arc<CallRecord>],
    servers: &Servers,
    resource: Resource,
) -> Option<ExportTraceServiceRequest> {
    let recorded = records.iter().filter(|record| record.traceparent.is_none_or(|parent| parent.is_sampled()));
    let spans: Vec<Span> = recorded.flat_map(|record| spans(record, servers)).collect();
    if spans.is_empty() {
        return None;
    }
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
    let told = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    Some(ExportTraceServiceRequest { resource_spans: vec![told] })
}

/// The ids are made of the record's own, of which ten bytes are the system's chance: who sends a record again sends the same
/// spans, and a trace that begins here is found by the id of its record.
fn spans(record: &CallRecord, servers: &Servers) -> Vec<Span> {
    let id = u128::from_str_radix(&record.id, 16).unwrap_or(1);
    let (low, parent) = (id as u64, record.traceparent);
    let trace_id = parent.map_or(id.to_be_bytes(), |parent| parent.trace_id).to_vec();
    let flags = u32::from(parent.map_or(OWN_FLAGS, |parent| parent.flags)) | PARENT_IS_KNOWN;
    let span = |number: u64| Span {
        trace_id: trace_id.clone(),
        span_id: low.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1).to_be_bytes().to_vec(),
        flags,
        ..Span::default()
    };
    let at = |since: Duration| u64::try_from((record.at + since).as_nanos()).unwrap_or(u64::MAX);
    let mut call = Span {
        name: format!("locum {}", record.task),
        kind: SpanKind::Internal as i32,
        start_time_unix_nano: at(Duration::ZERO),
        end_time_unix_nano: at(record.latency),
        attributes: of_call(record),
        status: status(record.outcome, record.kind),
        ..span(0)
    };
    if let Some(TraceParent { parent_id, .. }) = parent {
        call.parent_span_id = parent_id.to_vec();
        call.flags |= PARENT_IS_REMOTE;
    }
    let parent_span_id = call.span_id.clone();
    let attempts = record.attempts.iter().zip(1..).map(|(made, number)| {
        let started = made.attempt.started;
        Span {
            parent_span_id: parent_span_id.clone(),
            name: format!("{CHAT} {}", model(made)),
            kind: SpanKind::Client as i32,
            start_time_unix_nano: at(started),
            end_time_unix_nano: at(started + made.attempt.latency),
            attributes: of_attempt(made, record, servers),
            status: status(made.attempt.outcome, made.attempt.kind),
            ..span(number)
        }
    });
    std::iter::once(call).chain(attempts).collect()
}

/// Only a failure is an error: who is cancelled or overtaken did nothing wrong.
fn status(outcome: Outcome, kind: Option<ErrorKind>) -> Option<Status> {
    let message = kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default();
    (outcome == Outcome::Failed).then_some(Status { code: StatusCode::Error as i32, message })
}

fn of_call(record: &CallRecord) -> Vec<KeyValue> {
    let mut attributes = vec![
        text("locum.call.id", &record.id),
        text("locum.task", &record.task),
        text("locum.outcome", record.outcome.as_str()),
        flag("locum.fallback_used", record.fallback_used),
        int("locum.attempts", record.attempts.len() as u64),
        flag("locum.stream", record.stream),
    ];
    let texts = [
        ("locum.handed_to", record.handed_to.as_deref()),
        ("locum.customer", record.customer.as_deref()),
        ("locum.model", record.model.as_deref()),
        ("error.type", record.kind.map(ErrorKind::as_str)),
        ("locum.error.subkind", record.subkind),
    ];
    attributes.extend(texts.into_iter().filter_map(|(key, value)| Some(text(key, value?))));
    if let Some(first) = record.first_token {
        attributes.push(float("locum.time_to_first_token", first.as_secs_f64()));
    }
    if let Some(cost) = record.cost {
        attributes.extend([float("locum.cost.usd", cost), flag("locum.cost.is_estimate", record.cost_is_estimate)]);
    }
    attributes.extend(record.metadata.iter().map(|(key, value)| text(&format!("locum.metadata.{key}"), value)));
    attributes
}

fn of_attempt(record: &AttemptRecord, call: &CallRecord, servers: &Servers) -> Vec<KeyValue> {
    let attempt = &record.attempt;
    let mut attributes = operation(record, servers);
    attributes.extend([
        text("locum.model", &attempt.model),
        int("locum.depth", record.depth as u64),
        text("locum.outcome", attempt.outcome.as_str()),
    ]);
    if call.stream {
        attributes.push(flag("gen_ai.request.stream", true));
    }
    // What is known of an answer is known of the one that was delivered.
    if attempt.outcome == Outcome::Ok {
        attributes.extend(call.served_by.as_deref().map(|model| text("gen_ai.response.model", model)));
        attributes.extend(call.finish.map(|finish| list("gen_ai.response.finish_reasons", finish.as_str())));
    }
    let texts = [
        ("error.type", attempt.kind.map(ErrorKind::as_str)),
        ("locum.error.subkind", attempt.subkind),
        ("locum.error.provider_code", attempt.provider_code.as_deref()),
        ("locum.provider.request_id", attempt.request_id.as_deref()),
        ("locum.next", attempt.next.map(Next::as_str)),
        ("locum.next_reason", attempt.next_reason.as_deref()),
    ];
    attributes.extend(texts.into_iter().filter_map(|(key, value)| Some(text(key, value?))));
    let numbers =
        [("http.response.status_code", attempt.status.map(u64::from)), ("locum.key", attempt.key.map(u64::from))];
    attributes.extend(numbers.into_iter().filter_map(|(key, value)| Some(int(key, value?))));
    if let Some(first) = attempt.first_token {
        attributes.push(float("gen_ai.response.time_to_first_chunk", first.as_secs_f64()));
    }
    if let Some(usage) = record.usage {
        attributes.extend([
            int("gen_ai.usage.input_tokens", usage.input),
            int("gen_ai.usage.output_tokens", usage.output),
            int("gen_ai.usage.cache_read.input_tokens", usage.cached_input),
            int("gen_ai.usage.cache_creation.input_tokens", usage.cache_write),
            int("gen_ai.usage.reasoning.output_tokens", usage.reasoning),
            flag("locum.usage.is_estimate", record.usage_is_estimate),
        ]);
    }
    if let Some(cost) = attempt.cost {
        attributes.extend([float("locum.cost.usd", cost), flag("locum.cost.is_estimate", attempt.cost_is_estimate)]);
    }
    attributes
}
