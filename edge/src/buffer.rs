//! What crosses the C boundary: borrowed bytes in, owned buffers out, errors beside the result.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Display;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

/// The values of `pome_edge_kind` in the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Usage = 1,
    Corrupt = 2,
    Unsupported = 3,
    Refused = 4,
    Limit = 5,
    Internal = 6,
}

/// An error on its way to the caller, who owns it and frees it.
pub struct Failure {
    pub kind: Kind,
    pub message: String,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Display) -> Self {
        Failure {
            kind,
            message: message.to_string(),
        }
    }
}

pub type Outcome<T> = Result<T, Failure>;

/// Bytes that the caller owns and keeps alive during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    data: *const u8,
    len: usize,
}

impl Bytes {
    /// # Safety
    /// `data` is null or points to `len` readable bytes that outlive the returned slice.
    pub unsafe fn as_slice<'a>(self) -> &'a [u8] {
        slice(self.data, self.len)
    }

    pub fn is_null(&self) -> bool {
        self.data.is_null()
    }

    pub fn borrowed(text: &str) -> Self {
        Bytes {
            data: text.as_ptr(),
            len: text.len(),
        }
    }
}

/// # Safety
/// `data` is null or points to `len` readable elements that outlive the returned slice.
pub unsafe fn slice<'a, T>(data: *const T, len: usize) -> &'a [T] {
    if data.is_null() || len == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, len)
    }
}

/// An array the caller owns; `len` elements, allocated here and freed here.
#[repr(C)]
pub struct Owned<T> {
    data: *mut T,
    len: usize,
}

pub type Buffer = Owned<u8>;
pub type Ids = Owned<u32>;

impl<T> Owned<T> {
    pub fn new(values: Vec<T>) -> Self {
        let boxed = values.into_boxed_slice();
        let len = boxed.len();
        Owned {
            data: Box::into_raw(boxed) as *mut T,
            len,
        }
    }

    /// # Safety
    /// `self` came from `new` (or is all zero) and is not used again.
    pub unsafe fn release(self) {
        if !self.data.is_null() {
            drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(
                self.data, self.len,
            )));
        }
    }
}

thread_local! {
    static PANIC_PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A library must not write to stderr, which is what the default panic hook does: keep the place instead.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(|l| l.to_string()).unwrap_or_default();
            let _ = PANIC_PLACE.try_with(|p| *p.borrow_mut() = place);
        }));
    });
}

pub fn panic_failure(payload: Box<dyn Any + Send>) -> Failure {
    let text = payload
        .downcast_ref::<&str>()
        .map(|s| s.to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown cause".into());
    let place = PANIC_PLACE.try_with(|p| p.borrow().clone()).unwrap_or_default();
    Failure::new(Kind::Internal, format!("panic: {text} ({place})"))
}

/// Runs one entry point: no panic leaves it, a failure goes to `*error` when the caller asked for it.
///
/// # Safety
/// `error` is null or points to writable memory for one pointer.
pub unsafe fn guard<T>(error: *mut *mut Failure, body: impl FnOnce() -> Outcome<T>) -> Option<T> {
    quiet_panics();
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|p| Err(panic_failure(p)));
    match outcome {
        Ok(value) => Some(value),
        Err(failure) => {
            if !error.is_null() {
                *error = Box::into_raw(Box::new(failure));
            }
            None
        }
    }
}

/// Frees a handle; a destructor that panics is not allowed to take the program down.
///
/// # Safety
/// `handle` is null or came from `Box::into_raw` and is not used again.
pub unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        guard(std::ptr::null_mut(), || {
            drop(Box::from_raw(handle));
            Ok(())
        });
    }
}

/// Text from the caller that must be UTF-8 (files and grammars; prompts are repaired instead, see `tokenizer`).
pub fn utf8<'a>(bytes: &'a [u8], what: &str) -> Outcome<&'a str> {
    std::str::from_utf8(bytes).map_err(|e| {
        Failure::new(
            Kind::Corrupt,
            format!("{what}: not UTF-8 at byte {}", e.valid_up_to()),
        )
    })
}
