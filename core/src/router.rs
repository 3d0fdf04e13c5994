//! The handle users hold. It calls the other modules in the order of a request and decides nothing itself.

mod asked;
mod books;
mod builder;
mod call;
mod credentials;
mod explain;
mod fetch;
mod health;
mod plan;
mod quotas;
mod seat;
mod stream;
#[cfg(feature = "otlp")]
mod telemetry;
mod usage;
mod watch;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::Instant;

use self::asked::Asked;
pub use self::builder::Builder;
pub use self::call::Call;
use self::credentials::Credentials;
pub use self::fetch::Body;
use self::fetch::Late;
use self::plan::{Facts, identities, plan};
use self::quotas::Terms;
use self::seat::{ModelSeat, params};
pub use self::stream::{EventStream, TextStream};
use self::watch::{Calls, teller};

use crate::accept::Contract;
use crate::accounting::quota::{Held, Quotas};
use crate::accounting::{Books, LAST_PATIENCE, PATIENCE};
use crate::config::{Model, Policy, Sharing, Task};
use crate::driver::{Delivery, Job, Report, Run, Seat, Show};
use crate::error::{Error, ErrorKind};
use crate::ladder::{Ladder, Plan, verdict};
use crate::observe::{Notices, Watchers};
use crate::route::{Choice, Route, limits, route};
use crate::state::{Members, State};
use crate::tokens::Ruler;
use crate::transport::{Http, Transport};
use crate::types::parse::did_you_mean;
use crate::types::{Amend, Attempt, FallbackOn, Messages, Options, Outcome, ParseError, Reply, TraceParent, Upstream};

/// Completes tasks. Cheap to clone; clones share connections and what was learned.
#[derive(Clone)]
pub struct Router {
    inner: Arc<Inner>,
}

struct Inner {
    policy: Policy,
    transport: Arc<dyn Transport>,
    /// Those that are fetched, by provider.
    credentials: Credentials,
    /// Parameters that models were found to reject, by `provider/model`.
    rejected: Mutex<HashMap<String, Vec<Amend>>>,
    notices: Arc<Notices>,
    /// Where records of calls go.
    books: Vec<Books>,
    quotas: Arc<Quotas>,
    members: Arc<Members>,
    watchers: Arc<Watchers>,
    calls: Calls,
    late: Late,
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("tasks", &self.tasks().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl Router {
    /// A router for a checked policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self::of(policy, Arc::new(Http::new()), Credentials::new())
    }

    /// A router with a transport or credentials of your own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn of(mut policy: Policy, transport: Arc<dyn Transport>, given: Credentials) -> Self {
        let credentials = credentials::collect(&mut policy, &transport, given);
        let notices = Arc::<Notices>::default();
        for lint in &policy.lints {
            notices.tell(lint, lint);
        }
        let quotas = Arc::new(Quotas::new(policy.quotas.clone()));
        let state = match policy.state {
            Sharing::Process => State::of_process(),
            Sharing::Router => State::own(),
        };
        let members = Arc::new(Members::join(state, identities(&policy)));
        let books = books::of(&policy, &members, &notices);
        let (rejected, watchers, calls, late) = (Mutex::default(), Arc::default(), Calls::default(), Late::default());
        Self {
            inner: Arc::new(Inner {
                policy,
                transport,
                credentials,
                rejected,
                notices,
                books,
                quotas,
                members,
                watchers,
                calls,
                late,
            }),
        }
    }

    /// Reads `locum.toml`, or the same as `.json`.
    ///
    /// # Errors
    /// Kind `config`, listing every problem with its path and line.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Policy::from_file(path).map(Self::new)
    }

    /// Reads the configuration from a plain object, snake_case or camelCase.
    ///
    /// # Errors
    /// Kind `config`, listing every problem with its path.
    pub fn from_value(config: Value) -> Result<Self, Error> {
        Policy::from_value(config).map(Self::new)
    }

    /// Reads the file that `LOCUM_CONFIG` names, else `./locum.toml`.
    ///
    /// # Errors
    /// Kind `config`: neither is there, or the file has problems.
    pub fn from_default() -> Result<Self, Error> {
        Policy::from_file(Policy::find_default()?).map(Self::new)
    }

    /// The policy this router runs.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// The names of the tasks.
    pub fn tasks(&self) -> impl Iterator<Item = &str> {
        self.inner.policy.tasks.keys().map(String::as_str)
    }

    /// Completes `messages` as `task` says: the primary, and its stand-ins where it fails.
    ///
    /// Await the returned call, after setting options on it as needed. Dropping it closes the connections.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), locum::Error> {
    /// let router = locum::Router::from_file("locum.toml")?;
    /// let reply = router.complete("support_chat", "My invoice is wrong").customer("acme").await?;
    /// println!("{} — {}", reply.text(), reply.model);
    /// # Ok(()) }
    /// ```
    pub fn complete(&self, task: impl Into<String>, messages: impl Into<Messages>) -> Call {
        Call::new(self.clone(), task.into(), Ok(messages.into()), Ok(Options::default()))
    }

    /// The same from loosely typed input: OpenAI chat messages (or one string) and an object of options (or null).
    /// What is wrong with them is the call's error.
    pub fn complete_value(&self, task: impl Into<String>, messages: Value, options: Value) -> Call {
        Call::new(self.clone(), task.into(), Messages::from_value(messages), Options::from_value(options))
    }

    /// Streams the answer to `messages`, as `task` says. Until the first content a failing candidate is replaced unseen;
    /// what follows when one breaks off later is the task's `on_break`.
    ///
    /// Set options as needed, then read the events. Nothing is asked before the first one is; dropping the stream closes
    /// its connections.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), locum::Error> {
    /// use futures_util::StreamExt;
    /// use locum::Event;
    ///
    /// let router = locum::Router::from_file("locum.toml")?;
    /// let mut events = router.stream("support_chat", "My invoice is wrong").customer("acme");
    /// while let Some(event) = events.next().await {
    ///     match event? {
    ///         Event::Text(text) => print!("{text}"),
    ///         Event::End(reply) => println!(" — {}", reply.model),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn stream(&self, task: impl Into<String>, messages: impl Into<Messages>) -> EventStream {
        EventStream::new(self.complete(task, messages))
    }

    /// The same from loosely typed input, as in [`Router::complete_value`].
    pub fn stream_value(&self, task: impl Into<String>, messages: Value, options: Value) -> EventStream {
        EventStream::new(self.complete_value(task, messages, options))
    }

    /// Warnings for the operator that nobody has taken yet (a dead key, an unknown model, spent credit), each told once.
    /// They also go to `tracing`; the language bindings put them into the host's logging.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        self.inner.notices.drain()
    }

    /// How long the end of a program should wait for records that are not written yet. The end of the last clone does by itself.
    pub const LAST_FLUSH: Duration = LAST_PATIENCE;

    /// Waits until the records of all calls that have ended are written; whether they are. It holds up the thread that it is
    /// called on, for five seconds at most where no other time is given.
    #[must_use]
    pub fn flush(&self, patience: Option<Duration>) -> bool {
        let end = std::time::Instant::now() + patience.unwrap_or(PATIENCE);
        let left = || end.saturating_duration_since(std::time::Instant::now());
        // Each is waited for, also after one that is late.
        self.inner.books.iter().filter(|books| !books.flush(left())).count() == 0
    }

    async fn run(self, call: Call) -> Result<Reply, Error> {
        let checked = self.check(call, None)?;
        let checked = if self.is_near_limit(&checked) { counted(checked).await } else { checked };
        let mut started = self.start(checked)?;
        let report = started.run.finish().await;
        self.conclude(&started, *report)
    }

    /// A call whose input is sound. `live` when its answer is handed on as it comes.
    fn check(&self, call: Call, live: Option<Live>) -> Result<Checked, Error> {
        let begun = Instant::now();
        let Call { task, messages, options, cancelled, .. } = call;
        let task = self.task(&task)?.clone();
        let blamed = |error: Error| error.with_task(&task.name);
        let (messages, options) =
            messages.and_then(|messages| Ok((messages, options?))).map_err(|error| blamed(error.into()))?;
        check(&options, live.is_some()).map_err(|error| blamed(error.into()))?;
        self.check_extra_body(&options).map_err(blamed)?;
        let asked = Asked::new(&task, messages, &options).map_err(|error| blamed(error.into()))?;
        Ok(Checked { task, asked: Arc::new(asked), options, cancelled, live, begun })
    }

    /// How a model counts tokens, as far as is known by now.
    fn ruler(&self, model: &Model) -> Ruler {
        let Members { state, .. } = &*self.inner.members;
        let vitals = self.inner.members.of(&model.name()).first();
        Ruler::new(&model.id, vitals.map_or(1.0, |vitals| state.with(|health| health.tokens(*vitals))))
    }

    /// Whether only a count of the prompt's tokens tells who may be asked. That may take a while.
    fn is_near_limit(&self, Checked { task, asked, .. }: &Checked) -> bool {
        limits(&self.inner.policy, task).any(|(model, limit)| asked.of(model).is_near(limit, || self.ruler(model)))
    }

    /// Who would be asked, and by which policy.
    /// Quotas hold what it may use, if `hold`.
    fn prepare(&self, checked: Checked, hold: bool) -> Result<Prepared, Error> {
        let Checked { task, asked, options, cancelled, live, begun } = checked;
        let request = &asked.prompt.request;
        let Inner { policy, members, .. } = &*self.inner;
        let beyond = |model: &Model, limit| asked.of(model).beyond(limit, || self.ruler(model));
        let Route { task: taker, mut choices, warnings } =
            route(policy, &task, request, &options, seed(), &beyond).map_err(|error| error.with_task(&task.name))?;
        let size = |model: &Model| asked.of(model).size(&self.ruler(model));
        let tokens = |model: &Model| size(model).tokens;
        let terms = Terms { called: &task, taker: &taker, options: &options, tokens: &tokens };
        let held = self.ration(&terms, &mut choices, hold)?;
        let choices: Arc<[Choice]> = choices.into();
        let facts = Facts {
            called: &task,
            task: &taker,
            breaker: policy.breaker,
            choices: &choices,
            options: &options,
            request,
            size: &size,
            elapsed: begun.elapsed(),
            live,
        };
        let plan = plan(&facts, members);
        Ok(Prepared { task, taker, choices, warnings, plan, asked, options, held, cancelled, live, begun })
    }

    /// A call, ready to run.
    fn start(&self, checked: Checked) -> Result<Started, Error> {
        let mut prepared = self.prepare(checked, true)?;
        let call = self.inner.calls.next();
        let book = self.inner.booking(call, &mut prepared);
        let Prepared { task, taker, choices, warnings, plan, asked, options, cancelled, live, begun, .. } = prepared;
        let Inner { transport, members, watchers, .. } = &*self.inner;
        let job = Job {
            seats: choices.iter().map(|choice| self.seat(&taker, choice, &options, &asked)).collect(),
            contract: Contract::new(options.response_format, task.accept.as_ref()),
            transport: Arc::clone(transport),
            upstream: plan.upstream,
            show: Show {
                reasoning: live.is_some_and(|live| live.reasoning) && options.reasoning_events != Some(false),
                tool_call_deltas: options.tool_call_deltas == Some(true),
                refusals: !plan.fallback_on.contains(&FallbackOn::Refusal),
            },
            ladder: Ladder::new(plan, seed()),
            members: Arc::clone(members),
            watch: teller(watchers, call, &task, &choices),
            book,
            cancelled,
            begun,
        };
        Ok(Started { run: Run::new(job), task, choices, warnings })
    }

    fn task(&self, name: &str) -> Result<&Arc<Task>, Error> {
        self.inner.policy.tasks.get(name).ok_or_else(|| {
            let hint = did_you_mean(name, self.tasks());
            let known = self.tasks().collect::<Vec<_>>().join(", ");
            Error::new(ErrorKind::Config, format!("unknown task \"{name}\"{hint} (tasks: {known})"))
        })
    }

    fn check_extra_body(&self, options: &Options) -> Result<(), Error> {
        let known = &self.inner.policy.providers;
        match options.extra_body.keys().find(|name| !known.contains_key(*name)) {
            None => Ok(()),
            Some(name) => {
                let hint = did_you_mean(name, known.keys().map(String::as_str));
                Err(ParseError { path: format!("extra_body.{name}"), problem: format!("unknown provider{hint}") }
                    .into())
            }
        }
    }

    fn seat(&self, task: &Task, choice: &Choice, options: &Options, asked: &Asked) -> Arc<dyn Seat> {
        let model = choice.model.clone();
        let rejected = self.inner.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        let learned = rejected.get(&model.name()).into_iter().flatten();
        let mut known: Vec<Amend> =
            learned.filter(|amend| task.drop_unsupported || !amend.drops_asked()).cloned().collect();
        let params = params(task, &model, options);
        known.extend(seat::limits(task, &model, &params));
        let credential = self.inner.credentials.get(&model.provider.name).cloned();
        let request = Arc::clone(&asked.of(&model).request);
        Arc::new(ModelSeat { request, params, key: choice.key.clone(), known, credential, model })
    }

    fn conclude(&self, started: &Started, report: Report) -> Result<Reply, Error> {
        let Started { run, task, choices, warnings } = started;
        let Report { result, latency } = report;
        let attempts = run.attempts().to_vec();
        let mut warnings = warnings.clone();
        warnings.extend(self.warn_loudly(task, &attempts));
        match result {
            Ok(Delivery { candidate, mut completion, parsed, amends, first_token }) => {
                let Some(Choice { model: winner, place, .. }) = choices.get(candidate) else {
                    return Err(Error::new(ErrorKind::ServerError, "no answer to deliver").with_task(&task.name));
                };
                self.remember(&winner.name(), amends);
                warnings.append(&mut completion.warnings);
                Ok(Reply {
                    parsed,
                    model: winner.name(),
                    provider: winner.provider.name.clone(),
                    task: task.name.clone(),
                    cost: total_cost(&attempts),
                    latency,
                    first_token,
                    fallback_used: *place > 0,
                    warnings,
                    attempts,
                    completion,
                })
            }
            Err((failure, candidate)) => Err(Error::from_failure(failure)
                .with_task(&task.name)
                .with_model(candidate.and_then(|index| choices.get(index)).map(|choice| choice.model.name()))
                .with_attempts(attempts)
                .with_warnings(warnings)),
        }
    }

    /// Failures that an operator must hear of although the call may have been saved.
    fn warn_loudly(&self, task: &Task, attempts: &[Attempt]) -> Vec<String> {
        let mut warnings = Vec::new();
        // A candidate that is passed over since its key is dead is no better news than one that was just refused.
        let told = |attempt: &&Attempt| matches!(attempt.outcome, Outcome::Failed | Outcome::Skipped);
        for attempt in attempts.iter().filter(told) {
            let Some(kind) = attempt.kind.filter(|kind| verdict(*kind, attempt.subkind).loud) else {
                continue;
            };
            let reason = attempt.reason.as_deref().unwrap_or_default();
            let warning = format!("{}: {}: {kind}: {reason}", task.name, attempt.model);
            self.inner.notices.tell(&format!("{} {kind}", attempt.model), &warning);
            warnings.push(warning);
        }
        warnings
    }

    fn remember(&self, model: &str, amends: Vec<Amend>) {
        let dropped =
            amends.into_iter().filter(|amend| matches!(amend, Amend::Drop(_) | Amend::NoPrefill)).collect::<Vec<_>>();
        if dropped.is_empty() {
            return;
        }
        let mut rejected = self.inner.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        let known = rejected.entry(model.to_owned()).or_default();
        known.extend(dropped);
        known.sort();
        known.dedup();
    }
}

/// What a stream's caller can be told.
#[derive(Debug, Clone, Copy)]
struct Live {
    reasoning: bool,
    /// That what it has is void.
    restarts: bool,
}

/// A call whose input is sound.
struct Checked {
    task: Arc<Task>,
    asked: Arc<Asked>,
    options: Options,
    cancelled: BoxFuture<'static, ()>,
    live: Option<Live>,
    /// Its time counts from here.
    begun: Instant,
}

/// Counts the tokens of a call's prompt, on a thread where that holds nobody up.
async fn counted(checked: Checked) -> Checked {
    let asked = Arc::clone(&checked.asked);
    // Without a count, the estimate decides.
    let _ = tokio::task::spawn_blocking(move || asked.count()).await;
    checked
}

/// A call of which is known who would be asked.
struct Prepared {
    /// The task that was called.
    task: Arc<Task>,
    /// The one whose candidates take it.
    taker: Arc<Task>,
    choices: Arc<[Choice]>,
    warnings: Vec<String>,
    plan: Plan,
    asked: Arc<Asked>,
    options: Options,
    /// What the quotas hold for it.
    held: Option<Held>,
    cancelled: BoxFuture<'static, ()>,
    live: Option<Live>,
    begun: Instant,
}

/// A call under way, with what is needed to tell how it went.
struct Started {
    run: Run,
    /// The task that was called.
    task: Arc<Task>,
    choices: Arc<[Choice]>,
    /// What was worth knowing before anything was asked.
    warnings: Vec<String>,
}

/// What is wrong with options that are well-formed.
fn check(options: &Options, live: bool) -> Result<(), ParseError> {
    let wrong = |option: &str, problem: &str| Err(ParseError::new(option, problem));
    match options {
        Options { upstream: Some(Upstream::Unary), .. } if live => {
            wrong("upstream", "a stream comes from a stream; unary is for whole answers")
        }
        Options { reasoning_events: Some(_), .. } if !live => wrong("reasoning_events", "only streams have events"),
        Options { traceparent: Some(text), .. } if TraceParent::parse(text).is_none() => wrong(
            "traceparent",
            "is no traceparent of W3C's Trace Context: 00, trace, span and flags in hexadecimal digits",
        ),
        Options { tool_call_deltas: Some(_), .. } if !live => wrong("tool_call_deltas", "only streams have events"),
        _ => Ok(()),
    }
}

/// A seed of its own for every call. Forked children inherit the generator's state, so the process counts too.
fn seed() -> u64 {
    fastrand::u64(..) ^ u64::from(std::process::id())
}

fn total_cost(attempts: &[Attempt]) -> Option<f64> {
    attempts.iter().filter_map(|attempt| attempt.cost).reduce(|sum, cost| sum + cost)
}
