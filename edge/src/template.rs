//! Chat templates: minijinja set up as transformers sets up jinja2 for `apply_chat_template`.
//!
//! Templates come from strangers: instructions (fuel), recursion, memory and the output are bounded.
//!
//! Known to be missing, and refused with an error: `%` on strings (the `format` filter works), `varargs` and
//! `kwargs` in macros, and jinja2's filters for web pages (`truncate`, `wordcount`, `center`, `urlize`, …).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{from_args, Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use minijinja_contrib::pycompat;
use regex::Regex;

use crate::budget;
use crate::buffer::{Failure, Kind, Outcome};
use crate::python;

const NAME: &str = "chat template";
const MAX_SOURCE_BYTES: usize = 4 << 20;
const MAX_OUTPUT_BYTES: usize = 64 << 20;
const FUEL: u64 = 20_000_000;
/// And so many times the bytes of the variables, which are held as values several times.
const MAX_MEMORY_BYTES: usize = 128 << 20;
const MEMORY_PER_VARIABLE_BYTE: usize = 32;

pub struct Template {
    environment: Arc<Environment<'static>>,
    /// Reached the bound on memory, which costs what it held: not rendered again.
    is_hostile: AtomicBool,
}

/// What `raise_exception` was called with, found again in the chain of causes.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

impl Template {
    pub fn new(source: &str) -> Outcome<Self> {
        if source.len() > MAX_SOURCE_BYTES {
            let message = format!("{NAME} of {} bytes, limit is {MAX_SOURCE_BYTES}", source.len());
            return Err(Failure::new(Kind::Limit, message));
        }
        let mut environment = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        environment.set_syntax(syntax.build().map_err(failure)?);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment
            .set_formatter(|out, _state, value| out.write_str(&python::str(value)?).map_err(Error::from));
        environment.set_unknown_method_callback(method);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(200);
        environment.add_filter("tojson", python::tojson);
        environment.add_filter("string", |value: &Value| python::str(value));
        environment.add_filter("length", length);
        environment.add_filter("count", length);
        environment.add_test("iterable", is_iterable);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment
            .add_template_owned(NAME, without_generation_tags(source).into_owned())
            .map_err(failure)?;
        Ok(Template {
            environment: Arc::new(environment),
            is_hostile: AtomicBool::new(false),
        })
    }

    /// `variables` is a JSON object; `now` is the local wall clock in seconds, as if it were UTC.
    pub fn render(&self, variables: &[u8], now: i64) -> Outcome<String> {
        if self.is_hostile.load(Ordering::Relaxed) {
            return Err(Failure::new(
                Kind::Limit,
                format!("{NAME}: used too much memory before"),
            ));
        }
        let budget = MAX_MEMORY_BYTES + variables.len().saturating_mul(MEMORY_PER_VARIABLE_BYTE);
        let environment = Arc::clone(&self.environment);
        let variables = variables.to_vec();
        match budget::within(budget, move || render(&environment, &variables, now)) {
            Some(outcome) => outcome,
            None => {
                self.is_hostile.store(true, Ordering::Relaxed);
                let message = format!("{NAME}: needs more than {} MiB of memory", budget >> 20);
                Err(Failure::new(Kind::Limit, message))
            }
        }
    }
}

fn render(environment: &Environment, variables: &[u8], now: i64) -> Outcome<String> {
    let mut variables: BTreeMap<String, Value> = serde_json::from_slice(variables)
        .map_err(|e| Failure::new(Kind::Usage, format!("template variables: {e}")))?;
    variables.insert(CLOCK.into(), now.into());
    let template = environment.get_template(NAME).map_err(failure)?;
    let mut output = Bounded(Vec::new());
    let rendered = template.render_captured_to(Value::from(variables), &mut output);
    rendered.map_err(failure)?;
    String::from_utf8(output.0).map_err(|e| Failure::new(Kind::Internal, e))
}

/// Jinja names cannot contain a space, so no template can read or replace it.
const CLOCK: &str = "local clock";

struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT_BYTES {
            let message = format!("output exceeds {MAX_OUTPUT_BYTES} bytes");
            return Err(std::io::Error::other(message));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn failure(error: Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(Raised(message)) = current.downcast_ref::<Raised>() {
            return Failure::new(Kind::Refused, message);
        }
        cause = current.source();
    }
    let kind = match error.kind() {
        ErrorKind::OutOfFuel | ErrorKind::WriteFailure => Kind::Limit,
        _ => Kind::Corrupt,
    };
    let detail = error.detail().map(|d| format!(": {d}")).unwrap_or_default();
    let line = error.line().map(|l| format!(" line {l}")).unwrap_or_default();
    Failure::new(kind, format!("{NAME}{line}: {}{detail}", error.kind()))
}

/// `{% generation %}` marks the assistant's tokens for training; for rendering it is a scope and nothing else.
fn without_generation_tags(source: &str) -> Cow<'_, str> {
    static TAG: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}").expect("a constant pattern")
    });
    TAG.replace_all(source, "{%${1} ${2}with ${3}%}")
}

fn raise_exception(message: &Value) -> Result<Value, Error> {
    let message = python::str(message)?;
    let error = Error::new(ErrorKind::InvalidOperation, "raise_exception");
    Err(error.with_source(Raised(message)))
}

/// Jinja's undefined value is empty, not an error.
fn length(value: &Value) -> Result<usize, Error> {
    if value.is_undefined() {
        return Ok(0);
    }
    value.len().ok_or_else(|| {
        let message = format!("object of type {} has no length", value.kind());
        Error::new(ErrorKind::InvalidOperation, message)
    })
}

/// In Python `None` is not iterable; the engine iterates over it as over nothing.
fn is_iterable(value: &Value) -> bool {
    value.kind() != ValueKind::None && value.try_iter().is_ok()
}

/// C's `strftime` in the C locale, as Python's `datetime.now().strftime` ends up calling.
fn strftime_now(state: &State, format: &str) -> Result<String, Error> {
    let bad = |what: &str| Error::new(ErrorKind::InvalidOperation, what.to_string());
    let now = state.lookup(CLOCK).and_then(|v| i64::try_from(v).ok());
    let now = now.ok_or_else(|| bad("no clock"))? as libc::time_t;
    // A leading character tells an empty result from a full buffer.
    let format = std::ffi::CString::new(format!(".{format}")).map_err(|_| bad("time format"))?;
    let mut text = [0u8; 512];
    // SAFETY: `tm` is plain data; both calls write only to the memory given with its size.
    let written = unsafe {
        let mut parts: libc::tm = std::mem::zeroed();
        if libc::gmtime_r(&now, &mut parts).is_null() {
            return Err(bad("clock out of range"));
        }
        libc::strftime(text.as_mut_ptr().cast(), text.len(), format.as_ptr(), &parts)
    };
    if written == 0 {
        return Err(bad("time format is too long"));
    }
    Ok(String::from_utf8_lossy(&text[1..written]).into_owned())
}

/// Python methods that `pycompat` lacks, then `pycompat`.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        match name {
            "removeprefix" => {
                let (affix,): (&str,) = from_args(args)?;
                return Ok(Value::from(text.strip_prefix(affix).unwrap_or(text)));
            }
            "removesuffix" => {
                let (affix,): (&str,) = from_args(args)?;
                return Ok(Value::from(text.strip_suffix(affix).unwrap_or(text)));
            }
            "partition" | "rpartition" => {
                let (separator,): (&str,) = from_args(args)?;
                return Ok(partition(text, separator, name == "rpartition"));
            }
            "rsplit" => return rsplit(text, args),
            _ => {}
        }
    }
    pycompat::unknown_method_callback(state, value, name, args)
}

fn partition(text: &str, separator: &str, from_right: bool) -> Value {
    let found = if from_right {
        text.rsplit_once(separator)
    } else {
        text.split_once(separator)
    };
    let parts = match found {
        Some((before, after)) => [before, separator, after],
        None if from_right => ["", "", text],
        None => [text, "", ""],
    };
    Value::from(minijinja::value::Tuple::from(parts.map(Value::from)))
}

fn rsplit(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (separator, limit, named): (Option<&str>, Option<i64>, Kwargs) = from_args(args)?;
    let limit = limit.or(named.get("maxsplit")?).unwrap_or(-1);
    named.assert_all_used()?;
    let pieces = usize::try_from(limit).map_or(usize::MAX, |n| n.saturating_add(1));
    let separator = separator.ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
    let mut parts: Vec<Value> = text.rsplitn(pieces, separator).map(Value::from).collect();
    parts.reverse();
    Ok(Value::from(parts))
}
